import { type Cancellation, type OutcomeClass, type Random } from '../../common/index.js';
import { statusOf } from '../classify.js';
import { type CallContext } from '../pipeline/stage.js';
import { type RetryBudget } from './retry-budget.js';
import { isRetryableError, type ResolvedRetryOptions } from './retry-options.js';

/** Whether a call may be sent again. */
export interface Repeatability {
  /** Whether sending it twice does no more than sending it once. */
  readonly idempotent: boolean;
  /** Whether it can be sent twice at all: a stream is used up by the first attempt. */
  readonly replayable: boolean;
}

export interface RetryStateDeps {
  /** For the jitter. */
  readonly random: Random;
  /** Limits the retries; undefined: they are not limited. */
  readonly budget?: Pick<RetryBudget, 'tryRetry'>;
}

/** A failed attempt, and the state of its call at that moment. */
export interface FailedAttempt {
  /** Attempts of the call so far, including this one and hedges. */
  readonly attempts: number;
  readonly outcome: OutcomeClass;
  /** What the attempt threw, for `retryableErrors`; left out when a response arrived. */
  readonly error?: unknown;
  /** Whether it is certain that the server never saw the request: then any method may be sent again. */
  readonly notSent?: boolean;
  /** Whether an instance that was not tried yet can take the call now. */
  readonly anotherInstance?: boolean;
  /** The wait that a `Retry-After` header asks for. It applies to this instance only, so another one may be tried at once. */
  readonly retryAfterMs?: number;
  /** The wait that the server asks of the call for any instance; negative when it must not be sent again. */
  readonly pushbackMs?: number;
  /** Milliseconds until a circuit lets the call through; Infinity when that is unknown or not to be waited for. */
  readonly circuitWaitMs?: number;
  /** Until the call's deadline. @default no deadline */
  readonly remainingMs?: number;
  /** Whether the caller, or the deadline, has ended the call. */
  readonly aborted?: boolean;
}

/** What determined the length of the wait. */
export type RetryReason = 'another_instance' | 'backoff' | 'retry_after' | 'pushback' | 'circuit_wait';

/**
 * Why a call is not retried:
 * - `aborted`: the caller or the deadline has ended it;
 * - `not_retryable`: the failure would repeat;
 * - `attempts_used`: `maxAttempts` were made;
 * - `not_replayable`: its body cannot be sent twice;
 * - `not_idempotent`: the server may have acted on it, and would act twice;
 * - `pushed_back`: the server asked for no retry;
 * - `circuit_open`: the circuit is open and not to be waited for;
 * - `delay_too_long`: the wait that is asked for is longer than `maxDelay`;
 * - `no_time_left`: the deadline comes before the end of the wait;
 * - `budget_exhausted`: too many other calls are being retried.
 */
export type NoRetryReason =
  | 'aborted'
  | 'not_retryable'
  | 'attempts_used'
  | 'not_replayable'
  | 'not_idempotent'
  | 'pushed_back'
  | 'circuit_open'
  | 'delay_too_long'
  | 'no_time_left'
  | 'budget_exhausted';

/** Whether a failed attempt is followed by another one: after which delay, or why not. */
export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number; readonly reason: RetryReason }
  | { readonly retry: false; readonly why: NoRetryReason };

interface Wait {
  readonly delayMs: number;
  readonly reason: RetryReason;
}

/**
 * Decides for one call, after each failed attempt, whether another one follows and when.
 *
 * An instance that was not tried yet is tried at once: it is the best remedy, and waiting does not improve it. When none
 * is left the call backs off, for at least as long as the server asks. The budget comes last, so that only retries that
 * take place are charged.
 */
export class RetryState {
  private readonly backoff: Backoff;

  constructor(
    private readonly options: BackoffOptions & Pick<ResolvedRetryOptions, 'maxAttempts' | 'retryableErrors'>,
    private readonly call: Repeatability,
    private readonly deps: RetryStateDeps,
  ) {
    this.backoff = new Backoff(options, deps.random);
  }

  afterFailure(failed: FailedAttempt): RetryDecision {
    const why = this.objectionTo(failed);
    if (why) return { retry: false, why };
    const wait = this.waitAfter(failed);
    if (wait.delayMs === Infinity && wait.reason === 'circuit_wait') return { retry: false, why: 'circuit_open' };
    if (wait.delayMs > this.options.maxDelay) return { retry: false, why: 'delay_too_long' };
    if (wait.delayMs >= (failed.remainingMs ?? Infinity)) return { retry: false, why: 'no_time_left' };
    if (this.deps.budget?.tryRetry() === false) return { retry: false, why: 'budget_exhausted' };
    return { retry: true, ...wait };
  }

  /** What rules out any further attempt, however long it waits. */
  private objectionTo(failed: FailedAttempt): NoRetryReason | undefined {
    const { attempts, notSent, pushbackMs, aborted } = failed;
    if (aborted) return 'aborted';
    if (!this.isRetryable(failed)) return 'not_retryable';
    if (attempts >= this.options.maxAttempts) return 'attempts_used';
    if (!this.call.replayable) return 'not_replayable';
    if (!this.call.idempotent && !notSent) return 'not_idempotent';
    return pushbackMs !== undefined && pushbackMs < 0 ? 'pushed_back' : undefined;
  }

