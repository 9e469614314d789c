import { type OutcomeClass, type Random } from '../../common/index.js';
import { statusOf } from '../classify.js';
import { Backoff, type BackoffOptions } from './retry-backoff.js';
import { type RetryBudget } from './retry-budget.js';
import { isRetryableError } from './retryable-errors.js';
import { type ResolvedRetryOptions } from './retry-options.js';

/** What of a call says whether it may be sent again. */
export interface Repeatability {
  /** Whether sending it twice does no more than sending it once. */
  readonly idempotent: boolean;
  /** Whether it can be sent twice at all: a stream is used up by the first attempt. */
  readonly replayable: boolean;
}

export interface RetryStateDeps {
  /** Draws the jitter. */
  readonly random: Random;
  /** Pays for each retry; without one they are not limited. */
  readonly budget?: Pick<RetryBudget, 'tryRetry'>;
}

/** An attempt that has failed, and what is known at that moment. */
export interface FailedAttempt {
  /** How many attempts of the call were made so far, this one and its hedges counted. */
  readonly attempts: number;
  readonly outcome: OutcomeClass;
  /** What the attempt threw, for `retryableErrors`; left out where a response arrived. */
  readonly error?: unknown;
  /** Whether it is certain that the server never saw the request: then any method may be sent again. */
  readonly notSent?: boolean;
  /** Whether an instance that was not tried yet can take the call now. */
  readonly anotherInstance?: boolean;
  /** The wait that a `Retry-After` header asks for: a word of this instance only, so another one may be asked at once. */
  readonly retryAfterMs?: number;
  /** The wait that the server asks of the call wherever it goes; negative where it must not be sent again. */
  readonly pushbackMs?: number;
  /** Until a circuit lets the call through; Infinity where nobody can tell, or where it is not to be waited for. */
  readonly circuitWaitMs?: number;
  /** Until the call's deadline. @default no deadline */
  readonly remainingMs?: number;
  /** Whether the caller, or the deadline, has ended the call. */
  readonly aborted?: boolean;
}

/** What the length of the wait follows from. */
export type RetryReason = 'another_instance' | 'backoff' | 'retry_after' | 'pushback' | 'circuit_wait';

/**
 * Why a call is not retried:
 * - `aborted`: the caller or the deadline has ended it;
 * - `not_retryable`: the failure is one that would come again;
 * - `attempts_used`: `maxAttempts` were made;
 * - `not_replayable`: its body cannot be sent twice;
 * - `not_idempotent`: the server may have acted on it, and would act twice;
 * - `pushed_back`: the server asked not to be asked again;
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
 * An instance that was not tried yet is asked at once: it is the best cure, and no wait makes it better. With none left,
 * the call backs off, for as long as the server asks at least. The budget is asked last, so that only a retry that
 * takes place is paid for.
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

  /** What speaks against any further attempt, however long it waits. */
  private objectionTo(failed: FailedAttempt): NoRetryReason | undefined {
    const { attempts, notSent, pushbackMs, aborted } = failed;
    if (aborted) return 'aborted';
    if (!this.isRetryable(failed)) return 'not_retryable';
    if (attempts >= this.options.maxAttempts) return 'attempts_used';
    if (!this.call.replayable) return 'not_replayable';
    if (!this.call.idempotent && !notSent) return 'not_idempotent';
    return pushbackMs !== undefined && pushbackMs < 0 ? 'pushed_back' : undefined;
  }

  /** Statuses have been judged already, by `retryableStatuses`; errors without one are for `retryableErrors` to judge. */
  private isRetryable({ outcome, error }: FailedAttempt): boolean {
    const { retryableErrors } = this.options;
    if (!retryableErrors || error === undefined || statusOf(error) !== undefined) return outcome === 'retryable';
    return (outcome === 'retryable' || outcome === 'failure') && isRetryableError(error, retryableErrors);
  }

  /** Reads only what matters of the facts: some of them take a look at all instances. */
  private waitAfter(failed: FailedAttempt): Wait {
    const { anotherInstance, pushbackMs, retryAfterMs = 0 } = failed;
    const circuitWaitMs = anotherInstance ? 0 : (failed.circuitWaitMs ?? 0);
    if (pushbackMs !== undefined) {
      // As gRPC has it (proposal A6): the server's word takes the place of the backoff, which begins anew after it.
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
