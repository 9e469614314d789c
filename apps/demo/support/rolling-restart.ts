import { type Caller } from './caller.js';
import { Load, type LoadRequest } from './load.js';
import { paceOf } from './pace.js';
import { Posting } from './posting.js';
import { incompleteness } from './shop-load.js';
import { type Stage } from './stage.js';
import { waitFor } from './wait.js';

/** Requests a second. */
const MOST = 200;

/**
 * Restarts instances one by one under load: no call fails, and each action is performed exactly once.
 * @param names of the instances
 * @param traffic requests to send in turn
 */
export async function restartInTurn(
  stage: Stage,
  names: readonly string[],
  traffic: (caller: Caller) => readonly LoadRequest[],
): Promise<void> {
  const { print, claims, journal } = stage;
  const caller = await stage.caller();
  const rate = await paceOf(traffic(caller), MOST, print);
  const requests = traffic(caller);
  const load = new Load({ requests, rate, fault: incompleteness });
  await load.more(rate);
  const durations: number[] = [];
  for (const name of names) {
    durations.push(await stage.end(name));
    await stage.startAgain(name);
    await waitFor(`${name} to be healthy`, async () => ((await stage.statusOf(name)) === 'healthy' ? true : undefined));
  }
  await load.more(rate);
  await load.stop();
  await caller.close();

  const longest = Math.max(...durations).toFixed(0);
  print.say(`${names.length} instances restarted one after the other, each had left within ${longest} ms`);
  print.bars(load.servedBy);
  claims.check(
    `a rolling restart under ${rate} calls/s: no call failed`,
    load.failures.length === 0,
    `${load.failures.length} of ${load.answered} failed; p99 ${load.percentile(0.99).toFixed(1)} ms`,
  );
  print.faults(load.failures);

  const postings = requests.filter((request) => request instanceof Posting);
  const faults = (await Promise.all(postings.map((posting) => posting.faults(journal)))).flat();
  claims.check(
    'what was posted was done exactly once, as the services count it',
    faults.length === 0,
    `${postings.reduce((sum, { done }) => sum + done, 0)} POSTs, ${faults.length} lost or doubled`,
  );
  print.faults(faults);
}
