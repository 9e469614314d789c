import { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { detached, pendingInput, type TlsSettings } from '../../common/index.js';

type Connector = buildConnector.connector;
type Callback = buildConnector.Callback;

export interface SpareConnectionsOptions {
  readonly connectTimeoutMs: number;
  /** How long a connection is kept that nobody takes. */
  readonly idleMs: number;
  readonly tls: TlsSettings;
}

/** Opens the connections of a pool, and may open some ahead, which the pool gets first. */
export class SpareConnections {
  private readonly open: Connector;
  private readonly spares = new Set<SpareConnection>();
  private readonly target: buildConnector.Options;

  constructor(
    origin: string,
    private readonly options: SpareConnectionsOptions,
  ) {
    const open = buildConnector({ ...options.tls, timeout: options.connectTimeoutMs });
    const { servername } = options.tls;
    // Undici asks for the name in a request's Host header where there is one; what is set goes before it.
    this.open = (target, callback) => detached(() => open(servername ? { ...target, servername } : target, callback));
    const { host, hostname, protocol, port } = new URL(origin);
    // As undici has it: an address of IPv6 without its brackets.
    this.target = { host, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), protocol, port };
  }

  /** How many are there, or on their way, and taken by nobody. */
  get size(): number {
    return this.spares.size;
  }

  /** What a pool connects with. */
  readonly connect: Connector = (target, callback) => {
    // Another name than the origin's is for another certificate, unless one name is set for all.
    const [spare] = target.servername && !this.options.tls.servername ? [] : this.spares;
    if (!spare) return void this.open(target, callback);
    this.spares.delete(spare);
    spare.take(callback, () => void this.open(target, callback));
  };

  /** Opens one more. It keeps no process alive, and failing is its own affair. */
  openOne(): void {
    this.spares.add(
      new SpareConnection(this.open, this.target, this.options.idleMs, (spare) => this.spares.delete(spare)),
    );
  }

  close(): void {
    for (const spare of this.spares) spare.drop();
  }
}

/** A connection that nobody has asked for yet. */
class SpareConnection {
  private socket: Socket | undefined;
  private isOpen = false;
  private isDropped = false;
  private taker: Callback | undefined;

  constructor(
    open: Connector,
    target: buildConnector.Options,
    private readonly idleMs: number,
    private readonly onGone: (spare: SpareConnection) => void,
  ) {
    // Undici gives the socket at once, though its types do not say so.
    const socket: unknown = open(target, (...opened) => this.opened(...opened));
    if (socket instanceof Socket) this.socket = socket.unref();
  }

  /** @param openAnother called where this one is of no use any more */
  take(taker: Callback, openAnother: () => void): void {
    this.socket?.ref();
    if (this.isOpen) void this.handOver(taker, openAnother);
    else this.taker = taker;
  }

  /** Closes it for good. */
  readonly drop = (): void => {
    this.isDropped = true;
    this.socket?.destroy();
    this.onGone(this);
  };

  private async handOver(taker: Callback, openAnother: () => void): Promise<void> {
    // The server may have closed it just now.
    await pendingInput();
    const { socket } = this;
    if (!socket?.writable) return openAnother();
    socket.off('data', this.drop).off('timeout', this.drop).off('close', this.drop).setTimeout(0).pause();
    taker(null, socket);
  }

  private opened(...[error, socket]: Parameters<Callback>): void {
    if (this.taker) return error ? this.taker(error, null) : this.taker(null, socket);
    this.isOpen = true;
    this.socket = socket ?? undefined;
    if (!socket || this.isDropped) return this.drop();
    // Reading tells of a server that closes it; what it says without being asked is no answer to anything.
    socket.unref().setTimeout(this.idleMs).on('timeout', this.drop).on('data', this.drop).on('close', this.drop);
  }
}
