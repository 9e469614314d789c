import {
  type Clock,
  count,
  derived,
  duration,
  type GivenOptionsOf,
  number,
  OptionGroup,
  raceAbort,
  RateLimitedError,
  type ResolvedOf,
  systemClock,
  type Timer,
} from '../../common/index.js';
import { type CallContext, type Next, refused, type Stage, type StageDescription } from '../pipeline/stage.js';
import { WaitQueue } from '../wait-queue.js';

const DAY_MS = 86_400_000;
const MOST_CALLS = 1_000_000;
/** With more, the time between two calls would get lost in the rounding of a clock that has run for months. */
const MOST_PER_MS = 1_000;

/** How many calls may be made per unit of time. */
export const RATE_LIMITER_OPTIONS = new OptionGroup(
  'rateLimit',
  {
    /** Calls per `per`, in the long run. From 0.001 to 1,000,000, and at most 1,000 a millisecond; there is no default. */
    rate: number({ min: 0.001, max: MOST_CALLS }),
    /**
     * The time that `rate` is for. From 1 ms to 1 day.
     * @default 1 s
     */
    per: duration({ default: 1_000, minMs: 1, maxMs: DAY_MS }),
    /**
     * Calls that may be made at once after a quiet time; 1 spaces all calls evenly. No period has more calls than `burst`
     * plus what `rate` allows for it. A whole number from 1 to 1,000,000.
     * @default `rate`, rounded down, at least 1
     */
    burst: derived(count({ min: 1, max: MOST_CALLS })),
    /**
     * How long a call may wait for a token, first come first served; one that would wait longer is refused at once.
     * From 0 to 1 day.
     * @default 0
     */
    maxWait: duration({ default: 0, maxMs: DAY_MS, usuallyMs: true }),
  },
  (resolved, given, check) => {
    resolved.burst ??= Math.max(1, Math.floor(resolved.rate));
    if (resolved.rate / resolved.per > MOST_PER_MS) {
      check.problem('rate', given.rate, `at most ${MOST_PER_MS} calls a millisecond`);
    }
  },
);

export interface RateLimiterOptions extends GivenOptionsOf<typeof RATE_LIMITER_OPTIONS> {}
export interface ResolvedRateLimiterOptions extends ResolvedOf<typeof RATE_LIMITER_OPTIONS> {}

export interface RateLimiterDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** Name of the callee: `service` in errors. @default none */
  name?: string;
}

/** A rate limiter at one moment, for dashboards. */
export interface RateLimiterSnapshot {
  readonly rate: number;
  readonly perMs: number;
  readonly burst: number;
  /** Calls that could be made at once now. */
  readonly available: number;
  readonly waiting: number;
  /** How long a call that comes now would wait. */
  readonly waitMs: number;
}

/** Tolerance for binary fractions, in tokens. What one token lacks, the next one has to make up for. */
const ROUNDING = 1e-6;
/** Added to timers so that the clock has advanced when they fire: the resolution of a double after a year of uptime. */
const SHORTEST_TIMER_MS = 0.001;

/**
 * A token bucket: it holds `burst` tokens and is refilled at `rate`; a call takes one, or waits for one. It has constant
 * state, and a timer only while calls wait.
 */
export class RateLimiter {
  private readonly options: ResolvedRateLimiterOptions;
  private readonly clock: Clock;
  private readonly name: string | undefined;
  private readonly queue: WaitQueue<void>;
  private readonly msPerToken: number;
  private tokens: number;
  private filledAt: number;
  private timer: Timer | undefined;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: RateLimiterOptions, deps: RateLimiterDeps = {}) {
    this.options = RATE_LIMITER_OPTIONS.resolve(options);
    this.clock = deps.clock ?? systemClock;
    this.name = deps.name;
    this.queue = new WaitQueue(() => this.arm());
    this.msPerToken = this.options.per / this.options.rate;
    this.tokens = this.options.burst;
    this.filledAt = this.clock.now();
  }

  /** Calls that wait for a token. */
  get waiting(): number {
    return this.queue.size;
  }

  snapshot(): RateLimiterSnapshot {
    this.serve();
    const { rate, per, burst } = this.options;
    const available = Math.max(0, Math.floor(this.tokens + ROUNDING));
    return { rate, perMs: per, burst, available, waiting: this.waiting, waitMs: this.waitMs() };
  }

  /** Takes a token; false when the call would have to wait. Never overtakes calls that wait. */
  tryAcquire(): boolean {
    this.serve();
    // While calls wait, no token is left.
    if (!this.hasToken()) return false;
    this.tokens--;
    return true;
  }

  /**
   * Takes a token, and waits for one up to `maxWait`.
   * @param withinMs the time left for the call; when its token comes later, it is refused at once too
   * @throws RateLimitedError, with `retryAfterMs`; the signal's reason when it aborts, and the calls behind it move up
   */
  async acquire(signal?: AbortSignal, withinMs = Infinity): Promise<void> {
    signal?.throwIfAborted();
    if (this.tryAcquire()) return;
    const waitMs = this.waitMs();
    const { rate, per: perMs, maxWait } = this.options;
    if (waitMs > Math.min(maxWait, withinMs)) {
      throw new RateLimitedError({ rate, perMs, retryAfterMs: Math.ceil(waitMs), service: this.name });
    }
    const turn = this.queue.wait(signal);
    this.arm();
    return turn;
  }

  /**
   * Runs `fn` once there is a token.
   * @throws RateLimitedError, and `fn` is not called; the signal's reason when it aborts; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    await this.acquire(signal);
    signal?.throwIfAborted();
    return await (signal ? raceAbort(fn(signal), signal) : fn());
  }

  private hasToken(): boolean {
    return this.tokens >= 1 - ROUNDING;
  }

  /** The wait of a new call: for its own token, and for those of the calls before it. */
  private waitMs(): number {
    return Math.max(0, 1 + this.queue.size - this.tokens - ROUNDING) * this.msPerToken;
  }

  /** Refills the bucket, and serves the calls that are due. */
  private serve(): void {
    const now = this.clock.now();
    this.tokens = Math.min(this.options.burst, this.tokens + (now - this.filledAt) / this.msPerToken);
    this.filledAt = now;
    if (this.queue.size === 0) return;
    while (this.hasToken() && this.queue.serve()) this.tokens--;
    this.arm();
  }

  private arm(): void {
    this.timer?.cancel();
    this.timer = undefined;
    if (this.queue.size === 0) return;
    const dueAt = this.filledAt + (1 - this.tokens - ROUNDING / 2) * this.msPerToken;
    this.timer = this.clock.setTimer(() => this.serve(), Math.max(SHORTEST_TIMER_MS, dueAt - this.clock.now()));
  }
}

/** Limits the calls per unit of time. */
export class RateLimitStage<Context extends CallContext> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedRateLimiterOptions,
    private readonly limiter: RateLimiter,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'rate_limit',
      purpose:
        'Limits the calls per unit of time. Inside of the deadline, which covers the wait for a token; outside of the ' +
        'bulkhead, so that no call holds a slot while it waits.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { scope } = call;
    // Only a call that has to wait needs a signal.
    if (!scope.aborted && this.limiter.tryAcquire()) return next.run(call);
    try {
      await this.limiter.acquire(scope.signal, call.remainingMs());
    } catch (error) {
      throw refused(call, 'rate_limit', error);
    }
    return next.run(call);
  }
}
