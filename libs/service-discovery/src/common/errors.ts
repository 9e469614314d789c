import { inspect } from 'node:util';
import { counted, durationText, tryAgain } from './texts.js';
import { elementsOf, isRecord } from './values.js';

/** Every code that a {@link ServiceDiscoveryError} can carry, with its meaning. Codes are stable; messages are not. */
export const ERROR_CODES = {
  /** No service of this name is registered. See {@link ServiceNotFoundError}. */
  SERVICE_NOT_FOUND: 'no service of this name is registered',
  /** A service was not available within the time that the app waited for it. See {@link ServiceNotReadyError}. */
  SERVICE_NOT_READY: 'a service that was waited for was not there in time',
  /** The service is registered, but none of its instances can take a call now. See {@link NoAvailableInstanceError}. */
  NO_AVAILABLE_INSTANCE: 'the service is known, but none of its instances may take a call now',
  /** A circuit breaker refuses calls after repeated failures; `retryAfterMs` says for how long. See {@link CircuitOpenError}. */
  CIRCUIT_OPEN: 'the circuit breaker refuses calls after repeated failures',
  /**
   * The `timeout` of the whole call, including all attempts and waits, has passed. See {@link DeadlineExceededError}.
   */
  DEADLINE_EXCEEDED: 'the time for the whole call is over',
  /** One attempt took longer than `attemptTimeout`, and no other followed. See {@link AttemptTimeoutError}. */
  ATTEMPT_TIMEOUT: 'one attempt took too long',
  /** The call failed and was not retried because the retry budget is exhausted; `cause` is the failure. */
  RETRY_BUDGET_EXHAUSTED: 'the call failed, and too many calls are being retried already to try it again',
  /**
   * All slots of the bulkhead are busy and its queue is full, or the wait in it was too long. See {@link
   * BulkheadFullError}.
   */
  BULKHEAD_FULL: 'too many calls run and wait already',
  /** The rate limit is exceeded; the call was not sent. See {@link RateLimitedError}. */
  RATE_LIMITED: 'more calls are made than the rate limit allows',
  /**
   * The service has been refusing calls, so a fraction of them is dropped before they are sent. See {@link
   * ThrottledError}.
   */
  THROTTLED: 'the callee has been refusing calls, so a share of them is dropped before it is sent',
  /** The adaptive concurrency limit is reached; the call was not sent. See {@link ConcurrencyLimitedError}. */
  CONCURRENCY_LIMITED: 'as many calls run as the callee was found to handle at once',
  /** The registry cannot be reached, or has not answered yet. See {@link RegistryUnavailableError}. */
  REGISTRY_UNAVAILABLE: 'the registry cannot be reached, or has not answered yet',
  /** The lease of a registration expired or was replaced: register again. See {@link LeaseLostError}. */
  LEASE_LOST: 'the lease ran out or was replaced: register again',
  /** One or more options are wrong; `problems` lists them all. See {@link InvalidConfigurationError}. */
  INVALID_CONFIGURATION: 'one or more settings are wrong',
  /** One or more fields of a registration are wrong; `problems` lists them all. See {@link InvalidInstanceError}. */
  INVALID_INSTANCE: 'one or more fields of a registration are wrong',
  /** The request itself is invalid, for example has an unknown field, and was not sent. */
  INVALID_REQUEST: 'the request is wrong in itself, and was not sent',
  /**
   * Calls use HTTP, and the instances speak another protocol: look them up with `discoverService`. Or they speak HTTP without
   * TLS, and `requireTls` is set.
   */
  UNSUPPORTED_PROTOCOL: 'calls are HTTP, with requireTls over TLS, and the instances speak something else',
  /** No instance is registered under this id. */
  INSTANCE_NOT_FOUND: 'no instance is registered under this id',
  /** Registrations, checks and calls at this host are forbidden. */
  HOST_NOT_ALLOWED: 'nothing may be registered, checked or called at this host',
  /** The call failed, and its fallback failed as well. */
  FALLBACK_FAILED: 'the call failed, and so did its fallback',
  /** The instance answered with an error status. See {@link ResponseStatusError}. */
  RESPONSE_STATUS: 'the instance answered with an error status',
  /** The body of the response cannot be parsed as requested, such as invalid JSON. */
  RESPONSE_BODY: 'the instance answered with a body that cannot be read as asked for',
  /** The body of the response is not what the schema of `callServiceJson` asks for. See {@link ResponseInvalidError}. */
  RESPONSE_INVALID: 'the instance answered with JSON that is not as the given schema says',
  /** The body of the response is longer than may be read into memory, see `transport.maxResponseSize`. */
  RESPONSE_TOO_LARGE: 'the body of the response is longer than may be read into memory',
  /** No complete response arrived; `cause` is the socket's error. */
  TRANSPORT_FAILURE: 'no response arrived, or it broke off',
  /**
   * The certificate of the instance is not accepted: expired, of an authority that is not trusted, or of another service. Nothing
   * was sent; `cause.code` says which. See {@link TransportError}.
   */
  CERTIFICATE_REJECTED: 'the certificate of the instance is not accepted, and nothing was sent',
  /** The call was cancelled, by its `signal` or because the communicator was closed. */
  ABORTED: 'the call was given up before it ended',
} as const satisfies Record<string, string>;

