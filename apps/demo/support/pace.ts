import { type LoadRequest } from './load.js';
import { type Printer } from './print.js';

/** Concurrent requests during the measurement. */
const CONCURRENCY = 8;
const MEASURED_MS = 1_000;
/**
 * The fraction of the capacity that a load uses: a stopped instance may be one of two, and starting another one takes
 * CPU as well. Above that, calls could fail because of the machine alone.
 */
const SHARE = 1 / 4;

/**
 * Measures the capacity, and returns the rate to send requests at.
 * @param most maximum rate, in requests per second
 * @throws what a request throws
 */
export async function paceOf(requests: readonly LoadRequest[], most: number, print: Printer): Promise<number> {
  const possible = await throughputOf(requests);
  const rate = Math.max(1, Math.min(most, Math.floor(possible * SHARE)));
  const why = rate === most ? 'as many as the demo ever sends' : 'a quarter: one of two instances may be away';
  print.say(`measured: ${possible.toFixed(0)} such calls/s can be answered; ${rate}/s are sent (${why})`);
  return rate;
}

/** Requests per second in a closed loop. */
async function throughputOf(requests: readonly LoadRequest[]): Promise<number> {
  const began = performance.now();
  const elapsed = (): number => performance.now() - began;
  let sent = 0;
  const askOnAndOn = async (): Promise<void> => {
    while (elapsed() < MEASURED_MS) {
      const count = sent++;
      await requests[count % requests.length]!.send(count);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, askOnAndOn));
  return (sent / elapsed()) * 1_000;
}
