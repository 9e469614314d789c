/** A failed attempt counts as at least this slow, in milliseconds, however fast it failed. */
const FAILURE_LATENCY_MS = 1_000;
/** ... and as at least this many times the service's usual latency. */
const FAILURE_FACTOR = 2;
/**
 * ... and as at least this many times the time waited, like an attempt that was given up: the response would have taken longer
 * than that, by an unknown factor. With a factor of 1, a timeout of a second would look good next to calls that queue on
 * other instances, and an instance that never responds would keep getting a few calls.
 */
const UNANSWERED_FACTOR = 3;
/** Weight of the newest response in the service's usual latency. */
const USUAL_WEIGHT = 0.05;

/** The mean and the usual latency over a service's instances, updated with every sample. */
export class LatencySummary {
  /** A moving average of the latency of responses; failures do not count. */
  private movingMs = 0;
  private sum = 0;
  private count = 0;

  /** Whether no instance has been measured. */
  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** The mean over the measured instances. */
  get meanMs(): number {
    return this.sum / this.count;
  }

  /** The usual latency of recent responses; 0 before the first one. */
  get usualMs(): number {
    return this.movingMs;
  }

  add(latencyMs: number): void {
    this.sum += latencyMs;
    this.count++;
  }

  replace(before: number, after: number): void {
    this.sum += after - before;
  }

  remove(latencyMs: number): void {
    this.count--;
    // Resetting to 0 keeps rounding errors from accumulating.
    this.sum = this.count === 0 ? 0 : this.sum - latencyMs;
  }

  answered(latencyMs: number): void {
    this.movingMs += (this.movingMs === 0 ? 1 : USUAL_WEIGHT) * (latencyMs - this.movingMs);
  }

  /** The latency that a failure counts as. */
  failureMs(latencyMs: number): number {
    return Math.max(UNANSWERED_FACTOR * latencyMs, FAILURE_LATENCY_MS, FAILURE_FACTOR * this.movingMs);
  }

  /** The latency that an attempt counts as when the caller gave it up. */
  givenUpMs(latencyMs: number): number {
    return UNANSWERED_FACTOR * latencyMs;
  }
}
