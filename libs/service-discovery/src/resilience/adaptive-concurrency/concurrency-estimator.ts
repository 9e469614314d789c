import { type ResolvedAdaptiveLimitOptions } from './adaptive-limit-options.js';

/** What came back in a stretch of time. */
interface Window {
  readonly opensAt: number;
  readonly closesAt: number;
  answers: number;
  latencySum: number;
  drops: number;
  /** The most calls that ran at once. */
  peak: number;
}

/** The limit is low for a moment, so that the queue in the callee runs empty and its latency without load shows. */
interface Probe {
  /** The limit before, and how long answers took with it. */
  readonly limit: number;
  readonly latencyMs: number | undefined;
}

/** Fewer answers say too little about their mean; one that decides for half a minute wants more of them. */
const LEAST_ANSWERS = 20;
const LEAST_PROBE_ANSWERS = 40;
/** Of the latency without load: one answer that takes longer, among the least answers, must not look like an overload. */
const LONGEST_COUNTED = 10;
/** Windows after which the latency of late is half new: in answers, since few of them say little. */
const LATENCY_INERTIA = 20;
/** The share of what the callee seems to handle that is sent during a probe: with less, its queue runs empty. */
const PROBE_SHARE = 0.5;
/** Where all of the limit is used all the time, the latency without load is looked for this often. */
const PROBE_EVERY_MS = 30_000;
/** What came back before a quiet time as long as this says nothing any more. */
const STALE_AFTER_MS = 60_000;

/**
 * How much news change the latency without load. A probe that finds a lower one is right: there was a queue before. One
 * that finds a higher one may see a queue of other clients' making, and they all drift upwards if they follow that.
 */
const WEIGHT = { idle: 0.1, faster: 0.1, lowerProbe: 0.5, higherProbe: 0.1, atMin: 1 };
/** How many times faster than without load answers have to be for that to be no chance. */
const CLEARLY_FASTER = 1.25;

/**
 * How many calls a callee can handle at once, judged by how long it takes. Little's law is the base: where `limit`
 * calls are in the callee, and each takes `r` times as long as without load, `limit / r` of them are worked on and the
 * rest wait there.
 */
export class ConcurrencyEstimator {
  /** The limit, with its fraction. */
  private level: number;
  private baseline: number | undefined;
  /** How often the baseline was measured: the first ones count alike. */
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

  /** By how much a probe lowers the limit now. */
  get withheld(): number {
    return this.probe ? Math.max(0, Math.floor(this.probe.limit) - this.limit) : 0;
  }

  get isProbing(): boolean {
    return this.probe !== undefined;
  }

  /** How long answers take without load. */
  get baselineMs(): number | undefined {
    return this.baseline;
  }

  /** How long they took of late. */
  get latencyMs(): number | undefined {
    return this.latency;
  }

  /** A call begins. @param inFlight the calls that run now, with this one */
  begin(now: number, inFlight: number): void {
    if (now - this.window.closesAt > STALE_AFTER_MS) this.forget(now);
    this.window.peak = Math.max(this.window.peak, inFlight);
  }

  /**
   * A call has ended that tells of the callee's load.
   * @param latencyMs undefined where the callee did not answer, since it had too much to do
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
    // Those that began before the limit was lowered still meet the queue of then.
    this.window = this.openWindow(this.probe ? now + (this.latency ?? 0) : now, inFlight);
  }

  private follow(now: number): void {
    const { answers, peak } = this.window;
    const mean = this.meanOfWindow();
    if (mean !== undefined) this.latency = mix(this.latency ?? mean, mean, answers / (answers + LATENCY_INERTIA));
    if (peak * 2 < this.level) {
      // It is not busy with our calls, so it answers as it does without load, and the limit is put to no test.
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
      // At the least that the limit can be, what answers take has nothing to do with it.
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

  /** Goes down by half of the share of calls that were dropped, as DCTCP (RFC 8257) does by that of marked packets. */
  private backOff(): void {
    const { answers, drops } = this.window;
    if (drops > 0) this.setLevel(this.level * (1 - drops / (answers + drops) / 2));
  }

  /** How many times as long as without load a latency is. */
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
