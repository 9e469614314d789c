import { type Candidate } from '../strategy.js';
import { type BuildHashTable, type HashTable, sortedById } from './hash-table.js';
import { claimSlots, FREE, MAGLEV_TABLE_SIZE } from './maglev-slots.js';
import { finish, FIRST_MEMBER_SEED, stableHash } from './stable-hash.js';

/** How many tables are kept for lists that come back, as those of an instance that flaps do. */
const TABLES_KEPT = 4;
const TWO_TO_32 = 4_294_967_296;

/**
 * Makes tables by Maglev's algorithm (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
 * 2016): the candidates take turns to claim slots of a large table, each in an order of its own. A look-up is one
 * step however many candidates there are, and the shares are as even as whole slots allow; in return, a change moves
 * more keys than it must.
 * @param claim fills a table; for tests
 */
export function maglevTables(claim = claimSlots): BuildHashTable {
  const known = new Map<string, Uint16Array>();
  return (members) => {
    const sorted = sortedById(members).slice(0, FREE);
    const content = JSON.stringify(sorted.map(({ instance }) => [instance.instanceId, instance.weight]));
    const slots = known.get(content) ?? claim(sorted);
    known.delete(content);
    known.set(content, slots);
    for (const oldest of known.keys()) {
      if (known.size <= TABLES_KEPT) break;
      known.delete(oldest);
    }
    return new MaglevTable(sorted, slots);
  };
}

class MaglevTable<C extends Candidate> implements HashTable<C> {
  /** How much of its own keys each takes, while some start slowly; undefined: everyone takes all. */
  private readonly readiness: readonly { readonly seed: number; readonly part: number }[] | undefined;

  constructor(
    private readonly members: readonly C[],
    private readonly slots: Uint16Array,
  ) {
    const parts = members.map(({ weight, instance }) => weight / instance.weight);
    const greatest = parts.reduce((most, part) => Math.max(most, part), 0);
    if (parts.every((part) => part === greatest)) return;
    this.readiness = members.map(({ instance }, index) => ({
      seed: stableHash(instance.instanceId, FIRST_MEMBER_SEED),
      part: (parts[index] ?? 0) / greatest,
    }));
  }

  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const index = this.slots[hash % MAGLEV_TABLE_SIZE] ?? FREE;
    const owner = this.members[index];
    const takesIt = owner !== undefined && this.takes(index, hash) && accepts?.(owner) !== false;
    return takesIt ? owner : this.next(hash, accepts);
  }

  /** Slots side by side belong to different candidates, so the keys of one who refuses go to all the others. */
  private next(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const { members, slots } = this;
    const asked = new Set<number>();
    let notReady: C | undefined;
    for (let step = 0; step < MAGLEV_TABLE_SIZE && asked.size < members.length; step++) {
      const index = slots[(hash + step) % MAGLEV_TABLE_SIZE] ?? FREE;
      if (asked.has(index)) continue;
      asked.add(index);
      const member = members[index];
      if (member === undefined || accepts?.(member) === false) continue;
      if (this.takes(index, hash)) return member;
      notReady ??= member;
    }
    return notReady;
  }

  /** Always the same keys, and more of them with time. */
  private takes(index: number, hash: number): boolean {
    const own = this.readiness?.[index];
    return own === undefined || finish(hash ^ own.seed) < own.part * TWO_TO_32;
  }
}
