import { type Clock, differenceOf, InvalidConfigurationError, type Outcome, systemClock } from '../common/index.js';
import { haveSameId, type ServiceInstance } from '../model/index.js';
import { judge } from './judge-outcome.js';
import { LoadTable } from './load-table.js';

export interface LoadTrackerOptions {
  clock?: Clock;
  /** In how many milliseconds an old latency loses all but 1/e of its influence: more than 0. @default 10000 */
  decayMs?: number;
}

export const DEFAULT_LOAD_TRACKER_OPTIONS = { decayMs: 10_000 } as const;

/**
 * What is known of the load of a service's instances: calls in flight and latency, apart from how a strategy uses it.
 * Strategies of one service share one tracker.
 */
export class LoadTracker {
  readonly decayMs: number;
  /** For picks that compare many loads. */
  readonly table: LoadTable;
  private readonly clock: Clock;
  private readonly loads = new Map<string, InstanceLoad>();
  private listed: readonly ServiceInstance[] = [];
  /** Whose load was asked for since then: perhaps nobody has listed them. */
  private readonly unlisted = new Set<string>();
  private forgottenSoFar = 0;

  /** @throws InvalidConfigurationError when `decayMs` is not more than 0 */
  constructor(options: LoadTrackerOptions = {}) {
    this.clock = options.clock ?? systemClock;
    const decayMs = options.decayMs ?? DEFAULT_LOAD_TRACKER_OPTIONS.decayMs;
    if (!(decayMs > 0 && Number.isFinite(decayMs))) {
      const expected = 'a number of milliseconds, more than 0';
      throw new InvalidConfigurationError([{ path: 'decayMs', value: decayMs, expected }]);
    }
    this.decayMs = decayMs;
    this.table = new LoadTable(decayMs);
  }

  /** How many loads were forgotten so far. */
  get forgotten(): number {
    return this.forgottenSoFar;
  }

  /** The load of an instance; a new one starts with the mean latency of the known ones. */
  of(instanceId: string): InstanceLoad {
    let load = this.loads.get(instanceId);
    if (!load) {
      load = new InstanceLoad(this.clock, this.table, this.table.add());
      this.loads.set(instanceId, load);
      this.unlisted.add(instanceId);
    }
    return load;
  }

  /** Forgets every instance but these. */
  retain(instances: readonly ServiceInstance[]): void {
    if (instances === this.listed && this.unlisted.size === 0) return;
    const { start, endBefore, endAfter } = differenceOf(this.listed, instances, haveSameId);
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

  /**
   * Expects an instance to be as fast as the others again, as what it failed with is over: a failure counts as so slow that it
   * would get no calls for long.
   */
  forgive(instanceId: string): void {
    this.loads.get(instanceId)?.forgive();
  }

  private forget(instanceId: string): void {
    this.loads.get(instanceId)?.detach();
    if (this.loads.delete(instanceId)) this.forgottenSoFar++;
  }
}

/** The load of one instance. */
export class InstanceLoad {
  private isGone = false;

  /** Made by {@link LoadTracker.of}. */
  constructor(
    private readonly clock: Clock,
    private table: LoadTable,
    private at: number,
  ) {
    if (!table.summary.isEmpty) table.ewmaMs(at, clock.now());
  }

  /** Where it stands in the table of its tracker. */
  get row(): number {
    return this.at;
  }

  /** Whether its tracker has forgotten it. */
  get isForgotten(): boolean {
    return this.isGone;
  }

  /** Calls in flight. */
  get active(): number {
    return this.table.active(this.at);
  }

  /**
   * The latency to expect, in milliseconds: a peak EWMA. A new instance starts with the mean of the others from the moment
   * that there is one; 0 while nothing is known of any.
   * @param now `Clock.now()`
   */
  ewmaMs(now: number): number {
    return this.table.ewmaMs(this.at, now);
  }

  /** The same, for whoever only looks: it starts nothing. */
  peekMs(now: number): number {
    return this.table.peekMs(this.at, now);
  }

  /** A call goes out. */
  begin(): void {
    this.table.begin(this.at);
  }

  /**
   * A call ended. A failure counts as a slow answer, so that an instance that fails fast attracts no traffic; an
   * attempt that the caller gave up counts only if it took longer than was expected.
   * @param at `Clock.now()`, where the caller has just looked
   */
  end(outcome: Outcome, at?: number): void {
    const { table, row } = this;
    const { summary } = table;
    const { latencyMs } = outcome;
    table.end(row);
    const verdict = judge(outcome);
    // Of what says nothing it does not matter when it was, and a look at the clock is a good part of what a look-up costs.
    if (verdict === 'not_sent' || !(latencyMs >= 0)) return;
    const now = at ?? this.clock.now();
    switch (verdict) {
      case 'answered':
        summary.answered(latencyMs);
        table.observe(row, latencyMs, now);
        break;
      case 'failed':
        table.observe(row, summary.failureMs(latencyMs), now);
        break;
      case 'given_up':
        if (latencyMs > table.ewmaMs(row, now)) table.observe(row, summary.givenUpMs(latencyMs), now);
        break;
    }
  }

  /** See {@link LoadTracker.forgive}. */
  forgive(): void {
    this.table.forgive(this.row, this.clock.now());
  }

  /** Leaves the others: the instance is gone. What still runs there ends in a table of its own. */
  detach(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.table = this.table.detach(this.at);
    this.at = 0;
  }
}
