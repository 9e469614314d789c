import { type Clock, type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy, type Wish } from '../strategy.js';
import { placesOf, WeightDraws } from './weight-draw.js';

/** Keeps calls in flight in the reckoning where the latency is 0 or unknown. In milliseconds. */
const LEAST_LATENCY_MS = 0.001;

/**
 * The better of two that chance picks (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001): the
 * one whose latency, a peak EWMA as Finagle's, times the calls in flight with this one added is smaller. Two are enough
 * to avoid the slow, and chance keeps many processes from all running to the one that is fastest now.
 *
 * Chance goes by the weights, and calls in flight count for what they are to an instance of that weight. So where all are
 * as fast, the shares are those of the weights. A light one that is somewhat faster is not run over for that: to take a
 * call from a heavy one that is idle, it has to be faster by as many times as it is lighter.
 */
export class P2cEwma implements Strategy {
  readonly goesBy = 'latency (peak EWMA) times calls in flight, of two drawn by weight';
  readonly isWeighted = true;
  private readonly draws: WeightDraws;

  constructor(
    random: Random,
    private readonly clock: Clock,
  ) {
    this.draws = new WeightDraws(random);
  }

  choose(candidates: readonly Candidate[], { base }: Wish): Candidate {
    const draw = this.draws.from(candidates, base);
    const first = draw.one();
    return this.better(candidateAt(candidates, first), candidateAt(candidates, draw.besides(first)), draw.meanWeight);
  }

  chooseExcept(passed: readonly Candidate[], { base }: Wish): Candidate {
    const draw = this.draws.from(base, base);
    const out = placesOf(passed, base);
    const first = draw.except(out);
    const one = candidateAt(base, first);
    const left = base.length - out.length;
    if (left === 1) return one;
    const other = candidateAt(base, draw.except([...out, first].sort((a, b) => a - b)));
    const weight = passed.reduce((rest, { weight }) => rest - weight, draw.total);
    return this.better(one, other, weight / left);
  }

  private better(one: Candidate, other: Candidate, meanWeight: number): Candidate {
    if (one === other) return one;
    const now = this.clock.now();
    const lighter = one.weight > other.weight ? one.weight / other.weight : 1;
    return costOf(other, lighter, meanWeight, now) < costOf(one, 1, meanWeight, now) ? other : one;
  }
}

/** @param own what the call itself counts for, beside those in flight */
function costOf({ weight, load }: Candidate, own: number, meanWeight: number, now: number): number {
  const latencyMs = load.ewmaMs(now);
  return (latencyMs > LEAST_LATENCY_MS ? latencyMs : LEAST_LATENCY_MS) * ((load.active * meanWeight) / weight + own);
}
