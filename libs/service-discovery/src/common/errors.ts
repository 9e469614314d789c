import { inspect } from 'node:util';
import { elementsOf } from './elements-of.js';
import { isRecord } from './is-record.js';

/** Every code that a {@link ServiceDiscoveryError} can carry, with its meaning. Codes are stable; messages are not. */
export const ERROR_CODES = {
  /** No service of this name is registered. See {@link ServiceNotFoundError}. */
  SERVICE_NOT_FOUND: 'no service of this name is registered',
  /** A service that was waited for was not there in time. See {@link ServiceNotReadyError}. */
  SERVICE_NOT_READY: 'a service that was waited for was not there in time',
  /** The service is registered, but none of its instances may take a call now. See {@link NoAvailableInstanceError}. */
  NO_AVAILABLE_INSTANCE: 'the service is known, but none of its instances may take a call now',
  /** A circuit breaker refuses calls after repeated failures; `retryAfterMs` says for how long. See {@link CircuitOpenError}. */
  CIRCUIT_OPEN: 'the circuit breaker refuses calls after repeated failures',
  /** The `timeout` of the whole call, with all its attempts and waits, is over. See {@link DeadlineExceededError}. */
  DEADLINE_EXCEEDED: 'the time for the whole call is over',
  /** One attempt took longer than `attemptTimeout`, and no other followed. See {@link AttemptTimeoutError}. */
  ATTEMPT_TIMEOUT: 'one attempt took too long',
  /** The call failed and was not retried, because too many calls are being retried already; `cause` is the failure. */
  RETRY_BUDGET_EXHAUSTED: 'the call failed, and too many calls are being retried already to try it again',
  /** All slots of the bulkhead are busy, and no further call may wait or wait longer. See {@link BulkheadFullError}. */
  BULKHEAD_FULL: 'too many calls run and wait already',
  /** More calls are made than the rate limit allows; the call was not sent. See {@link RateLimitedError}. */
  RATE_LIMITED: 'more calls are made than the rate limit allows',
  /** The callee has been refusing calls, so a share of them is dropped before it is sent. See {@link ThrottledError}. */
  THROTTLED: 'the callee has been refusing calls, so a share of them is dropped before it is sent',
  /** As many calls run as the adaptive limit allows; the call was not sent. See {@link ConcurrencyLimitedError}. */
  CONCURRENCY_LIMITED: 'as many calls run as the callee was found to handle at once',
  /** The registry cannot be reached, or has not answered yet. See {@link RegistryUnavailableError}. */
  REGISTRY_UNAVAILABLE: 'the registry cannot be reached, or has not answered yet',
  /** The lease of a registration ran out or was replaced: register again. See {@link LeaseLostError}. */
  LEASE_LOST: 'the lease ran out or was replaced: register again',
  /** One or more options are wrong; `problems` lists them all. See {@link InvalidConfigurationError}. */
  INVALID_CONFIGURATION: 'one or more settings are wrong',
  /** One or more fields of a registration are wrong; `problems` lists them all. See {@link InvalidInstanceError}. */
  INVALID_INSTANCE: 'one or more fields of a registration are wrong',
  /** The request itself is wrong, such as an unknown field, and was not sent. */
  INVALID_REQUEST: 'the request is wrong in itself, and was not sent',
  /** Calls are made over HTTP, and the instances speak another protocol: look them up with `discoverService`. */
  UNSUPPORTED_PROTOCOL: 'calls are HTTP, and the instances speak something else: look them up by discoverService',
  /** No instance is registered under this id. */
  INSTANCE_NOT_FOUND: 'no instance is registered under this id',
  /** The host is not one at which instances may be registered or checked. */
  HOST_NOT_ALLOWED: 'nothing may be registered or asked at this host',
  /** The call failed, and its fallback failed as well. */
  FALLBACK_FAILED: 'the call failed, and so did its fallback',
  /** The instance answered with an error status. See {@link ResponseStatusError}. */
  RESPONSE_STATUS: 'the instance answered with an error status',
  /** The instance answered with a body that cannot be read as requested, such as invalid JSON. */
  RESPONSE_BODY: 'the instance answered with a body that cannot be read as asked for',
  /** No response arrived, or it broke off; `cause` is the error of the socket. See {@link TransportError}. */
  TRANSPORT_FAILURE: 'no response arrived, or it broke off',
  /** The call was cancelled before it ended, by its `signal` or because the communicator was closed. */
  ABORTED: 'the call was given up before it ended',
} as const satisfies Record<string, string>;

