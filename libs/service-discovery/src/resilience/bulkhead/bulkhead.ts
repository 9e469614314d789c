import {
  BulkheadFullError,
  type Clock,
  count,
  duration,
  type GivenOptionsOf,
  optional,
  OptionGroup,
  raceAbort,
  type ResolvedOf,
  systemClock,
} from '../../common/index.js';
import { type CallContext, type Next, refused, type Stage, type StageDescription } from '../pipeline/stage.js';
import { WaitQueue } from '../wait-queue.js';

const MOST_CALLS = 1_000_000;

/** The concurrent calls, and the calls that may wait for a slot. */
export const BULKHEAD_OPTIONS = new OptionGroup(
  'bulkhead',
  {
    /** Calls that may run at the same time. A whole number from 1 to 1,000,000; there is no default. */
    maxConcurrent: count({ min: 1, max: MOST_CALLS }),
    /**
     * Calls that may wait for a slot, first come first served; more are refused. A whole number from 0 to 1,000,000.
     * @default 0
     */
    maxQueue: count({ default: 0, min: 0, max: MOST_CALLS }),
    /**
     * How long a call may wait for a slot, from 1 ms to 1 day. Only with a `maxQueue`.
     * @default as long as the call itself may take
     */
    maxWait: optional(duration({ minMs: 1, maxMs: 86_400_000, usuallyMs: true })),
  },
  ({ maxQueue }, { maxWait }, check) => {
    if (maxWait !== undefined && maxQueue === 0) {
      check.problem('maxWait', maxWait, 'nothing where maxQueue is 0, since then no call waits');
    }
  },
);

export interface BulkheadOptions extends GivenOptionsOf<typeof BULKHEAD_OPTIONS> {}
export interface ResolvedBulkheadOptions extends ResolvedOf<typeof BULKHEAD_OPTIONS> {}

/** Releases a slot; safe to call again. */
export type Release = () => void;

export interface BulkheadDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** Name of the callee: `service` in errors. @default none */
  name?: string;
}

/** A bulkhead at one moment, for dashboards. */
export interface BulkheadSnapshot {
  /** The most calls that run at once, and that wait. */
  readonly limit: number;
  readonly maxQueue: number;
  /** The calls that run now, and that wait now. */
  readonly active: number;
  readonly queued: number;
}

/** Keeps one slow dependency from taking all resources: calls beyond the limit wait or are refused at once. */
export class Bulkhead {
  private readonly options: ResolvedBulkheadOptions;
  private readonly waiting: WaitQueue<Release>;
  private running = 0;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(
    options: BulkheadOptions,
    private readonly deps: BulkheadDeps = {},
  ) {
    this.options = BULKHEAD_OPTIONS.resolve(options);
    const { maxWait: maxWaitMs } = this.options;
    const { clock = systemClock } = deps;
    const limit = maxWaitMs === undefined ? undefined : { clock, maxWaitMs, error: () => this.refusal(maxWaitMs) };
    this.waiting = new WaitQueue(undefined, limit);
  }

  /** Calls that hold a slot. */
  get active(): number {
    return this.running;
  }

  /** Calls that wait for a slot. */
  get queued(): number {
    return this.waiting.size;
  }

  snapshot(): BulkheadSnapshot {
    const { maxConcurrent, maxQueue } = this.options;
    return { limit: maxConcurrent, maxQueue, active: this.active, queued: this.queued };
  }

  /** Takes a slot, or returns null when the call would have to wait. Never overtakes calls that wait. */
  tryAcquire(): Release | null {
    // While calls wait, all slots are taken.
    if (this.running >= this.options.maxConcurrent) return null;
    this.running++;
    return this.createRelease();
  }

  /**
   * Takes a slot, and waits for one when all are taken.
   * @returns releases the slot
   * @throws BulkheadFullError when the queue is full too, or `maxWait` is over; the signal's reason when it aborts, and
   * the call leaves the queue
   */
  async acquire(signal?: AbortSignal): Promise<Release> {
    signal?.throwIfAborted();
    const release = this.tryAcquire();
    if (release) return release;
    if (this.waiting.size >= this.options.maxQueue) throw this.refusal();
    return this.waiting.wait(signal);
  }

  /**
   * Runs `fn` in a slot. When `signal` aborts, the call ends and frees its slot, even if `fn` continues.
   * @throws BulkheadFullError, and `fn` is not called; the signal's reason when it aborts; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      // It may have aborted between the grant of the slot and this line.
      signal?.throwIfAborted();
      return await (signal ? raceAbort(fn(signal), signal) : fn());
    } finally {
      release();
    }
  }

  private refusal(waitedMs?: number): BulkheadFullError {
    return new BulkheadFullError({
      limit: this.options.maxConcurrent,
      queue: this.waiting.size,
      waitedMs,
      service: this.deps.name,
    });
  }

  private createRelease(): Release {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      // The slot passes to the next waiter without becoming free, so that a newcomer cannot overtake.
      if (this.waiting.size > 0) this.waiting.serve(this.createRelease());
      else this.running--;
    };
  }
}

/** Limits the concurrent calls. */
export class BulkheadStage<Context extends CallContext> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedBulkheadOptions,
    private readonly bulkhead: Bulkhead,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'bulkhead',
      purpose:
        'Limits the concurrent calls. Outside of the retry, so that a call keeps its slot over all its attempts and a ' +
        'refusal is neither retried nor counted by a circuit breaker.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { scope } = call;
    let release: Release;
    try {
      // Only a call that has to wait needs a signal.
      release = (scope.aborted ? null : this.bulkhead.tryAcquire()) ?? (await this.bulkhead.acquire(scope.signal));
    } catch (error) {
      throw refused(call, 'bulkhead', error);
    }
    try {
      return await next.run(call);
    } finally {
      release();
    }
  }
}
