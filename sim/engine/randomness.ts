import { type Random, seededRandom } from 'nest-service-discovery/core';

/**
 * A separate generator per name, so that all settings under comparison meet the same arrivals and slow answers, however
 * much each of them draws itself.
 */
export function stream(seed: number, name: string): Random {
  // FNV-1a; its last step maps similar names to similar values, so one draw is discarded.
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return seededRandom(Math.floor(seededRandom(hash)() * 0x1_0000_0000));
}

/** Gaps of a Poisson process, in milliseconds. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random());
}

/** A normal variate, never below 0 (Box and Muller, 1958). */
export function normal(random: Random, mean: number, deviation: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return Math.max(0, mean + deviation * radius * Math.cos(2 * Math.PI * random()));
}
/** Draws ranks from 0 to `count - 1`; rank r has probability proportional to 1 / (r + 1)^exponent. */
export function zipf(random: Random, count: number, exponent: number): () => number {
  const cumulative = new Float64Array(count);
  let total = 0;
  for (let rank = 0; rank < count; rank++) cumulative[rank] = total += (rank + 1) ** -exponent;
  return () => {
    const drawn = random() * total;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! <= drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
