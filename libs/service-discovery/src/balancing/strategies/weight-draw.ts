import { type Random } from '../../common/index.js';
import { type Candidate } from '../strategy.js';

/**
 * Draws from a list by chance, each in proportion to its weight, in one step or two however long the list is: numbers
 * fall into as many equal parts as there are candidates, and a guide tells with whom each part begins (Chen and Asau,
 * "On Generating Random Variates from an Empirical Distribution", 1974). What is drawn are indexes of the list.
 */
export class WeightDraw {
  readonly total: number;
  readonly meanWeight: number;
  /** Whether all weigh the same: then each has a part to itself, and nothing need be looked up. */
  private readonly isEven: boolean;
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
    const weight = list[0]?.weight ?? 0;
    this.isEven = list.every((candidate) => candidate.weight === weight);
    this.sums = this.isEven ? new Float64Array() : sumsOf(list);
    this.total = this.isEven ? count * weight : (this.sums[count - 1] ?? 0);
    this.meanWeight = this.total / count;
    this.last = count - 1;
    this.partsPerWeight = count / this.total;
    this.guide = this.guideTo(this.sums);
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

  weightOf(index: number): number {
    return this.isEven ? this.meanWeight : (this.sums[index] ?? 0) - this.beginOf(index);
  }

  private beginOf(index: number): number {
    if (this.isEven) return index * this.meanWeight;
    return index === 0 ? 0 : (this.sums[index - 1] ?? 0);
  }

  /** The index of the first of the ascending sums that is larger than `value`. */
  private firstAbove(value: number): number {
    const { sums, last } = this;
    const part = this.partOf(value);
    if (this.isEven) return part < last ? part : last;
    let index = this.guide[part] ?? last;
    while (index < last && (sums[index] ?? 0) <= value) index++;
    return index;
  }

  private guideTo(sums: Float64Array): Uint32Array {
    // One more than there are parts, since rounding may take the greatest numbers there.
    const guide = new Uint32Array(sums.length + 1).fill(this.last);
    let part = 0;
    for (let index = 0; index < sums.length; index++) {
      const reached = this.partOf(sums[index] ?? 0);
      while (part <= reached) guide[part++] = index;
    }
    return guide;
  }

  /** Never smaller for a larger value, so that nobody stands before the first of a part that falls into it. */
  private partOf(value: number): number {
    return Math.trunc(value * this.partsPerWeight);
  }
}

function sumsOf(list: readonly Candidate[]): Float64Array {
  const sums = new Float64Array(list.length);
  let sum = 0;
  for (let index = 0; index < list.length; index++) sums[index] = sum += list[index]?.weight ?? 0;
  return sums;
}

/** Where some stand in a list, in its order. */
export function placesOf(some: readonly Candidate[], list: readonly Candidate[]): readonly number[] {
  return some.map((one) => list.indexOf(one)).sort((a, b) => a - b);
}