/** The stable code of an error; {@link ERROR_CODES} describes each. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The page about all codes, within the package until the docs have an address of their own. */
const ERRORS_PAGE = 'nest-service-discovery/docs/reference/errors.md';

/** Details of an error besides its message. */
export interface ErrorDetails {
  service?: string;
  instanceId?: string;
  /** Method and path of the request, see {@link nameOfRequest}. */
  request?: string;
  /** How many attempts were made, if the error ends a call. */
  attempts?: number;
  /** When a retry may succeed, in milliseconds from now. */
  retryAfterMs?: number;
  cause?: unknown;
  /** What to add to the message in brackets: what else may be the cause. */
  hint?: string;
}

/**
 * Base class of all errors that the library throws deliberately. A message says what happened, to which service and why, then what
 * to do, and ends with the address of its page.
 */
export class ServiceDiscoveryError extends Error {
  readonly code: ErrorCode;
  // Declared, not defined: unknown details must not appear when the error is printed.
  declare readonly service?: string;
  declare readonly instanceId?: string;
  declare readonly request?: string;
  declare attempts?: number;
  declare readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, { cause, hint, ...details }: ErrorDetails = {}) {
    super(
      withPage(hint === undefined ? message : `${message} (${hint})`, code),
      cause === undefined ? undefined : { cause },
    );
    this.name = new.target.name;
    this.code = code;
    const { service, instanceId, request, attempts, retryAfterMs } = details;
    for (const [key, value] of Object.entries({ service, instanceId, request, attempts, retryAfterMs })) {
      if (value !== undefined) Object.assign(this, { [key]: value });
    }
  }

  /** The address of what is known about its code and how to mend it. */
  get page(): string {
    return errorPageOf(this.code);
  }

  /** For `JSON.stringify`: code, message and the other fields, without stack and cause. */
  toJSON(): object {
    return { ...this, message: this.message };
  }
}

/** Where an error code is explained, also one that only the REST API knows. */
export function errorPageOf(code: string): string {
  return `${ERRORS_PAGE}#${code}`;
}

/** On a line of its own below a list. */
function withPage(message: string, code: string): string {
  return `${message}${message.includes('\n') ? '\n  ' : '. '}See ${errorPageOf(code)}`;
}

/** For a text that has an address of its own. */
function withoutPage(message: string, code: string): string {
  const end = `See ${errorPageOf(code)}`;
  return message.endsWith(end) ? message.slice(0, -end.length).replace(/(?:\.|\n) +$/, '') : message;
}

/** ` for "users"`, where the service is known. */
function forService({ service }: ErrorDetails): string {
  return service ? ` for "${service}"` : '';
}

/** A request as errors name it, such as `GET /users/999`: without the query, which may contain secrets. */
export function nameOfRequest({ method, path }: { readonly method: string; readonly path: string }): string {
  return `${method} ${path.split('?', 1)[0]}`;
}

/** `GET /users/999 of user-service`, or as much of it as is known. */
function subjectOf(details: ErrorDetails, otherwise: string): string {
  const { request, service } = details;
  return request === undefined ? otherwise + forService(details) : `${request} of ${service ?? 'the service'}`;
}

/** The subject of an answer. */
function calleeOf(details: ErrorDetails): string {
  return details.request === undefined ? (details.service ?? 'The service') : subjectOf(details, '');
}

