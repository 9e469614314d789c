import { Readable } from 'node:stream';
import { type Dispatcher, errors } from 'undici';
import {
  type AbortListener,
  type Cancellation,
  pendingInput,
  type TimerWheel,
  type WheelTimer,
} from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type OutgoingBody, release } from '../outgoing-body.js';
import { type ServiceRequest, type ServiceResponse } from '../transport.js';
import { toFailure } from './failure.js';
import { type BodyFlow } from './body-flow.js';
import { type Connection, type ConnectionPool, type Tenant } from './connection-pool.js';
import { IncomingBody } from './incoming-body.js';
import { ResponseHead } from './response-head.js';

/** How long bodies may stand still. */
export interface StallLimit {
  readonly timers: TimerWheel;
  /** In milliseconds; 0: for ever. */
  readonly ms: number;
}

/**
 * One request and its response: what undici is told, and what it tells. There is one of these for each request, so it
 * makes neither closures nor promises but the one for the response's head. It speaks undici's older handler language, which is
 * the one of its connections: to a handler of the newer one undici talks through an adapter, which makes an object out of
 * the headers and another one out of the trailers of every response, that most callers never look at.
 */
export class Exchange implements Tenant, AbortListener, BodyFlow, WheelTimer {
  slot: WheelTimer['slot'] = undefined;
  place = 0;
  order = 0;
  dueAt = 0;

  readonly method: ServiceRequest['method'];
  readonly headers: Dispatcher.DispatchOptions['headers'];
  connection: Connection | undefined = undefined;
  /** Ends the request; undefined until it has a connection. */
  private end: ((reason: Error) => void) | undefined = undefined;
  private goOn: (() => void) | undefined = undefined;
  isHeldBack = false;
  /** Whether nothing may be held back any more. */
  private mustCome = false;
  /** When something of the response came last, or was let come again. */
  private heardAt = 0;
  private incoming: IncomingBody | undefined = undefined;
  private isOver = false;
  private resolve!: (response: ServiceResponse) => void;
  private reject!: (error: unknown) => void;

  /** @param path what stands in the request line */
  constructor(
    private readonly to: ServiceInstance,
    readonly path: string,
    { method, headers }: ServiceRequest,
    readonly body: OutgoingBody,
    private readonly cancellation: Cancellation | undefined,
    private readonly pool: ConnectionPool,
    private readonly stalls: StallLimit,
  ) {
    this.method = method;
    this.headers = headers as Dispatcher.DispatchOptions['headers'];
  }

  /** Resolves when the response's head has arrived. */
  begin(): Promise<ServiceResponse> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.cancellation?.follow(this);
      if (this.body instanceof Readable) this.failWith(this.body);
      this.pool.dispatch(this);
    });
  }

  onAborted(reason: unknown): void {
    this.pool.withdraw(this);
    this.fail(reason, reason);
    this.end?.(reason as Error);
  }

  pause(): void {
    this.isHeldBack = !this.mustCome;
  }

  resume(): void {
    if (!this.isHeldBack) return;
    this.isHeldBack = false;
    this.heardAt = this.stalls.timers.clock.now();
    // Not at once: it may be another answer, as undici tells of it, that has this one read.
    queueMicrotask(() => {
      if (!this.isHeldBack) this.goOn?.();
    });
  }

  letCome(): void {
    this.mustCome = true;
    this.isHeldBack = false;
    this.goOn?.();
  }

  abort(reason: Error): void {
    this.end?.(reason);
  }

  onConnect(end: (reason?: Error) => void): void {
    // Nobody waits any more. Undici drops a request that throws here, and keeps the connection, which an abort closes.
    if (this.isOver) throw new Error('The request was given up before it was sent');
    this.end = end;
  }

  onHeaders(status: number, headers: Buffer[], goOn: () => void): boolean {
    // An interim response, such as 103 Early Hints.
    if (status < 200) return true;
    this.goOn = goOn;
    const { method, path } = this;
    const { serviceName: service, instanceId } = this.to;
    this.incoming = new IncomingBody(this, { service, instanceId, method, path, status }, this.cancellation);
    this.resolve(new ResponseHead(status, headers, this.incoming));
    this.limitStalls();
    return true;
  }

  /** @returns whether undici may read on */
  onData(chunk: Buffer): boolean {
    this.heardAt = this.stalls.timers.clock.now();
    this.incoming?.push(chunk);
    return !this.isHeldBack;
  }

  onComplete(): void {
    this.isOver = true;
    this.stalls.timers.remove(this);
    this.cancellation?.unfollow(this);
    this.incoming?.finish();
    this.pool.answered(this);
  }

  onError(error: unknown): void {
    const wasSilent = this.end !== undefined && this.connection?.hasAnswered === false;
    // Else it was refused, or no connection could be opened.
    this.pool.failed(this, this.end !== undefined);
    this.lose(error, wasSilent);
  }

  /** Nothing comes of it. @param wasSilent whether it had a connection that never answered anything */
  private lose(error: unknown, wasSilent = false): void {
    this.stalls.timers.remove(this);
    if (this.isOver) return;
    this.cancellation?.unfollow(this);
    const neverSent = this.end === undefined;
    this.fail(error, this.incoming ? undefined : toFailure(error, this.to, this, neverSent, wasSilent));
  }

  /** It is so long ago that the limit was set. */
  timeIsOver(): void {
    if (this.isGoingOn()) return;
    // Where this process stood still, what came meanwhile has not been read yet.
    void pendingInput().then(() => {
      if (!this.isOver && !this.isGoingOn()) this.end?.(new errors.BodyTimeoutError());
    });
  }

  /** Whether something came since, or nobody lets it come: then the limit is set anew. */
  private isGoingOn(): boolean {
    const { timers, ms } = this.stalls;
    const now = timers.clock.now();
    this.dueAt = (this.isHeldBack ? now : this.heardAt) + ms;
    if (this.dueAt <= now) return false;
    timers.add(this);
    return true;
  }

  /** In place of undici's own limit, which makes a timer for each response that lives on for half a second. */
  private limitStalls(): void {
    const { timers, ms } = this.stalls;
    if (ms === 0) return;
    this.heardAt = timers.clock.now();
    this.dueAt = this.heardAt + ms;
    timers.add(this);
  }

  /** Undici hears of a body's errors only once the request has a connection to itself. */
  private failWith(body: Readable): void {
    body.on('error', (error) => {
      if (this.end) return;
      this.pool.withdraw(this);
      this.lose(error);
    });
  }

  /**
   * @param cause what its body breaks off with where there is a response
   * @param rejection what the request is rejected with where there is none
   */
  private fail(cause: unknown, rejection: unknown): void {
    this.isOver = true;
    if (this.body instanceof Readable) release(this.body);
    if (this.incoming) this.incoming.fail(cause);
    else this.reject(rejection);
  }
}
