import { type Dispatcher, type Pool } from 'undici';
import {
  type Clock,
  durationText,
  InvalidInstanceError,
  LeaseLostError,
  messageOf,
  type Problem,
  raceAbort,
  readUpTo,
  RegistryUnavailableError,
  ServiceDiscoveryError,
  ServiceTls,
  tlsFailure,
  unansweredHint,
} from '../../common/index.js';
import { type EventSink, HostNotAllowedError, type InstanceKey } from '../../model/index.js';
import { type ResolvedRemoteRegistryStoreOptions } from './options.js';

/** A header of the answer to a deregistration, which has no body: `true` if the instance was removed, else `false`. */
export const REMOVED_HEADER = 'x-service-discovery-removed';

/** How many bytes of an answer are read, and of an error. */
const LONGEST_ANSWER = 16_777_216;
const LONGEST_ERROR = 65_536;

/** An answer with its whole body. */
export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  /** Undefined if it is longer than a registry's answers are. */
  readonly text: string | undefined;
  /** Parsed JSON; undefined if it is not JSON. */
  readonly body: unknown;
}

/** An answer whose body has not been read. */
export type OpenAnswer = Dispatcher.ResponseData;

/**
 * Sends requests to one registry over pooled connections. Whatever prevents an answer, including a timeout, is a
 * `RegistryUnavailableError`.
 */
export class RegistryHttp {
  private readonly tls: ServiceTls;
  /** Undefined until the first request. */
  private pool: Pool | undefined;
  /** Pools over certificates that were rotated, until their requests and watches have ended. */
  private readonly retired = new Set<Pool>();
  private wasAnswered = false;
  private closed = false;

  constructor(
    private readonly options: ResolvedRemoteRegistryStoreOptions,
    private readonly clock: Clock,
    private readonly deps: { readonly events?: EventSink; /** How to get in, for errors. */ readonly wayIn: string },
  ) {
    this.tls = new ServiceTls(options.tls, { clock, events: deps.events, use: 'registry' });
    this.tls.onRotated(() => this.renewPool());
  }

  /** The URL of the registry, for error messages. */
  get url(): string {
    return this.options.origin + this.options.basePath;
  }

  /** Sends a request and reads the whole answer within the request timeout. */
  send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<RegistryAnswer> {
    return this.within(new AbortController(), async (signal) => {
      const answer = await this.dispatch(method, path, body, signal);
      const { statusCode: status, headers } = answer;
      const text = await readText(answer, status < 400 ? LONGEST_ANSWER : LONGEST_ERROR);
      return { status, headers, text, body: parseJson(text) };
    });
  }

  /**
   * Opens an event stream. The timeout covers the response head; `stop` also ends the body.
   * @throws the {@link toError} of any other answer, which is read within the same timeout
   */
  open(method: 'GET' | 'POST', path: string, stop: AbortController, body?: unknown): Promise<OpenAnswer> {
    return this.within(stop, async (signal) => {
      const answer = await this.dispatch(method, path, body, signal, 'text/event-stream');
      const { statusCode: status, headers } = answer;
      if (status === 200 && String(headers['content-type']).startsWith('text/event-stream')) return answer;
      throw this.toError({ status, body: parseJson(await readText(answer, LONGEST_ERROR)) });
    });
  }

  /**
   * The error for an answer of the registry. An answer about the request itself becomes the library's error of the same
   * code; any other answer becomes a `RegistryUnavailableError`.
   */
  toError(answer: Pick<RegistryAnswer, 'status' | 'body'>, subject?: Subject): ServiceDiscoveryError {
    return toError(answer, { url: this.url, wayIn: this.deps.wayIn, subject });
  }

