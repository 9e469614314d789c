import { keyOf, type InstanceKey } from '../../model/index.js';

/** How many are remembered: those of the last minutes, even of a large registry that is rolled out. */
const MEMORY = 10_000;

/**
 * Registrations that were seen to be ended. A server that takes over may never have heard of that, and would bring them
 * back until their leases run out.
 */
export class EndedLeases {
  private readonly generations = new Map<string, number>();

  add(key: InstanceKey, generation: number): void {
    const id = keyOf(key);
    // Last in line again: what was added first is forgotten first.
    this.generations.delete(id);
    this.generations.set(id, generation);
    if (this.generations.size > MEMORY) this.generations.delete(this.generations.keys().next().value!);
  }

  has(key: InstanceKey, generation: number): boolean {
    return this.generations.get(keyOf(key)) === generation;
  }
}
