import { keyOf, type InstanceKey } from '../../model/index.js';

/** How many are remembered: those of the last minutes, even while a large registry is rolled out. */
const MEMORY = 10_000;

/**
 * Leases that were removed. After a failover, the new server may not know of the removal and would bring them back
 * until they expire.
 */
export class EndedLeases {
  private readonly generations = new Map<string, number>();

  add(key: InstanceKey, generation: number): void {
    const id = keyOf(key);
    // Moves the entry to the end, so that the oldest is forgotten first.
    this.generations.delete(id);
    this.generations.set(id, generation);
    if (this.generations.size > MEMORY) this.generations.delete(this.generations.keys().next().value!);
  }

  has(key: InstanceKey, generation: number): boolean {
    return this.generations.get(keyOf(key)) === generation;
  }
}
