import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, indexesOf, PerList, type PickArgs, type Strategy } from './strategy.js';

/** At random, in proportion to the weights. */
export class WeightedRandom implements Strategy {
  readonly goesBy = 'chance by weight';
  readonly isWeighted = true;
  private readonly samplers: PerList<readonly Candidate[], WeightedSampler>;

  constructor(private readonly random: Random) {
    this.samplers = new PerList((list) => new WeightedSampler(list, random));
  }

  choose(candidates: readonly Candidate[], { base }: PickArgs): Candidate {
    const sampler = candidates === base ? this.samplers.of(base) : new WeightedSampler(candidates, this.random);
    return candidateAt(candidates, sampler.sample());
  }

  chooseExcept(skipped: readonly Candidate[], { base }: PickArgs): Candidate {
    return candidateAt(base, this.samplers.of(base).sampleExcept(indexesOf(skipped, base)));
  }
}

/**
 * Samples indexes of a list in proportion to the candidates' weights, in one or two steps for any length: a guide table says
 * with which candidate each of n equal parts of the total begins (Chen and Asau, "On Generating Random Variates from an
 * Empirical Distribution", 1974).
 */
export class WeightedSampler {
  readonly total: number;
  readonly meanWeight: number;
  /** Whether all weights are equal: then the index is computed, without the tables. */
  private readonly isEven: boolean;
  /** Cumulative sums of the weights. */
  private readonly sums: Float64Array;
  /** By part, the first index whose cumulative sum reaches into it. */
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

  sample(): number {
    return this.firstAbove(this.random() * this.total);
  }

  /** Samples from the list without one index; returns that index if it is the only one. */
  sampleOther(first: number): number {
    if (this.last === 0) return first;
    const begin = this.beginOf(first);
    const weight = this.weightOf(first);
    const drawn = this.random() * (this.total - weight);
    const second = this.firstAbove(drawn < begin ? drawn : drawn + weight);
    // Rounding errors of the sums could return the same index.
    if (second !== first) return second;
    return first === 0 ? 1 : first - 1;
  }

  /**
   * Samples from the list without some indexes.
   * @param out in ascending order; not all indexes
   */
  sampleExcept(out: readonly number[]): number {
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
    // One extra part, since rounding may put the greatest numbers there.
    const guide = new Uint32Array(sums.length + 1).fill(this.last);
    let part = 0;
    for (let index = 0; index < sums.length; index++) {
      const reached = this.partOf(sums[index] ?? 0);
      while (part <= reached) guide[part++] = index;
    }
    return guide;
  }

  /** Monotonic in the value, as the guide table requires. */
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
