/** Instances that come before or after others, by their weights. */
export interface Level {
  /** Of all that the level has to bear its calls with. */
  readonly total: number;
  /** Of those that can take calls now. */
  readonly able: number;
}

/**
 * Which share of the calls each level takes, the first one first, as Envoy's priority levels do: a level takes all that
 * comes to it as long as `minimum` of it is able; below, it takes the part that it can bear, and the rest goes on. What
 * nobody can bear is shared out in proportion. All are 0 where nobody is able.
 * @param minimum from 0, where a level takes all as long as anybody is able, to 1
 */
export function shareOut(levels: readonly Level[], minimum: number): number[] {
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
