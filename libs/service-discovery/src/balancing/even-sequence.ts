import { type Random } from '../common/index.js';

/** The fraction that is farthest from every simple one, so that multiples of it fill [0, 1) evenly at every length. */
const GOLDEN_STEP = 0.618_033_988_749_894_8;

/**
 * Numbers in [0, 1), each part of which gets its share of them almost exactly: among any run of them, however short,
 * two or three more or less. Chance would need hundreds of times as many for that. (Weyl's sequence of the golden
 * ratio.) It starts anywhere, so that processes that start together are not in step.
 */
export class EvenSequence {
  private last: number | undefined;

  constructor(private readonly random: Random) {}

  next(): number {
    this.last = this.last === undefined ? this.random() : this.last + GOLDEN_STEP;
    if (this.last >= 1) this.last -= 1;
    return this.last;
  }
}
