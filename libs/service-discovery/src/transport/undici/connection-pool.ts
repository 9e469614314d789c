import { type Socket } from 'node:net';
import { type buildConnector, Client, type Dispatcher, errors } from 'undici';
import { type TlsSettings } from '../../common/index.js';
import { type ResolvedUndiciTransportOptions } from './options.js';
import { SpareConnections } from './spare-connections.js';

/** One connection, which undici opens when there is a request for it. */
export class Connection extends Client {
  isOpen = false;
  hasAnswered = false;
  /** Whether it has no request, and may have one. */
  isFree = false;
  /** Whose it is until undici is done with the request. */
  tenant: Tenant | undefined = undefined;

  /**
   * Undici 7 takes it for a fault of its own, of which the process dies, when a server closes a connection after its answer
   * and the answer is being held back (nodejs/undici#5360).
   * @param socket before undici listens to it
   */
  guard(socket: Socket): void {
    // It ends when all of it has been read: what is let come is not held in addition to what is there.
    socket.on('end', () => this.tenant?.letCome());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // With another code it is an error like every other.
      if (error.code === 'ECONNRESET' && this.tenant?.isHeldBack === true) error.code = 'UND_ERR_SOCKET';
    });
  }
}

/** A request, as a pool sees it: what undici is told, and what it tells. */
export interface Tenant extends Dispatcher.DispatchOptions, Dispatcher.DispatchHandler {
  /** The pool's own; undefined: it has none, or none any more. */
  connection: Connection | undefined;
  /** Whether undici was told to wait with the rest of the answer. */
  readonly isHeldBack: boolean;
  /** Holds nothing back from now on. */
  letCome(): void;
  onError(error: unknown): void;
}

/**
 * The connections to one origin. A request gets the free one that was used last, so that the others are closed by and by
 * when fewer are needed; else a new one; at the limit it waits, and the first come is served first. Each is an undici
 * `Client` with one request at a time. Undici's own `Pool` hears that a client is free by events, a turn of the event loop
 * later, and so opens more connections than requests are under way, looks for a free one from the start of its list, and
 * keeps in its queue what was given up meanwhile.
 */
export class ConnectionPool {
  readonly spares: SpareConnections;
  /** How many connections are open. */
  open = 0;
  private readonly connections = new Set<Connection>();
  private readonly free: Connection[] = [];
  private readonly waiting = new Set<Tenant>();
  /** How many connections there are, those counted that are still closing. */
  private alive = 0;
  private closing: Promise<void> | undefined;
  private whenEmpty: (() => void) | undefined;

  constructor(
    private readonly origin: string,
    private readonly options: ResolvedUndiciTransportOptions,
    tls: TlsSettings,
  ) {
    const { connectTimeoutMs, keepAliveTimeoutMs } = options;
    this.spares = new SpareConnections(origin, { connectTimeoutMs, idleMs: keepAliveTimeoutMs, tls });
  }

  /** Sends it over a connection, now or as soon as one comes free. */
  dispatch(tenant: Tenant): void {
    const connection = this.waiting.size === 0 ? this.take() : undefined;
    if (connection) this.assign(connection, tenant);
    else this.waiting.add(tenant);
  }

  /** Nobody waits for it any more. Safe to call for one that has a connection, which it keeps until undici is done with it. */
  withdraw(tenant: Tenant): void {
    if (this.waiting.delete(tenant)) this.endIfDone();
  }

  /** It has its answer, and its connection can take another request. */
  answered(tenant: Tenant): void {
    const connection = this.vacate(tenant);
    if (!connection) return;
    connection.hasAnswered = true;
    this.release(connection);
  }

  /**
   * It has failed.
   * @param wasBegun whether undici had begun with it: then its connection can take no other request
   */
  failed(tenant: Tenant, wasBegun: boolean): void {
    const connection = this.vacate(tenant);
    if (!connection) return;
    if (wasBegun) this.remove(connection);
    // Undici may be about to fail all that the connection holds, so that it takes none meanwhile.
    else queueMicrotask(() => this.release(connection));
  }

  /** Resolves when all has ended that is under way or waits, and every connection is closed. */
  close(): Promise<void> {
    this.closing ??= new Promise((resolve) => (this.whenEmpty = resolve));
    this.spares.close();
    this.endIfDone();
    return this.closing;
  }

  /** Ends at once what is under way or waits, for a pool that is closing. */
  destroy(): void {
    const unserved = [...this.waiting];
    this.waiting.clear();
    for (const tenant of unserved) tenant.onError(new errors.ClientDestroyedError());
    for (const connection of this.connections) this.remove(connection);
  }

  private serve(): void {
    for (const tenant of this.waiting) {
      const connection = this.take();
      if (!connection) break;
      this.waiting.delete(tenant);
      this.assign(connection, tenant);
    }
    this.endIfDone();
  }

  /** A pool that closes keeps those that are free only for who waits. */
  private endIfDone(): void {
    if (!this.closing || this.waiting.size > 0) return;
    for (const connection of [...this.free]) this.remove(connection);
    this.tellIfEmpty();
  }

  private tellIfEmpty(): void {
    if (this.alive === 0 && this.waiting.size === 0) this.whenEmpty?.();
  }

  private vacate(tenant: Tenant): Connection | undefined {
    const { connection } = tenant;
    tenant.connection = undefined;
    if (connection) connection.tenant = undefined;
    return connection;
  }

  private release(connection: Connection): void {
    if (!this.connections.has(connection)) return;
    connection.isFree = true;
    this.free.push(connection);
    this.serveSoon();
    this.endIfDone();
  }

  private remove(connection: Connection): void {
    if (!this.connections.delete(connection)) return;
    if (connection.isFree) this.free.splice(this.free.indexOf(connection), 1);
    connection.isFree = false;
    void connection.destroy().then(() => {
      this.alive--;
      this.tellIfEmpty();
    });
    this.serveSoon();
  }

  /** Not at once: undici is in the middle of telling how the last one ended. */
  private serveSoon(): void {
    if (this.waiting.size > 0) queueMicrotask(() => this.serve());
  }

  private take(): Connection | undefined {
    const connection = this.free.pop();
    if (connection) connection.isFree = false;
    return connection ?? (this.connections.size < this.options.connections ? this.add() : undefined);
  }

  private assign(connection: Connection, tenant: Tenant): void {
    tenant.connection = connection;
    connection.tenant = tenant;
    connection.dispatch(tenant, tenant);
  }

  private add(): Connection {
    const connection = new Connection(this.origin, {
      connect: (target, callback) =>
        this.spares.connect(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
          if (error) return callback(error, null);
          connection.guard(socket);
          callback(null, socket);
        }),
      keepAliveTimeout: this.options.keepAliveTimeoutMs,
      // Each request limits both by itself.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    connection.on('connect', () => {
      connection.isOpen = true;
      this.open++;
    });
    // Undici loses count of the requests of one whose server has a certificate for another name.
    connection.on('connectionError', () => this.remove(connection));
    connection.on('disconnect', () => {
      if (connection.isOpen) this.open--;
      connection.isOpen = false;
      if (connection.isFree) this.remove(connection);
    });
    this.connections.add(connection);
    this.alive++;
    return connection;
  }
}
