/** Tolerance for binary fractions. */
const ROUNDING = 1e-9;

/** How many instances may be out of use at the same time, as a share of all: rounded down, and at least one. */
export function shareOfInstances(share: number, instances: number): number {
  return Math.max(1, Math.floor(share * instances + ROUNDING));
}
