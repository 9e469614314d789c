import { type LoadRequest } from './load.js';
import { type Printer } from './print.js';

/** How many requests are under way at a time while it is measured. */
const CONCURRENCY = 8;
const MEASURED_MS = 1_000;
/**
 * The share of what is possible that a load asks for: an instance that is taken away may be one of two, and the processor
 * that starts another one is missing, too. Beyond that, calls would fail for want of a machine, whatever calls them.
 */
const SHARE = 1 / 4;

/**
 * Measures how many requests a second are answered now, and says at which rate to send them.
 * @param most requests a second, where the machine allows for it
 * @throws what a request throws
 */
export async function paceOf(requests: readonly LoadRequest[], most: number, print: Printer): Promise<number> {
  const possible = await throughputOf(requests);
  const rate = Math.max(1, Math.min(most, Math.floor(possible * SHARE)));
  const why = rate === most ? 'as many as the demo ever sends' : 'a quarter: one of two instances may be away';
  print.say(`measured: ${possible.toFixed(0)} such calls/s can be answered; ${rate}/s are sent (${why})`);
  return rate;
}

/** Requests a second that are answered when the next one is sent as soon as one is answered. */
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
