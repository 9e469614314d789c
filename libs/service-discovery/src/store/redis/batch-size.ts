import { RegistryUnavailableError, type Clock } from '../../common/index.js';
import { NoAnswerError } from './unavailable.js';

/** The first batch, sent before the link is known: about 20 KB of registrations. */
const FIRST = 32;
/** A round trip faster than this share of the command timeout could have carried more. */
const QUICK = 1 / 4;

/**
 * Adapts how much goes into one round trip. The size doubles with each full batch that is fast and halves with each
 * that exceeds the command timeout; after the first halving it grows linearly (slow start and AIMD, as in TCP: RFC
 * 5681). So a slow link gets no more at once than it can answer in time. Other failures, such as a refused connection,
 * say nothing about the capacity of the link.
 */
export class BatchSize {
  private size: number;
  private hasShrunk = false;

  /** @param most the largest batch, so that Redis is not blocked for too long */
  constructor(
    private readonly most: number,
    private readonly timeoutMs: number,
    private readonly clock: Clock,
  ) {
    this.size = Math.min(FIRST, most);
  }

  /** The size of the next batch. */
  get next(): number {
    return this.size;
  }

  /** Measures a round trip with `count` items and adapts the size. @throws what `work` rejects with */
  async time<T>(count: number, work: Promise<T>): Promise<T> {
    const start = this.clock.now();
    try {
      const value = await work;
      const tookMs = this.clock.now() - start;
      if (tookMs > this.timeoutMs) this.shrink(count);
      else if (tookMs < this.timeoutMs * QUICK && count >= this.size) this.grow();
      return value;
    } catch (error) {
      if (error instanceof RegistryUnavailableError && error.cause instanceof NoAnswerError) this.shrink(count);
      throw error;
    }
  }

  private grow(): void {
    this.size = Math.min(this.most, this.hasShrunk ? this.size + FIRST : this.size * 2);
  }

  /** Concurrent round trips shrink it once. A batch of one cannot be made smaller. */
  private shrink(count: number): void {
    if (count === 1) return;
    this.hasShrunk = true;
    this.size = Math.min(this.size, Math.floor(count / 2));
  }
}
