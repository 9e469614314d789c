import {
  AttemptTimeoutError,
  type Cancellation,
  nameOfRequest,
  type Outcome,
  type OutcomeClass,
  TransportError,
} from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import {
  CancelScope,
  classifyError,
  classifyStatus,
  DEFAULT_IGNORED_STATUSES,
  DEFAULT_RETRYABLE_STATUSES,
  type EndedAttempt,
  includesStatus,
  reasonOf,
  type ResolvedRetryOptions,
  type TimeLimit,
} from '../../resilience/index.js';
import { type ServiceRequest, type ServiceResponse } from '../../transport/index.js';
import { type AttemptSpan } from '../call-tracer.js';
import { CallResponse, discard, followCaller } from './call-response.js';
import { type Call } from './call.js';
import { requestOf } from './deadline-header.js';
import { withDoubt } from './doubtful-address.js';
import { type Target } from './pick-target.js';
import { anotherCanBeTried, halfTimeOf } from './room-for-another.js';
import { wasRushed } from './call-scope.js';

/** Sends one request to one instance. */
export interface Sender {
  /** As `Transport.dispatch`. */
  send(to: ServiceInstance, request: ServiceRequest, cancellation: Cancellation): Promise<ServiceResponse>;
}

/**
 * One attempt: the request to one instance, within the attempt's timeout.
 *
 * If the library reads the body, it does so inside the attempt, so that a body that breaks off fails the attempt. An
 * attempt that failed with a response keeps it, and its place at the instance, until `accept` or `discard`.
 */
export class Attempt<T> implements EndedAttempt, TimeLimit {
  /** Undefined if no response arrived. */
  status: number | undefined = undefined;
  verdict: OutcomeClass = 'ignored';
  /** Whether it says nothing about the callee, see {@link wasRushed}. */
  rushed = false;
  /** Whether another attempt may succeed; false after an answer, even an error status. */
  failed = false;
  /** The error that it failed with; undefined if it failed with a response. */
  error: unknown = undefined;
  response: ServiceResponse | undefined = undefined;
  /** Timeout in milliseconds: half of its time while another instance can be tried, see {@link halfTimeOf}. */
  ms: number;
  /** When the response headers arrived. */
  private arrivedAt = 0;
  private readonly scope: CancelScope;
  private outcome: Outcome | undefined = undefined;
  /** How it ends for the caller; undefined: with `error`. */
  private answer: 'value' | 'thrown' | undefined = undefined;
  private value: T | undefined = undefined;
  /** What reading the response threw. */
  private thrown: unknown = undefined;
  private isOver = false;

  constructor(
    private readonly call: Call<T>,
    private readonly target: Target,
    parent: Cancellation,
    /** By `Clock.now()`. */
    private readonly began: number,
    /** Undefined: the call is not traced. */
    private readonly span: AttemptSpan | undefined,
  ) {
    this.ms = halfTimeOf(call, began) ?? call.times.attemptTimeoutMs;
    this.scope = new CancelScope(call.deps.timers, parent, this, began);
    // Arm the call's timer first: when both are due at the same time, the call has timed out.
    call.scope.armBefore?.(this.scope.dueAt);
    this.scope.arm();
  }

  timeoutError(): AttemptTimeoutError {
    const { service, prepared } = this.call;
    const { instanceId } = this.instance;
    return new AttemptTimeoutError(this.ms, { service, instanceId, request: nameOfRequest(prepared) });
  }

  /** The remaining half of its time, if no other instance can be tried. */
  extraMs(): number {
    const { call } = this;
    const extraMs = call.times.attemptTimeoutMs - this.ms;
    if (extraMs <= 0 || anotherCanBeTried(call, this.timeoutError())) return 0;
    this.ms += extraMs;
    call.scope.armBefore?.(this.scope.dueAt + extraMs);
    return extraMs;
  }

  /** For events: a status or an error code. Built lazily, since a successful attempt needs none. */
  get reason(): string {
    if (this.outcome?.kind === 'error') return reasonOf(this.outcome.error);
    return this.status === undefined ? '' : `status ${this.status}`;
  }

  /** What its verdict counts as for breakers and the outlier detector; retries go by the verdict itself. */
  get counted(): OutcomeClass {
    const { verdict, status, rushed, error } = this;
    if (verdict === 'success') return verdict;
    const isIgnored = rushed || (error === undefined && status !== undefined && this.ignores(status));
    return isIgnored ? 'ignored' : verdict;
  }

  get isAnswer(): boolean {
    return !this.failed;
  }

  get instance(): ServiceInstance {
    return this.target.instance;
  }

  /** Whether the instance certainly did not receive the request. */
  get neverSent(): boolean {
    return this.outcome?.kind === 'error' && this.outcome.neverSent;
  }

  /** Sends the request. Never rejects: the attempt records the outcome. */
  async run(sender: Sender): Promise<this> {
    try {
      const response = await this.send(sender);
      this.arrived(response);
      if (this.failed) return this;
      const value = this.use(response);
      if (isPromise(value)) this.answered(response, await value);
      else this.answered(response, value, this.arrivedAt);
    } catch (error) {
      this.threw(error);
    }
    return this;
  }

  /**
   * The result for the caller if no other attempt follows: the answer, the failed response, or the error.
   * @throws the error
   */
  async accept(): Promise<T> {
    const { response } = this;
    if (response && !this.isOver) {
      try {
        this.answered(response, await this.use(response));
      } catch (error) {
        this.threw(error);
      }
    }
    return this.result();
  }

