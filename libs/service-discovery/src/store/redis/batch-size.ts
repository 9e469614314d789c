import { RegistryUnavailableError, type Clock } from '../../common/index.js';
import { NoAnswerError } from './unavailable.js';

/** What is sent first, before anything is known of the link: about 20 KB of registrations. */
const FIRST = 32;
/** A round trip that takes less than this share of the time for a command could have held more. */
const QUICK = 1 / 4;

/**
 * How much goes into one round trip. It doubles with each full one that is quick, and halves with each that takes longer
 * than a command may; from then on it grows step by step (slow start and AIMD, as of TCP: RFC 5681). So a slow link gets as
 * much at once as it can answer in time, and what has arrived need not be sent again. Other failures, such as a refused
 * connection, say nothing about how much the link can take.
 */
export class BatchSize {
  private size: number;
  private hasShrunk = false;

  /** @param most what Redis may be kept busy with at once */
  constructor(
    private readonly most: number,
    private readonly timeoutMs: number,
    private readonly clock: Clock,
  ) {
    this.size = Math.min(FIRST, most);
  }

  /** How many go into the next round trip. */
  get next(): number {
    return this.size;
  }

  /** Makes a round trip of `count`, and learns from how long it takes. @throws what `work` rejects with */
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

  /** Round trips that were on their way together shrink it once. One that held a single command cannot be made smaller. */
  private shrink(count: number): void {
    if (count === 1) return;
    this.hasShrunk = true;
    this.size = Math.min(this.size, Math.floor(count / 2));
  }
}
