import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 50;

/**
 * Polls until there is an answer.
 * @param probe returns undefined for "not yet"; errors count as that too, and the last one is reported on timeout
 * @param boundMs timeout in milliseconds
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
