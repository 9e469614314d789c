/**
 * What takes an instance's next call into account, where every instance is due its part of all calls by its weight.
 * @param perWeight of all calls, the next one with them, what is due to a weight of 1
 */
function roomFor(active: number, weight: number, perWeight: number): number {
  return weight * perWeight - active;
}

/** Of those that have room for a whole call, the one with the smallest is next; infinite where there is none. */
export function costOf(active: number, weight: number, perWeight: number): number {
  return roomFor(active, weight, perWeight) >= 1 ? (active + 1) / weight : Number.POSITIVE_INFINITY;
}

/** What chance goes by among those of the same cost. */
export function partOf(active: number, weight: number, perWeight: number, cost: number): number {
  if (cost < Number.POSITIVE_INFINITY) return weight;
  const room = roomFor(active, weight, perWeight);
  return room > 0 ? room : 0;
}
