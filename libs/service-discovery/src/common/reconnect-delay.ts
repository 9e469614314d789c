import { type Random } from './random.js';

/**
 * How long to wait before trying again to reach something that everybody has lost: doubled at each try, and between half
 * of the step and all of it, so that those who lost it together do not come back together.
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
