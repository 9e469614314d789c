/** A source of numbers in [0, 1). */
export type Random = () => number;

/** The runtime's generator. Not for secrets. */
export const systemRandom: Random = () => Math.random();

/**
 * A reproducible generator for tests and simulations: Mulberry32 (Tommy Ettinger, 2017), period 2^32.
 * @param seed any integer; equal seeds give equal sequences
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

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
