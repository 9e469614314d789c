import diagnosticsChannel from 'node:diagnostics_channel';
import { type IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { type Dispatcher } from 'undici';
import {
  type AbortListener,
  type Cancellation,
  messageOf,
  pendingInput,
  ServiceDiscoveryError,
  type TimerWheel,
  unansweredHint,
  type WheelTimer,
} from '../../common/index.js';
import { HostNotAllowedError, type ServiceInstance } from '../../model/index.js';
import { ResponseSource } from '../body-source.js';
import { sendFailure, targetDetails, targetText } from '../send-failure.js';
import { type OutgoingBody, release, type ServiceRequest, type ServiceResponse } from '../transport.js';
import { type Connection, type ConnectionPool, type PooledRequest } from './connection-pool.js';
import { type BodyFlow, IncomingBody } from './incoming-body.js';
import { undici } from './load-undici.js';

/** The limits for bodies. */
export interface BodyLimits {
  readonly timers: TimerWheel;
  /** How long one may make no progress, in milliseconds; 0 for no limit. */
  readonly stallMs: number;
  /** How much of one may be read into memory. */
  readonly maxBytes: number;
}

/**
 * One request and its response, as undici's handler. There is one for each request, so it creates no closures, and no
 * promise but that of the response head.
 */
export class Exchange implements PooledRequest, AbortListener, BodyFlow, WheelTimer {
  slot: WheelTimer['slot'] = undefined;
  place = 0;
  order = 0;
  dueAt = 0;

  readonly method: ServiceRequest['method'];
  readonly headers: Dispatcher.DispatchOptions['headers'];
  connection: Connection | undefined = undefined;
  /** Undici's side of the request; undefined until it has a connection. */
  private controller: Dispatcher.DispatchController | undefined = undefined;
  isPaused = false;
  /** Whether reading may not be paused any more. */
  private isDraining = false;
  /** When data of the response last arrived, or reading was resumed. */
  private receivedAt = 0;
  private incoming: IncomingBody | undefined = undefined;
  private isOver = false;
  private resolve!: (response: ServiceResponse) => void;
  private reject!: (error: unknown) => void;

  /** @param path the request target */
  constructor(
    private readonly to: ServiceInstance,
    readonly path: string,
    { method, headers }: ServiceRequest,
    readonly body: OutgoingBody,
    private readonly cancellation: Cancellation | undefined,
    private readonly pool: ConnectionPool,
    private readonly limits: BodyLimits,
  ) {
    this.method = method;
    this.headers = headers as Dispatcher.DispatchOptions['headers'];
  }

  /** Sends the request. Resolves when the response head has arrived. */
  begin(): Promise<ServiceResponse> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.cancellation?.follow(this);
      if (this.body instanceof Readable) this.watchBody(this.body);
      this.pool.dispatch(this);
    });
  }

  onAborted(reason: unknown): void {
    this.pool.withdraw(this);
    this.fail(reason, reason);
    this.controller?.abort(reason as Error);
  }

  pause(): void {
    if (this.isDraining) return;
    this.isPaused = true;
    this.controller?.pause();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.receivedAt = this.limits.timers.clock.now();
    // Deferred: undici may be in the middle of reporting another response.
    queueMicrotask(() => {
      if (!this.isPaused) this.controller?.resume();
    });
  }

  drain(): void {
    this.isDraining = true;
    this.isPaused = false;
    this.controller?.resume();
  }

  abort(reason: Error): void {
    this.controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Undici drops a request that throws here and keeps the connection, which an abort would close.
    if (this.isOver) throw new Error('The request was given up before it was sent');
    this.controller = controller;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // An informational response, such as 103 Early Hints.
    if (status < 200) return;
    emptyRawHeaders(controller);
    const source = new ResponseSource(this.to, this.method, this.path, status, this.limits.maxBytes);
    this.incoming = new IncomingBody(this, source, this.cancellation);
    this.resolve(new ResponseHead(status, headers, this.incoming));
    this.limitStalls();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.receivedAt = this.limits.timers.clock.now();
    this.incoming?.push(chunk);
  }

  onResponseEnd(): void {
    this.isOver = true;
    this.limits.timers.remove(this);
    this.cancellation?.unfollow(this);
    this.incoming?.finish();
    this.pool.answered(this);
  }

  onResponseError(_controller: unknown, error: unknown): void {
    const wasBegun = this.controller !== undefined;
    const wasSilent = wasBegun && this.connection?.hasAnswered === false;
    // Not begun: it was rejected, or no connection could be opened.
    this.pool.failed(this, wasBegun);
    this.onFailure(error, wasSilent);
  }

  /** @param wasSilent whether its connection never got an answer to any request */
  private onFailure(error: unknown, wasSilent = false): void {
    this.limits.timers.remove(this);
    if (this.isOver) return;
    this.cancellation?.unfollow(this);
    const neverSent = this.controller === undefined;
    this.fail(error, this.incoming ? undefined : toFailure(error, this.to, this, neverSent, wasSilent));
  }

  /** Called when the stall limit may have expired. */
  timeIsOver(): void {
    if (this.extendLimit()) return;
    // After a stall of the process, data that has arrived may be unread.
    void pendingInput().then(() => {
      if (!this.isOver && !this.extendLimit()) this.controller?.abort(new (undici().errors.BodyTimeoutError)());
    });
  }

  /** Restarts the limit if data arrived since, or reading is paused. */
  private extendLimit(): boolean {
    const { timers, stallMs } = this.limits;
    const now = timers.clock.now();
    this.dueAt = (this.isPaused ? now : this.receivedAt) + stallMs;
    if (this.dueAt <= now) return false;
    timers.add(this);
    return true;
  }

  /** Replaces undici's own limit, which creates a timer for each response that takes half a second or more. */
  private limitStalls(): void {
    const { timers, stallMs } = this.limits;
    if (stallMs === 0) return;
    this.receivedAt = timers.clock.now();
    this.dueAt = this.receivedAt + stallMs;
    timers.add(this);
  }

  /** Undici listens to the errors of a body only once the request has a connection. */
  private watchBody(body: Readable): void {
    body.on('error', (error) => {
      if (this.controller) return;
      this.pool.withdraw(this);
      this.onFailure(error);
    });
  }

  /**
   * @param cause the error of the response body if there is a response
   * @param rejection the error of the request if there is none
   */
  private fail(cause: unknown, rejection: unknown): void {
    this.isOver = true;
    if (this.body instanceof Readable) release(this.body);
    if (this.incoming) this.incoming.fail(cause);
    else this.reject(rejection);
  }
}

