import { type Random } from './random.js';

/**
 * Exponential backoff with jitter for reconnecting to something that all processes lost at once: doubles with each
 * attempt, and draws between half of the step and all of it so that they do not return together.
 * @param attempt 1 for the first wait
 */
export function reconnectDelay(
  attempt: number,
  { firstMs, longestMs }: { readonly firstMs: number; readonly longestMs: number },
  random: Random,
): number {
  const step = Math.min(longestMs, firstMs * 2 ** (attempt - 1));
  return step * (0.5 + 0.5 * random());
}
