import { finished } from 'node:stream';
import {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  type Clock,
  DeadlineExceededError,
  joinSignals,
  NoAvailableInstanceError,
  type Outcome,
  type OutcomeClass,
  type Random,
  ServiceDiscoveryError,
  ServiceNotFoundError,
  sleep,
  TransportError,
} from '../common/index.js';
import { type UnavailableReason } from '../balancing/index.js';
import { type EventSink, type ServiceInstance } from '../model/index.js';
import { backoffDelay, CancelScope, parseRetryAfter, reasonOf } from '../resilience/index.js';
import { type ServiceResponse, type Transport } from '../transport/index.js';
import { classifyOutcome } from './classify-outcome.js';
import { type CallSettings } from './options.js';
import { type PreparedRequest, type ServiceCallRequest, type ServiceCallResponse } from './request.js';
import { type Place, type ServiceChannel } from './service-channel.js';

/** Turns a response into what the caller asked for; runs inside the attempt, so its failures and its time count. */
export type Consume<T> = (response: ServiceCallResponse) => Promise<T> | T;

export interface CallDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
  readonly transport: Transport;
  /** Aborts when no further attempt may be made. */
  readonly closing: AbortSignal;
}

/** The error of a call that the shutdown ends. */
export function closedError(service: string, cause?: unknown): ServiceDiscoveryError {
  const message = 'The communicator is closed: the application shuts down';
  return new ServiceDiscoveryError('ABORTED', message, { service, cause });
}

interface Target {
  readonly instance: ServiceInstance;
  readonly place: Place;
  readonly done: (outcome: Outcome) => void;
}

/** An attempt that did not give the caller what it wanted, and may be followed by another. */
interface Failure {
  readonly instance: ServiceInstance;
  readonly reason: string;
  readonly error?: unknown;
}

type AttemptResult<T> = { readonly value: T } | { readonly retryInMs: number };

/**
 * One call: the stages of the call stack (deadline, retry with budget) around those of the instance stack (breaker,
 * concurrency limit, attempt timeout).
 *
 * Deadline outermost, because it bounds waits and attempts together. A fresh pick inside the retry, because another
 * instance is the best cure. Breaker before the attempt's timer, because a refused attempt takes no time.
 */
export class Call<T> {
  private readonly tried = new Set<string>();
  private attempts = 0;
  private last: Failure | undefined;
  private status: number | undefined;
  private verdict: OutcomeClass = 'ignored';

  constructor(
    private readonly service: string,
    private readonly channel: ServiceChannel,
    private readonly request: ServiceCallRequest,
    private readonly prepared: PreparedRequest,
    private readonly settings: CallSettings,
    private readonly consume: Consume<T>,
    private readonly deps: CallDependencies,
  ) {}

  /** @throws ServiceDiscoveryError with `attempts`; the caller's abort reason as it is */
  async run(): Promise<T> {
    const { clock, events } = this.deps;
    const { timeoutMs, retry } = this.settings;
    const began = clock.now();
    const scope = new CancelScope(clock, this.request.signal, {
      ms: timeoutMs,
      error: () =>
        new DeadlineExceededError(timeoutMs, {
          service: this.service,
          attempts: this.attempts,
          cause: this.last?.error,
        }),
    });
    let failure: unknown;
    try {
      if (retry) this.channel.budget(retry)?.recordCall();
      for (;;) {
        if (scope.signal.aborted) throw scope.signal.reason;
        const result = await this.attempt(this.pick(), scope);
        if ('value' in result) return result.value;
        if (result.retryInMs > 0) await this.backOff(result.retryInMs, scope.signal);
      }
    } catch (error) {
      failure = error;
      if (error instanceof ServiceDiscoveryError) error.attempts = this.attempts;
      throw error;
    } finally {
      scope.dispose();
      events.emit('call.completed', {
        service: this.service,
        instanceId: this.last?.instance.instanceId,
        ok: failure === undefined && this.verdict === 'success',
        status: this.status,
        code: failure === undefined ? undefined : this.codeOf(failure),
        attempts: this.attempts,
        durationMs: clock.now() - began,
      });
    }
  }

