import { type Cancellation, ServiceDiscoveryError } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { type LoadSignal } from '../load-signal.js';

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

/** The stages that follow, and the attempts at their end. */
export interface Next<Context, T> {
  run(call: Context): Promise<T>;
}

/**
 * One layer around a call. It keeps what it counts over all calls; what belongs to one call is in its context. It works
 * for each kind of call that offers what its context asks for.
 */
export interface Stage<Context, Description = StageDescription> {
  readonly description: Description;
  /** @throws the error that ends the call */
  run<T>(call: Context, next: Next<Context, T>): Promise<T>;
}

/** Puts stages around the innermost part, the first one outermost. Done once for all calls, so that none makes closures. */
export function chain<Context, T>(
  stages: readonly Stage<Context, unknown>[],
  innermost: Next<Context, T>,
): Next<Context, T> {
  return stages.reduceRight((next, stage) => new Link(stage, next), innermost);
}

class Link<Context, T> implements Next<Context, T> {
  constructor(
    private readonly stage: Stage<Context, unknown>,
    private readonly next: Next<Context, T>,
  ) {}

  run(call: Context): Promise<T> {
    return this.stage.run(call, this.next);
  }
}

/** What the stages of a pipeline see of one call: of a function under a policy, or of a service. */
export interface CallContext {
  /** Name of the callee: `service` in events and errors. */
  readonly service: string;
  readonly events: EventSink;
  /** Ends the call with all its attempts and waits. */
  readonly scope: Cancellation;
  /** Whether an attempt was repeated: then the call took longer than the callee did. */
  readonly retried: boolean;
  /** Milliseconds until the deadline, never below 0; Infinity without one. */
  remainingMs(): number;
  /**
   * Sets the deadline of the call, from its beginning; a call may know of a nearer one.
   * @throws DeadlineExceededError when that has passed already
   */
  startDeadline(timeoutMs: number): void;
  /**
   * What the outcome of the call says about the load of the callee.
   * @param failure left out: the call succeeded
   */
  loadSignal(failure?: { readonly error: unknown }): LoadSignal;
}

/** A call whose answer can be given to several callers, or kept for later ones. */
export interface ShareableContext<Self> extends CallContext {
  /** Equal for calls whose answers are interchangeable; undefined: the answer belongs to this call alone. */
  readonly key: string | undefined;
  /** Equal for calls that may share their attempts, too. */
  readonly flightKey: string | undefined;
  /** Whether its caller has aborted it. */
  readonly isAborted: boolean;
  /** The error behind a stale answer. */
  concealed: unknown;
  /** Starts the time of this caller alone, while the attempts are made for several. */
  startWaiting(): void;
  /** The same call, with an answer that can be kept. */
  forKeeping(): Self;
  /** A call on behalf of this one and of those that join it, which `signal` ends when all of them have left. */
  forSharing(signal: AbortSignal): Self;
  /** Another caller joins this shared call, so it may take as long as that one waits. */
  extendFor(caller: Self): void;
  /**
   * Makes the caller's answer of one that is kept or shared.
   * @param staleMs its age, where it stands in for a failure
   */
  receive<T>(kept: T, staleMs?: number): Promise<T> | T;
  /** Whether callers other than the one that it was made for may get the answer. */
  mayShare(kept: unknown): boolean;
  /** The error that a kept answer stands for, such as a response with status 500. */
  failureIn(kept: unknown): unknown;
  /** Takes over what is known of a call that was made for this one. */
  adopt(other: Self): void;
  /** Releases its deadline. */
  end(): void;
}

/**
 * Reports a call that a stage refuses. A caller who aborts while waiting was not refused.
 * @returns the error, to be thrown
 */
export function refused(
  { service, scope, events }: Pick<CallContext, 'service' | 'scope' | 'events'>,
  stage: string,
  error: unknown,
): unknown {
  if (error instanceof ServiceDiscoveryError && !scope.aborted) {
    const { code, retryAfterMs } = error;
    events.emit('call.refused', { service, stage, code, retryAfterMs });
  }
  return error;
}
