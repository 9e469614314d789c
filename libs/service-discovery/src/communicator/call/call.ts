import {
  asCancellation,
  type Cancellation,
  DeadlineExceededError,
  joinSignals,
  nameOfRequest,
  type OutcomeClass,
  ResponseStatusError,
  sleep,
} from '../../common/index.js';
import { type EventSink, type ServiceInstance } from '../../model/index.js';
import {
  CancelScope,
  classifyAbort,
  type LoadSignal,
  loadSignalOf,
  loadSignalOfStatus,
  type RetriedContext,
  type ShareableContext,
  type TimeLimit,
} from '../../resilience/index.js';
import { type CallSpan } from '../call-tracer.js';
import { type ChannelView } from '../channel/channel-view.js';
import { type CallTimes } from '../options/index.js';
import { type PreparedRequest, type ServiceCallRequest, type ServiceCallResponse } from '../request.js';
import { buffer, type BufferedResponse, isShareable, keyOfRequest, replay } from './buffered-response.js';
import { type CallDependencies, closedError } from './call-dependencies.js';
import { type CallScope, SharedScope, wasRushed } from './call-scope.js';
import { givenDeadline } from './deadline-header.js';

/**
 * Turns the response into the value that the caller asked for. Runs inside the attempt, so its failures and its time
 * count.
 */
export type Consume<T> = (response: ServiceCallResponse, request: PreparedRequest) => Promise<T> | T;

/** How a call uses its response. */
export interface ResponseUse<T> {
  readonly consume: Consume<T>;
  /** The `accept` header, unless the caller sets one. */
  readonly accept?: string;
}

/** An attempt that has ended. */
export interface AttemptEnd {
  readonly instance: ServiceInstance;
  /** For events: a status or an error code. */
  readonly reason: string;
  /** Undefined if no response arrived. */
  readonly status: number | undefined;
  readonly verdict: OutcomeClass;
  /** What the verdict counts as for breakers: retries go by the verdict itself. */
  readonly counted: OutcomeClass;
  /** Whether it says nothing about the callee, see {@link wasRushed}. */
  readonly rushed: boolean;
  /** Undefined if a response arrived. */
  readonly error: unknown;
}

/** One call: the request and its progress. The stages and attempts do the work and record it here. */
export class Call<T> implements ShareableContext<Call<unknown>>, RetriedContext<AttemptEnd>, TimeLimit {
  /** By `Clock.now()`. */
  readonly began: number;
  attempts = 0;
  /** Of the latest attempt. */
  picked: ServiceInstance | undefined = undefined;
  /** The attempt that ended last, except those that a hedge overtook. */
  last: AttemptEnd | undefined = undefined;
  /** Of the last response. */
  status: number | undefined = undefined;
  concealed: unknown = undefined;
  retried = false;
  /**
   * The deadline of the caller's own work, in milliseconds since the Unix epoch; known once the call has a deadline.
   */
  givenDeadline = Number.POSITIVE_INFINITY;
  /** Set with the deadline, before any inner stage runs. */
  scope!: CallScope;
  /** The timeout of the call, in milliseconds from its start; set with the deadline. */
  ms = 0;

  private triedIds: Set<string> | undefined = undefined;
  /** Instances tried in the current round, once every instance has been tried; undefined before. */
  private roundIds: Set<string> | undefined = undefined;

  constructor(
    /** The service as seen by callers with this call's settings. */
    readonly view: ChannelView,
    readonly request: ServiceCallRequest,
    readonly prepared: PreparedRequest,
    /** From the settings unless the request overrides them. */
    readonly times: CallTimes,
    readonly consume: Consume<T>,
    readonly deps: CallDependencies,
    /** Whether several callers share it: then its scope is set from the start. */
    readonly shared = false,
    /** How long it has already waited for the service to be registered. */
    readonly waitedMs = 0,
    /** Undefined: the call is not traced. */
    readonly span: CallSpan | undefined = undefined,
  ) {
    this.began = deps.clock.now() - waitedMs;
  }

  get service(): string {
    return this.view.service;
  }

  get events(): EventSink {
    return this.span ?? this.deps.events;
  }

  get repeatability(): PreparedRequest {
    return this.prepared;
  }

  get attemptsBegun(): number {
    return this.attempts;
  }

  remainingMs(now?: number): number {
    return this.scope.remainingMs(now);
  }

  /**
   * The deadline is the earliest of the call's own timeout, the deadline of the caller's work, and the header that the
   * caller set. A shared call has none: each of its callers has one.
   */
  startDeadline(): void {
    // One that could not share an answer has its deadline already.
    if (this.shared || (this.scope as CallScope | undefined)) return;
    const { clock, timers } = this.deps;
    this.givenDeadline = givenDeadline(this);
    const { timeoutMs } = this.times;
    const hasNone = this.givenDeadline === Number.POSITIVE_INFINITY;
    // What is left counts from now on, and the limit from the start of the call: it may have waited, or the process was busy.
    this.ms = hasNone ? timeoutMs : Math.min(timeoutMs, this.givenDeadline - clock.epoch() + clock.now() - this.began);
    if (this.ms <= 0) throw this.timeoutError();
    this.scope = new CancelScope(timers, this.caller && asCancellation(this.caller), this, this.began);
  }

  timeoutError(): DeadlineExceededError {
    const { service, prepared, attempts, last } = this;
    const request = nameOfRequest(prepared);
    const details = { service, request, attempts, cause: last?.error };
    return new DeadlineExceededError(Math.max(0, this.ms), details, this.isRushed());
  }

