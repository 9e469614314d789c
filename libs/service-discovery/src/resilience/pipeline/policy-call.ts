import {
  type Cancellation,
  CancelSource,
  CircuitOpenError,
  type Clock,
  DeadlineExceededError,
  type OutcomeClass,
  raceAbort,
  SignalCancellation,
  sleep,
  type TimerWheel,
} from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { classifyError, type ErrorClassifier, reasonOf } from '../classify.js';
import { CancelScope } from '../deadline/cancel-scope.js';
import { type LoadSignal, loadSignalOfFailure } from '../load-signal.js';
import { pushbackOf, retryAfterOf } from '../retry/retry-after.js';
import { type ResolvedRetryOptions } from '../retry/retry-options.js';
import {
  type AttemptDriver,
  type EndedAttempt,
  type FailedAttempt,
  type Repeatability,
  type RetriedContext,
} from '../retry/retry-state.js';
import { chain, type Next, type ShareableContext, type Stage } from './stage.js';

/** What all calls of a policy work with. */
export interface PolicyCallDeps {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly events: EventSink;
  /** The `service` of events and errors. */
  readonly name: string;
}

/** What a policy calls; may return a promise or a value. */
type PolicyFunction = (signal: AbortSignal) => unknown;

/** Giving a function to a policy that retries or hedges says that it may run twice. */
const REPEATABLE: Repeatability = { idempotent: true, replayable: true };

/** One call of a function under a policy. */
export class PolicyCall implements ShareableContext<PolicyCall>, RetriedContext<{ readonly error: unknown }> {
  readonly repeatability = REPEATABLE;
  scope: Cancellation;
  /** How often the function was called so far. */
  attempts = 0;
  attemptsBegun = 0;
  retried = false;
  concealed: unknown = undefined;
  private lastError: unknown = undefined;
  private deadline: CancelScope | undefined = undefined;

  constructor(
    readonly fn: PolicyFunction,
    readonly key: string | undefined,
    private readonly caller: AbortSignal | undefined,
    private readonly deps: PolicyCallDeps,
  ) {
    this.scope = caller ? new SignalCancellation(caller) : new CancelSource();
  }

  get service(): string {
    return this.deps.name;
  }

  get events(): EventSink {
    return this.deps.events;
  }

  get flightKey(): string | undefined {
    return this.key;
  }

  get isAborted(): boolean {
    return this.caller?.aborted === true;
  }

  remainingMs(): number {
    return this.deadline?.remainingMs() ?? Number.POSITIVE_INFINITY;
  }

  startDeadline(ms: number): void {
    const { timers, name: service } = this.deps;
    const timeoutError = (): Error => new DeadlineExceededError(ms, { service, cause: this.lastError });
    this.deadline = new CancelScope(timers, this.scope, { ms, timeoutError });
    this.deadline.arm();
    this.scope = this.deadline;
  }

  loadSignal(failure?: { readonly error: unknown }): LoadSignal {
    if (!failure) return 'answered';
    // A call whose time ran out while it waited for a slot says nothing about the callee.
    return this.attempts === 0 ? 'ignored' : loadSignalOfFailure(failure.error, this.scope);
  }

  note({ error }: { readonly error: unknown }): void {
    this.lastError = error;
  }

  throwIfOver(): void {
    if (this.scope.aborted) throw this.scope.reason;
  }

  async pause(delayMs: number): Promise<void> {
    await sleep(this.deps.clock, delayMs, this.scope.signal);
  }

  startWaiting(): void {
    // The deadline stage, inside of the coalescing, gives one deadline to all who share a call.
  }

  extendFor(): void {
    // As above: that deadline stays.
  }

  forKeeping(): this {
    return this;
  }

  forSharing(signal: AbortSignal): PolicyCall {
    return new PolicyCall(this.fn, this.key, signal, this.deps);
  }

  receive<T>(kept: T): T {
    return kept;
  }

  mayShare(): boolean {
    return true;
  }

  failureIn(): undefined {
    return undefined;
  }

  adopt({ attempts }: PolicyCall): void {
    this.attempts = attempts;
  }

  end(): void {
    this.deadline?.dispose();
  }
}

/** What errors of the function mean. */
interface ErrorMeaning {
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
    // No resources to release.
  }
}
