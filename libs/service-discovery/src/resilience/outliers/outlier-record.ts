import { type EjectionReason } from '../../model/index.js';
import { ConsecutiveFailures } from '../consecutive-failures.js';
import { type ResolvedOutlierDetectionOptions } from './outlier-detection-options.js';
import { type IntervalSample } from './outlier-rules.js';

/** The latest latencies represent those of an interval. */
const LATENCIES_KEPT = 100;

/** An ejection in force. */
interface EjectionInForce {
  readonly reason: EjectionReason;
  readonly evidence: string;
  readonly endsAt: number;
}

/** The record of one instance: its calls within the interval, its consecutive failures, its ejections. */
export class OutlierRecord {
  calls = 0;
  failed = 0;
  ejection: EjectionInForce | undefined;
  private readonly run: ConsecutiveFailures | undefined;
  /** A ring buffer; undefined when latencies do not matter. */
  private readonly latencies: Float64Array | undefined;
  private ejections = 0;
  private readmittedAt = Number.NEGATIVE_INFINITY;

  constructor(
    readonly instanceId: string,
    private readonly options: ResolvedOutlierDetectionOptions,
  ) {
    // Failures older than the longest ejection no longer count.
    const { consecutiveFailures, maxEjectionTime, latency } = options;
    if (consecutiveFailures !== false) this.run = new ConsecutiveFailures(consecutiveFailures, maxEjectionTime);
    if (latency !== false) this.latencies = new Float64Array(LATENCIES_KEPT);
  }

  /** @returns whether its consecutive failures reach the threshold */
  count(now: number, isFailure: boolean, latencyMs: number): boolean {
    // A call from before the ejection says nothing about the present state of the instance.
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

  /** Recent ejections: each healthy interval since the readmission takes one off. */
  ejectionsAt(now: number): number {
    if (this.ejection || this.ejections === 0) return this.ejections;
    const healthy = Math.max(0, Math.ceil((now - this.readmittedAt) / this.options.interval) - 1);
    return Math.max(0, this.ejections - healthy);
  }

  /** @param ejections recent ejections, this one included */
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
