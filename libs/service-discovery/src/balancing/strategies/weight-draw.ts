import { type Random } from '../../common/index.js';
import { type Candidate } from '../strategy.js';
import { PerList } from './per-list.js';

/**
 * Draws from a list by chance, each in proportion to its weight, in one step or two however long the list is: numbers
 * fall into as many equal parts as there are candidates, and a guide tells with whom each part begins (Chen and Asau,
 * "On Generating Random Variates from an Empirical Distribution", 1974). What is drawn are indexes of the list.
 */
export class WeightDraw {
  readonly total: number;
  readonly meanWeight: number;
  /** The sums of the weights up to and with each. */
  private readonly sums: Float64Array;
  /** By part, the first whose sum reaches into it. */
  private readonly guide: Uint32Array;
  private readonly partsPerWeight: number;
  private readonly last: number;

  constructor(
    list: readonly Candidate[],
    private readonly random: Random,
  ) {
    const count = list.length;
    const sums = new Float64Array(count);
    let total = 0;
    for (let index = 0; index < count; index++) sums[index] = total += list[index]?.weight ?? 0;
    this.sums = sums;
    this.total = total;
    this.meanWeight = total / count;
    this.last = count - 1;
    this.partsPerWeight = count / total;
    // One more, since rounding may take the greatest numbers there.
    const guide = new Uint32Array(count + 1).fill(this.last);
    let part = 0;
    for (let index = 0; index < count; index++) {
      const reached = this.partOf(sums[index] ?? 0);
      while (part <= reached) guide[part++] = index;
    }
    this.guide = guide;
  }

  one(): number {
    return this.firstAbove(this.random() * this.total);
  }

  /** Another one, drawn as if the others were all there are; of a single one, itself. */
  besides(first: number): number {
    if (this.last === 0) return first;
    const begin = this.beginOf(first);
    const weight = this.weightOf(first);
    const drawn = this.random() * (this.total - weight);
    const second = this.firstAbove(drawn < begin ? drawn : drawn + weight);
    // Sums of fractions are not exact: never the same one, even so.
    if (second !== first) return second;
    return first === 0 ? 1 : first - 1;
  }

  /**
   * One of all but some, drawn as if the others were all there are.
   * @param out their indexes, ascending; not all there are
   */
  except(out: readonly number[]): number {
    let value = this.random() * out.reduce((left, index) => left - this.weightOf(index), this.total);
    for (const index of out) {
      if (value < this.beginOf(index)) break;
      value += this.weightOf(index);
    }
    let drawn = this.firstAbove(value);
    while (out.includes(drawn)) drawn = drawn === 0 ? this.last : drawn - 1;
    return drawn;
  }

  private beginOf(index: number): number {
    return index === 0 ? 0 : (this.sums[index - 1] ?? 0);
  }

  private weightOf(index: number): number {
    return (this.sums[index] ?? 0) - this.beginOf(index);
  }

  /** The index of the first of the ascending sums that is larger than `value`. */
  private firstAbove(value: number): number {
    const { sums, last } = this;
    let index = this.guide[this.partOf(value)] ?? last;
    while (index < last && (sums[index] ?? 0) <= value) index++;
    return index;
  }

  /** Never smaller for a larger value, so that nobody stands before the first of a part that falls into it. */
  private partOf(value: number): number {
    return Math.trunc(value * this.partsPerWeight);
  }
}

/** Where some stand in a list, in its order. */
export function placesOf(some: readonly Candidate[], list: readonly Candidate[]): readonly number[] {
  return some.map((one) => list.indexOf(one)).sort((a, b) => a - b);
}

/** Keeps what it takes to draw from a list for as long as the list is in use. */
export class WeightDraws {
  private readonly draws: PerList<readonly Candidate[], WeightDraw>;

  constructor(private readonly random: Random) {
    this.draws = new PerList((list) => new WeightDraw(list, random));
  }

  /** @param base the list that is used again; others are for one pick only */
  from(candidates: readonly Candidate[], base: readonly Candidate[]): WeightDraw {
    return candidates === base ? this.draws.of(base) : new WeightDraw(candidates, this.random);
  }
}
