import { finished, Readable } from 'node:stream';
import { Channel, onAbort, raceAbort, TransportError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { bodyOf, type ServiceRequest, type ServiceResponse, type Transport } from '../transport/index.js';

/** A response of {@link FakeTransport}. */
export interface FakeResponse {
  /** @default 200 */
  status?: number;
  /** Names in lower case. @default content-type of a JSON body, else none */
  headers?: Readonly<Record<string, string | string[]>>;
  /** A string, bytes or a stream are sent as they are, anything else as JSON. @default an empty body */
  body?: unknown;
}

/** Answers a request, synchronously or later. An error that it throws is thrown by `send`. */
export type FakeHandler = (
  instance: ServiceInstance,
  request: ServiceRequest,
  signal?: AbortSignal,
) => FakeResponse | Promise<FakeResponse>;

/** A request that was sent. */
export interface FakeExchange {
  readonly instance: ServiceInstance;
  readonly request: ServiceRequest;
  readonly signal?: AbortSignal;
}

/** A request that waits for the test to answer. */
export interface HeldExchange extends FakeExchange {
  respond(response?: FakeResponse): void;
  fail(error: unknown): void;
}

/**
 * A transport without a network, controlled by a test. It records all requests. A function answers them, or the test
 * does so one by one after {@link FakeTransport.hold}.
 *
 * @example
 * const transport = new FakeTransport((instance) => ({ body: { id: instance.instanceId } }));
 * transport.hold();
 * const call = communicator.callService('user-service', { path: '/' });
 * (await transport.nextHeld()).respond({ status: 503 });
 */
export class FakeTransport implements Transport {
  readonly sendsAsGiven = true;
  /** All requests in order, including failed ones. */
  readonly sent: FakeExchange[] = [];
  /** The instances of each call of `retain`. */
  readonly retained: (readonly ServiceInstance[])[] = [];
  private readonly held = new Channel<HeldExchange>();
  private readonly inFlight = new Set<Promise<unknown>>();
  private isClosed = false;

  /** @param handler default: answers each request with an empty 200 */
  constructor(private handler: FakeHandler = () => ({})) {}

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.isClosed;
  }

  /** The instance ids of all requests, in order. */
  get targets(): string[] {
    return this.sent.map(({ instance }) => instance.instanceId);
  }

  /** Answers requests with `handler` from now on. */
  answer(handler: FakeHandler): void {
    this.handler = handler;
  }

  /** Makes each request wait for the test: see {@link nextHeld}. Undone by {@link answer}. */
  hold(): void {
    this.handler = (instance, request, signal) =>
      new Promise((resolve, reject) => {
        this.held.push({
          instance,
          request,
          signal,
          respond: (response = {}) => resolve(response),
          fail: reject,
        });
      });
  }

  /** The next held request in order of sending; waits until there is one. */
  async nextHeld(): Promise<HeldExchange> {
    const next = await this.held.next();
    if (next.done) throw new Error('The transport is closed');
    return next.value;
  }

  async send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> {
    const details = { service: to.serviceName, instanceId: to.instanceId };
    const attempt = (async () => {
      signal?.throwIfAborted();
      if (this.isClosed) throw new TransportError('The transport is closed', true, details);
      this.sent.push({ instance: to, request, signal });
      const answer = (async () => this.handler(to, request, signal))();
      return toResponse(await (signal ? raceAbort(answer, signal) : answer), { ...details, signal });
    })();
    this.inFlight.add(attempt);
    try {
      return await attempt;
    } catch (error) {
      if (request.body instanceof Readable) request.body.destroy();
      throw error;
    } finally {
      this.inFlight.delete(attempt);
    }
  }

  retain(instances: readonly ServiceInstance[]): void {
    this.retained.push(instances);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.allSettled(this.inFlight);
    this.held.close();
  }
}

function toResponse(
  { status = 200, headers, body }: FakeResponse,
  source: { service: string; instanceId: string; signal?: AbortSignal },
): ServiceResponse {
  const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable;
  const content = raw ? body : JSON.stringify(body);
  const stream =
    content instanceof Readable ? content : Readable.from(content === undefined ? [] : [Buffer.from(content)]);
  const { signal } = source;
  if (signal)
    finished(
      stream,
      onAbort(signal, () => stream.destroy(signal.reason as Error)),
    );
  return {
    status,
    headers: headers ?? (raw ? {} : { 'content-type': 'application/json' }),
    body: bodyOf(stream, { ...source, status }),
  };
}
