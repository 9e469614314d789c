import { type Clock, type Random } from '../../common/index.js';
import { type LoadTable } from '../load-table.js';
import { type Candidate, candidateAt, type Strategy, type Wish } from '../strategy.js';
import { PerList } from './per-list.js';
import { placesOf, WeightDraw } from './weight-draw.js';

/** Keeps calls in flight in the reckoning where the latency is 0 or unknown. In milliseconds. */
const LEAST_LATENCY_MS = 0.001;

/** What it takes to draw from a list, and to compare who is drawn without a look at all that is known of them. */
interface Contest {
  readonly draw: WeightDraw;
  /** Where the loads of the list stand in the table. */
  readonly rows: Uint32Array;
}

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
  private readonly contests: PerList<readonly Candidate[], Contest>;

  constructor(
    private readonly random: Random,
    private readonly clock: Clock,
    private readonly loads: LoadTable,
  ) {
    this.contests = new PerList((list) => this.contestOf(list));
  }

  choose(candidates: readonly Candidate[], { base, context }: Wish): Candidate {
    const contest = candidates === base ? this.contests.of(base) : this.contestOf(candidates);
    const { draw } = contest;
    const first = draw.one();
    const { now = this.clock.now() } = context;
    return candidateAt(candidates, this.better(contest, first, draw.besides(first), draw.meanWeight, now));
  }

  chooseExcept(passed: readonly Candidate[], { base, context }: Wish): Candidate {
    const contest = this.contests.of(base);
    const { draw } = contest;
    const out = placesOf(passed, base);
    const first = draw.except(out);
    const left = base.length - out.length;
    if (left === 1) return candidateAt(base, first);
    const second = draw.except([...out, first].sort((a, b) => a - b));
    const weight = passed.reduce((rest, one) => rest - one.weight, draw.total);
    const { now = this.clock.now() } = context;
    return candidateAt(base, this.better(contest, first, second, weight / left, now));
  }

  private contestOf(list: readonly Candidate[]): Contest {
    return { draw: new WeightDraw(list, this.random), rows: new Uint32Array(list.map(({ load }) => load.row)) };
  }

  /** Of two indexes. */
  private better({ draw, rows }: Contest, one: number, other: number, meanWeight: number, now: number): number {
    if (one === other) return one;
    const weightOfOne = draw.weightOf(one);
    const weightOfOther = draw.weightOf(other);
    const lighter = weightOfOne > weightOfOther ? weightOfOne / weightOfOther : 1;
    const costOfOne = this.costOf(rows[one] ?? 0, meanWeight / weightOfOne, 1, now);
    return this.costOf(rows[other] ?? 0, meanWeight / weightOfOther, lighter, now) < costOfOne ? other : one;
  }

  /**
   * @param perCall what a call in flight counts for
   * @param own what the call itself does beside them
   */
  private costOf(row: number, perCall: number, own: number, now: number): number {
    const latencyMs = this.loads.ewmaMs(row, now);
    return (latencyMs > LEAST_LATENCY_MS ? latencyMs : LEAST_LATENCY_MS) * (this.loads.active(row) * perCall + own);
  }
}