  /** `retryableStatuses` has already classified statuses; `retryableErrors` decides on errors without one. */
  private isRetryable({ outcome, error }: FailedAttempt): boolean {
    const { retryableErrors } = this.options;
    if (!retryableErrors || error === undefined || statusOf(error) !== undefined) return outcome === 'retryable';
    return (outcome === 'retryable' || outcome === 'failure') && isRetryableError(error, retryableErrors);
  }

  /** Reads no more of the facts than it needs: some are getters that scan all instances. */
  private waitAfter(failed: FailedAttempt): Wait {
    const { anotherInstance, pushbackMs, retryAfterMs = 0 } = failed;
    const circuitWaitMs = anotherInstance ? 0 : (failed.circuitWaitMs ?? 0);
    if (pushbackMs !== undefined) {
      // As in gRPC (proposal A6), the pushback replaces the backoff, which starts over after it.
      this.backoff.reset();
      return atLeast({ delayMs: pushbackMs, reason: 'pushback' }, circuitWaitMs, 'circuit_wait');
    }
    if (anotherInstance) return { delayMs: 0, reason: 'another_instance' };
    const wait: Wait = { delayMs: this.backoff.next(), reason: 'backoff' };
    return atLeast(atLeast(wait, retryAfterMs, 'retry_after'), circuitWaitMs, 'circuit_wait');
  }
}

function atLeast(wait: Wait, delayMs: number, reason: RetryReason): Wait {
  return delayMs > wait.delayMs ? { delayMs, reason } : wait;
}

/** The part of the retry options that a backoff goes by. */
type BackoffOptions = Pick<ResolvedRetryOptions, 'baseDelay' | 'maxDelay' | 'jitter'>;

/**
 * The waits of one call: exponential, with jitter, never above `maxDelay`. They grow with the number of waits, not of
 * attempts: a call that went straight to another instance has not waited yet.
 *
 * The kinds of jitter are those of Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
export class Backoff {
  /** The upper bound of the next wait; with decorrelated jitter, the previous wait. */
  private reach: number;

  constructor(
    private readonly options: BackoffOptions,
    private readonly random: Random,
  ) {
    this.reach = options.baseDelay;
  }

  /** Milliseconds of the next wait. */
  next(): number {
    const { baseDelay, maxDelay, jitter } = this.options;
    if (jitter === 'decorrelated') {
      this.reach = Math.min(maxDelay, baseDelay + this.random() * (3 * this.reach - baseDelay));
      return this.reach;
    }
    const ceiling = this.reach;
    this.reach = Math.min(maxDelay, 2 * ceiling);
    switch (jitter) {
      case 'full':
        return this.random() * ceiling;
      case 'equal':
        return ceiling / 2 + (this.random() * ceiling) / 2;
      case 'none':
        return ceiling;
    }
  }

  /** Starts over with the shortest wait. */
  reset(): void {
    this.reach = this.options.baseDelay;
  }
}

/** What retries and hedges need to know about a call. */
export interface RetriedContext<Attempt> extends CallContext {
  readonly repeatability: Repeatability;
  /** Attempts that have begun, hedges included. */
  readonly attemptsBegun: number;
  retried: boolean;
  /** Takes note of an attempt that has ended and was not outrun by a hedge. */
  note(attempt: Attempt): void;
  /** @throws the error that ends the call, when no further attempt may begin */
  throwIfOver(): void;
  /** @throws the error that ends the call during the wait */
  pause(delayMs: number): Promise<void>;
}

/** One attempt that has ended. */
export interface EndedAttempt {
  /** Whether another attempt may do better. */
  readonly failed: boolean;
  /** Whether a hedge beside it has become pointless: it succeeded, or the callee would give the same error again. */
  readonly isAnswer: boolean;
  readonly error: unknown;
  /** For events: an error's code, a status. */
  readonly reason: string;
  /** @throws the error that it ended with */
  result(): unknown;
  /** Releases what it holds, since its result is not wanted. */
  discard(): void;
}

/** Makes the attempts of calls: by calling a function, or by sending a request to an instance. */
export interface AttemptDriver<Context, Attempt extends EndedAttempt> {
  /**
   * @param parent ends the attempt; the call's scope, unless another attempt runs beside it
   * @throws the error that ends the call without an attempt, such as that no instance is available
   */
  run(call: Context, parent?: Cancellation, isHedge?: boolean): Promise<Attempt>;
  /** The facts that decide whether a retry follows. */
  failureOf(call: Context, attempt: Attempt): FailedAttempt;
  /**
   * The result of a failed attempt that no retry follows.
   * @throws the error of the call
   */
  accept(call: Context, attempt: Attempt, why: NoRetryReason): Promise<unknown>;
  /** Whether a hedge has an instance to go to. */
  canHedge(call: Context): boolean;
  /** The call was aborted while several attempts were running. */
  noteAbort?(call: Context, error: unknown): void;
}
