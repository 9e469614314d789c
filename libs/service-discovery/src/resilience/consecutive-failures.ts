/**
 * Decides when a closed circuit opens: at so many failures in a row, all of them younger than the window.
 * Nothing ages by a timer; what is too old is dropped when somebody looks.
 */
export class ConsecutiveFailures {
  /** A ring of monotonic milliseconds: of the failures since the last success. Made with the first, as most never fail. */
  private times: Float64Array | undefined;
  /** The place of the oldest failure that counts; the others follow it around the ring. */
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

  /** Whether this failure makes the threshold full. */
  recordFailure(now: number): boolean {
    this.times ??= new Float64Array(this.threshold);
    if (this.size === this.threshold) this.dropOldest();
    this.times[(this.oldest + this.size) % this.threshold] = now;
    this.size++;
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
