/** A failed attempt counts as at least this slow, in milliseconds, however fast it failed. */
const FAILURE_LATENCY_MS = 1_000;
/** ... and as at least this many times what an answer of the service usually takes. */
const FAILURE_FACTOR = 2;
/**
 * ... and as this many times the wait for it, as does an attempt that was given up: how long the answer would have taken is
 * unknown, but longer than that. Taken for what it was, a timeout of a second would look good beside the calls that queue
 * elsewhere, and an instance that answers nobody would get a few calls at any time.
 */
const UNANSWERED_FACTOR = 3;
/** Weight of the newest answer in the service's usual latency. */
const TYPICAL_SHARE = 0.05;

/** Mean and usual latency over a service's instances, kept up as samples come in. */
export class LatencySummary {
  /** A moving average of the latency of answers; failures do not count. */
  private typicalMs = 0;
  private sum = 0;
  private count = 0;

  /** Whether no instance has been measured. */
  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** The mean over the instances that were measured. */
  get meanMs(): number {
    return this.sum / this.count;
  }

  /** What answers take of late; 0 before the first one. */
  get usualMs(): number {
    return this.typicalMs;
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
    // Starting over at nothing keeps rounding errors from piling up.
    this.sum = this.count === 0 ? 0 : this.sum - latencyMs;
  }

  answered(latencyMs: number): void {
    this.typicalMs += (this.typicalMs === 0 ? 1 : TYPICAL_SHARE) * (latencyMs - this.typicalMs);
  }

  /** What a failure after some time counts as. */
  failureMs(latencyMs: number): number {
    return Math.max(UNANSWERED_FACTOR * latencyMs, FAILURE_LATENCY_MS, FAILURE_FACTOR * this.typicalMs);
  }

  /** What an attempt counts as that was given up after some time. */
  givenUpMs(latencyMs: number): number {
    return UNANSWERED_FACTOR * latencyMs;
  }
}
