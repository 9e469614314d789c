/** Instances that come before or after others, by their weights. */
export interface Level {
  /** Of all that the level has to bear its calls with. */
  readonly total: number;
  /** Of those that can take calls now. */
  readonly able: number;
  /** Whether calls go to all of it, able or not. */
  readonly isPanic: boolean;
}

/** What sums of fractions may be off by. */
const ROUNDING = 1e-9;

/**
 * Which share of the calls each level takes, the first one first, as Envoy's priority levels do: a level takes all that
 * comes to it as long as `minimum` of it is able; below, it takes the part that it can bear, and the rest goes on. What
 * the levels cannot bear together is shared out in proportion to what each of them can; where all are in a panic, in
 * proportion to their sizes. All are 0 where none is able and not all are in a panic.
 * @param minimum from 0, where a level takes all as long as anybody is able, to 1
 */
export function shareOut(levels: readonly Level[], minimum: number): number[] {
  if (levels.every(({ isPanic }) => isPanic)) return bySize(levels);
  // A minimum of 0 makes it all, by infinity.
  const bearable = levels.map(({ total, able }) => (able === 0 ? 0 : Math.min(1, able / total / minimum)));
  const sum = bearable.reduce((all, one) => all + one, 0);
  const scale = sum > 0 && sum < 1 ? 1 / sum : 1;
  let left = 1;
  return bearable.map((part) => {
    const share = Math.min(left, part * scale);
    left -= share;
    return share;
  });
}

/**
 * Whether levels can bear all calls together: Envoy's normalized total health is 100%.
 * @param minimum as for {@link shareOut}; one of 0 says nothing of what a level can bear, so then all of it counts
 */
export function canBear(levels: readonly Level[], minimum: number): boolean {
  const bearable = levels.map(({ total, able }) => (able === 0 ? 0 : Math.min(1, able / total / (minimum || 1))));
  return bearable.reduce((sum, one) => sum + one, 0) >= 1 - ROUNDING;
}

/** Levels, or parts of one, taken together. */
export function sumUp(parts: readonly Level[]): Level {
  return {
    total: parts.reduce((sum, { total }) => sum + total, 0),
    able: parts.reduce((sum, { able }) => sum + able, 0),
    isPanic: parts.every(({ isPanic }) => isPanic),
  };
}

function bySize(levels: readonly Level[]): number[] {
  const sum = levels.reduce((all, { total }) => all + total, 0);
  return levels.map(({ total }) => (sum === 0 ? 0 : total / sum));
}