function wayOutOfStatus(status: number): string {
  return status < 500
    ? '. Handle its status, or use callService, which returns every response'
    : '. Find out why in its log';
}

/** Of a limit that is reached. */
function waitingText(queue: number): string {
  return queue === 0 ? 'none may wait' : `${counted(queue, 'call')} ${queue === 1 ? 'waits' : 'wait'} already`;
}

/** One wrong setting or field. */
export interface Problem {
  /** Path of the option or field, such as `retry.maxAttempts`, or the name of an environment variable. */
  path: string;
  value: unknown;
  /** What is allowed, as a noun phrase: "a whole number from 1 to 10". */
  expected: string;
}

/** `path: expected …, but got …`, with long values truncated. */
export function describeProblem({ path, value, expected }: Problem): string {
  return `${path}: expected ${expected}, but got ${describeValue(value)}`;
}

/** The error of an invalid request, with all its problems. */
export function invalidRequest(problems: readonly Problem[], service?: string): ServiceDiscoveryError {
  const message = `The request${forService({ service })} is not valid: ${problems.map(describeProblem).join('; ')}`;
  return new ServiceDiscoveryError('INVALID_REQUEST', message, { service });
}

/** The error for an instance that is not registered. */
export function instanceNotFound(service: string, instanceId: string): ServiceDiscoveryError {
  const message = `No instance "${instanceId}" of "${service}" is registered. Look up its id, which changes when a process restarts`;
  return new ServiceDiscoveryError('INSTANCE_NOT_FOUND', message, { service, instanceId });
}

/** A value as short text for a message; never throws, at most about 80 characters. */
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

/** Shows functions, which JSON leaves out, and masks PEM, which may be a private key. */
function toShown(_name: string, value: unknown): unknown {
  if (typeof value === 'function') return A_FUNCTION;
  const isPem = typeof value === 'string' && value.includes('-----BEGIN ');
  // The output of `Buffer.toJSON`.
  return isPem || (isRecord(value) && value.type === 'Buffer') ? '***' : value;
}

/** What the parser of Node and undici says where the connection ends in the middle of an answer that was to be the last on it. */
const INCOMPLETE_ANSWER = /\bInvalid EOF state\b/;

/**
 * The message of an error of any kind, as a part of another text: without the address of a page. Node leaves the message empty
 * when several addresses failed, so the code is used.
 */
export function messageOf(error: unknown): string {
  if (!isErrorLike(error)) return typeof error === 'string' ? error : describeValue(error);
  if (INCOMPLETE_ANSWER.test(error.message)) return 'the connection was closed before the answer was complete';
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return error.message || error.name;
  return withoutPage(error.message, code) || code;
}

/**
 * Duck-typed: `instanceof` fails for Node's errors in a test runner's realm, and a `DOMException` is not a native error
 * in every Node version.
 */
function isErrorLike(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) return false;
  const { name, message } = value as Partial<Error>;
  return typeof name === 'string' && typeof message === 'string';
}

/** Thrown once for all wrong settings together: the message lists them, `problems` has them for programs. */
export class InvalidConfigurationError extends ServiceDiscoveryError {
  constructor(readonly problems: readonly Problem[]) {
    super(
      'INVALID_CONFIGURATION',
      `Invalid configuration:\n${problems.map((problem) => `  - ${describeProblem(problem)}`).join('\n')}`,
    );
  }

  /** For Node and loggers: the list in the message, without printing `problems` again. */
  [inspect.custom](): string {
    return this.stack ?? `${this.name}: ${this.message}`;
  }
}

/** Thrown when a registration is rejected; `problems` lists every wrong field. */
export class InvalidInstanceError extends ServiceDiscoveryError {
  /** @param service its name, as far as it was given */
  constructor(
    readonly problems: readonly Problem[],
    service?: string,
  ) {
    const which = service === undefined ? '' : ` of ${describeValue(service)}`;
    super('INVALID_INSTANCE', `The registration${which} is not valid: ${problems.map(describeProblem).join('; ')}`, {
      service,
    });
  }
}

/** What to do about an unknown service, where nothing better is known. */
export const CHECK_THE_NAME = 'Check the name, or start the service';

/** No such service is registered. */
export class ServiceNotFoundError extends ServiceDiscoveryError {
  /** @param suggestion such as ` (did you mean "…"?)`, with the way out */
  constructor(service: string, details: ErrorDetails = {}, suggestion = `. ${CHECK_THE_NAME}`) {
    super('SERVICE_NOT_FOUND', `No service named "${service}" is registered${suggestion}`, { ...details, service });
  }
}

