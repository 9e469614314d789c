/** A priority level, or one side of a zone boundary, by the weights of its instances. */
export interface Level {
  /** The weight of all its instances. */
  readonly total: number;
  /** The weight of those that can take calls now. */
  readonly available: number;
  /** Whether calls go to all its instances, available or not. */
  readonly isPanic: boolean;
}

/** Tolerance for the rounding error of summed fractions. */
const ROUNDING = 1e-9;

/**
 * The share of calls that each level takes, the first one first, as Envoy's priority levels do: a level takes everything
 * that reaches it while at least `minimum` of it is available; below that it takes the part that it can carry, and the rest
 * goes to the next level. If all levels together cannot carry the calls, they are split in proportion to what each can;
 * if all are in a panic, in proportion to their sizes. All shares are 0 when none is available and not all are in a panic.
 * @param minimum from 0, at which a level takes everything while any instance is available, to 1
 */
export function loadShares(levels: readonly Level[], minimum: number): number[] {
  if (levels.every(({ isPanic }) => isPanic)) return sharesBySize(levels);
  const capacities = capacitiesOf(levels, minimum);
  const sum = capacities.reduce((all, one) => all + one, 0);
  const scale = sum > 0 && sum < 1 ? 1 / sum : 1;
  let rest = 1;
  return capacities.map((capacity) => {
    const share = Math.min(rest, capacity * scale);
    rest -= share;
    return share;
  });
}

/**
 * Whether the levels together can carry all calls: Envoy's normalized total health is 100%.
 * @param minimum as for {@link loadShares}; 0 says nothing about capacity, so then the levels have to be available whole
 */
export function canCarry(levels: readonly Level[], minimum: number): boolean {
  return capacitiesOf(levels, minimum || 1).reduce((sum, one) => sum + one, 0) >= 1 - ROUNDING;
}

/** Several levels, or parts of one, as one. */
export function combine(parts: readonly Level[]): Level {
  return {
    total: parts.reduce((sum, { total }) => sum + total, 0),
    available: parts.reduce((sum, { available }) => sum + available, 0),
    isPanic: parts.every(({ isPanic }) => isPanic),
  };
}

/** The fraction of all calls that each level can carry. A minimum of 0 divides to infinity, which is all of them. */
function capacitiesOf(levels: readonly Level[], minimum: number): number[] {
  return levels.map(({ total, available }) => (available === 0 ? 0 : Math.min(1, available / total / minimum)));
}

function sharesBySize(levels: readonly Level[]): number[] {
  const sum = levels.reduce((all, { total }) => all + total, 0);
  return levels.map(({ total }) => (sum === 0 ? 0 : total / sum));
}
