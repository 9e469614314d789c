import { type Clock, sleep } from '../../common/index.js';

/** Resolves when `work` has settled, or after `ms` milliseconds; never rejects, and does not stop the work. */
export async function atMost(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  const settled = new AbortController();
  const patience = sleep(clock, ms, settled.signal).catch(() => undefined);
  await Promise.race([work.catch(() => undefined), patience]);
  settled.abort();
}
