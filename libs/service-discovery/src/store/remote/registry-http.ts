import { Pool, type Dispatcher } from 'undici';
import {
  messageOf,
  raceAbort,
  readUpTo,
  RegistryUnavailableError,
  ServiceDiscoveryError,
  ServiceTls,
  tlsFailure,
  unansweredHint,
  type Clock,
} from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { type ResolvedRemoteRegistryStoreOptions } from './options.js';
import { toError } from './refusal.js';

/** A header of the answer to a deregistration, which has no body: `true` if the instance was removed, else `false`. */
export const REMOVED_HEADER = 'x-service-discovery-removed';

/** How many bytes of an answer are read, and of an error. */
const LONGEST_ANSWER = 16_777_216;
const LONGEST_ERROR = 65_536;

/** An answer with its whole body. */
export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  /** Parsed JSON; undefined if it is not JSON, or longer than a registry's answers are. */
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
  private pool: Pool;
  /** Pools over certificates that were rotated, until their requests and watches have ended. */
  private readonly retired = new Set<Pool>();
  private wasAnswered = false;
  private closed = false;

  constructor(
    private readonly options: ResolvedRemoteRegistryStoreOptions,
    private readonly clock: Clock,
    events?: EventSink,
  ) {
    this.tls = new ServiceTls(options.tls, { clock, events, use: 'registry' });
    this.pool = this.newPool();
    this.tls.onRotated(() => this.renewPool());
  }

  /** The URL of the registry, for error messages. */
  get url(): string {
    return this.options.origin + this.options.basePath;
  }

  /** Sends a request and reads the whole answer within the request timeout. */
  send(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<RegistryAnswer> {
    return this.within(new AbortController(), async (signal) => {
      const answer = await this.dispatch(method, path, body, signal);
      const { statusCode: status, headers } = answer;
      return { status, headers, body: await readJson(answer, status < 400 ? LONGEST_ANSWER : LONGEST_ERROR) };
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
      throw toError(this.url, { status, body: await readJson(answer, LONGEST_ERROR) });
    });
  }

  /** Closes all connections, including those in use. */
  async close(): Promise<void> {
    this.closed = true;
    this.tls.close();
    await Promise.all([this.pool, ...this.retired].map((pool) => pool.destroy()));
  }

  private newPool(): Pool {
    return new Pool(this.options.origin, {
      connect: { ...this.tls.settings },
      connectTimeout: this.options.requestTimeoutMs,
      // `within` bounds requests as a whole, and watches have a limit of silence.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  private renewPool(): void {
    const { pool } = this;
    this.pool = this.newPool();
    this.retired.add(pool);
    void pool.close().finally(() => this.retired.delete(pool));
  }

  private async within<T>(stop: AbortController, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
    const { requestTimeoutMs } = this.options;
    const timer = this.clock.setTimer(
      () => stop.abort(new Error(`it did not answer within ${requestTimeoutMs} ms`)),
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
    const answer = await this.pool.request({
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
    return new RegistryUnavailableError(`The registry at ${this.url} cannot be reached: ${reason}`, { cause });
  }

  private reasonOf(cause: unknown): string {
    const mayBeRefused = !this.wasAnswered && this.options.origin.startsWith('https:');
    return tlsFailure(cause) ?? messageOf(cause) + (mayBeRefused ? unansweredHint(cause) : '');
  }
}

/** Stops reading, and closes the connection, where a body is longer. */
async function readJson({ body }: OpenAnswer, mostBytes: number): Promise<unknown> {
  const bytes = await readUpTo(body, mostBytes);
  if (!bytes) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
