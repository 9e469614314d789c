import { strategyName } from '../../../balancing/index.js';
import { type Duration, parseDuration } from '../../../common/index.js';
import { type CircuitBreakerView, type CommunicationPattern } from '../../../communicator/index.js';
import { snakeCase } from './snake-case.js';

/** A tier's pattern as JSON. Durations are seconds. Settings that are not named have their defaults. */
export interface PatternView {
  readonly description: string;
  /** A strategy's name; `custom` for one of the app's own without a name. */
  readonly load_balancing: string;
  readonly timeout: number;
  readonly attempt_timeout: number;
  /** False: one attempt only. */
  readonly retry: Readonly<Record<string, unknown>> | false;
  /** False: none. */
  readonly circuit_breaker: Readonly<Record<string, unknown>> | false;
  /** Calls of one process at one instance at once; false: no limit. */
  readonly concurrency: number | false;
}

/** The options that are durations, as they may be given: numbers of milliseconds, or texts. */
const DURATIONS: ReadonlySet<string> = new Set(['baseDelay', 'maxDelay', 'window', 'recoveryTimeout']);

export function toPatternView(pattern: CommunicationPattern): PatternView {
  return {
    description: pattern.description,
    load_balancing: strategyName(pattern.loadBalancing),
    timeout: secondsOf(pattern.timeout),
    attempt_timeout: secondsOf(pattern.attemptTimeout),
    retry: pattern.retry && toGroupView(pattern.retry),
    circuit_breaker: pattern.circuitBreaker && toGroupView(pattern.circuitBreaker),
    concurrency: pattern.concurrency,
  };
}

/** One breaker, as the answer of `GET /circuit-breakers` lists it. */
export interface CircuitBreakerBody {
  readonly service_name: string;
  /** Null where the breaker is that of the service as a whole. */
  readonly instance_id: string | null;
  readonly state: CircuitBreakerView['state'];
  /** Consecutive failures that count now. */
  readonly failures: number;
  /** When calls get through again; null where they do, or where nobody can tell. */
  readonly retry_after_ms: number | null;
}

export function toCircuitBreakerBody(breaker: CircuitBreakerView): CircuitBreakerBody {
  const { service, instanceId, state, failures, retryAfterMs } = breaker;
  return {
    service_name: service,
    instance_id: instanceId ?? null,
    state,
    failures,
    retry_after_ms: retryAfterMs ?? null,
  };
}

function toGroupView(options: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]: [string, unknown]) => [
      snakeCase(name),
      DURATIONS.has(name) ? secondsOf(value as Duration) : value,
    ]),
  );
}

function secondsOf(duration: Duration): number {
  const parsed = parseDuration(duration);
  return 'ms' in parsed ? parsed.ms / 1_000 : Number.NaN;
}
