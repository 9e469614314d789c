import {
  AttemptTimeoutError,
  type Clock,
  type Outcome,
  ServiceDiscoveryError,
  TransportError,
} from '../../common/index.js';
import { CancelScope, parsePushback, parseRetryAfter, reasonOf, type RetryDecision } from '../../resilience/index.js';
import { type ServiceResponse, type Transport } from '../../transport/index.js';
import { type CallSettings } from '../options/index.js';
import { type Call } from './call.js';
import { classifyOutcome } from './classify-outcome.js';
import { describeAttempt } from './describe-attempt.js';
import { pickTarget, type Target } from './pick-target.js';
import { discard, followCaller } from './response-stream.js';
import { type CallStageDescription } from './stage.js';

/** Sends one request to one instance, perhaps with something in between. */
export type Sender = Pick<Transport, 'send'>;

/** An attempt that failed in a way that another one may not. */
export interface AttemptFailure {
  /** For events: a status, an error's code. */
  readonly reason: string;
  /** Whether it is certain that the instance never saw the request. */
  readonly neverSent: boolean;
  /** What the transport threw, or the body; undefined where a response arrived. */
  readonly error?: unknown;
  /** The pause that the instance asked for. */
  readonly retryAfterMs?: number;
  /** The pause that the service asked for, wherever the call goes next; negative: not again. */
  readonly pushbackMs?: number;
}

/** Asked once for each failure, while the answer that would go to the caller without a retry is still there. */
export type DecideOnRetry = <T>(call: Call<T>, failure: AttemptFailure) => RetryDecision;

/** What the caller asked for, or when to try again. */
export type AttemptResult<T> = { readonly value: T } | { readonly retryInMs: number };

/** Makes one attempt of a call. */
export interface Attempts {
  describe(): CallStageDescription[];
  /** @throws what ends the call: the caller's abort, the deadline, a failure that is not to be retried */
  run<T>(call: Call<T>, decide: DecideOnRetry): Promise<AttemptResult<T>>;
}

/**
 * One attempt: a pick, a place at the instance, and the request within the attempt's time.
 *
 * The instance's breaker stands before the timer, because a refused attempt takes no time. The body is read inside, where
 * the library reads it, so that one that breaks off is a failed attempt.
 */
export class SingleAttempt implements Attempts {
  constructor(
    private readonly settings: CallSettings,
    private readonly transport: Sender,
  ) {}

  describe(): CallStageDescription[] {
    return describeAttempt(this.settings);
  }

  async run<T>(call: Call<T>, decide: DecideOnRetry): Promise<AttemptResult<T>> {
    const target = pickTarget(call);
    const { instance, place } = target;
    const { retry } = this.settings;
    const { clock } = call.deps;
    const began = clock.now();
    const scope = attemptScope(call, target);
    let outcome: Outcome | undefined;
    let outlived = false;
    try {
      const response = await this.transport.send(instance, call.prepared, scope.signal);
      call.status = response.status;
      outcome = { kind: 'response', status: response.status, latencyMs: clock.now() - began };
      call.verdict = classifyOutcome(outcome, retry);
      const reason = `status ${response.status}`;
      if (call.verdict !== 'success') place.permit?.settle(call.verdict);
      if (call.verdict === 'retryable') {
        const decision = decide(call, { reason, neverSent: false, ...askedPauses(response, clock) });
        if (decision.retry) {
          call.last = { instance, reason };
          outlived = true;
          discard(response, scope);
          return { retryInMs: decision.delayMs };
        }
      }
      call.last = { instance, reason };
      const value = await call.consume({ ...response, instance, attempts: call.attempts });
      outlived = followCaller(response, call.request.signal, scope);
      return { value };
    } catch (error) {
      if (outcome && !(error instanceof TransportError) && !scope.signal.aborted) throw error;
      // The head was good, but the body broke off or never ended: the attempt as a whole has failed.
      const neverSent = outcome === undefined && error instanceof TransportError && error.neverSent;
      outcome = { kind: 'error', error, neverSent, abandoned: call.abandoned, latencyMs: clock.now() - began };
      call.verdict = classifyOutcome(outcome, retry);
      place.permit?.settle(call.verdict);
      const reason = reasonOf(error);
      const decision = decide(call, { reason, neverSent, error });
      call.last = { instance, reason, error };
      if (decision.retry) return { retryInMs: decision.delayMs };
      throw decision.why === 'budget_exhausted' ? budgetExhausted(call, target, error) : error;
    } finally {
      if (!outlived) scope.dispose();
      place.permit?.settle(call.verdict);
      place.leave();
      if (outcome) target.done(outcome);
    }
  }
}

function askedPauses({ headers }: ServiceResponse, clock: Clock): Pick<AttemptFailure, 'retryAfterMs' | 'pushbackMs'> {
  return {
    retryAfterMs: parseRetryAfter(headers['retry-after'], clock.epoch()),
    pushbackMs: parsePushback(headers['grpc-retry-pushback-ms']),
  };
}

function attemptScope<T>({ times, scope, service, deps }: Call<T>, { instance }: Target): CancelScope {
  const ms = times.attemptTimeoutMs;
  return new CancelScope(deps.clock, scope.signal, {
    ms,
    error: () => new AttemptTimeoutError(ms, { service, instanceId: instance.instanceId }),
  });
}

function budgetExhausted<T>({ service }: Call<T>, { instance }: Target, cause: unknown): ServiceDiscoveryError {
  return new ServiceDiscoveryError(
    'RETRY_BUDGET_EXHAUSTED',
    `The call to ${service} failed (${reasonOf(cause)}) and too many calls are being retried to retry this one`,
    { service, instanceId: instance.instanceId, cause },
  );
}
