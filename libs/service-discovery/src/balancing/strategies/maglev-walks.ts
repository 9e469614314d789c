import { type Candidate } from '../strategy.js';
import { type Member } from './hash-table.js';

/** A prime, so that every step walks through all slots; that of the paper's small table, and of Envoy. */
export const MAGLEV_TABLE_SIZE = 65_537;
/** Stands in a slot that nobody has claimed yet; also the most members that there can be. */
export const FREE = 0xffff;
/** When so few slots are free, it takes less to look at each of them than to walk until one is met. */
const FEW = 256;
const PER_SLOT = 1 / MAGLEV_TABLE_SIZE;

/** The walks of members through all slots, each in an order of its own, from one that is free to the next. */
export class Walks {
  /** Where each looks next, and how far from there to the one after that. */
  private readonly nexts: Uint32Array;
  private readonly steps: Uint32Array;
  private free = MAGLEV_TABLE_SIZE;
  /** Once there are few. */
  private rest: Rest | undefined;

  /** @param slots of which the caller takes those that it gets */
  constructor(
    private readonly slots: Uint16Array,
    members: readonly Member<Candidate>[],
  ) {
    this.nexts = new Uint32Array(members.map(({ first }) => first % MAGLEV_TABLE_SIZE));
    this.steps = new Uint32Array(members.map(({ second }) => 1 + (second % (MAGLEV_TABLE_SIZE - 1))));
  }

  /** How many slots are free. */
  get left(): number {
    return this.free;
  }

  /** The next free slot on the walk of a member, which is taken from now on. */
  next(index: number): number {
    const { slots } = this;
    const step = this.steps[index] ?? 0;
    let slot = this.nexts[index] ?? 0;
    if (this.free > FEW) {
      const back = step - MAGLEV_TABLE_SIZE;
      while (slots[slot] !== FREE) {
        // Around the end without a branch, which nothing could predict.
        slot += back;
        slot += MAGLEV_TABLE_SIZE & (slot >> 31);
      }
    } else {
      this.rest ??= new Rest(slots);
      slot = this.rest.takeFirst(slot, step);
    }
    this.nexts[index] = slot;
    this.free--;
    return slot;
  }
}

/** The few slots that are free still. */
class Rest {
  private readonly slots = new Uint32Array(FEW);
  private count = 0;

  constructor(slots: Uint16Array) {
    for (let slot = 0; slot < MAGLEV_TABLE_SIZE; slot++) if (slots[slot] === FREE) this.slots[this.count++] = slot;
  }

  /** The first that is met on the way from a slot. All that lies before it is taken. */
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

/** How many steps lead one slot further, perhaps backwards: the inverse modulo the table's size, by Euclid's algorithm. */
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
