import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../libs/service-discovery/src/common/index.js';

const PAUSE_MS = 20;
/** Below the timeout of a test, so that the failure names what was waited for. */
const LONGEST_MS = 50_000;

/** Polls until the result is true, where there is no notification. */
export async function pollUntil(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const start = systemClock.now();
  while (systemClock.now() - start < LONGEST_MS) {
    if (await holds()) return;
    await sleep(PAUSE_MS);
  }
  throw new Error(`${what}: not within ${LONGEST_MS / 1_000} s`);
}
