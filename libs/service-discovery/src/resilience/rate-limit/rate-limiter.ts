import { raceAbort, RateLimitedError, systemClock, type Clock, type Timer } from '../../common/index.js';
import {
  RATE_LIMITER_OPTIONS,
  type RateLimiterOptions,
  type ResolvedRateLimiterOptions,
} from './rate-limiter-options.js';
import { WaitQueue } from '../wait-queue.js';

export interface RateLimiterDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** What is called: the `service` of the errors. @default none */
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
/** Ensures that time has passed when a timer fires: beside a year, a double resolves no less. */
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