  /** The caller's abort may have any reason at all. */
  private codeOf(failure: unknown): string | undefined {
    if (failure instanceof ServiceDiscoveryError) return failure.code;
    return this.request.signal?.aborted ? 'ABORTED' : undefined;
  }

  private async backOff(delayMs: number, signal: AbortSignal): Promise<void> {
    const { clock, closing } = this.deps;
    const either = joinSignals([signal, closing]);
    try {
      await sleep(clock, delayMs, either.signal);
    } catch (error) {
      throw signal.aborted ? error : closedError(this.service, this.last?.error);
    } finally {
      either.release();
    }
  }

  private pick(): Target {
    const { channel, settings, request, service } = this;
    const picked = channel.balancer(settings.strategy).pick({
      ...request.criteria,
      key: request.key,
      exclude: this.tried,
      isAvailable: (instance) => channel.refusal(instance, settings) === undefined,
    });
    if (picked.kind === 'unavailable') throw this.unavailable(picked.reason);
    const { instance } = picked;
    const place = channel.enter(instance, settings);
    if (!place) {
      // Only a balancer that does not ask `isAvailable` comes here.
      const error = this.unavailable('none_available');
      picked.done({ kind: 'error', error, latencyMs: 0, neverSent: true });
      throw error;
    }
    this.attempts++;
    this.tried.add(instance.instanceId);
    const { events } = this.deps;
    events.emit('call.picked', {
      service,
      instanceId: instance.instanceId,
      strategy: settings.strategyName,
      attempt: this.attempts,
    });
    if (this.last && this.last.instance.instanceId !== instance.instanceId) {
      const { instance: from, reason } = this.last;
      events.emit('call.failed_over', { service, from: from.instanceId, to: instance.instanceId, reason });
    }
    return { instance, place, done: (outcome) => picked.done(outcome) };
  }

  private async attempt({ instance, place, done }: Target, scope: CancelScope): Promise<AttemptResult<T>> {
    const { clock, transport } = this.deps;
    const { permit } = place;
    const { attemptTimeoutMs } = this.settings;
    const began = clock.now();
    const attemptScope = new CancelScope(clock, scope.signal, {
      ms: attemptTimeoutMs,
      error: () =>
        new AttemptTimeoutError(attemptTimeoutMs, { service: this.service, instanceId: instance.instanceId }),
    });
    let outcome: Outcome | undefined;
    let outlived = false;
    try {
      const response = await transport.send(instance, this.prepared, attemptScope.signal);
      this.status = response.status;
      outcome = { kind: 'response', status: response.status, latencyMs: clock.now() - began };
      this.verdict = classifyOutcome(outcome, this.settings.retry);
      if (this.verdict !== 'success') permit?.settle(this.verdict);
      if (this.verdict === 'retryable') {
        const failure = { instance, reason: `status ${response.status}` };
        const retryInMs = this.retryDelay(
          failure,
          false,
          scope,
          parseRetryAfter(response.headers['retry-after'], clock.epoch()),
        );
        this.last = failure;
        if (typeof retryInMs === 'number') {
          outlived = true;
          discard(response, attemptScope);
          return { retryInMs };
        }
      }
      this.last = { instance, reason: `status ${response.status}` };
      const value = await this.consume({ ...response, instance, attempts: this.attempts });
      outlived = this.followCaller(response, attemptScope);
      return { value };
    } catch (error) {
      if (outcome && !(error instanceof TransportError) && !attemptScope.signal.aborted) throw error;
      // The head was good, but the body broke off or never ended: the attempt as a whole has failed.
      const neverSent = outcome === undefined && error instanceof TransportError && error.neverSent;
      const abandoned = this.request.signal?.aborted === true;
      outcome = { kind: 'error', error, neverSent, abandoned, latencyMs: clock.now() - began };
      this.verdict = classifyOutcome(outcome, this.settings.retry);
      permit?.settle(this.verdict);
      const failure = { instance, reason: reasonOf(error), error };
      const retryInMs =
        this.verdict === 'retryable' && !scope.signal.aborted ? this.retryDelay(failure, neverSent, scope) : undefined;
      this.last = failure;
      if (typeof retryInMs === 'number') return { retryInMs };
      if (retryInMs === 'budget_exhausted') throw this.budgetExhausted(error, instance);
      throw error;
    } finally {
      if (!outlived) attemptScope.dispose();
      permit?.settle(this.verdict);
      place.leave();
      if (outcome) done(outcome);
    }
  }