/** The stable code of an error; {@link ERROR_CODES} says what each means. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error knows besides its message. */
export interface ErrorDetails {
  service?: string;
  instanceId?: string;
  /** Method and path of the request, see {@link nameOfRequest}. */
  request?: string;
  /** How many attempts were made, where the error ends a call. */
  attempts?: number;
  /** When trying again may make sense, in milliseconds from now. */
  retryAfterMs?: number;
  cause?: unknown;
  /** What to add to the message in brackets: what else may be the cause. */
  hint?: string;
}

/** The base of everything that the library throws on purpose. */
export class ServiceDiscoveryError extends Error {
  readonly code: ErrorCode;
  // Declared, not defined: what is not known has no place in what is printed of an error.
  declare readonly service?: string;
  declare readonly instanceId?: string;
  declare readonly request?: string;
  declare attempts?: number;
  declare readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, { cause, hint, ...details }: ErrorDetails = {}) {
    super(hint === undefined ? message : `${message} (${hint})`, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    const { service, instanceId, request, attempts, retryAfterMs } = details;
    for (const [key, value] of Object.entries({ service, instanceId, request, attempts, retryAfterMs })) {
      if (value !== undefined) Object.assign(this, { [key]: value });
    }
  }

  /** What `JSON.stringify` makes of it: code, message and the other fields, neither the stack nor the cause. */
  toJSON(): object {
    return { ...this, message: this.message };
  }
}

/** A request as errors name it, such as `GET /users/999`: without the query, which may hold secrets. */
export function nameOfRequest({ method, path }: { readonly method: string; readonly path: string }): string {
  return `${method} ${path.split('?', 1)[0]}`;
}

/** `GET /users/999 of user-service`, or what of it is known. */
function subjectOf({ request, service }: ErrorDetails, otherwise: string): string {
  return request === undefined ? otherwise : `${request} of ${service ?? 'the service'}`;
}

/** One setting or field that is wrong. */
export interface Problem {
  /** The option's or field's path, such as `retry.maxAttempts`, or an environment variable's name. */
  path: string;
  value: unknown;
  /** What is allowed, as a noun phrase: "a whole number from 1 to 10". */
  expected: string;
}

/** `path: expected …, but got …`, with long values cut. */
export function describeProblem({ path, value, expected }: Problem): string {
  return `${path}: expected ${expected}, but got ${describeValue(value)}`;
}

/** The error of a request that is wrong in itself, with all that is. */
export function invalidRequest(problems: readonly Problem[], service?: string): ServiceDiscoveryError {
  return new ServiceDiscoveryError('INVALID_REQUEST', problems.map(describeProblem).join('; '), { service });
}

/** A value as a short text for a message; never throws, never longer than about 80 characters. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function') return A_FUNCTION;
  let text: string | undefined;
  try {
    text =
      typeof value === 'bigint' || typeof value === 'number'
        ? String(value)
        : JSON.stringify(elementsOf(value) ?? value, toShown);
  } catch {
    text = undefined;
  }
  text ??= Object.prototype.toString.call(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

const A_FUNCTION = 'a function';

/** Shows functions, which JSON leaves out, and hides what stands in PEM, which may be a private key. */
function toShown(_name: string, value: unknown): unknown {
  if (typeof value === 'function') return A_FUNCTION;
  const isPem = typeof value === 'string' && value.includes('-----BEGIN ');
  // As `Buffer.toJSON` has made it.
  return isPem || (isRecord(value) && value.type === 'Buffer') ? '***' : value;
}

