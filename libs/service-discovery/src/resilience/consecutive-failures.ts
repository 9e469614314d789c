/**
 * Decides when a closed circuit opens: at so many failures in a row, all of them younger than the window.
 * Nothing ages by a timer; what is too old is dropped when somebody looks.
 */
export class ConsecutiveFailures {
  /** Monotonic milliseconds of the failures since the last success, oldest first; never more than the threshold. */
  private readonly times: number[] = [];

  constructor(
    private readonly threshold: number,
    private readonly windowMs: number,
  ) {}

  /** How many failures count at this moment. */
  count(now: number): number {
    const oldestThatCounts = now - this.windowMs;
    let stale = 0;
    for (const time of this.times) {
      if (time > oldestThatCounts) break;
      stale++;
    }
    if (stale > 0) this.times.splice(0, stale);
    return this.times.length;
  }

  /** Whether this failure makes the threshold full. */
  recordFailure(now: number): boolean {
    this.times.push(now);
    if (this.times.length > this.threshold) this.times.shift();
    return this.count(now) >= this.threshold;
  }

  clear(): void {
    this.times.length = 0;
  }
}
