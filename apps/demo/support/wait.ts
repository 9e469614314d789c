import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 50;

/**
 * Asks until there is an answer.
 * @param probe undefined: not yet. What it throws counts as not yet, too, and is told when time is up.
 * @param boundMs how long to ask, in milliseconds
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  boundMs = 60_000,
): Promise<T> {
  const end = performance.now() + boundMs;
  let lastError: unknown;
  do {
    try {
      const answer = await probe();
      if (answer !== undefined) return answer;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await pause(POLL_MS);
  } while (performance.now() < end);
  throw new Error(`Waited ${boundMs / 1_000} s in vain for ${what}`, { cause: lastError });
}
