import { RegistryUnavailableError, type Random } from '../../common/index.js';
import { addressOf, isCluster, makeClient, reasonOf, saysOnlyClosed, type Client } from './connection.js';
import { type ResolvedRedisRegistryStoreOptions } from './options.js';
import { type ReconnectSpread } from './reconnect-spread.js';
import { unavailableError } from './unavailable.js';

export interface CommandConnectionOptions extends ResolvedRedisRegistryStoreOptions {
  /** See {@link RedisRegistryStoreDeps.unreachableHint}. */
  readonly unreachableHint?: string;
}

/** What becomes of it. */
export interface CommandConnectionListener {
  /** It begins to connect; each attempt is to be bounded. */
  onAttempt(client: Client): void;
  /** It is there, for the first time or again. */
  onUp(): void;
  /** It, or that to one node, has ended. */
  onDown(error: Error): void;
}

/**
 * The connection for commands: made at the first use, and anew where it has ended for good. On a Cluster it is one to
 * each node that is used.
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

  /** Where Redis is, for messages. */
  get where(): string {
    const { servers } = this.options;
    if ('address' in servers) return servers.shownUrl;
    const client = servers as Client;
    return isCluster(client) ? client.nodes().map(addressOf).join(',') : addressOf(client);
  }

  /** What last kept it from working. */
  get failure(): Error | undefined {
    return this.lastFailure;
  }

  /** There was an answer: what kept it from working before does so no more. */
  noteAnswer(): void {
    this.wasAnswered = true;
    this.lastFailure = undefined;
  }

  /** It may not be there yet, or not any more. @throws RegistryUnavailableError where there cannot be one */
  async open(): Promise<Client> {
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
    this.opening ??= this.make().catch((error: unknown) => {
      this.opening = undefined;
      throw this.unavailable(error);
    });
    const { opening } = this;
    const client = await opening;
    // One that was given up while it looked for a server does not come back.
    if (client.status !== 'end' || !this.own) return client;
    // Of all that find it so, one starts over.
    if (this.opening === opening) {
      this.release(client);
      this.opening = undefined;
    }
    return this.open();
  }

  /**
   * Starts over with servers that do not answer, unless they are the user's to care for.
   * @param why what the other commands on these connections fail with
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

  /** Ends it, unless it is the user's own. */
  async close(): Promise<void> {
    this.closed = true;
    const client = await this.opening?.catch(() => undefined);
    if (client) this.release(client);
  }

  private async make(): Promise<Client> {
    const { servers, commandTimeoutMs } = this.options;
    const client =
      'address' in servers
        ? await makeClient(servers, commandTimeoutMs, this.random, this.spread)
        : (servers as Client);
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

  /** Those of a single server, and those that only a Cluster has. */
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

  /** On a Cluster, too, when a single node is lost: its replica takes over, and may not know the last changes. */
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
