import { type Clock, differenceOf, InvalidConfigurationError, type Outcome, systemClock } from '../../common/index.js';
import { haveSameId, type ServiceInstance } from '../../model/index.js';
import { LoadTable } from './load-table.js';

/** How load is measured. */
export interface LoadTrackerOptions {
  clock?: Clock;
  /** Time constant of the latency average, in milliseconds, above 0: a sample's weight falls to 1/e. @default 10000 */
  decayMs?: number;
}

export const DEFAULT_LOAD_TRACKER_OPTIONS = { decayMs: 10_000 } as const;

/**
 * Tracks the load of a service's instances: calls in flight and latency. The strategies of one service share one tracker.
 */
export class LoadTracker {
  readonly decayMs: number;
  /** The loads as rows, for strategies that compare many of them. */
  readonly table: LoadTable;
  private readonly clock: Clock;
  private readonly loads = new Map<string, InstanceLoad>();
  private listed: readonly ServiceInstance[] = [];
  /** Ids whose load was requested since `listed`; they may be on no list. */
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

  /** The number of loads forgotten so far. */
  get forgotten(): number {
    return this.forgottenSoFar;
  }

  /** The load of an instance; a new one starts with the mean latency of the measured ones. */
  of(instanceId: string): InstanceLoad {
    let load = this.loads.get(instanceId);
    if (!load) {
      load = new InstanceLoad(this.clock, this.table, this.table.add());
      this.loads.set(instanceId, load);
      this.unlisted.add(instanceId);
    }
    return load;
  }

  /** Forgets all instances but these. */
  retain(instances: readonly ServiceInstance[]): void {
    if (instances === this.listed && this.unlisted.size === 0) return;
    const { start, endBefore, endAfter } = differenceOf(this.listed, instances, haveSameId);
    const staying = new Set(instances.slice(start, endAfter).map(({ instanceId }) => instanceId));
    for (const { instanceId } of this.listed.slice(start, endBefore)) {
      if (!staying.has(instanceId)) this.forget(instanceId);
    }
    // New instances are mostly at the end.
    for (let index = instances.length - 1; index >= 0 && this.unlisted.size > 0; index--) {
      this.unlisted.delete(instances[index]?.instanceId ?? '');
    }
    for (const instanceId of this.unlisted) this.forget(instanceId);
    this.unlisted.clear();
    this.listed = instances;
  }

  /**
   * Resets an instance's expected latency to the usual one, after it has recovered: failures count as so slow that it would
   * get no calls for a long time.
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

  /** Created by {@link LoadTracker.of}. */
  constructor(
    private readonly clock: Clock,
    private table: LoadTable,
    private at: number,
  ) {
    if (!table.summary.isEmpty) table.ewmaMs(at, clock.now());
  }

  /** Its row in the table of its tracker. */
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
   * The expected latency in milliseconds, a peak EWMA. A new instance starts with the mean of the measured ones as soon as
   * there is one; 0 while no instance has been measured.
   * @param now `Clock.now()`
   */
  ewmaMs(now: number): number {
    return this.table.ewmaMs(this.at, now);
  }

  /** Like `ewmaMs`, without side effects, for explanations. */
  peekMs(now: number): number {
    return this.table.peekMs(this.at, now);
  }

  /** Counts a call that begins. */
  begin(): void {
    this.table.begin(this.at);
  }

  /**
   * Counts a call that ends. A failure counts as a slow response, so that an instance that fails fast does not attract
   * traffic; an attempt that the caller gave up counts only if it took longer than expected.
   * @param at `Clock.now()`, if the caller has just read it
   */
  end(outcome: Outcome, at?: number): void {
    const { table, row } = this;
    const { summary } = table;
    const { latencyMs } = outcome;
    table.end(row);
    const signal = loadSignalOf(outcome);
    // Before the clock is read, which is a good part of the cost of this method.
    if (signal === 'not_sent' || !(latencyMs >= 0)) return;
    const now = at ?? this.clock.now();
    switch (signal) {
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

  /** For an instance that is gone: moves its row to a table of its own, where its remaining calls end. */
  detach(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.table = this.table.detach(this.at);
    this.at = 0;
  }
}

/** What an outcome means for an instance's latency. */
type LoadSignal =
  /** The instance answered; the latency is a sample. */
  | 'answered'
  /** The instance failed; failing fast must not count as being fast. */
  | 'failed'
  /** The caller stopped waiting; the response would have taken longer. */
  | 'given_up'
  /** This process rejected the attempt before it reached the instance. */
  | 'not_sent';

const REFUSED_CODES: ReadonlySet<unknown> = new Set([
  'BULKHEAD_FULL',
  'CIRCUIT_OPEN',
  'CONCURRENCY_LIMITED',
  'INVALID_REQUEST',
  'RATE_LIMITED',
  'THROTTLED',
]);
const TOO_MANY_REQUESTS = 429;

/** Errors are classified by their properties rather than by `instanceof`, since an attempt may end with any error. */
function loadSignalOf(outcome: Outcome): LoadSignal {
  if (outcome.kind === 'response') {
    return outcome.status >= 500 || outcome.status === TOO_MANY_REQUESTS ? 'failed' : 'answered';
  }
  if (outcome.abandoned) return 'given_up';
  const { error } = outcome;
  if (typeof error !== 'object' || error === null) return 'failed';
  if ('name' in error && error.name === 'AbortError') return 'given_up';
  if (!('code' in error)) return 'failed';
  if (error.code === 'ABORTED') return 'given_up';
  return REFUSED_CODES.has(error.code) ? 'not_sent' : 'failed';
}