/** What the parser of Node and undici says where the connection ends in the middle of an answer that was to be the last on it. */
const INCOMPLETE_ANSWER = /\bInvalid EOF state\b/;

/**
 * What an error says, of whatever kind it is. Node leaves the message of an error for several addresses empty, so the
 * code stands in.
 */
export function messageOf(error: unknown): string {
  if (!isErrorLike(error)) return typeof error === 'string' ? error : describeValue(error);
  if (INCOMPLETE_ANSWER.test(error.message)) return 'the connection was closed before the answer was complete';
  const { code } = error as { code?: unknown };
  return error.message || (typeof code === 'string' ? code : error.name);
}

/**
 * By its looks, not by `instanceof`: Node's own errors are of another realm where a test runner makes one for each file,
 * and the reason of an abort is a `DOMException`, which is no native error to every Node.
 */
function isErrorLike(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) return false;
  const { name, message } = value as Partial<Error>;
  return typeof name === 'string' && typeof message === 'string';
}

/** Thrown once for all wrong settings together: its message is the list of them, and `problems` the same for a program. */
export class InvalidConfigurationError extends ServiceDiscoveryError {
  constructor(readonly problems: readonly Problem[]) {
    super(
      'INVALID_CONFIGURATION',
      `Invalid configuration:\n${problems.map((problem) => `  - ${describeProblem(problem)}`).join('\n')}`,
    );
  }

  /** What Node and loggers print: the list in the message, and not a second time what it is made of. */
  [inspect.custom](): string {
    return this.stack ?? `${this.name}: ${this.message}`;
  }
}

/** Thrown when a registration is refused: every wrong field is in `problems`. */
export class InvalidInstanceError extends ServiceDiscoveryError {
  constructor(readonly problems: readonly Problem[]) {
    super('INVALID_INSTANCE', `Invalid service instance: ${problems.map(describeProblem).join('; ')}`);
  }
}

/** No such service is registered. */
export class ServiceNotFoundError extends ServiceDiscoveryError {
  /** @param suggestion the name that was meant, as ` (did you mean "…"?)` */
  constructor(service: string, details: ErrorDetails = {}, suggestion = '') {
    super('SERVICE_NOT_FOUND', `No service named "${service}" is registered${suggestion}`, { ...details, service });
  }
}

/** The service is known, but no instance may take a call now. */
export class NoAvailableInstanceError extends ServiceDiscoveryError {
  constructor(service: string, reason: string, details: ErrorDetails = {}) {
    super('NO_AVAILABLE_INSTANCE', `No instance of "${service}" can take a call: ${reason}`, { ...details, service });
  }
}

/** What was there of a service in place of what was waited for. */
export interface MissingService {
  readonly service: string;
  /** A phrase such as `2 instances, none healthy: …`. */
  readonly reason: string;
}

/** Services that were waited for were not there in time; `missing` says of each what was there instead. */
export class ServiceNotReadyError extends ServiceDiscoveryError {
  constructor(
    readonly timeoutMs: number,
    readonly missing: readonly MissingService[],
    /** What the wait itself may have to do with it. @default nothing */
    hint = '',
  ) {
    const what = missing.length === 1 ? '' : `${missing.length} services were not there within ${timeoutMs} ms: `;
    const verb = missing.length === 1 ? ` was not there within ${timeoutMs} ms` : '';
    const seen = missing.map(({ service, reason }) => `"${service}"${verb}: ${reason}`);
    super('SERVICE_NOT_READY', what + seen.join('; ') + (hint && `. ${hint}`), {
      service: missing.length === 1 ? missing[0]?.service : undefined,
    });
  }
}

/** A circuit breaker refuses calls; `retryAfterMs` says until when, unless it was isolated by hand. */
export class CircuitOpenError extends ServiceDiscoveryError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('CIRCUIT_OPEN', message, details);
  }
}

