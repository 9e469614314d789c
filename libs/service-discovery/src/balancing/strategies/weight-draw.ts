import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt } from '../strategy.js';

/** Draws from a list by chance, each in proportion to its weight, in O(log n). */
export class WeightDraw<C extends Candidate> {
  /** The sums of the weights up to and with each. */
  private readonly sums: Float64Array;

  constructor(
    private readonly list: readonly C[],
    private readonly random: Random,
  ) {
    this.sums = new Float64Array(list.length);
    let sum = 0;
    for (let index = 0; index < list.length; index++) this.sums[index] = sum += list[index]?.weight ?? 0;
  }

  get meanWeight(): number {
    return this.total / this.list.length;
  }

  one(): C {
    return candidateAt(this.list, this.firstAbove(this.random() * this.total));
  }

  /** Two that are not the same, of which each is drawn as if it were alone with those left; of a single one, itself. */
  two(): readonly [C, C] {
    const first = this.firstAbove(this.random() * this.total);
    const one = candidateAt(this.list, first);
    if (this.list.length === 1) return [one, one];
    const start = first === 0 ? 0 : (this.sums[first - 1] ?? 0);
    const drawn = this.random() * (this.total - one.weight);
    const second = this.firstAbove(drawn < start ? drawn : drawn + one.weight);
    // Sums of fractions are not exact: never the same one, even so.
    const other = second === first ? (first === 0 ? 1 : first - 1) : second;
    return [one, candidateAt(this.list, other)];
  }

  private get total(): number {
    return this.sums[this.sums.length - 1] ?? 0;
  }

  /** The index of the first of the ascending sums that is larger than `value`. */
  private firstAbove(value: number): number {
    let low = 0;
    let high = this.sums.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.sums[middle] ?? 0) > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Keeps what it takes to draw from a list for as long as the list is in use. */
export class WeightDraws<C extends Candidate> {
  private readonly draws = new WeakMap<readonly C[], WeightDraw<C>>();

  constructor(private readonly random: Random) {}

  /** @param base the list that is used again; others are for one pick only */
  from(candidates: readonly C[], base: readonly C[]): WeightDraw<C> {
    if (candidates !== base) return new WeightDraw(candidates, this.random);
    let draw = this.draws.get(base);
    if (!draw) this.draws.set(base, (draw = new WeightDraw(base, this.random)));
    return draw;
  }
}
