import { type Random } from '../common/index.js';

/** The golden ratio's fractional part: worst approximated by fractions, so its multiples fill [0, 1) evenly. */
const STEP = 0.618_033_988_749_894_8;

/**
 * A low-discrepancy sequence in [0, 1) (Weyl's, of the golden ratio): in any run of consecutive numbers, every interval gets
 * its share to within two or three. Random numbers would need runs hundreds of times as long. The start is random, so that
 * processes that start together are not in step.
 */
export class WeylSequence {
  private last: number | undefined;

  constructor(private readonly random: Random) {}

  next(): number {
    this.last = this.last === undefined ? this.random() : this.last + STEP;
    if (this.last >= 1) this.last -= 1;
    return this.last;
  }
}
