import { Readable } from 'node:stream';
import { type Cancellation } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type ReadContent } from './read-content.js';

/** The methods of requests to services. */
export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

/** A value of a query parameter. Null and undefined are omitted. */
export type QueryValue = string | number | boolean | null | undefined;
/** Query parameters by name; a list is sent as one parameter for each element. */
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[]>>;

/** Header names in any case. A list is sent as several header lines; undefined is omitted. */
export type RequestHeaders = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** A body as it is sent; streams can be sent once, so requests with one are not retried. */
export type RequestBody = string | Uint8Array | Readable | AsyncIterable<Uint8Array>;

/** The request of one attempt. */
export interface ServiceRequest {
  readonly method: HttpMethod;
  /** Starts with a slash and is appended to the base path of the instance. May contain a query. */
  readonly path: string;
  readonly query?: Query;
  /** Names in lower case. */
  readonly headers: RequestHeaders;
  readonly body?: RequestBody;
}

/** A response body. Read or dump it, otherwise its connection stays in use. */
export interface ResponseBody {
  /** The content as a stream. Created on first access if the transport can do without. */
  readonly stream: Readable;
  /**
   * The content once all of it has arrived, so that it can be read synchronously; undefined before that, and for a body
   * that is only available as a stream.
   */
  readonly arrived?: ReadContent;
  text(): Promise<string>;
  /** The parsed body; undefined if it is empty. Rejects with code `RESPONSE_BODY` if it is not JSON. */
  json<T = unknown>(): Promise<T>;
  bytes(): Promise<Uint8Array>;
  /** Discards the body, so that the connection can be reused. */
  dump(): Promise<void>;
  /**
   * Calls `listener` once when the body ends: it has arrived, was interrupted, or was dumped. Omitted if the end of the
   * stream shows that.
   * @returns false if it has already ended; `listener` is not called then
   */
  onEnd?(listener: () => void): boolean;
}

/** The response of one attempt, whatever its status. */
export interface ServiceResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: ResponseBody;
}

/**
 * The instances that joined and left. An instance with a new address did both. A draining instance counts as left: it
 * gets no new calls, and its server waits for clients to close their connections before it closes.
 */
export interface InstanceDelta {
  readonly joined: readonly ServiceInstance[];
  readonly left: readonly ServiceInstance[];
}

/** Sends one request to one instance. Every implementation passes `transportContract` of `./testing`. */
export interface Transport {
  /**
   * Whether requests are sent with exactly the headers that they are handed over with. Answers are shared between callers
   * (`coalescing`, `lastGood`) only then: a transport that adds a user's token or a signature makes different requests of
   * equal ones.
   * @default false
   */
  readonly sendsAsGiven?: boolean;
  /**
   * Resolves when the response head has arrived, whatever its status.
   * @throws TransportError if there is no response; the signal's reason if it aborts
   */
  send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse>;
  /**
   * {@link send} with a `Cancellation` instead of an `AbortSignal`, which would be the most expensive part of a call.
   * If present, calls use it instead of `send`, so a subclass or wrapper has to cover both.
   */
  dispatch?(to: ServiceInstance, request: ServiceRequest, cancellation: Cancellation): Promise<ServiceResponse>;
  /** Called once, after the start of an app that makes calls: loads ahead what the first request needs. */
  prepare?(): void;
  /**
   * Called when instances join or leave, with all instances of the services that are called, so that connections to
   * others can be closed once idle.
   * @param delta the difference from the previous call
   */
  retain?(instances: readonly ServiceInstance[], delta: InstanceDelta): void;
  /** Waits for requests in flight, then closes all connections. */
  close(): Promise<void>;
}

/** A request body in the form in which it is sent. */
export type OutgoingBody = string | Uint8Array | Readable | undefined;

/** Converts an iterable to a stream, so that it can be destroyed when the attempt fails. */
export function outgoingBodyOf(body: RequestBody | undefined): OutgoingBody {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable) {
    return body;
  }
  return Readable.from(body);
}

/** Whether a body is a stream that has already been read, so that it cannot be sent. */
export function isSpent(body: OutgoingBody): boolean {
  return body instanceof Readable && (body.destroyed || Readable.isDisturbed(body));
}

/** Destroys a request body that is no longer needed, ignoring its errors. */
export function release(body: Readable): void {
  body.on('error', () => undefined);
  try {
    body.destroy();
  } catch {
    // A stream whose `destroy` throws; the request has failed in any case.
  }
}