/** The time for the whole call, all attempts and waits together, is over. */
export class DeadlineExceededError extends ServiceDiscoveryError {
  constructor(
    readonly timeoutMs: number,
    details: ErrorDetails = {},
  ) {
    const message =
      timeoutMs > 0
        ? `${subjectOf(details, 'The call')} did not finish within ${timeoutMs} ms`
        : `The time for ${subjectOf(details, 'the call')} was over before it began`;
    super('DEADLINE_EXCEEDED', message, details);
  }
}

/** One attempt took too long; another may follow. */
export class AttemptTimeoutError extends ServiceDiscoveryError {
  constructor(
    readonly timeoutMs: number,
    details: ErrorDetails = {},
  ) {
    const subject = details.request === undefined ? 'The attempt' : `An attempt at ${subjectOf(details, '')}`;
    super('ATTEMPT_TIMEOUT', `${subject} did not finish within ${timeoutMs} ms`, details);
  }
}

/** Too many calls run and wait already; this one was never sent. */
export class BulkheadFullError extends ServiceDiscoveryError {
  constructor({
    limit,
    queue,
    waitedMs,
    ...details
  }: ErrorDetails & { limit: number; queue: number; waitedMs?: number }) {
    const message =
      waitedMs === undefined
        ? `All ${limit} slots are busy and ${queue} calls wait already`
        : `All ${limit} slots stayed busy for the ${waitedMs} ms that a call may wait`;
    super('BULKHEAD_FULL', message, details);
  }
}

/** More calls are made than the rate limit allows; this one was never sent. `retryAfterMs` says when one may be. */
export class RateLimitedError extends ServiceDiscoveryError {
  constructor(details: ErrorDetails & { rate: number; perMs: number }) {
    super('RATE_LIMITED', `The limit of ${details.rate} calls per ${details.perMs} ms is used up`, details);
  }
}

/** The callee has been refusing so many calls that this one was dropped before it was sent. */
export class ThrottledError extends ServiceDiscoveryError {
  constructor(details: ErrorDetails & { probability: number }) {
    const share = Math.round(details.probability * 100);
    super('THROTTLED', `About ${share}% of the calls are dropped unsent while the callee refuses too many`, details);
  }
}

/** As many calls run as the callee was found to handle at once; this one was never sent. */
export class ConcurrencyLimitedError extends ServiceDiscoveryError {
  constructor(details: ErrorDetails & { limit: number; queue: number }) {
    const waiting = `${details.queue} calls wait already`;
    super(
      'CONCURRENCY_LIMITED',
      `The callee was found to handle ${details.limit} calls at once, and ${waiting}`,
      details,
    );
  }
}

/** The registry cannot be reached; nothing was changed. */
export class RegistryUnavailableError extends ServiceDiscoveryError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('REGISTRY_UNAVAILABLE', message, details);
  }
}

/** The lease ran out or was replaced: register again. */
export class LeaseLostError extends ServiceDiscoveryError {
  constructor(service: string, instanceId: string) {
    super('LEASE_LOST', `The lease of ${service}/${instanceId} is lost: register again`, { service, instanceId });
  }
}

/** No response arrived: refused, reset, timed out below HTTP. `cause` has the socket's own error. */
export class TransportError extends ServiceDiscoveryError {
  constructor(
    message: string,
    /** True only where it is certain that the server never saw the request: then any method may be retried. */
    readonly neverSent: boolean,
    details: ErrorDetails = {},
  ) {
    super('TRANSPORT_FAILURE', message, details);
  }
}

/**
 * The instance answered with a status that is an error for the caller. Headers and body are kept, but not printed with
 * the error: they may hold what has no place in a log.
 */
export class ResponseStatusError extends ServiceDiscoveryError {
  readonly headers!: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it is JSON, else its text, cut at 64 KiB. */
  readonly body: unknown;

  constructor(
    readonly status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    body: unknown,
    details: ErrorDetails = {},
  ) {
    super('RESPONSE_STATUS', `${subjectOf(details, details.service ?? 'The service')} answered ${status}`, details);
    Object.defineProperty(this, 'headers', { value: headers, enumerable: false });
    Object.defineProperty(this, 'body', { value: body, enumerable: false });
  }
}