/** The service is registered, but no instance can take a call now. */
export class NoAvailableInstanceError extends ServiceDiscoveryError {
  constructor(service: string, reason: string, details: ErrorDetails = {}) {
    super(
      'NO_AVAILABLE_INSTANCE',
      `No instance of "${service}" can take a call: ${reason}. ` +
        `\`npx nest-service-discovery doctor ${service}\` says what to do`,
      { ...details, service },
    );
  }
}

/** The state of a service that was waited for. */
export interface MissingService {
  readonly service: string;
  /** A phrase such as `2 instances, none healthy: …`. */
  readonly reason: string;
}

/** Services were not available in time; `missing` has the state of each. */
export class ServiceNotReadyError extends ServiceDiscoveryError {
  constructor(
    readonly timeoutMs: number,
    readonly missing: readonly MissingService[],
    /** What to do about it. @default '' for the usual */
    hint = '',
  ) {
    const what =
      missing.length === 1 ? '' : `${missing.length} services were not there within ${durationText(timeoutMs)}: `;
    const verb = missing.length === 1 ? ` was not there within ${durationText(timeoutMs)}` : '';
    const seen = missing.map(({ service, reason }) => `"${service}"${verb}: ${reason}`);
    super(
      'SERVICE_NOT_READY',
      `${what}${seen.join('; ')}. ${hint || 'Start what is missing, or wait longer (timeout)'}`,
      {
        service: missing.length === 1 ? missing[0]?.service : undefined,
      },
    );
  }
}

/** A circuit breaker refuses calls; `retryAfterMs` says until when, unless an operator isolated it. */
export class CircuitOpenError extends ServiceDiscoveryError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('CIRCUIT_OPEN', message, details);
  }
}

/** The timeout of the whole call, including all attempts and waits, has passed. */
export class DeadlineExceededError extends ServiceDiscoveryError {
  /**
   * @param inherited whether a deadline that the call was given cut it short, well before its own settings would have:
   * then the error says nothing about the callee, and no circuit breaker counts it
   */
  constructor(
    readonly timeoutMs: number,
    details: ErrorDetails = {},
    readonly inherited = false,
  ) {
    const what =
      timeoutMs > 0
        ? `${subjectOf(details, 'The call')} did not finish within ${durationText(timeoutMs)}`
        : `The time for ${subjectOf(details, 'the call')} was over before it began`;
    const wayOut = inherited
      ? 'The request that it is made for has no more time: give it more, or find out what took so long'
      : 'Find out what takes so long, or raise timeout';
    super('DEADLINE_EXCEEDED', `${what}. ${wayOut}`, details);
  }
}

/** One attempt timed out; another may follow. */
export class AttemptTimeoutError extends ServiceDiscoveryError {
  constructor(
    readonly timeoutMs: number,
    details: ErrorDetails = {},
  ) {
    const subject = (details.request === undefined ? '' : 'An attempt at ') + subjectOf(details, 'The attempt');
    const what = `${subject} did not finish within ${durationText(timeoutMs)}`;
    super('ATTEMPT_TIMEOUT', `${what}. Find out what takes so long, or raise attemptTimeout`, details);
  }
}

/** All slots and queue places are taken; the call was not sent. */
export class BulkheadFullError extends ServiceDiscoveryError {
  constructor({
    limit,
    queue,
    waitedMs,
    ...details
  }: ErrorDetails & {
    limit: number;
    /** How many calls wait; undefined if the limit is that of each instance, where none waits. */
    queue?: number;
    waitedMs?: number;
  }) {
    if (queue === undefined) {
      const what = `Each instance${forService(details)} has as many calls as it may: ${limit}`;
      super('BULKHEAD_FULL', `${what}. Add instances, or raise concurrency`, details);
      return;
    }
    const waits =
      waitedMs === undefined ? waitingText(queue) : `none ended in the ${durationText(waitedMs)} that a call may wait`;
    const what = `${counted(limit, 'call')}${forService(details)} may run at once, and ${waits}`;
    const wayOut = 'Find out what takes so long, or raise bulkhead.maxConcurrent or bulkhead.maxQueue';
    super('BULKHEAD_FULL', `${what}. ${wayOut}`, details);
  }
}

