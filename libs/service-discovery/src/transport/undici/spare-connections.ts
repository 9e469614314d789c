import { type LookupFunction, Socket } from 'node:net';
import { type buildConnector } from 'undici';
import { detached, pendingInput, type TlsSettings } from '../../common/index.js';
import { type HostPolicy } from '../../model/index.js';
import { undici } from './load-undici.js';

type Connector = buildConnector.connector;
type Callback = buildConnector.Callback;

export interface SpareConnectionsOptions {
  readonly connectTimeoutMs: number;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
  readonly tls: TlsSettings;
  /** Where connections may go. */
  readonly hosts: HostPolicy;
  /** @default the system's resolver */
  readonly lookup?: LookupFunction;
}

/** Opens the connections of a pool, some of them ahead of requests; the pool uses those first. */
export class SpareConnections {
  /** Made at the first connection, when undici is loaded. */
  private connector: Connector | undefined;
  private readonly spares = new Set<SpareConnection>();
  private readonly target: buildConnector.Options;

  constructor(
    origin: string,
    private readonly options: SpareConnectionsOptions,
  ) {
    const { host, hostname, protocol, port } = new URL(origin);
    // In undici's form: an IPv6 address without brackets.
    this.target = { host, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), protocol, port };
  }

  private readonly open: Connector = (target, callback) => {
    const { hosts, tls } = this.options;
    const refusal = hosts.findRefusal(target.hostname);
    if (refusal) return queueMicrotask(() => callback(refusal, null));
    const connect = (this.connector ??= this.newConnector());
    const { servername } = tls;
    // Undici derives the TLS name from a request's Host header if there is one; a configured name takes precedence.
    return detached(() => connect(servername ? { ...target, servername } : target, callback));
  };

  private newConnector(): Connector {
    const { hosts, lookup, tls, connectTimeoutMs: timeout } = this.options;
    // Undici 8 would offer HTTP/2 otherwise.
    return undici().buildConnector({ ...tls, lookup: hosts.guard(lookup), timeout, allowH2: false });
  }

  /** The number of unused connections, including those being opened. */
  get size(): number {
    return this.spares.size;
  }

  /** Whether its connections are like those of other settings: of the same authorities and with the same certificate. */
  isOver({ secureContext }: TlsSettings): boolean {
    return this.options.tls.secureContext === secureContext;
  }

  /** The connector of the pool. */
  readonly connect: Connector = (target, callback) => {
    // Another TLS name than that of the origin needs a connection of its own, unless one name is configured for all.
    const [spare] = target.servername && !this.options.tls.servername ? [] : this.spares;
    if (!spare) return void this.open(target, callback);
    this.spares.delete(spare);
    spare.take(callback, () => void this.open(target, callback));
  };

  /** Opens one more connection. It does not keep the process alive, and its failure is ignored. */
  openOne(): void {
    this.spares.add(
      new SpareConnection(this.open, this.target, this.options.idleMs, (spare) => this.spares.delete(spare)),
    );
  }

  close(): void {
    for (const spare of this.spares) spare.drop();
  }
}

/** A connection opened ahead of requests. */
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
    // Undici returns the socket synchronously, although its types do not say so.
    const socket: unknown = open(target, (...opened) => this.opened(...opened));
    if (socket instanceof Socket) this.socket = socket.unref();
  }

  /** @param openAnother called if this connection can no longer be used */
  take(taker: Callback, openAnother: () => void): void {
    this.socket?.ref();
    if (this.isOpen) void this.handOver(taker, openAnother);
    else this.taker = taker;
  }

  /** Closes the connection for good. */
  readonly drop = (): void => {
    this.isDropped = true;
    this.socket?.destroy();
    this.onGone(this);
  };

  private async handOver(taker: Callback, openAnother: () => void): Promise<void> {
    // The server may just have closed it.
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
    // Reading detects that the server closes it. Unsolicited data makes it unusable.
    socket.unref().setTimeout(this.idleMs).on('timeout', this.drop).on('data', this.drop).on('close', this.drop);
  }
}