  /** How long to wait before another attempt; undefined where there must be none. */
  private retryDelay(
    failure: Failure,
    neverSent: boolean,
    scope: CancelScope,
    retryAfterMs?: number,
  ): number | 'budget_exhausted' | undefined {
    const { retry } = this.settings;
    const { prepared, channel, settings } = this;
    if (!retry || this.attempts >= retry.maxAttempts) return undefined;
    if (!prepared.replayable || !(prepared.idempotent || neverSent)) return undefined;
    const another = channel.hasUntried(this.tried, settings, this.request.criteria);
    const delayMs = another
      ? 0
      : Math.max(
          backoffDelay(this.attempts, retry, this.deps.random),
          retryAfterMs ?? 0,
          channel.circuitWaitMs(settings, this.request.criteria),
        );
    if (delayMs > retry.maxDelay || delayMs >= scope.remainingMs()) return undefined;
    if (channel.budget(retry)?.tryRetry() === false) return 'budget_exhausted';
    this.deps.events.emit('call.retried', {
      service: this.service,
      attempt: this.attempts + 1,
      delayMs,
      reason: failure.reason,
    });
    return delayMs;
  }

  /**
   * The stream of a response outlives the call and its limits of time; the caller's signal ends it still.
   * @returns whether the stream is open, and the attempt with it
   */
  private followCaller({ body: { stream } }: ServiceResponse, attempt: CancelScope): boolean {
    const { signal } = this.request;
    if (!signal || stream.destroyed || stream.readableEnded) return false;
    attempt.handOver(signal);
    finished(stream, () => attempt.dispose());
    return true;
  }

  private budgetExhausted(cause: unknown, { instanceId }: ServiceInstance): ServiceDiscoveryError {
    return new ServiceDiscoveryError(
      'RETRY_BUDGET_EXHAUSTED',
      `The call to ${this.service} failed (${reasonOf(cause)}) and too many calls are being retried to retry this one`,
      { service: this.service, instanceId, cause },
    );
  }

  private unavailable(reason: UnavailableReason): unknown {
    const { service, channel, settings } = this;
    // What went wrong first tells more than that nobody is left to ask.
    const cause = this.last?.error;
    if (cause !== undefined) return cause;
    switch (reason) {
      case 'no_instances':
        return new ServiceNotFoundError(service);
      case 'no_match':
        return new NoAvailableInstanceError(service, 'none matches the version and tags asked for');
      case 'none_healthy':
        return new NoAvailableInstanceError(service, 'all are unhealthy, draining, in maintenance or of weight 0');
      case 'none_available': {
        const retryAfterMs = channel.circuitWaitMs(settings, this.request.criteria);
        if (retryAfterMs === 0) return new BulkheadFullError({ service, limit: settings.concurrency, queue: 0 });
        return new CircuitOpenError(`The circuits of all instances of "${service}" that could take the call are open`, {
          service,
          retryAfterMs: Number.isFinite(retryAfterMs) ? retryAfterMs : undefined,
        });
      }
    }
  }
}

/** Throws a response away that another attempt replaces. Nobody waits for that; the attempt's own time bounds it. */
function discard({ body }: ServiceResponse, attempt: CancelScope): void {
  void body
    .dump()
    .catch(() => undefined)
    .finally(() => attempt.dispose());
}