/** The rate limit is exceeded; the call was not sent. `retryAfterMs` says when one is allowed. */
export class RateLimitedError extends ServiceDiscoveryError {
  constructor(details: ErrorDetails & { rate: number; perMs: number }) {
    const { rate, perMs, retryAfterMs } = details;
    super(
      'RATE_LIMITED',
      `The limit of ${counted(rate, 'call')} per ${durationText(perMs)}${forService(details)} is used up. ` +
        `${tryAgain(retryAfterMs)}, let calls wait (rateLimit.maxWait), or raise rateLimit.rate`,
      details,
    );
  }
}

/** The service refused so many calls that this one was dropped before it was sent. */
export class ThrottledError extends ServiceDiscoveryError {
  constructor(details: ErrorDetails & { probability: number }) {
    const share = Math.round(details.probability * 100);
    super(
      'THROTTLED',
      `About ${share}% of the calls${forService(details)} are dropped unsent while the callee refuses too many. ` +
        'It ends by itself when the callee accepts calls: add instances of it, or find out why it refuses',
      details,
    );
  }
}

/** The adaptive concurrency limit is reached; the call was not sent. */
export class ConcurrencyLimitedError extends ServiceDiscoveryError {
  constructor(details: ErrorDetails & { limit: number; queue: number }) {
    const { limit, queue } = details;
    super(
      'CONCURRENCY_LIMITED',
      `The limit${forService(details)} is ${counted(limit, 'call')} at once, as many as the callee was found to handle, and ` +
        `${waitingText(queue)}. Add instances, or let more calls wait (adaptiveConcurrency.maxQueue)`,
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

/** The lease expired or was replaced: register again. */
export class LeaseLostError extends ServiceDiscoveryError {
  constructor(service: string, instanceId: string) {
    super(
      'LEASE_LOST',
      `The lease of ${service}/${instanceId} ran out, or a later registration holds its id. Register again`,
      {
        service,
        instanceId,
      },
    );
  }
}

/** No response arrived: refused, reset, or timed out below HTTP. `cause` is the socket's error. */
export class TransportError extends ServiceDiscoveryError {
  constructor(
    message: string,
    /** True only if the server certainly did not receive the request; then any method may be retried. */
    readonly neverSent: boolean,
    details: ErrorDetails = {},
    /** `HOST_NOT_ALLOWED` if no connection to the instance was opened, since none may; `CERTIFICATE_REJECTED` by its certificate. */
    code: ErrorCode = 'TRANSPORT_FAILURE',
  ) {
    super(code, message, details);
  }
}

/** What is wrong with a field of an answer. */
export interface AnswerIssue {
  /** Such as `items.0.price`; empty for the answer as a whole. */
  readonly path: string;
  readonly message: string;
}

/** class-validator begins its messages with the name of the field. */
function textOfIssue({ path, message }: AnswerIssue): string {
  return path === '' || message.startsWith(`${path} `) ? message : `${path}: ${message}`;
}

/**
 * The instance answered with JSON that is not as the schema says; `issues` has every wrong field, without its value, which may
 * not belong in a log. Not retried, and no circuit breaker counts it: every instance of that version answers alike.
 */
export class ResponseInvalidError extends ServiceDiscoveryError {
  constructor(
    readonly issues: readonly AnswerIssue[],
    details: ErrorDetails = {},
  ) {
    const wrong = issues.map(textOfIssue).join('; ');
    super(
      'RESPONSE_INVALID',
      `${calleeOf(details)} answered with an invalid body: ${wrong}. ` +
        'Correct the schema, or what the service answers',
      details,
    );
  }
}

/**
 * The instance returned an error status. Headers and body are kept, but not printed with the error, since they may not
 * belong in a log.
 */
export class ResponseStatusError extends ServiceDiscoveryError {
  readonly headers!: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed if it is JSON, else text, truncated at 64 KiB. */
  readonly body: unknown;

  constructor(
    readonly status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    body: unknown,
    details: ErrorDetails = {},
  ) {
    super(
      'RESPONSE_STATUS',
      `${calleeOf(details)} answered ${status}${details.hint === undefined ? wayOutOfStatus(status) : ''}`,
      details,
    );
    Object.defineProperty(this, 'headers', { value: headers, enumerable: false });
    Object.defineProperty(this, 'body', { value: body, enumerable: false });
  }
}
