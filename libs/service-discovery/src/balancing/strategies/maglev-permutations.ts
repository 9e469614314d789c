import { type Candidate } from './strategy.js';
import { type Member } from './hash-table.js';

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
