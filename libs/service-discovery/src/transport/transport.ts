import { type Readable } from 'node:stream';
import { type Cancellation } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type ReadContent } from './read-content.js';

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

export type QueryValue = string | number | boolean | null | undefined;
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[]>>;

/** Header names in any spelling; a list is sent as several lines; undefined is left out. */
export type RequestHeaders = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export type RequestBody = string | Uint8Array | Readable | AsyncIterable<Uint8Array>;

/** One attempt, ready to be sent. */
export interface ServiceRequest {
  readonly method: HttpMethod;
  /** Starts with a slash; appended to the instance's base path. May hold a query already. */
  readonly path: string;
  readonly query?: Query;
  /** Names in lower case. */
  readonly headers: RequestHeaders;
  readonly body?: RequestBody;
}

/** A response whose body has not been read yet. Read or dump it, else its connection stays taken. */
export interface ResponseBody {
  /** The content as it comes. Not made before somebody asks for it where a transport can do without. */
  readonly stream: Readable;
  /**
   * The content once all of it has arrived, so that whoever reads it need not wait; undefined before, and where only the
   * stream would tell.
   */
  readonly arrived?: ReadContent;
  text(): Promise<string>;
  /** The parsed body; undefined when it is empty. Rejects with code `RESPONSE_BODY` when it is no JSON. */
  json<T = unknown>(): Promise<T>;
  bytes(): Promise<Uint8Array>;
  /** Throws the body away so that the connection can be used again. */
  dump(): Promise<void>;
  /**
   * Calls `listener` once when nothing more of the body comes: it has arrived, broke off, or was thrown away. Left out
   * where the end of the stream tells.
   * @returns false where that is so already; then nothing is called
   */
  onEnd?(listener: () => void): boolean;
}

export interface ServiceResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: ResponseBody;
}

/**
 * Who came and who left. An instance that moved to another address did both; one that drains counts as gone, since it
 * gets no new calls, and waits for its callers to close their connections before its server closes.
 */
export interface InstanceTurnover {
  readonly joined: readonly ServiceInstance[];
  readonly left: readonly ServiceInstance[];
}

/** Sends one request to one instance. Every implementation passes `transportContract` of `./testing`. */
export interface Transport {
  /**
   * Resolves when the response's head has arrived, whatever its status.
   * @throws TransportError when there is no response; the signal's reason when it aborts
   */
  send(to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse>;
  /**
   * The same for a transport that can do without an `AbortSignal`, which costs more than all else of a call. Where it is
   * there, calls go by it and not by `send`: who overrides one of them, or wraps a transport, does so with both. Its response
   * may be an object of a class that reads the headers once they are asked for, so who makes another one of it names what it takes
   * and does not spread it.
   */
  dispatch?(to: ServiceInstance, request: ServiceRequest, cancellation: Cancellation): Promise<ServiceResponse>;
  /**
   * Tells which instances there are to call now, of the services that are called, so that connections to others can be
   * closed once idle. Called when somebody came or left.
   * @param turnover what is new of it since the last time
   */
  retain?(instances: readonly ServiceInstance[], turnover: InstanceTurnover): void;
  /** Waits for what is in flight, then closes every connection. */
  close(): Promise<void>;
}
