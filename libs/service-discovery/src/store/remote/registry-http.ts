import { Pool, type Dispatcher } from 'undici';
import {
  messageOf,
  raceAbort,
  RegistryUnavailableError,
  ServiceDiscoveryError,
  type Clock,
} from '../../common/index.js';
import { type ResolvedRemoteRegistryStoreOptions } from './options.js';
import { toError } from './refusal.js';

/** `true` or `false` in the answer to a deregistration, which has no body: whether it changed anything. */
export const REMOVED_HEADER = 'x-service-discovery-removed';

/** An answer that was read to its end. */
export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  /** Parsed JSON; undefined where there is none. */
  readonly body: unknown;
}

/** An answer whose body is still to be read. */
export type OpenAnswer = Dispatcher.ResponseData;

/**
 * Talks to one registry over connections that are kept. Whatever keeps an answer from arriving, a timeout too, is a
 * `RegistryUnavailableError`.
 */
export class RegistryHttp {
  private readonly pool: Pool;
  private closed = false;

  constructor(
    private readonly options: ResolvedRemoteRegistryStoreOptions,
    private readonly clock: Clock,
  ) {
    this.pool = new Pool(options.origin, {
      connectTimeout: options.requestTimeoutMs,
      // The limits are ours: one for a request as a whole, one for the silence of a watch.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Where the registry is, for messages. */
  get url(): string {
    return this.options.origin + this.options.basePath;
  }

  /** Sends, and reads the whole answer, within the time for a request. */
  send(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<RegistryAnswer> {
    return this.within(new AbortController(), async (signal) => {
      const response = await this.dispatch(method, path, body, signal);
      const text = await response.body.text();
      return { status: response.statusCode, headers: response.headers, body: parseJson(text) };
    });
  }

  /**
   * Opens a stream of events. The head is awaited within the time for a request; `stop` ends the body too.
   * @throws what {@link toError} makes of any other answer, which is read within the same time
   */
  open(path: string, stop: AbortController): Promise<OpenAnswer> {
    return this.within(stop, async (signal) => {
      const answer = await this.dispatch('GET', path, undefined, signal, 'text/event-stream');
      const { statusCode: status, headers } = answer;
      if (status === 200 && String(headers['content-type']).startsWith('text/event-stream')) return answer;
      throw toError(this.url, { status, body: parseJson(await answer.body.text()) });
    });
  }

  /** Closes every connection, whatever is in flight. */
  async close(): Promise<void> {
    this.closed = true;
    await this.pool.destroy();
  }

  private async within<T>(stop: AbortController, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
    const { requestTimeoutMs } = this.options;
    const timer = this.clock.setTimer(
      () => stop.abort(new Error(`it did not answer within ${requestTimeoutMs} ms`)),
      requestTimeoutMs,
    );
    try {
      // Undici heeds a signal only once the request has a connection; nobody need wait for that.
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
    return this.pool.request({
      method,
      path: this.options.basePath + path,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  }

  private unavailable(cause: unknown): ServiceDiscoveryError {
    if (cause instanceof ServiceDiscoveryError) return cause;
    const reason = this.closed ? 'the store is closed' : messageOf(cause);
    return new RegistryUnavailableError(`The registry at ${this.url} cannot be reached: ${reason}`, { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
