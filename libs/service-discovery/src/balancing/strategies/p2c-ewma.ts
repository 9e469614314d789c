import { type Clock, type Random } from '../../common/index.js';
import { type LoadTable } from '../load/load-table.js';
import { type Candidate, candidateAt, indexesOf, PerList, type PickArgs, type Strategy } from './strategy.js';
import { WeightedSampler } from './weighted-random.js';

/** In milliseconds; keeps calls in flight relevant when the latency is 0 or unknown. */
const MIN_LATENCY_MS = 0.001;

/** A list prepared for sampling and comparing. */
interface PreparedList {
  readonly sampler: WeightedSampler;
  /** The list's rows in the load table. */
  readonly rows: Uint32Array;
}

/**
 * The better of two random candidates (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001): the one
 * with the smaller product of latency, a peak EWMA like Finagle's, and calls in flight including this one. Two samples are
 * enough to avoid slow instances, and randomness keeps many processes from all choosing the instance that is fastest now.
 *
 * Samples are weighted, and calls in flight count relative to the weight, so that equally fast instances get shares in
 * proportion to their weights. A light instance that is slightly faster is not overloaded: to take a call from an idle heavy
 * one, it has to be faster by the ratio of their weights.
 */
export class P2cEwma implements Strategy {
  readonly goesBy = 'latency (peak EWMA) times calls in flight, of two drawn by weight';
  readonly isWeighted = true;
  private readonly prepared: PerList<readonly Candidate[], PreparedList>;

  constructor(
    private readonly random: Random,
    private readonly clock: Clock,
    private readonly loads: LoadTable,
  ) {
    this.prepared = new PerList((list) => this.prepare(list));
  }

  choose(candidates: readonly Candidate[], { base, context }: PickArgs): Candidate {
    const list = candidates === base ? this.prepared.of(base) : this.prepare(candidates);
    const { sampler } = list;
    const first = sampler.sample();
    const { now = this.clock.now() } = context;
    return candidateAt(candidates, this.better(list, first, sampler.sampleOther(first), sampler.meanWeight, now));
  }

  chooseExcept(skipped: readonly Candidate[], { base, context }: PickArgs): Candidate {
    const list = this.prepared.of(base);
    const { sampler } = list;
    const out = indexesOf(skipped, base);
    const first = sampler.sampleExcept(out);
    const left = base.length - out.length;
    if (left === 1) return candidateAt(base, first);
    const second = sampler.sampleExcept([...out, first].sort((a, b) => a - b));
    const weight = skipped.reduce((rest, one) => rest - one.weight, sampler.total);
    const { now = this.clock.now() } = context;
    return candidateAt(base, this.better(list, first, second, weight / left, now));
  }

  private prepare(list: readonly Candidate[]): PreparedList {
    return { sampler: new WeightedSampler(list, this.random), rows: new Uint32Array(list.map(({ load }) => load.row)) };
  }

  /** The better of two indexes. */
  private better({ sampler, rows }: PreparedList, one: number, other: number, meanWeight: number, now: number): number {
    if (one === other) return one;
    const weightOfOne = sampler.weightOf(one);
    const weightOfOther = sampler.weightOf(other);
    const lighter = weightOfOne > weightOfOther ? weightOfOne / weightOfOther : 1;
    const costOfOne = this.costOf(rows[one] ?? 0, meanWeight / weightOfOne, 1, now);
    return this.costOf(rows[other] ?? 0, meanWeight / weightOfOther, lighter, now) < costOfOne ? other : one;
  }

  /**
   * @param perCall the cost of each call in flight
   * @param own the cost of this call
   */
  private costOf(row: number, perCall: number, own: number, now: number): number {
    const latencyMs = this.loads.ewmaMs(row, now);
    return (latencyMs > MIN_LATENCY_MS ? latencyMs : MIN_LATENCY_MS) * (this.loads.active(row) * perCall + own);
  }
}
