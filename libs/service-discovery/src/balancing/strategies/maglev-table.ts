import { type Candidate } from './strategy.js';
import { type BuildHashTable, type HashTable, type Member, OrderById } from './keyed.js';
import { claimSlots, FREE, MAGLEV_TABLE_SIZE } from './maglev-permutations.js';
import { RendezvousScores } from './rendezvous-table.js';
import { finish } from './stable-hash.js';

/** Tables cached for lists that come back, such as when an instance registers again. */
const TABLES_KEPT = 4;
/** Slots probed to find a replacement for a key's owner. */
const PROBES_PER_MEMBER = 16;
const MAX_PROBES = 1_024;
/** From the golden ratio, so that the probes of a key are spread over the table. */
const STRIDE = 0x9e37_79b1;
const TWO_TO_32 = 4_294_967_296;

/**
 * Builds tables by Maglev's algorithm (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", 2016):
 * the candidates take turns to claim slots of a large table, each in the order of its own permutation. A lookup is one step
 * for any number of candidates, and the shares are as even as whole slots allow; in return, a change of the list moves more
 * keys than necessary.
 * @param claim fills a table; for tests
 */
export function maglevTables<C extends Candidate>(claim = claimSlots): BuildHashTable<C> {
  const order = new OrderById<C>();
  /** Most recently used first. */
  let known: readonly ClaimedSlots[] = [];
  return (list) => {
    const members = order.of(list).slice(0, FREE);
    const claimed = known.find((one) => isOf(one, members)) ?? {
      ids: members.map(({ candidate }) => candidate.instance.instanceId),
      weights: members.map(({ candidate }) => candidate.instance.weight),
      slots: claim(members),
    };
    known = [claimed, ...known.filter((one) => one !== claimed)].slice(0, TABLES_KEPT);
    return new MaglevTable(members, claimed.slots, readinessOf(members));
  };
}

/** The slots of a list, and what they depend on. */
interface ClaimedSlots {
  readonly ids: readonly string[];
  readonly weights: readonly number[];
  readonly slots: Uint16Array;
}

function isOf({ ids, weights }: ClaimedSlots, members: readonly Member<Candidate>[]): boolean {
  return (
    ids.length === members.length &&
    members.every(({ candidate: { instance } }, index) => {
      return instance.instanceId === ids[index] && instance.weight === weights[index];
    })
  );
}

class MaglevTable<C extends Candidate> implements HashTable<C> {
  /** Created when needed, which is rare. */
  private scores: RendezvousScores<C> | undefined;

  /** @param readiness the fraction of its keys that each member takes during slow start; undefined: all take all */
  constructor(
    private readonly members: readonly Member<C>[],
    private readonly slots: Uint16Array,
    private readonly readiness: Readiness | undefined,
    private readonly absent?: ReadonlySet<C>,
  ) {}

  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const index = this.slots[hash % MAGLEV_TABLE_SIZE] ?? FREE;
    const owner = this.members[index]?.candidate;
    return this.mayHave(owner, accepts) && this.takes(index, hash) ? owner : this.next(hash, accepts);
  }

  without(absent: ReadonlySet<C>): HashTable<C> {
    const readiness = this.readiness && readinessOf(this.members, absent);
    return new MaglevTable(this.members, this.slots, readiness, absent);
  }

  /**
   * Probes slots in an order given by the key, so that the keys of members that are absent or refuse are spread over all others
   * in proportion to their slots. If hardly any member is left or ready, rendezvous hashing decides.
   */
  private next(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const { members, slots } = this;
    const probes = Math.min(PROBES_PER_MEMBER * members.length, MAX_PROBES);
    for (let probe = 1; probe <= probes; probe++) {
      const index = slots[finish(hash + probe * STRIDE) % MAGLEV_TABLE_SIZE] ?? FREE;
      const member = members[index]?.candidate;
      if (this.mayHave(member, accepts) && this.takes(index, hash)) return member;
    }
    this.scores ??= new RendezvousScores(members, ({ instance }) => instance.weight);
    return members[this.scores.best(hash, (index) => this.mayHave(members[index]?.candidate, accepts))]?.candidate;
  }

  private mayHave(candidate: C | undefined, accepts?: (candidate: C) => boolean): boolean {
    return candidate !== undefined && this.absent?.has(candidate) !== true && accepts?.(candidate) !== false;
  }

  /** Whether a member takes a key during slow start: always the same keys, and more of them over time. */
  private takes(index: number, hash: number): boolean {
    if (this.readiness === undefined) return true;
    const { seeds, fractions } = this.readiness;
    return finish(hash ^ (seeds[index] ?? 0)) < (fractions[index] ?? 0) * TWO_TO_32;
  }
}

interface Readiness {
  readonly seeds: Uint32Array;
  readonly fractions: Float64Array;
}

/** @param absent the members to ignore */
function readinessOf<C extends Candidate>(
  members: readonly Member<C>[],
  absent?: ReadonlySet<C>,
): Readiness | undefined {
  const fractions = new Float64Array(
    members.map(({ candidate }) =>
      absent?.has(candidate) === true ? 0 : candidate.weight / candidate.instance.weight,
    ),
  );
  const greatest = fractions.reduce((most, fraction) => Math.max(most, fraction), 0);
  if (fractions.every((fraction) => fraction === greatest || fraction === 0)) return undefined;
  return {
    seeds: new Uint32Array(members.map(({ first }) => first)),
    fractions: fractions.map((fraction) => fraction / greatest),
  };
}
