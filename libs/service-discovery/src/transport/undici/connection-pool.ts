import { AsyncResource } from 'node:async_hooks';
import { type LookupFunction, type Socket } from 'node:net';
import { type buildConnector, type Client, type Dispatcher } from 'undici';
import { type TlsSettings } from '../../common/index.js';
import { type HostPolicy } from '../../model/index.js';
import { isUndiciLoaded, loadUndici, undici } from './load-undici.js';
import { type ResolvedUndiciTransportOptions } from './options.js';
import { SpareConnections } from './spare-connections.js';

/** One connection, which undici opens at its first request. */
export class Connection {
  readonly client: Client;
  isOpen = false;
  hasAnswered = false;
  /** What opened it. */
  opener: SpareConnections | undefined = undefined;
  /** Whether it is idle and can take a request. */
  isFree = false;
  /** The request that uses it, until undici is done with it. */
  current: PooledRequest | undefined = undefined;

  constructor(origin: string, options: Client.Options) {
    this.client = new (undici().Client)(origin, options);
  }

  /**
   * Works around nodejs/undici#5360: undici 7 crashes the process when a server closes the connection while the
   * response is paused.
   * @param socket before undici adds its listeners
   */
  guard(socket: Socket): void {
    // The socket ends only after all data was read, so draining buffers nothing beyond what has already arrived.
    socket.on('end', () => this.current?.drain());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // With another code, undici treats it as an ordinary error.
      if (error.code === 'ECONNRESET' && this.current?.isPaused === true) error.code = 'UND_ERR_SOCKET';
    });
  }
}

/** A request in a pool: undici's options and handler. */
export interface PooledRequest extends Dispatcher.DispatchOptions, Dispatcher.DispatchHandler {
  /** Set by the pool; undefined while the request has no connection. */
  connection: Connection | undefined;
  /** Whether reading of the response is paused. */
  readonly isPaused: boolean;
  /** Resumes reading for good. */
  drain(): void;
  onResponseError(controller: unknown, error: unknown): void;
}

/** How connections are opened and kept, and where they may go. */
export interface PoolOptions extends ResolvedUndiciTransportOptions {
  readonly hosts: HostPolicy;
  /** @default the system's resolver */
  readonly lookup?: LookupFunction;
}

/**
 * The connections to one origin. A request gets the free connection used most recently, so that surplus connections
 * become idle and are closed; otherwise a new one; at the limit it waits in FIFO order. Each connection is an undici
 * `Client` with one request at a time. Undici's own `Pool` learns that a client is free only a turn of the event loop
 * later, and so opens more connections than there are requests; it picks the first free one of its list and keeps
 * aborted requests in its queue.
 */
export class ConnectionPool {
  spares: SpareConnections;
  /** The number of open connections. */
  open = 0;
  private readonly connections = new Set<Connection>();
  private readonly free: Connection[] = [];
  /** With the async context of each, by which instrumentation of undici finds the request that it belongs to. */
  private readonly waiting = new Map<PooledRequest, AsyncResource>();
  /** The number of connections, including those still closing. */
  private alive = 0;
  private closing: Promise<void> | undefined;
  private whenEmpty: (() => void) | undefined;

  constructor(
    private readonly origin: string,
    private readonly options: PoolOptions,
    private readonly tls: () => TlsSettings,
  ) {
    this.spares = this.newOpener();
  }

  /** After a change of TLS settings: connections that were opened with others end as soon as they have no request. */
  renew(): void {
    const { spares } = this;
    if (spares.isOver(this.tls())) return;
    this.spares = this.newOpener();
    spares.close();
    for (const connection of [...this.free]) this.remove(connection);
  }

  /** Sends a request over a connection, now or when one is free. */
  dispatch(request: PooledRequest): void {
    const connection = this.waiting.size === 0 ? this.take() : undefined;
    if (connection) return this.assign(connection, request);
    this.waiting.set(request, new AsyncResource('PooledRequest'));
    // The first requests of a process wait for undici as they would for a connection.
    if (!isUndiciLoaded()) void this.serveWhenLoaded();
  }

  /** Removes a waiting request. No effect on one that has a connection, which it keeps until undici is done with it. */
  withdraw(request: PooledRequest): void {
    if (this.waiting.delete(request)) this.endIfDone();
  }

  /** The response is complete, and the connection can take another request. */
  answered(request: PooledRequest): void {
    const connection = this.vacate(request);
    if (!connection) return;
    connection.hasAnswered = true;
    this.release(connection);
  }

