import { type EjectionReason } from '../../model/index.js';
import { ConsecutiveFailures } from '../consecutive-failures.js';
import { type ResolvedOutlierDetectionOptions } from './outlier-detection-options.js';
import { type IntervalSample } from './outlier-rules.js';

/** So many of the latest latencies stand for those of an interval. */
const LATENCIES_KEPT = 100;

/** An ejection in force. */
interface EjectionInForce {
  readonly reason: EjectionReason;
  readonly evidence: string;
  readonly endsAt: number;
}

/** What is known of one instance: its calls within the interval, its failures in a row, its ejections. */
export class OutlierRecord {
  calls = 0;
  failed = 0;
  ejection: EjectionInForce | undefined;
  private readonly run: ConsecutiveFailures | undefined;
  /** A ring; left out where latencies do not matter. */
  private readonly latencies: Float64Array | undefined;
  private ejections = 0;
  private readmittedAt = Number.NEGATIVE_INFINITY;

  constructor(
    readonly instanceId: string,
    private readonly options: ResolvedOutlierDetectionOptions,
  ) {
    // Failures from before the longest ejection would be over say nothing any more.
    const { consecutiveFailures, maxEjectionTime, latency } = options;
    if (consecutiveFailures !== false) this.run = new ConsecutiveFailures(consecutiveFailures, maxEjectionTime);
    if (latency !== false) this.latencies = new Float64Array(LATENCIES_KEPT);
  }

  /** @returns whether the failures in a row are as many as eject it */
  count(now: number, isFailure: boolean, latencyMs: number): boolean {
    // A call from before the ejection tells of what the instance was ejected for, not of what it is now.
    if (this.ejection || now - latencyMs < this.readmittedAt) return false;
    this.calls++;
    if (isFailure) {
      this.failed++;
      return this.run?.recordFailure(now) === true;
    }
    this.run?.clear();
    if (this.latencies) this.latencies[(this.calls - this.failed - 1) % LATENCIES_KEPT] = latencyMs;
    return false;
  }

  failuresInRow(now: number): number {
    return this.run?.count(now) ?? 0;
  }

  sample(): IntervalSample {
    const { instanceId, calls, failed } = this;
    const latencies = this.latencies?.slice(0, calls - failed) ?? new Float64Array();
    return { instanceId, calls, failed, latencies };
  }

  startInterval(): void {
    this.calls = 0;
    this.failed = 0;
  }

  /** How often it was ejected lately: each interval that it was not in takes one off, except the one that it fails in. */
  ejectionsAt(now: number): number {
    if (this.ejection || this.ejections === 0) return this.ejections;
    const healthy = Math.max(0, Math.ceil((now - this.readmittedAt) / this.options.interval) - 1);
    return Math.max(0, this.ejections - healthy);
  }

  /** @param ejections how often lately, this time included */
  eject(ejections: number, ejection: EjectionInForce): void {
    this.ejections = ejections;
    this.ejection = ejection;
  }

  readmit(at: number): void {
    this.ejection = undefined;
    this.readmittedAt = at;
    this.run?.clear();
    this.startInterval();
  }
}
