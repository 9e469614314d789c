import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, Logger, Optional } from '@nestjs/common';
import {
  type ErrorCode,
  isRecord,
  oneLine,
  OptionValidator,
  ResponseStatusError,
  ServiceDiscoveryError,
} from '../common/index.js';
import { type StatusRange } from '../model/index.js';
import { ERROR_STATUSES_EXPECTED, includesStatus, isErrorStatusList } from '../resilience/index.js';
import { failureOfAxios } from './axios-failure.js';
import { LOG_CONTEXT } from './logging.js';

/** Which error responses of a callee are passed on to the app's client. */
export interface UpstreamErrorOptions {
  /**
   * Statuses of a callee's responses that are passed on unchanged, with their body: from 400 to 599, or `[from, to]` ranges.
   * @default every 4xx but 408 and 429, which concern this process's call rather than its client's request
   */
  passOn?: readonly StatusRange[];
}

const DEFAULT_PASS_ON: readonly StatusRange[] = [
  [400, 407],
  [409, 428],
  [430, 499],
];

/** Headers that are passed on with the status. */
const PASSED_ON_HEADERS = ['retry-after', 'www-authenticate'] as const;

/** In seconds, if the error does not say. */
const DEFAULT_RETRY_AFTER = '1';

/** The client's status for a callee's response that is not passed on; 502 for every other status. */
const STATUS_BY_CALLEES_STATUS: Readonly<Record<number, number>> = { 408: 504, 429: 503, 503: 503, 504: 504 };

/** The client's status by error code; 500 for mistakes in the app's code or configuration. */
const STATUS_BY_CODE: Readonly<Record<ErrorCode, number>> = {
  SERVICE_NOT_FOUND: 503,
  SERVICE_NOT_READY: 503,
  NO_AVAILABLE_INSTANCE: 503,
  CIRCUIT_OPEN: 503,
  DEADLINE_EXCEEDED: 504,
  ATTEMPT_TIMEOUT: 504,
  RETRY_BUDGET_EXHAUSTED: 503,
  BULKHEAD_FULL: 503,
  RATE_LIMITED: 503,
  THROTTLED: 503,
  CONCURRENCY_LIMITED: 503,
  REGISTRY_UNAVAILABLE: 503,
  FALLBACK_FAILED: 503,
  RESPONSE_STATUS: 502,
  RESPONSE_BODY: 502,
  RESPONSE_INVALID: 502,
  RESPONSE_TOO_LARGE: 502,
  TRANSPORT_FAILURE: 503,
  CERTIFICATE_REJECTED: 503,
  ABORTED: 503,
  LEASE_LOST: 500,
  INVALID_CONFIGURATION: 500,
  INVALID_INSTANCE: 500,
  INVALID_REQUEST: 500,
  UNSUPPORTED_PROTOCOL: 500,
  INSTANCE_NOT_FOUND: 500,
  HOST_NOT_ALLOWED: 500,
};

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[]>>;
}

/** Express's response and Fastify's reply, in what is the same of them. */
interface PlatformResponse {
  /** Node's own response, on Fastify. */
  readonly raw?: { readonly headersSent: boolean; end(): void };
  readonly headersSent: boolean;
  end(): void;
  status(status: number): unknown;
  header(name: string, value: string | string[]): unknown;
  send(body: unknown): unknown;
}

/** For `@Catch`: an `AxiosError` of a call that `DiscoveryHttpModule` sent to a service. */
abstract class DiscoveredAxiosError {
  static [Symbol.hasInstance](error: unknown): boolean {
    return failureOfAxios(error) !== undefined;
  }
}

/**
 * Maps failed calls to other services to responses for this app's client: a callee's 4xx is passed on, an unavailable service
 * becomes 503 with `Retry-After`, a timeout 504, an invalid response 502. Without the filter, Nest responds with 500 to all of
 * them. Errors of the `HttpService` of `DiscoveryHttpModule` are mapped alike, unless the call was to another host. Responses
 * contain the error's `code` but no names or addresses; those are in the log.
 *
 * @example { provide: APP_FILTER, useClass: UpstreamErrorFilter }
 * @example { provide: APP_FILTER, useValue: new UpstreamErrorFilter({ passOn: [404, 409, 422] }) }
 */
@Catch(ServiceDiscoveryError, DiscoveredAxiosError)
export class UpstreamErrorFilter implements ExceptionFilter<Error> {
  private readonly logger = new Logger(LOG_CONTEXT);
  private readonly passOn: readonly StatusRange[];

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(@Optional() options: UpstreamErrorOptions = {}) {
    const check = new OptionValidator();
    const { passOn } = check.options('UpstreamErrorFilter', options, { passOn: DEFAULT_PASS_ON });
    if (!isErrorStatusList(passOn)) check.problem('UpstreamErrorFilter.passOn', passOn, ERROR_STATUSES_EXPECTED);
    check.throwIfAny();
    this.passOn = passOn;
  }

  /** @param thrown a ServiceDiscoveryError, or an `AxiosError` of a call to a service */
  catch(thrown: Error, host: ArgumentsHost): void {
    // Elsewhere Nest goes on with the error as it is.
    if (host.getType() !== 'http') return;
    const error = failureOfAxios(thrown) ?? (thrown as ServiceDiscoveryError);
    const { status, headers, body } = this.answerTo(error);
    if (status === 500) this.logger.error(error);
    else if (status > 500) this.logger.warn(oneLine(`Answered ${status}: ${error.message}`));
    const response = host.switchToHttp().getResponse<PlatformResponse>();
    const raw = response.raw ?? response;
    if (raw.headersSent) {
      raw.end();
      return;
    }
    response.status(status);
    for (const [name, value] of Object.entries(headers)) response.header(name, value);
    response.send(body);
  }

  private answerTo(error: ServiceDiscoveryError): Answer {
    if (!(error instanceof ResponseStatusError)) return ownAnswer(STATUS_BY_CODE[error.code], error);
    if (includesStatus(this.passOn, error.status)) return passedOn(error);
    return ownAnswer(STATUS_BY_CALLEES_STATUS[error.status] ?? STATUS_BY_CODE[error.code], error);
  }
}

function passedOn({ status, headers, body }: ResponseStatusError): Answer {
  const names = PASSED_ON_HEADERS.filter((name) => headers[name] !== undefined);
  const kept = Object.fromEntries(names.map((name) => [name, headers[name]!]));
  // A text would be sent as HTML, whatever it was.
  const isJson = isRecord(body) || Array.isArray(body);
  const message = typeof body === 'string' && body.trim() !== '' ? body : STATUS_CODES[status];
  return { status, headers: kept, body: isJson ? body : { statusCode: status, message } };
}

function ownAnswer(status: number, error: ServiceDiscoveryError): Answer {
  const headers: Record<string, string> = status === 503 ? { 'retry-after': retryAfterOf(error) } : {};
  return { status, headers, body: { statusCode: status, message: STATUS_CODES[status], code: error.code } };
}

/** As the callee says it, else in whole seconds. */
function retryAfterOf(error: ServiceDiscoveryError): string {
  const said = error instanceof ResponseStatusError ? [error.headers['retry-after']].flat()[0] : undefined;
  if (said !== undefined) return said;
  return error.retryAfterMs === undefined
    ? DEFAULT_RETRY_AFTER
    : String(Math.max(1, Math.ceil(error.retryAfterMs / 1_000)));
}
