import { type Clock, ConcurrencyLimitedError, raceAbort, systemClock } from '../../common/index.js';
import { type LoadSignal, loadSignalOfFailure } from '../load-signal.js';
import { type CallContext, type Next, refused, type Stage, type StageDescription } from '../pipeline/stage.js';
import { WaitQueue } from '../wait-queue.js';
import {
  ADAPTIVE_LIMIT_OPTIONS,
  type AdaptiveLimitOptions,
  type ResolvedAdaptiveLimitOptions,
} from './adaptive-limit-options.js';
import { ConcurrencyEstimator } from './concurrency-estimator.js';

export interface AdaptiveLimitDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** Name of the callee: `service` in errors. @default none */
  name?: string;
}

/** Permission for one call. Settle it when the call has ended, whatever the outcome. */
export interface ConcurrencyPermit {
  /**
   * Records the outcome and releases the slot. `answered` calls count as latency samples, `overloaded` ones as drops,
   * others not at all. Only the first call has an effect.
   */
  settle(load: LoadSignal): void;
}

/** A limit at one moment, for dashboards. */
export interface AdaptiveLimitSnapshot {
  readonly limit: number;
  /** Calls that run now, and that wait now. */
  readonly inFlight: number;
  readonly queued: number;
  /** How long answers take without load, and how long they took of late; undefined where nothing is known yet. */
  readonly baselineMs: number | undefined;
  readonly latencyMs: number | undefined;
  /** Whether the limit is low for a moment, to find out how long answers take without load. */
  readonly isProbing: boolean;
}

/**
 * A concurrency limit that finds out how many concurrent calls the callee handles. Beyond that, its throughput does not
 * grow: further calls only queue inside it.
 *
 * A gradient limit, like Gradient2 of Netflix's concurrency-limits and Envoy's adaptive concurrency: while calls reach
 * the limit it grows by a part of its square root, and when latency exceeds `tolerance` times the latency without load it
 * falls in proportion. Their estimate of the latency without load drifts upwards while the callee has a queue. This one
 * lowers the limit for some round trips whenever it was too high, so that the queue drains and the true latency shows,
 * like ProbeRTT of BBR. Calls that a probe keeps out may wait.
 *
 * - Timeouts, 429 and 503 lower the limit in proportion to their share of the calls.
 * - While fewer than half of the allowed calls run, the limit stays: nothing shows whether it is right.
 * - It serves one callee. With instances of different speed behind it, it uses their mean latency.
 */
export class AdaptiveLimit {
  private readonly options: ResolvedAdaptiveLimitOptions;
  private readonly clock: Clock;
  private readonly name: string | undefined;
  private readonly estimator: ConcurrencyEstimator;
  private readonly queue: WaitQueue<ConcurrencyPermit>;
  private running = 0;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options?: Partial<AdaptiveLimitOptions>, deps: AdaptiveLimitDeps = {}) {
    this.options = ADAPTIVE_LIMIT_OPTIONS.resolve(options);
    this.clock = deps.clock ?? systemClock;
    this.name = deps.name;
    this.estimator = new ConcurrencyEstimator(this.options, this.clock.now());
    const { maxWait: maxWaitMs } = this.options;
    this.queue = new WaitQueue(undefined, { clock: this.clock, maxWaitMs, error: () => this.refusal() });
  }

  /** The most calls that may run at once now. */
  get limit(): number {
    return this.estimator.limit;
  }

  /** Calls that run. */
  get inFlight(): number {
    return this.running;
  }

  /** Calls that wait. */
  get queued(): number {
    return this.queue.size;
  }

  snapshot(): AdaptiveLimitSnapshot {
    const { limit, inFlight, queued } = this;
    const { baselineMs, latencyMs, isProbing } = this.estimator;
    return { limit, inFlight, queued, baselineMs, latencyMs, isProbing };
  }

  /** A permit for one call, or null when it would have to wait. Never overtakes calls that wait. */
  tryAcquire(): ConcurrencyPermit | null {
    // While calls wait, all slots are taken.
    return this.running < this.limit ? this.createPermit() : null;
  }

  /**
   * A permit for one call, as soon as there is one.
   * @throws ConcurrencyLimitedError when the queue is full too, or `maxWait` is over; the signal's reason when it aborts
   */
  async acquire(signal?: AbortSignal): Promise<ConcurrencyPermit> {
    signal?.throwIfAborted();
    const permit = this.tryAcquire();
    if (permit) return permit;
    // The queue also takes the calls that only the probe keeps out.
    if (this.queue.size >= this.options.maxQueue + this.estimator.withheld) throw this.refusal();
    return this.queue.wait(signal);
  }

  /**
   * Runs `fn` within the limit. When `signal` aborts, the call ends and frees its slot, even if `fn` continues.
   * @throws ConcurrencyLimitedError, and `fn` is not called; the signal's reason when it aborts; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    const permit = await this.acquire(signal);
    try {
      // It may have aborted between the grant of the permit and this line.
      signal?.throwIfAborted();
      const result = await (signal ? raceAbort(fn(signal), signal) : fn());
      permit.settle('answered');
      return result;
    } catch (error) {
      permit.settle(loadSignalOfFailure(error, signal));
      throw error;
    }
  }

  /** The error for a call that is refused now. */
  refusal(): ConcurrencyLimitedError {
    return new ConcurrencyLimitedError({ limit: this.limit, queue: this.queued, service: this.name });
  }

  private createPermit(): ConcurrencyPermit {
    const startedAt = this.clock.now();
    this.estimator.begin(startedAt, ++this.running);
    let settled = false;
    return {
      settle: (load) => {
        if (settled) return;
        settled = true;
        this.running--;
        this.learn(startedAt, load);
        // The limit may have changed either way, so this admits none, one or several calls.
        while (this.queue.size > 0 && this.running < this.limit) this.queue.serve(this.createPermit());
      },
    };
  }

  private learn(startedAt: number, load: LoadSignal): void {
    const now = this.clock.now();
    if (load === 'answered') this.estimator.end(now, now - startedAt, this.running);
    else if (load === 'overloaded') this.estimator.end(now, undefined, this.running);
  }
}

/** Limits the concurrent calls to what the callee turns out to handle. */
export class AdaptiveConcurrencyStage<Context extends CallContext> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedAdaptiveLimitOptions,
    private readonly limit: AdaptiveLimit,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'adaptive_concurrency',
      purpose:
        'Limits the concurrent calls to what the callee turns out to handle. Outside of the retry, so that a refusal is ' +
        'neither retried nor counted by a circuit breaker.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { scope } = call;
    let permit: ConcurrencyPermit;
    try {
      // Only a call that has to wait needs a signal.
      permit = (scope.aborted ? null : this.limit.tryAcquire()) ?? (await this.limit.acquire(scope.signal));
    } catch (error) {
      throw refused(call, 'adaptive_concurrency', error);
    }
    try {
      const value = await next.run(call);
      permit.settle(asSample(call.loadSignal(), call));
      return value;
    } catch (error) {
      permit.settle(asSample(call.loadSignal({ error }), call));
      throw error;
    }
  }
}

/** The time of a call that was retried includes failed attempts and waits, so it is no sample of the callee's latency. */
function asSample(load: LoadSignal, { retried }: CallContext): LoadSignal {
  return load === 'answered' && retried ? 'failed' : load;
}
