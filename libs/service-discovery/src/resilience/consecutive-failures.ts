/**
 * Counts consecutive failures, as far as they are younger than the window. There is no timer: failures that are too old
 * are dropped at the next look.
 */
export class ConsecutiveFailures {
  /** The times of the failures since the last success, as a ring buffer; allocated with the first failure. */
  private times: Float64Array | undefined;
  /** The index of the oldest failure; the others follow around the ring. */
  private oldest = 0;
  private size = 0;

  constructor(
    private readonly threshold: number,
    private readonly windowMs: number,
  ) {}

  /** How many failures count at this moment. */
  count(now: number): number {
    while (this.size > 0 && this.times![this.oldest]! <= now - this.windowMs) this.dropOldest();
    return this.size;
  }

  /** Whether this failure reaches the threshold. */
  recordFailure(now: number): boolean {
    this.times ??= new Float64Array(this.threshold);
    if (this.size === this.threshold) this.dropOldest();
    this.times[(this.oldest + this.size) % this.threshold] = now;
    this.size++;
    return this.isFull(now);
  }

  /** Whether the failures that count reach the threshold. */
  isFull(now: number): boolean {
    return this.count(now) >= this.threshold;
  }

  clear(): void {
    this.size = 0;
  }

  private dropOldest(): void {
    this.oldest = (this.oldest + 1) % this.threshold;
    this.size--;
  }
}