  /**
   * The request has failed.
   * @param wasBegun whether undici had begun to send it, so that its connection cannot be reused
   */
  failed(request: PooledRequest, wasBegun: boolean): void {
    const connection = this.vacate(request);
    if (!connection) return;
    if (wasBegun) this.remove(connection);
    // Deferred: undici may be about to fail everything that the connection holds.
    else queueMicrotask(() => this.release(connection));
  }

  /** Resolves when all requests have ended, including waiting ones, and all connections are closed. */
  close(): Promise<void> {
    this.closing ??= new Promise((resolve) => (this.whenEmpty = resolve));
    this.spares.close();
    this.endIfDone();
    return this.closing;
  }

  /** Aborts all requests of a pool that is closing, including waiting ones. */
  destroy(): void {
    this.refuse(new Error('The transport is closed'));
    for (const connection of this.connections) this.remove(connection);
  }

  private refuse(error: unknown): void {
    const unserved = [...this.waiting.keys()];
    this.waiting.clear();
    for (const request of unserved) request.onResponseError(undefined, error);
  }

  private async serveWhenLoaded(): Promise<void> {
    try {
      await loadUndici();
    } catch (error) {
      this.refuse(error);
    }
    this.serve();
  }

  private serve(): void {
    for (const [request, context] of this.waiting) {
      const connection = this.take();
      if (!connection) break;
      this.waiting.delete(request);
      context.runInAsyncScope(() => this.assign(connection, request));
    }
    this.endIfDone();
  }

  /** A closing pool keeps free connections only for waiting requests. */
  private endIfDone(): void {
    if (!this.closing || this.waiting.size > 0) return;
    for (const connection of [...this.free]) this.remove(connection);
    this.notifyIfEmpty();
  }

  private notifyIfEmpty(): void {
    if (this.alive === 0 && this.waiting.size === 0) this.whenEmpty?.();
  }

  private vacate(request: PooledRequest): Connection | undefined {
    const { connection } = request;
    request.connection = undefined;
    if (connection) connection.current = undefined;
    return connection;
  }

  private release(connection: Connection): void {
    if (!this.connections.has(connection)) return;
    if (connection.opener !== undefined && connection.opener !== this.spares) return this.remove(connection);
    connection.isFree = true;
    this.free.push(connection);
    this.serveSoon();
    this.endIfDone();
  }

  private remove(connection: Connection): void {
    if (!this.connections.delete(connection)) return;
    if (connection.isFree) this.free.splice(this.free.indexOf(connection), 1);
    connection.isFree = false;
    void connection.client.destroy().then(() => {
      this.alive--;
      this.notifyIfEmpty();
    });
    this.serveSoon();
  }

  /** Deferred: undici is still reporting the end of the previous request. */
  private serveSoon(): void {
    if (this.waiting.size > 0) queueMicrotask(() => this.serve());
  }

  private take(): Connection | undefined {
    const connection = this.free.pop();
    if (connection) connection.isFree = false;
    if (connection || this.connections.size >= this.options.connections || !isUndiciLoaded()) return connection;
    return this.add();
  }

  private assign(connection: Connection, request: PooledRequest): void {
    request.connection = connection;
    connection.current = request;
    connection.client.dispatch(request, request);
  }

  private newOpener(): SpareConnections {
    const { connectTimeout: connectTimeoutMs, keepAliveTimeout: idleMs, hosts, lookup } = this.options;
    return new SpareConnections(this.origin, { connectTimeoutMs, idleMs, tls: this.tls(), hosts, lookup });
  }

  private add(): Connection {
    const connection = new Connection(this.origin, {
      connect: (target, callback) => {
        connection.opener = this.spares;
        this.spares.connect(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
          if (error) return callback(error, null);
          connection.guard(socket);
          callback(null, socket);
        });
      },
      keepAliveTimeout: this.options.keepAliveTimeout,
      allowH2: false,
      // Each request has limits of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const { client } = connection;
    client.on('connect', () => {
      connection.isOpen = true;
      this.open++;
    });
    // Undici loses track of the requests of a connection whose certificate does not match the name.
    client.on('connectionError', () => this.remove(connection));
    client.on('disconnect', () => {
      if (connection.isOpen) this.open--;
      connection.isOpen = false;
      if (connection.isFree) this.remove(connection);
    });
    this.connections.add(connection);
    this.alive++;
    return connection;
  }
}