  /** @throws the error that it ended with */
  result(): T {
    if (this.answer === 'value') return this.value as T;
    throw this.answer === 'thrown' ? this.thrown : this.error;
  }

  /** Releases its resources when its result is not needed. */
  discard(): void {
    if (this.response) discard(this.response, this.scope);
    this.end(true);
  }

  private send(sender: Sender): Promise<ServiceResponse> {
    const { instance, scope, span } = this;
    const request = requestOf(this.call, this.began);
    if (!span) return sender.send(instance, request, scope);
    span.inject(request.headers);
    return span.send(() => sender.send(instance, request, scope));
  }

  private arrived(response: ServiceResponse): void {
    const { status } = response;
    this.arrivedAt = this.call.deps.clock.now();
    this.response = response;
    this.status = status;
    this.call.view.channel.reached(this.instance.instanceId, this.arrivedAt);
    this.outcome = new ResponseOutcome(status, this.arrivedAt - this.began);
    this.verdict = classifyOutcome(this.outcome, this.call.view.settings.retry);
    this.failed = this.verdict === 'retryable';
    if (this.verdict === 'success') return;
    this.rushed = this.wasRushed(this.arrivedAt);
    // The verdict on the status stands, however the body ends.
    this.target.place.record(this.counted, this.outcome.latencyMs, this.arrivedAt);
  }

  private ignores(status: number): boolean {
    const { circuitBreaker } = this.call.view.settings;
    return includesStatus(circuitBreaker?.ignoredStatuses ?? DEFAULT_IGNORED_STATUSES, status);
  }

  private wasRushed(now: number): boolean {
    const { call, began, ms: limitMs } = this;
    return wasRushed(call, { began, limitMs, now });
  }

  private use(response: ServiceResponse): Promise<T> | T {
    const { consume, attempts, prepared } = this.call;
    return consume(new CallResponse(response, this.instance, attempts), prepared);
  }

  /** @param now `Clock.now()` @default read from the clock */
  private answered(response: ServiceResponse, value: T, now = this.call.deps.clock.now()): void {
    this.answer = 'value';
    this.value = value;
    this.end(followCaller(response, this.call.caller, this.scope), now);
  }

  private threw(error: unknown): void {
    // A good head with a body that broke off or never ended is a failed attempt.
    if (!this.response || error instanceof TransportError || this.scope.aborted) return this.fail(error);
    this.answer = 'thrown';
    this.thrown = this.explained(error);
    this.end(false);
  }

  private fail(thrown: unknown): void {
    const { deps, abandoned, view } = this.call;
    const now = deps.clock.now();
    const error = this.explained(thrown);
    const neverSent = this.outcome === undefined && error instanceof TransportError && error.neverSent;
    this.failed = true;
    this.error = error;
    this.outcome = { kind: 'error', error, neverSent, abandoned, latencyMs: now - this.began };
    this.verdict = classifyOutcome(this.outcome, view.settings.retry);
    this.rushed = this.wasRushed(now);
    if (this.rushed) this.outcome = { ...this.outcome, abandoned: true };
    if (neverSent && !deps.closing.aborted) view.channel.notReached(this.instance, error, now);
    this.end(false, now);
  }

  private tellSplit(): void {
    const { events, service, view } = this.call;
    const part = view.channel.partOf(this.instance);
    if (!part || !this.outcome) return;
    const ok = this.counted === 'success' || this.counted === 'ignored';
    events.emit('call.split', { service, part, ok, durationMs: this.outcome.latencyMs });
  }

  private explained(error: unknown): unknown {
    const { addressDoubt } = this.call.deps;
    return addressDoubt ? withDoubt(error, () => addressDoubt(this.instance)) : error;
  }

  /**
   * @param outlived whether the body of the response, and with it the attempt's scope, is still open
   * @param now `Clock.now()` @default read from the clock
   */
  private end(outlived: boolean, now = this.call.deps.clock.now()): void {
    if (!outlived) this.scope.dispose();
    if (this.isOver) return;
    this.isOver = true;
    this.span?.end(this);
    const { place, picked } = this.target;
    if (this.outcome) place.record(this.counted, this.outcome.latencyMs, now);
    this.tellSplit();
    place.leave();
    // Last, since a user's strategy may throw, and the place must be freed in any case.
    if (this.outcome) picked.done(this.outcome, now);
  }
}

/** A class, for the reason given at `PreparedRequest`. */
class ResponseOutcome {
  readonly kind = 'response';

  constructor(
    readonly status: number,
    readonly latencyMs: number,
  ) {}
}

/** Lets callers skip an `await`, and with it a microtask, for plain values. */
function isPromise<T>(value: Promise<T> | T): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined | null)?.then === 'function';
}

/** Classifies the outcome of an attempt, using the retryable statuses of the retry options. */
export function classifyOutcome(outcome: Outcome, retry: ResolvedRetryOptions | null): OutcomeClass {
  const statuses = retry?.retryableStatuses ?? DEFAULT_RETRYABLE_STATUSES;
  if (outcome.kind === 'response') return classifyStatus(outcome.status, statuses);
  return outcome.abandoned ? 'ignored' : classifyError(outcome.error, statuses);
}
