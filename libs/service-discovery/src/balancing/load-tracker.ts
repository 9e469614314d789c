import { type Clock, InvalidConfigurationError, type Outcome, systemClock } from '../common/index.js';
import { differenceOf, type ServiceInstance } from '../model/index.js';
import { judge } from './judge-outcome.js';

export interface LoadTrackerOptions {
  clock?: Clock;
  /** In how many milliseconds an old latency loses all but 1/e of its influence: more than 0. @default 10000 */
  decayMs?: number;
}

export const DEFAULT_LOAD_TRACKER_OPTIONS = { decayMs: 10_000 } as const;

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

/**
 * What is known of the load of a service's instances: calls in flight and latency, apart from how a strategy uses it.
 * Strategies of one service share one tracker.
 */
export class LoadTracker {
  readonly decayMs: number;
  private readonly clock: Clock;
  private readonly loads = new Map<string, InstanceLoad>();
  private listed: readonly ServiceInstance[] = [];
  /** Whose load was asked for since then: perhaps nobody has listed them. */
  private readonly unlisted = new Set<string>();
  private readonly summary = new LatencySummary();

  /** @throws InvalidConfigurationError when `decayMs` is not more than 0 */
  constructor(options: LoadTrackerOptions = {}) {
    this.clock = options.clock ?? systemClock;
    const decayMs = options.decayMs ?? DEFAULT_LOAD_TRACKER_OPTIONS.decayMs;
    if (!(decayMs > 0 && Number.isFinite(decayMs))) {
      const expected = 'a number of milliseconds, more than 0';
      throw new InvalidConfigurationError([{ path: 'decayMs', value: decayMs, expected }]);
    }
    this.decayMs = decayMs;
  }

  /** The load of an instance; a new one starts with the mean latency of the known ones. */
  of(instanceId: string): InstanceLoad {
    let load = this.loads.get(instanceId);
    if (!load) {
      load = new InstanceLoad(this.clock, this.decayMs, this.summary);
      this.loads.set(instanceId, load);
      this.unlisted.add(instanceId);
    }
    return load;
  }

  /** Forgets every instance but these. */
  retain(instances: readonly ServiceInstance[]): void {
    if (instances === this.listed && this.unlisted.size === 0) return;
    const { start, endBefore, endAfter } = differenceOf(this.listed, instances);
    const staying = new Set(instances.slice(start, endAfter).map(({ instanceId }) => instanceId));
    for (const { instanceId } of this.listed.slice(start, endBefore)) {
      if (!staying.has(instanceId)) this.forget(instanceId);
    }
    // Those who are new mostly stand at the end.
    for (let place = instances.length - 1; place >= 0 && this.unlisted.size > 0; place--) {
      this.unlisted.delete(instances[place]?.instanceId ?? '');
    }
    for (const instanceId of this.unlisted) this.forget(instanceId);
    this.unlisted.clear();
    this.listed = instances;
  }

  private forget(instanceId: string): void {
    this.loads.get(instanceId)?.detach();
    this.loads.delete(instanceId);
  }
}

/** Mean and usual latency over a service's instances, kept up as samples come in. */
class LatencySummary {
  /** A moving average of the latency of answers; failures do not count. */
  typicalMs = 0;
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

  failureMs(latencyMs: number): number {
    return Math.max(UNANSWERED_FACTOR * latencyMs, FAILURE_LATENCY_MS, FAILURE_FACTOR * this.typicalMs);
  }
}

/**
 * The load of one instance. Its latency is a peak EWMA: a slower answer counts at once and in full, faster ones bring
 * it down exponentially, and so does time without an answer, so that an instance that was slow is tried again.
 */
export class InstanceLoad {
  private inFlight = 0;
  private latencyMs = 0;
  /** When `latencyMs` was true; NaN while there is neither a sample nor a mean to start with. */
  private asOf = Number.NaN;
  /** Whether the latency was measured; before, it is the mean of the others. */
  private measured = false;
  private attached = true;

  /** Made by {@link LoadTracker.of}. */
  constructor(
    private readonly clock: Clock,
    private readonly decayMs: number,
    private readonly summary: LatencySummary,
  ) {
    this.ewmaMs(clock.now());
  }

  /** Calls in flight. */
  get active(): number {
    return this.inFlight;
  }

  /**
   * The latency to expect, in milliseconds. A new instance starts with the mean of the others from the moment that
   * there is one; 0 while nothing is known of any.
   * @param now `Clock.now()`
   */
  ewmaMs(now: number): number {
    if (Number.isNaN(this.asOf)) {
      if (this.summary.isEmpty) return 0;
      this.latencyMs = this.summary.meanMs;
      this.asOf = now;
    }
    return this.decayedMs(now);
  }

  /** The same, for whoever only looks: it starts nothing. */
  peekMs(now: number): number {
    if (Number.isNaN(this.asOf)) return this.summary.isEmpty ? 0 : this.summary.meanMs;
    return this.decayedMs(now);
  }

  /** A call goes out. */
  begin(): void {
    this.inFlight++;
  }

  /**
   * A call ended. A failure counts as a slow answer, so that an instance that fails fast attracts no traffic; an
   * attempt that the caller gave up counts only if it took longer than was expected.
   * @param at `Clock.now()`, where the caller has just looked
   */
  end(outcome: Outcome, at?: number): void {
    if (this.inFlight > 0) this.inFlight--;
    const { latencyMs } = outcome;
    if (!(latencyMs >= 0)) return;
    const now = at ?? this.clock.now();
    switch (judge(outcome)) {
      case 'answered':
        this.summary.answered(latencyMs);
        this.observe(latencyMs, now);
        break;
      case 'failed':
        this.observe(this.summary.failureMs(latencyMs), now);
        break;
      case 'given_up':
        if (latencyMs > this.ewmaMs(now)) this.observe(UNANSWERED_FACTOR * latencyMs, now);
        break;
      case 'not_sent':
        break;
    }
  }

  /** Takes the instance out of the mean: it is gone. */
  detach(): void {
    if (this.attached && this.measured) this.summary.remove(this.latencyMs);
    this.attached = false;
  }

  private decayedMs(now: number): number {
    return this.latencyMs * Math.exp((this.asOf - now) / this.decayMs);
  }

  private observe(sampleMs: number, now: number): void {
    const before = this.latencyMs;
    if (this.measured) {
      const kept = sampleMs >= before ? 0 : Math.exp((this.asOf - now) / this.decayMs);
      this.latencyMs = before * kept + sampleMs * (1 - kept);
      if (this.attached) this.summary.replace(before, this.latencyMs);
    } else {
      this.measured = true;
      this.latencyMs = sampleMs;
      if (this.attached) this.summary.add(sampleMs);
    }
    this.asOf = now;
  }
}
