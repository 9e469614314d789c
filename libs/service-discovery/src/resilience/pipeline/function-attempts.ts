import { type Cancellation, CircuitOpenError, raceAbort, type Clock, type OutcomeClass } from '../../common/index.js';
import { classifyError, type ErrorClassifier, reasonOf } from '../classify.js';
import { type AttemptDriver, type EndedAttempt } from '../retry/attempts.js';
import { pushbackOf, retryAfterOf } from '../retry/retry-after.js';
import { type ResolvedRetryOptions } from '../retry/retry-options.js';
import { type FailedAttempt } from '../retry/retry-state.js';
import { type PolicyCall } from './policy-call.js';
import { chain, type Next, type Stage } from './stage.js';

/** What errors of the function mean. */
export interface ErrorMeaning {
  readonly retry: ResolvedRetryOptions | undefined;
  readonly retryIf: ((error: unknown) => boolean) | undefined;
  readonly classify: ErrorClassifier | undefined;
}

/** Makes attempts by calling the call's function, within the stages of one attempt. */
export class FunctionAttempts implements AttemptDriver<PolicyCall, FunctionAttempt> {
  private readonly outermost: Next<FunctionAttempt, unknown>;

  constructor(
    stages: readonly Stage<FunctionAttempt>[],
    private readonly meaning: ErrorMeaning,
    private readonly clock: Clock,
  ) {
    this.outermost = chain(stages, { run: (attempt) => attempt.callFunction() });
  }

  async run(call: PolicyCall, parent: Cancellation = call.scope): Promise<FunctionAttempt> {
    call.attemptsBegun++;
    const attempt = new FunctionAttempt(call, parent, this.meaning.classify);
    try {
      attempt.succeeded(await this.outermost.run(attempt));
    } catch (error) {
      attempt.threw(error);
    }
    return attempt;
  }

  failureOf(call: PolicyCall, { error }: FunctionAttempt): FailedAttempt {
    const retryAfterMs = retryAfterOf(error, this.clock.epoch());
    const remainingMs = call.remainingMs();
    // Without a deadline there is no limit to the wait for an open circuit, so the call fails fast.
    const circuitWaitMs = (remainingMs === Infinity ? undefined : retryAfterMs) ?? Infinity;
    return {
      attempts: call.attemptsBegun,
      outcome: this.outcomeOf(error),
      error,
      retryAfterMs,
      pushbackMs: pushbackOf(error),
      circuitWaitMs: error instanceof CircuitOpenError ? circuitWaitMs : undefined,
      remainingMs,
      aborted: call.scope.aborted,
    };
  }

  async accept(_call: PolicyCall, attempt: FunctionAttempt): Promise<unknown> {
    return attempt.result();
  }

  canHedge(): boolean {
    return true;
  }

  private outcomeOf(error: unknown): OutcomeClass {
    const { retryIf, classify, retry } = this.meaning;
    if (retryIf) return retryIf(error) ? 'retryable' : 'failure';
    return classify ? classify(error) : classifyError(error, retry?.retryableStatuses);
  }
}

/** One call of the function. */
export class FunctionAttempt implements EndedAttempt {
  failed = false;
  error: unknown = undefined;
  private value: unknown = undefined;

  constructor(
    private readonly call: PolicyCall,
    public scope: Cancellation,
    private readonly classify: ErrorClassifier = classifyError,
  ) {}

  /** Such as a 404: the callee has answered, and would give the same answer to a hedge. */
  get isAnswer(): boolean {
    return !this.failed || this.classify(this.error) === 'success';
  }

  get reason(): string {
    return reasonOf(this.error);
  }

  /** Counts it as an attempt of the call. */
  count(): void {
    this.call.attempts++;
  }

  /** Rejects when the attempt is aborted, even if the function goes on. */
  async callFunction(): Promise<unknown> {
    const { signal } = this.scope;
    signal.throwIfAborted();
    this.count();
    return raceAbort(this.call.fn(signal), signal);
  }

  succeeded(value: unknown): void {
    this.value = value;
  }

  threw(error: unknown): void {
    this.failed = true;
    this.error = error;
  }

  result(): unknown {
    if (this.failed) throw this.error;
    return this.value;
  }

  discard(): void {
    // It holds nothing.
  }
}
