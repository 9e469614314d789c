import { type Candidate } from '../strategy.js';
import { type BuildHashTable, type HashTable, type Member, OrderById } from './hash-table.js';
import { claimSlots } from './maglev-slots.js';
import { FREE, MAGLEV_TABLE_SIZE } from './maglev-walks.js';
import { RendezvousDraws } from './rendezvous-draws.js';
import { finish } from './stable-hash.js';

/** How many tables are kept for lists that come back, as when an instance registers again. */
const TABLES_KEPT = 4;
/** How many slots are looked at for somebody who takes a key in its owner's place. */
const PROBES_EACH = 16;
const MOST_PROBES = 1_024;
/** Of the golden ratio, so that the places for all probes of a key are spread. */
const STRIDE = 0x9e37_79b1;
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
    return new MaglevTable(members, claimed.slots, readinessOf(members));
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
  /** Made where it is needed: hardly ever. */
  private draws: RendezvousDraws<C> | undefined;

  /** @param readiness how much of its own keys each takes, while some start slowly; undefined: everyone takes all */
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
   * Goes on through slots in an order of the key's own, so that the keys of those who are away or refuse go to all others, and
   * as many to each as it has slots. Where hardly anybody is left or ready, the last resort is a draw.
   */
  private next(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const { members, slots } = this;
    const probes = Math.min(PROBES_EACH * members.length, MOST_PROBES);
    for (let probe = 1; probe <= probes; probe++) {
      const index = slots[finish(hash + probe * STRIDE) % MAGLEV_TABLE_SIZE] ?? FREE;
      const member = members[index]?.candidate;
      if (this.mayHave(member, accepts) && this.takes(index, hash)) return member;
    }
    this.draws ??= new RendezvousDraws(members, ({ instance }) => instance.weight);
    return members[this.draws.best(hash, (index) => this.mayHave(members[index]?.candidate, accepts))]?.candidate;
  }

  private mayHave(candidate: C | undefined, accepts?: (candidate: C) => boolean): boolean {
    return candidate !== undefined && this.absent?.has(candidate) !== true && accepts?.(candidate) !== false;
  }

  /** Always the same keys, and more of them with time. */
  private takes(index: number, hash: number): boolean {
    if (this.readiness === undefined) return true;
    const { seeds, parts } = this.readiness;
    return finish(hash ^ (seeds[index] ?? 0)) < (parts[index] ?? 0) * TWO_TO_32;
  }
}

interface Readiness {
  readonly seeds: Uint32Array;
  readonly parts: Float64Array;
}

/** @param absent do not count */
function readinessOf<C extends Candidate>(
  members: readonly Member<C>[],
  absent?: ReadonlySet<C>,
): Readiness | undefined {
  const parts = new Float64Array(
    members.map(({ candidate }) =>
      absent?.has(candidate) === true ? 0 : candidate.weight / candidate.instance.weight,
    ),
  );
  const greatest = parts.reduce((most, part) => Math.max(most, part), 0);
  if (parts.every((part) => part === greatest || part === 0)) return undefined;
  return { seeds: new Uint32Array(members.map(({ first }) => first)), parts: parts.map((part) => part / greatest) };
}
