import { type TimerWheel } from '../../common/index.js';

/** The stages of a policy in their order, the outermost first. */
export type StageName =
  | 'fallback'
  | 'last_good'
  | 'coalescing'
  | 'deadline'
  | 'rate_limit'
  | 'throttling'
  | 'bulkhead'
  | 'adaptive_concurrency'
  | 'retry'
  | 'hedging'
  | 'circuit_breaker'
  | 'attempt_timeout'
  | 'chaos';

/** What one stage of a policy does, for people and for dashboards. */
export interface StageDescription {
  readonly stage: StageName;
  /** What the stage does, and why it stands where it stands. */
  readonly purpose: string;
  /** The settings it works with, durations in milliseconds. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What the stages of one call share. */
interface CallProgress {
  /** How often the function was called so far. */
  attempts: number;
  /** How many attempts were sent beside another one. */
  hedges: number;
  /** The error of the last attempt that was followed by a retry. */
  lastError?: unknown;
}

/** What a stage that limits time works with. */
export interface TimeStageDeps {
  readonly timers: TimerWheel;
  /** The `service` of its errors. */
  readonly name: string;
}

/** One call on its way through the stages. A stage that limits its time hands on a changed copy. */
export interface PolicyCall {
  /** Ends the call, or the attempt that the call is at. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds at which the whole call is over; Infinity without a deadline. */
  readonly deadline: number;
  /** What tells apart calls with different answers; undefined where nothing is shared or kept between calls. */
  readonly key: string | undefined;
  readonly progress: CallProgress;
}

/** The rest of the stages, and at their end the function. */
export type Next<T> = (call: PolicyCall) => Promise<T>;

/** One layer around a call. It keeps what it counts over all calls; what belongs to one call is in {@link PolicyCall}. */
export interface Stage {
  readonly description: StageDescription;
  run<T>(call: PolicyCall, next: Next<T>): Promise<T>;
}
