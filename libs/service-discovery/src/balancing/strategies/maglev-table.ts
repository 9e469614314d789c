import { type Candidate } from '../strategy.js';
import { type BuildHashTable, type HashTable, type Member, OrderById } from './hash-table.js';
import { claimSlots, FREE, MAGLEV_TABLE_SIZE } from './maglev-slots.js';
import { finish } from './stable-hash.js';

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
export function maglevTables<C extends Candidate>(claim = claimSlots): BuildHashTable<C> {
  const order = new OrderById<C>();
  /** Those that were in use last come first. */
  let known: readonly Claimed[] = [];
  return (list) => {
    const members = order.of(list).slice(0, FREE);
    const claimed = known.find((one) => isOf(one, members)) ?? {
      ids: members.map(({ candidate }) => candidate.instance.instanceId),
      weights: members.map(({ candidate }) => candidate.instance.weight),
      slots: claim(members),
    };
    known = [claimed, ...known.filter((one) => one !== claimed)].slice(0, TABLES_KEPT);
    return new MaglevTable(members, claimed.slots);
  };
}

/** The slots of a list, and what they depend on. */
interface Claimed {
  readonly ids: readonly string[];
  readonly weights: readonly number[];
  readonly slots: Uint16Array;
}

function isOf({ ids, weights }: Claimed, members: readonly Member<Candidate>[]): boolean {
  return (
    ids.length === members.length &&
    members.every(({ candidate: { instance } }, index) => {
      return instance.instanceId === ids[index] && instance.weight === weights[index];
    })
  );
}

class MaglevTable<C extends Candidate> implements HashTable<C> {
  /** How much of its own keys each takes, while some start slowly; undefined: everyone takes all. */
  private readonly readiness: { readonly seeds: Uint32Array; readonly parts: Float64Array } | undefined;

  private readonly members: readonly C[];

  constructor(
    members: readonly Member<C>[],
    private readonly slots: Uint16Array,
  ) {
    this.members = members.map(({ candidate }) => candidate);
    const parts = new Float64Array(this.members.map(({ weight, instance }) => weight / instance.weight));
    const greatest = parts.reduce((most, part) => Math.max(most, part), 0);
    if (parts.every((part) => part === greatest)) return;
    this.readiness = {
      seeds: new Uint32Array(members.map(({ first }) => first)),
      parts: parts.map((part) => part / greatest),
    };
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
    if (this.readiness === undefined) return true;
    const { seeds, parts } = this.readiness;
    return finish(hash ^ (seeds[index] ?? 0)) < (parts[index] ?? 0) * TWO_TO_32;
  }
}
