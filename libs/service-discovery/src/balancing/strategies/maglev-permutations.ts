import { type Member } from './keyed.js';
import { NO_OWNER } from './recent-owners.js';
import { RendezvousScores } from './rendezvous-table.js';
import { finish } from './stable-hash.js';
import { type Candidate } from './strategy.js';

/** A prime, so that every step size visits all slots; the paper's small table size, and Envoy's. */
export const MAGLEV_TABLE_SIZE = 65_537;
/** Marks an unclaimed slot; also the maximum number of members. */
export const FREE = 0xffff;
/** With this many free slots or fewer, checking each of them is faster than walking until one is found. */
const FEW = 256;
const PER_SLOT = 1 / MAGLEV_TABLE_SIZE;

/** Walks the permutation of slots of each member, from one free slot to the next. */
export class MaglevPermutations {
  /** Each member's next slot, and the step from there to the one after. */
  private readonly nexts: Uint32Array;
  private readonly steps: Uint32Array;
  private free = MAGLEV_TABLE_SIZE;
  /** Used once few slots are free. */
  private rest: FreeSlots | undefined;

  /** @param slots the caller marks those that it gets from `next` */
  constructor(
    private readonly slots: Uint16Array,
    members: readonly Member<Candidate>[],
  ) {
    this.nexts = new Uint32Array(members.map(({ first }) => first % MAGLEV_TABLE_SIZE));
    this.steps = new Uint32Array(members.map(({ second }) => 1 + (second % (MAGLEV_TABLE_SIZE - 1))));
  }

  /** The number of free slots. */
  get left(): number {
    return this.free;
  }

  /** Takes the next free slot in a member's permutation. */
  next(index: number): number {
    const { slots } = this;
    const step = this.steps[index] ?? 0;
    let slot = this.nexts[index] ?? 0;
    if (this.free > FEW) {
      const back = step - MAGLEV_TABLE_SIZE;
      while (slots[slot] !== FREE) {
        // Wraps around without a branch, which would be mispredicted.
        slot += back;
        slot += MAGLEV_TABLE_SIZE & (slot >> 31);
      }
    } else {
      this.rest ??= new FreeSlots(slots);
      slot = this.rest.takeFirst(slot, step);
    }
    this.nexts[index] = slot;
    this.free--;
    return slot;
  }
}

/** The last few free slots. */
class FreeSlots {
  private readonly slots = new Uint32Array(FEW);
  private count = 0;

  constructor(slots: Uint16Array) {
    for (let slot = 0; slot < MAGLEV_TABLE_SIZE; slot++) if (slots[slot] === FREE) this.slots[this.count++] = slot;
  }

  /** Takes the free slot that is the fewest steps away from a slot. */
  takeFirst(from: number, step: number): number {
    const { slots, count } = this;
    const perStep = inverseOf(step);
    let first = 0;
    let fewest = MAGLEV_TABLE_SIZE;
    for (let place = 0; place < count; place++) {
      const away = ((slots[place] ?? 0) + MAGLEV_TABLE_SIZE - from) * perStep;
      const steps = away - Math.floor(away * PER_SLOT) * MAGLEV_TABLE_SIZE;
      if (steps >= fewest) continue;
      fewest = steps;
      first = place;
    }
    const slot = slots[first] ?? 0;
    slots[first] = slots[--this.count] ?? 0;
    return slot;
  }
}

/** The number of steps that lead one slot further, possibly negative: the inverse modulo the table size (Euclid's algorithm). */
function inverseOf(step: number): number {
  let [a, b] = [MAGLEV_TABLE_SIZE, step];
  let [x, y] = [0, 1];
  while (b > 1) {
    const times = Math.floor(a / b);
    [a, b] = [b, a - times * b];
    [x, y] = [y, x - times * y];
  }
  return y;
}

/** The fraction of slots that is assigned last; beyond this many members it shrinks quickly, because of its cost. */
const LAST_FRACTION = 0.02;
const LAST_FRACTION_UP_TO = 100;
/** The multiple of its share of slots that a member may reach with those. */
const SLACK = 1.015;

/**
 * The index of the owner of each slot. Members claim slots in turns, each in the order of its own permutation. The last free
 * slots take long to find, and with any change of the list they would go to other members; so they are assigned by rendezvous
 * hashing, as far as the shares stay even.
 * @param members in the order that all processes agree on
 */
export function claimSlots(members: readonly Member<Candidate>[]): Uint16Array {
  const slots = new Uint16Array(MAGLEV_TABLE_SIZE).fill(FREE);
  const weights = members.reduce((sum, { candidate }) => sum + candidate.instance.weight, 0);
  const perWeight = members.length / weights;
  const slotsARound = new Float64Array(members.map(({ candidate }) => candidate.instance.weight * perWeight));
  const rooms = slotsARound.map((slots) => roomOf((slots * MAGLEV_TABLE_SIZE) / members.length));
  const free = claimInTurns(slots, members, slotsARound, rooms);
  if (free > 0) claimRest(slots, members, rooms);
  return slots;
}

/** The most slots that a member with this share may have. */
function roomOf(share: number): number {
  return Math.max(Math.floor(SLACK * share), Math.ceil(share));
}

/**
 * @param rooms the slots that each member may still get
 * @returns the number of free slots
 */
function claimInTurns(
  slots: Uint16Array,
  members: readonly Member<Candidate>[],
  slotsARound: Float64Array,
  rooms: Float64Array,
): number {
  const count = members.length;
  const permutations = new MaglevPermutations(slots, members);
  // Every member gets a slot in the first round, however small its share.
  const dues = slotsARound.map((slots) => (slots < 1 ? 1 - slots : 0));
  const last = Math.floor(LAST_FRACTION * MAGLEV_TABLE_SIZE * Math.min(1, (LAST_FRACTION_UP_TO / count) ** 2));
  for (;;) {
    for (let index = 0; index < count; index++) {
      let due = (dues[index] ?? 0) + (slotsARound[index] ?? 0);
      for (; due >= 1; due--) {
        if (permutations.left <= last) return permutations.left;
        slots[permutations.next(index)] = index;
        rooms[index] = (rooms[index] ?? 0) - 1;
      }
      dues[index] = due;
    }
  }
}

function claimRest(slots: Uint16Array, members: readonly Member<Candidate>[], rooms: Float64Array): void {
  const hasRoom = (index: number): boolean => (rooms[index] ?? 0) > 0;
  const scores = new RendezvousScores(members, ({ instance }) => instance.weight);
  for (let slot = 0; slot < MAGLEV_TABLE_SIZE; slot++) {
    if (slots[slot] !== FREE) continue;
    const owner = scores.best(finish(slot), hasRoom);
    if (owner === NO_OWNER) continue;
    slots[slot] = owner;
    rooms[owner] = (rooms[owner] ?? 0) - 1;
  }
}