  /** Whether a deadline that it was given cuts it short, see {@link wasRushed}; at its beginning too. */
  isRushed(): boolean {
    const { began, ms: limitMs, deps } = this;
    return limitMs <= 0 || wasRushed(this, { began, limitMs, now: deps.clock.now() });
  }

  throwIfOver(): void {
    if (this.scope.aborted) throw this.scope.reason;
    if (this.deps.closing.aborted) throw closedError(this.service, this.last?.error);
  }

  async pause(delayMs: number): Promise<void> {
    const { clock, closing } = this.deps;
    const { signal } = this.scope;
    const either = joinSignals([signal, closing]);
    try {
      await sleep(clock, delayMs, either.signal);
    } catch (error) {
      throw signal.aborted ? error : closedError(this.service, this.last?.error);
    } finally {
      either.release();
    }
  }

  /** Judged by the last attempt. A call without one, because it timed out in one of our queues, is no signal. */
  loadSignal(failure?: { readonly error: unknown }): LoadSignal {
    const { last, attempts, abandoned } = this;
    if (abandoned || attempts === 0 || last?.rushed === true) return 'ignored';
    if (last?.error !== undefined) return loadSignalOf(last.error);
    if (last?.status !== undefined) return loadSignalOfStatus(last.status);
    return loadSignalOf(failure?.error);
  }

  /** Ids of the instances tried, built lazily; undefined before the first attempt. */
  idsTried(): ReadonlySet<string> | undefined {
    if (this.picked) {
      const { instanceId } = this.picked;
      (this.triedIds ??= new Set()).add(instanceId);
      this.roundIds?.add(instanceId);
    }
    return this.triedIds;
  }

  /** Ids of the instances that the next attempt uses only as a last resort. */
  idsToPassOver(): ReadonlySet<string> | undefined {
    const tried = this.idsTried();
    return this.roundIds ?? tried;
  }

  /** Starts another round after every instance was tried, so that each gets the same number of attempts. */
  startRound(): void {
    this.roundIds = new Set();
  }

  /** The caller's cancellation. */
  get caller(): Cancellation | AbortSignal | undefined {
    return this.request.cancellation ?? this.request.signal;
  }

  /** Whether the caller has aborted; then the end of an attempt says nothing about the instance. */
  get abandoned(): boolean {
    const { caller } = this;
    if (!caller?.aborted) return false;
    // If all callers of a shared call timed out, the instance was too slow for them.
    return !this.shared || classifyAbort(caller.reason) === 'ignored';
  }

  /** Only responses to GETs without a body are interchangeable. */
  get key(): string | undefined {
    return keyOfRequest(this.request, this.prepared);
  }

  /** Includes the attempt timeout: attempts are made for all callers, while each has a deadline of its own. */
  get flightKey(): string | undefined {
    const { key } = this;
    const { attemptTimeoutMs, leavesRoom } = this.times;
    return key === undefined ? undefined : `${attemptTimeoutMs} ${leavesRoom} ${key}`;
  }

  get isAborted(): boolean {
    return this.caller?.aborted === true;
  }

  startWaiting(): void {
    this.startDeadline();
  }

  forKeeping(): Call<BufferedResponse> {
    const { view, request, prepared, times, deps, waitedMs, span } = this;
    return new Call(view, request, prepared, times, buffer, deps, false, waitedMs, span);
  }

  forSharing(signal: AbortSignal): Call<BufferedResponse> {
    const { view, prepared, times, deps, span } = this;
    const request = { ...this.request, signal, cancellation: undefined };
    const call = new Call(view, request, prepared, times, buffer, deps, true, 0, span);
    call.scope = new SharedScope(signal, deps.clock, this.remainingMs());
    return call;
  }

  extendFor({ scope }: Call<unknown>): void {
    if (this.scope instanceof SharedScope) this.scope.extendTo(scope);
  }

  /** @param kept the result of a call made by {@link forKeeping} or {@link forSharing} */
  receive<Kept>(kept: Kept, staleMs?: number): Promise<Kept> | Kept {
    const response = replay(kept as BufferedResponse);
    const answer = this.consume(staleMs === undefined ? response : { ...response, staleMs }, this.prepared);
    return answer as Promise<Kept> | Kept;
  }

  mayShare(kept: unknown): boolean {
    return isShareable(kept as BufferedResponse);
  }

  failureIn(kept: unknown): ResponseStatusError | undefined {
    const { status } = kept as BufferedResponse;
    if (status < 400) return undefined;
    const { service, prepared } = this;
    return new ResponseStatusError(status, {}, undefined, { service, request: nameOfRequest(prepared) });
  }

  /** The class of the last attempt's outcome; `ignored` if there was none. */
  get verdict(): OutcomeClass {
    return this.last?.verdict ?? 'ignored';
  }

  /** What the call counts as for the breaker of the service; `ignored` where no instance was asked. */
  get counted(): OutcomeClass {
    return this.last?.counted ?? 'ignored';
  }

  /** Releases its time limit. */
  end(): void {
    // The call may have ended before its deadline was set.
    (this.scope as CallScope | undefined)?.dispose?.();
  }

  note(end: AttemptEnd): void {
    this.last = end;
    this.status = end.status ?? this.status;
  }

  /** Takes over the record of a call made on behalf of this one. */
  adopt({ attempts, last, status, concealed }: Call<unknown>): void {
    this.attempts = attempts;
    this.last = last;
    this.status = status;
    this.concealed = concealed;
  }
}
