import { CircuitOpenError, sleep, type Clock, type Random } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { classifyError, reasonOf } from '../classify.js';
import { retryAfterOf } from '../retry-after.js';
import { RetryBudget } from '../retry-budget.js';
import { backoffDelay, type ResolvedRetryOptions } from '../retry.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from './stage.js';

/** What the retry stage works with. */
export interface RetryStageDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
  /** The `service` of its events. */
  readonly name: string;
}

/**
 * Repeats attempts that failed in a way that may pass.
 *
 * Where no retry follows, the last attempt's own error ends the call at once: also where the budget is used up, and
 * where the delay would not end before the deadline, since waiting for a failure that is certain helps nobody.
 */
export class RetryStage implements Stage {
  readonly description: StageDescription;
  private readonly budget: RetryBudget | undefined;

  constructor(
    private readonly options: ResolvedRetryOptions,
    private readonly retryIf: ((error: unknown) => boolean) | undefined,
    private readonly deps: RetryStageDeps,
  ) {
    this.budget = options.budget ? new RetryBudget(options.budget, deps) : undefined;
    this.description = {
      stage: 'retry',
      purpose: 'Repeats failed attempts. Inside of the deadline and the bulkhead, so that no repetition escapes them.',
      options: { ...options },
    };
  }

  async run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    this.budget?.recordCall();
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(call);
      } catch (error) {
        const delayMs = this.delayAfter(attempt, error, call);
        if (delayMs === undefined) throw error;
        call.progress.lastError = error;
        const { name: service, clock, events } = this.deps;
        events.emit('call.retried', { service, attempt: attempt + 1, delayMs, reason: reasonOf(error) });
        if (delayMs > 0) await sleep(clock, delayMs, call.signal);
      }
    }
  }

  /** How long to wait for the next attempt; undefined where there is none. */
  private delayAfter(attempt: number, error: unknown, { signal, deadline }: PolicyCall): number | undefined {
    if (signal.aborted || attempt >= this.options.maxAttempts || !this.isRetryable(error)) return undefined;
    const { clock, random } = this.deps;
    const retryAfterMs = retryAfterOf(error, clock.epoch());
    if (error instanceof CircuitOpenError && (retryAfterMs === undefined || deadline === Infinity)) {
      // Somebody isolated it, or nobody said how long this call may wait: then failing fast is what a breaker is for.
      return undefined;
    }
    const delayMs = Math.max(backoffDelay(attempt, this.options, random), retryAfterMs ?? 0);
    if (delayMs > this.options.maxDelay || clock.now() + delayMs >= deadline) return undefined;
    // Asked last, so that only a retry that takes place is paid for.
    return this.budget && !this.budget.tryRetry() ? undefined : delayMs;
  }

  private isRetryable(error: unknown): boolean {
    if (this.retryIf) return this.retryIf(error);
    return classifyError(error, this.options.retryableStatuses) === 'retryable';
  }
}