/** A class, for the reason given at `PreparedRequest`. */
class ResponseHead implements ServiceResponse {
  constructor(
    readonly status: number,
    readonly headers: ServiceResponse['headers'],
    readonly body: IncomingBody,
  ) {}
}

const headersChannel = diagnosticsChannel.channel('undici:request:headers');

/**
 * Empties undici's array of the unparsed headers, which has no use once they are parsed.
 *
 * V8 may have come to allocate these arrays in the old generation, see `PreparedRequest`. Until the next major
 * collection, each would keep its buffers, and with them what the socket read. Subscribers of undici's diagnostics
 * channel may have kept the array.
 */
function emptyRawHeaders({ rawHeaders }: Dispatcher.DispatchController): void {
  if (Array.isArray(rawHeaders) && !headersChannel.hasSubscribers) (rawHeaders as unknown[]).fill(undefined);
}

/** Errors of requests that undici rejects before sending anything: an invalid header, a wrong content length. */
const REFUSED_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);
const NETWORK_SYSCALLS: ReadonlySet<string> = new Set(['connect', 'getaddrinfo', 'read', 'write']);

/**
 * Converts an error of undici to the one that `send` throws.
 * @param neverSent whether undici never began to send the request
 * @param wasSilent whether its connection never got an answer to any request
 */
export function toFailure(
  error: unknown,
  to: ServiceInstance,
  sent: { readonly method: string; readonly path: string; readonly body: unknown },
  neverSent: boolean,
  wasSilent = false,
): ServiceDiscoveryError {
  if (error instanceof ServiceDiscoveryError && !(error instanceof HostNotAllowedError)) return error;
  const code = textOf(error, 'code');
  const isRefused = REFUSED_CODES.has(code);
  if (isRefused || failedByItself(sent.body, error, code)) {
    const target = targetText(to, sent);
    const what = isRefused ? `${target} is not valid` : `The body of ${target} failed`;
    const message = `${what}: ${messageOf(error)}. Correct the request`;
    return new ServiceDiscoveryError('INVALID_REQUEST', message, targetDetails(to, sent, error));
  }
  const hint = to.protocol === 'https' && (neverSent || wasSilent) ? unansweredHint(error) : '';
  return sendFailure({ error, to, sent, neverSent, hint });
}

/** On a network error undici destroys the body with that error; any other error comes from the body itself. */
function failedByItself(body: unknown, error: unknown, code: string): boolean {
  if (!(body instanceof Readable) || body.errored !== error) return false;
  return !code.startsWith('UND_ERR_') && !NETWORK_SYSCALLS.has(textOf(error, 'syscall'));
}

function textOf(error: unknown, property: 'code' | 'syscall'): string {
  const value = (error as Record<string, unknown> | null | undefined)?.[property];
  return typeof value === 'string' ? value : '';
}
