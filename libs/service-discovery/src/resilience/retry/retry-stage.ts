import { CircuitOpenError, sleep, type Clock, type OutcomeClass, type Random } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { classifyError, type ErrorClassifier, reasonOf } from '../classify.js';
import { pushbackOf, retryAfterOf } from './retry-after.js';
import { type RetryBudget } from './retry-budget.js';
import { type FailedAttempt, type Repeatability, RetryState } from './retry-state.js';
import { type ResolvedRetryOptions } from './retry-options.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** What the retry stage works with. */
export interface RetryStageDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
  /** The `service` of its events. */
  readonly name: string;
  /** Undefined: retries are not limited. */
  readonly budget: RetryBudget | undefined;
  /** The user's own. @default classifyError */
  readonly classify: ErrorClassifier | undefined;
}

/** Whoever gives a function to a policy that retries or hedges says that it may run twice. */
export const REPEATABLE: Repeatability = { idempotent: true, replayable: true };

/**
 * Repeats attempts that failed in a way that may pass.
 *
 * Where no retry follows, the last attempt's own error ends the call at once: also where the budget is used up, and
 * where the delay would not end before the deadline, since waiting for a failure that is certain helps nobody.
 */
export class RetryStage implements Stage {
  readonly description: StageDescription;

  constructor(
    private readonly options: ResolvedRetryOptions,
    private readonly retryIf: ((error: unknown) => boolean) | undefined,
    private readonly deps: RetryStageDeps,
  ) {
    this.description = {
      stage: 'retry',
      purpose: 'Repeats failed attempts. Inside of the deadline and the bulkhead, so that no repetition escapes them.',
      options: { ...options },
    };
  }

  async run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { name: service, clock, random, events, budget } = this.deps;
    budget?.recordCall();
    const state = new RetryState(this.options, REPEATABLE, { random, budget });
    for (let rounds = 1; ; rounds++) {
      try {
        return await next(call);
      } catch (error) {
        const attempts = rounds + call.progress.hedges;
        const decision = state.afterFailure(this.describeFailure(error, attempts, call));
        if (!decision.retry) throw error;
        const { delayMs } = decision;
        call.progress.lastError = error;
        events.emit('call.retried', { service, attempt: attempts + 1, delayMs, reason: reasonOf(error) });
        if (delayMs > 0) await sleep(clock, delayMs, call.signal);
      }
    }
  }

  private describeFailure(error: unknown, attempts: number, { signal, deadline }: PolicyCall): FailedAttempt {
    const { clock } = this.deps;
    const retryAfterMs = retryAfterOf(error, clock.epoch());
    // Where nobody said how long this call may wait, failing fast is what a breaker is for.
    const circuitWaitMs = (deadline === Infinity ? undefined : retryAfterMs) ?? Infinity;
    return {
      attempts,
      outcome: this.classify(error),
      error,
      retryAfterMs,
      pushbackMs: pushbackOf(error),
      circuitWaitMs: error instanceof CircuitOpenError ? circuitWaitMs : undefined,
      remainingMs: deadline - clock.now(),
      aborted: signal.aborted,
    };
  }

  private classify(error: unknown): OutcomeClass {
    if (this.retryIf) return this.retryIf(error) ? 'retryable' : 'failure';
    const { classify } = this.deps;
    return classify ? classify(error) : classifyError(error, this.options.retryableStatuses);
  }
}