  /** Closes all connections, including those in use. */
  async close(): Promise<void> {
    this.closed = true;
    this.tls.close();
    const pools = this.pool ? [this.pool, ...this.retired] : [...this.retired];
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  private async openPool(): Promise<Pool> {
    const { Pool } = await import('undici');
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
    this.pool ??= new Pool(this.options.origin, {
      connect: { ...this.tls.settings },
      connectTimeout: this.options.requestTimeoutMs,
      // `within` bounds requests as a whole, and watches have a limit of silence.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return this.pool;
  }

  private renewPool(): void {
    const { pool } = this;
    this.pool = undefined;
    if (!pool) return;
    this.retired.add(pool);
    void pool.close().finally(() => this.retired.delete(pool));
  }

  private async within<T>(stop: AbortController, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
    // Loading undici takes nothing of the request's time.
    if (!this.pool) await this.openPool();
    const { requestTimeoutMs } = this.options;
    const timer = this.clock.setTimer(
      () => stop.abort(new Error(`it did not answer within ${durationText(requestTimeoutMs)}`)),
      requestTimeoutMs,
    );
    try {
      // Undici applies a signal only once the request has a connection.
      return await raceAbort(task(stop.signal), stop.signal);
    } catch (error) {
      throw this.unavailable(error);
    } finally {
      timer.cancel();
    }
  }

  private async dispatch(
    method: Dispatcher.HttpMethod,
    path: string,
    body: unknown,
    signal: AbortSignal,
    accept = 'application/json',
  ): Promise<OpenAnswer> {
    const headers: Record<string, string> = { ...(await this.options.headers()), accept };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const pool = this.pool ?? (await this.openPool());
    const answer = await pool.request({
      method,
      path: this.options.basePath + path,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    this.wasAnswered = true;
    return answer;
  }

  private unavailable(cause: unknown): ServiceDiscoveryError {
    if (cause instanceof ServiceDiscoveryError) return cause;
    const reason = this.closed ? 'the store is closed' : this.reasonOf(cause);
    return new RegistryUnavailableError(
      `The registry at ${this.url} cannot be reached: ${reason}. Check that it runs, and that the URL is right`,
      { cause },
    );
  }

  private reasonOf(cause: unknown): string {
    const mayBeRefused = !this.wasAnswered && this.options.origin.startsWith('https:');
    return tlsFailure(cause) ?? messageOf(cause) + (mayBeRefused ? unansweredHint(cause) : '');
  }
}

/** Stops reading, and closes the connection, where a body is longer. */
async function readText({ body }: OpenAnswer, mostBytes: number): Promise<string | undefined> {
  const bytes = await readUpTo(body, mostBytes);
  return bytes && new TextDecoder().decode(bytes);
}

function parseJson(text = ''): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The fields of an error body that are read here. */
interface ErrorFields {
  readonly code?: string;
  readonly message?: string;
  readonly problems?: readonly { readonly field: string; readonly value: unknown; readonly expected: string }[];
  readonly reason?: string;
  readonly retry_after_ms?: number;
  readonly refused_by?: string;
  readonly service?: string;
  readonly instance_id?: string;
}

const PREFIX_HINT = "A global prefix of the registry's app belongs at its end: http://host:3000/api";
/** The end of a URL that has the path of the REST API twice. */
const DOUBLED_PATH = /(\/.+)\1$/;
/** The instance that a request was about, with its host for a registration. */
type Subject = InstanceKey & { readonly host?: string };

/** The way past what refuses requests before the registry has looked at their token. */
const WAY_PAST_GUARD =
  'put `api: { decorators: [Public()] }` into its ServiceDiscoveryModule.forRoot, with the decorator by which that guard lets routes pass';

function toError(
  answer: Pick<RegistryAnswer, 'status' | 'body'>,
  { url, wayIn, subject }: { readonly url: string; readonly wayIn: string; readonly subject?: Subject },
): ServiceDiscoveryError {
  const fields = errorFieldsOf(answer.body);
  const { code, message = '', problems = [], reason, retry_after_ms: retryAfterMs } = fields;
  const details = { service: subject?.serviceName, instanceId: subject?.instanceId };
  if (answer.status === 401 || answer.status === 403) {
    if (code === undefined || fields.refused_by !== undefined) {
      const who = `A guard of the registry app${code === undefined ? ', or a proxy before it,' : ''}`;
      return new RegistryUnavailableError(
        `${who} refused it (HTTP ${answer.status} from ${url}) before the registry looked at its token: ${WAY_PAST_GUARD}`,
        details,
      );
    }
    const said = message.replace(/\.$/, '');
    if (code === 'ACCESS_DENIED') {
      return new RegistryUnavailableError(`The registry at ${url} refuses it${said && `: ${said}`}`, details);
    }
    return new RegistryUnavailableError(
      `The registry at ${url} does not let this process in (status ${answer.status}). ${wayIn}${said && `. It says: ${said}`}`,
      details,
    );
  }
  switch (code) {
    case 'INVALID_INSTANCE':
      return new InvalidInstanceError(problems.map(toProblem), subject?.serviceName);
    case 'HOST_NOT_ALLOWED':
      return new HostNotAllowedError(subject?.host ?? '', reason ?? message, undefined, subject?.serviceName);
    case 'LEASE_LOST':
      return new LeaseLostError(subject?.serviceName ?? '', subject?.instanceId ?? '');
    case 'INVALID_REQUEST':
      return new ServiceDiscoveryError('INVALID_REQUEST', `The registry at ${url} refused: ${message}`, details);
    case undefined:
      return new RegistryUnavailableError(
        `The registry at ${url} answered with status ${answer.status}, and not as a registry does: ${pathHint(url)}`,
        details,
      );
    default:
      return new RegistryUnavailableError(`The registry at ${url} answered with status ${answer.status}: ${message}`, {
        ...details,
        retryAfterMs,
      });
  }
}

function pathHint(url: string): string {
  const path = DOUBLED_PATH.exec(url)?.[1];
  if (path === undefined) return `is the path right? ${PREFIX_HINT}`;
  return `leave out ${path} at the end of the registry's URL, since it is added (remote.path)`;
}

/** The fields of an error body; empty for any other body. */
export function errorFieldsOf(body: unknown): ErrorFields {
  const error = (body as { error?: unknown } | null | undefined)?.error;
  return typeof error === 'object' && error !== null ? error : {};
}

/** Converts field names to those of the library. */
function toProblem({ field, value, expected }: { field: string; value: unknown; expected: string }): Problem {
  return { path: field.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase()), value, expected };
}
