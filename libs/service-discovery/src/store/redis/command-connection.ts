import { RegistryUnavailableError, type Random } from '../../common/index.js';
import {
  addressOf,
  type Client,
  isCluster,
  makeClient,
  reasonOf,
  type ReconnectSpread,
  saysOnlyClosed,
} from './connection.js';
import { type ResolvedRedisRegistryStoreOptions } from './options.js';
import { unavailableError } from './unavailable.js';

export interface CommandConnectionOptions extends ResolvedRedisRegistryStoreOptions {
  /** See {@link RedisRegistryStoreDeps.unreachableHint}. */
  readonly unreachableHint?: string;
}

export interface CommandConnectionListener {
  /** A connection attempt starts; the listener bounds it. */
  onAttempt(client: Client): void;
  /** The connection is up, for the first time or again. */
  onUp(): void;
  /** The connection, or that to one node, has closed. */
  onDown(error: Error): void;
}

/**
 * The connection for commands. It is opened at the first use, and opened again if it has ended for good. On a Cluster
 * there is one to each node in use.
 */
export class CommandConnection {
  private opening: Promise<Client> | undefined;
  private readonly own: boolean;
  private lastFailure: Error | undefined;
  private wasAnswered = false;
  private closed = false;

  constructor(
    private readonly options: CommandConnectionOptions,
    private readonly random: Random,
    private readonly spread: ReconnectSpread,
    private readonly listener: CommandConnectionListener,
  ) {
    this.own = 'address' in options.servers;
  }

  /** The address of Redis, for error messages. */
  get where(): string {
    const { servers } = this.options;
    if ('address' in servers) return servers.shownUrl;
    const client = servers as Client;
    return isCluster(client) ? client.nodes().map(addressOf).join(',') : addressOf(client);
  }

  /** The last failure. */
  get failure(): Error | undefined {
    return this.lastFailure;
  }

  /** An answer arrived: earlier failures are resolved. */
  noteAnswer(): void {
    this.wasAnswered = true;
    this.lastFailure = undefined;
  }

  /** The client, which may not be connected. @throws RegistryUnavailableError if it cannot be created */
  async open(): Promise<Client> {
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
    this.opening ??= this.make().catch((error: unknown) => {
      this.opening = undefined;
      throw this.unavailable(error);
    });
    const { opening } = this;
    const client = await opening;
    // A client that was closed while it looked for a server does not reconnect.
    if (client.status !== 'end' || !this.own) return client;
    // Of several callers that find it closed, one starts over.
    if (this.opening === opening) {
      this.release(client);
      this.opening = undefined;
    }
    return this.open();
  }

  /**
   * Reconnects to servers that do not answer, unless the client belongs to the user.
   * @param why the error for other commands on these connections
   */
  giveUp(servers: Iterable<Client>, why: Error): void {
    if (!this.own) return;
    this.lastFailure = why;
    for (const server of [...servers]) server.disconnect(true);
  }

  unavailable(cause: unknown): RegistryUnavailableError {
    if (cause instanceof RegistryUnavailableError) return cause;
    if (this.closed) return new RegistryUnavailableError('The registry store is closed');
    const { servers, unreachableHint } = this.options;
    const { topology, tls } = 'address' in servers ? servers.address : {};
    return unavailableError(saysOnlyClosed(cause) ? this.whyClosed : cause, {
      where: this.where,
      topology,
      tls: this.wasAnswered ? undefined : tls,
      unreachableHint,
    });
  }

  /** Closes the connection unless the client belongs to the user. */
  async close(): Promise<void> {
    this.closed = true;
    const client = await this.opening?.catch(() => undefined);
    if (client) this.release(client);
  }

  private async make(): Promise<Client> {
    const { servers, commandTimeout } = this.options;
    const client =
      'address' in servers ? await makeClient(servers, commandTimeout, this.random, this.spread) : (servers as Client);
    this.onConnecting = () => this.listener.onAttempt(client);
    for (const [event, handler] of this.handlers()) client.on(event, handler);
    return client;
  }

  private release(client: Client): void {
    for (const [event, handler] of this.handlers()) client.off(event, handler);
    if (!this.own) return;
    client.on('error', () => undefined);
    client.disconnect();
  }

  /** The events of a single server, and those of a Cluster. */
  private handlers(): (readonly [event: string, handler: (error: Error) => void])[] {
    return [
      ['connecting', this.onConnecting],
      ['ready', this.onReady],
      ['+node', this.onReady],
      ['close', this.onClose],
      ['-node', this.onClose],
      ['error', this.onError],
      ['node error', this.onError],
    ];
  }

  private onConnecting: () => void = () => undefined;

  private readonly onReady = (): void => this.listener.onUp();

  /** Also when a single node of a Cluster is lost: its replica takes over and may lack the last changes. */
  private readonly onClose = (): void => {
    this.listener.onDown(this.whyClosed);
  };

  private readonly onError = (error: Error): void => {
    const reason = reasonOf(error);
    if (!saysOnlyClosed(reason)) this.lastFailure = reason;
  };

  private get whyClosed(): Error {
    return this.lastFailure ?? new Error(`the connection was ${this.wasAnswered ? 'lost' : 'closed'}`);
  }
}
