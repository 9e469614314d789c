import { type ResolvedAdaptiveLimitOptions } from './adaptive-limit-options.js';

/** The results of one window of time. */
interface Window {
  readonly opensAt: number;
  readonly closesAt: number;
  answers: number;
  latencySum: number;
  drops: number;
  /** The most concurrent calls. */
  peak: number;
}

/** A short time with a low limit, so that the callee's queue drains and its latency without load shows. */
interface Probe {
  /** The limit before, and the latency at that limit. */
  readonly limit: number;
  readonly latencyMs: number | undefined;
}

/** The fewest answers for a reliable mean; a probe, which decides for half a minute, needs more. */
const LEAST_ANSWERS = 20;
const LEAST_PROBE_ANSWERS = 40;
/** Latencies are capped at this many times the one without load, so that a single slow answer does not look like overload. */
const LONGEST_COUNTED = 10;
/** The inertia of the recent latency, in answers: a window of this many replaces half of it. */
const LATENCY_INERTIA = 20;
/** The share of the estimated capacity that is sent during a probe, so that the callee's queue drains. */
const PROBE_SHARE = 0.5;
/** How often to probe while calls reach the limit all the time. */
const PROBE_EVERY_MS = 30_000;
/** Samples from before a quiet time of this length no longer count. */
const STALE_AFTER_MS = 60_000;

/**
 * The weight of new samples of the latency without load. A probe that finds a lower one is right: there was a queue before.
 * One that finds a higher one may see the queue of other clients, and all of them would drift upwards if they followed it.
 */
const WEIGHT = { idle: 0.1, faster: 0.1, lowerProbe: 0.5, higherProbe: 0.1, atMin: 1 };
/** The factor by which answers have to be faster than without load for it to be no coincidence. */
const CLEARLY_FASTER = 1.25;

/**
 * Estimates the concurrency that a callee handles from its latency, by Little's law: when `limit` calls are in the callee
 * and each takes `r` times as long as without load, `limit / r` of them are processed and the rest wait there.
 */
export class ConcurrencyEstimator {
  /** The limit before rounding down. */
  private level: number;
  private baseline: number | undefined;
  /** The number of baseline samples; the first ones have equal weight. */
  private measured = 0;
  private latency: number | undefined;
  private window: Window;
  private probe: Probe | undefined;
  private probedAt = -Infinity;

  constructor(
    private readonly options: ResolvedAdaptiveLimitOptions,
    now: number,
  ) {
    this.level = options.initial;
    this.window = this.openWindow(now, 0);
  }

  get limit(): number {
    return Math.floor(this.level);
  }

  /** By how much a running probe lowers the limit. */
  get withheld(): number {
    return this.probe ? Math.max(0, Math.floor(this.probe.limit) - this.limit) : 0;
  }

  get isProbing(): boolean {
    return this.probe !== undefined;
  }

  /** The latency without load. */
  get baselineMs(): number | undefined {
    return this.baseline;
  }

  /** The recent latency. */
  get latencyMs(): number | undefined {
    return this.latency;
  }

  /** A call begins. @param inFlight the calls that run now, with this one */
  begin(now: number, inFlight: number): void {
    if (now - this.window.closesAt > STALE_AFTER_MS) this.forget(now);
    this.window.peak = Math.max(this.window.peak, inFlight);
  }

  /**
   * A call ended whose outcome says something about the callee's load.
   * @param latencyMs undefined when the callee was overloaded and did not answer
   * @param inFlight the calls that run now, without this one
   */
  end(now: number, latencyMs: number | undefined, inFlight: number): void {
    const { window, baseline = Infinity } = this;
    if (now < window.opensAt) return;
    if (latencyMs === undefined) {
      window.drops++;
    } else {
      window.answers++;
      window.latencySum += Math.min(latencyMs, baseline * LONGEST_COUNTED);
    }
    const least = this.probe ? LEAST_PROBE_ANSWERS : LEAST_ANSWERS;
    if (now < window.closesAt || window.answers + window.drops < least) return;
    if (this.probe) this.endProbe(this.probe, now);
    else this.follow(now);
    // Calls from before the limit was lowered still see the old queue.
    this.window = this.openWindow(this.probe ? now + (this.latency ?? 0) : now, inFlight);
  }

  private follow(now: number): void {
    const { answers, peak } = this.window;
    const mean = this.meanOfWindow();
    if (mean !== undefined) this.latency = mix(this.latency ?? mean, mean, answers / (answers + LATENCY_INERTIA));
    if (peak * 2 < this.level) {
      // The callee is not busy with our calls: this is the latency without load, and says nothing about the limit.
      if (mean === undefined) return;
      this.learnBaseline(mean, WEIGHT.idle);
      this.probedAt = now;
      return;
    }
    this.backOff();
    const { baseline, latency } = this;
    if (baseline !== undefined && latency !== undefined && latency * CLEARLY_FASTER < baseline) {
      this.learnBaseline(latency, WEIGHT.faster);
    }
    const isReached = peak >= this.limit;
    if (this.slowness(latency) > this.options.tolerance || (isReached && now - this.probedAt >= PROBE_EVERY_MS)) {
      this.probe = { limit: this.level, latencyMs: latency };
      this.setLevel((this.level / Math.max(1, this.slowness(latency))) * PROBE_SHARE);
    } else if (isReached) {
      this.setLevel(this.level + this.options.smoothing * Math.sqrt(this.level));
    }
  }

  private endProbe({ limit, latencyMs }: Probe, now: number): void {
    const mean = this.meanOfWindow();
    if (mean !== undefined) {
      const isHigher = mean > (this.baseline ?? mean);
      // At the minimum limit, latency does not depend on the limit.
      const higher = limit <= this.options.min ? WEIGHT.atMin : WEIGHT.higherProbe;
      this.learnBaseline(mean, isHigher ? higher : WEIGHT.lowerProbe);
      this.latency = mean;
      this.probedAt = now;
    }
    this.probe = undefined;
    const slowness = this.slowness(latencyMs);
    this.setLevel(slowness > this.options.tolerance ? limit / slowness : limit);
    this.backOff();
  }

  /** Falls by half the share of dropped calls, as DCTCP (RFC 8257) does by that of marked packets. */
  private backOff(): void {
    const { answers, drops } = this.window;
    if (drops > 0) this.setLevel(this.level * (1 - drops / (answers + drops) / 2));
  }

  /** The ratio of a latency to the one without load. */
  private slowness(latencyMs: number | undefined): number {
    return latencyMs === undefined || this.baseline === undefined ? 1 : latencyMs / this.baseline;
  }

  private learnBaseline(latencyMs: number, weight: number): void {
    this.measured++;
    this.baseline = mix(this.baseline ?? latencyMs, latencyMs, Math.max(weight, 1 / this.measured));
  }

  private meanOfWindow(): number | undefined {
    const { answers, latencySum } = this.window;
    return answers === 0 ? undefined : latencySum / answers;
  }

  private setLevel(level: number): void {
    this.level = Math.min(this.options.max, Math.max(this.options.min, level));
  }

  private forget(now: number): void {
    if (this.probe) this.level = this.probe.limit;
    this.probe = undefined;
    this.latency = undefined;
    this.window = this.openWindow(now, 0);
  }

  private openWindow(opensAt: number, peak: number): Window {
    const lengthMs = Math.max(this.options.window, 2 * (this.latency ?? 0));
    return { opensAt, closesAt: opensAt + lengthMs, answers: 0, latencySum: 0, drops: 0, peak };
  }
}

function mix(old: number, fresh: number, weight: number): number {
  return old + weight * (fresh - old);
}
