import { type Redis } from 'ioredis';
import { pendingInput, RegistryUnavailableError, type Clock, type Random } from '../../common/index.js';
import { BatchSize } from './batch-size.js';
import { ClusterCalls } from './cluster-calls.js';
import { CommandConnection, type CommandConnectionOptions } from './command-connection.js';
import { addressOf, type Client, isCluster, makeSubscriber, type ReconnectSpread, untilReady } from './connection.js';
import { type KeySpace, slotOf } from './keys.js';
import { callAll, type LuaAnswer, type LuaCall } from './lua-call.js';
import { listNames } from './lua-scripts.js';
import { RefusedWrites } from './refused-writes.js';
import { NoAnswerError } from './unavailable.js';

/** The most services in one round trip, since Redis does nothing else while it processes one. */
const SERVICES_PER_ROUND_TRIP = 500;
/** The server is not the primary any more; Sentinel or a new connection may lead to another one. */
const NOT_PRIMARY = /^(READONLY|MASTERDOWN)\b/;
/** The delay between reconnects that lead to a replica. */
const NEXT_CONNECTION = { firstMs: 1_000, longestMs: 30_000 };
/** Redis is up but not ready. This is not an error of the call. */
const NOT_READY = /^(LOADING|BUSY)\b/;

/**
 * The connections to one Redis: one for commands, which reconnects by itself, and one per subscriber. On a Cluster
 * there is a command connection for each node in use.
 *
 * Whatever prevents an answer, including a timeout, is a `RegistryUnavailableError`. A connection that does not answer
 * in time is closed, since a socket may stay open for many minutes after the other end is gone; so is a connection to a
 * server that is not the primary any more.
 */
export class RedisLink {
  private readonly downListeners = new Set<(error: Error) => void>();
  private readonly upListeners = new Set<() => void>();
  /** Whether the last attempt to use it failed. */
  private isDown = false;
  private readonly connection: CommandConnection;
  /** The node on which the last subscription failed. */
  private failedSubscription: string | undefined;
  /** How many services go into one round trip. */
  private readonly services: BatchSize;
  /** When data was last received on a connection, by its socket. */
  private readonly receivedAt = new WeakMap<object, number>();
  private readonly refused = new RefusedWrites((error) => this.unavailable(error));
  /** How often a connection was closed because it leads to a replica, and when the next one may be. */
  private replica = { times: 0, nextAt: Number.NEGATIVE_INFINITY };

  constructor(
    private readonly options: CommandConnectionOptions,
    private readonly clock: Clock,
    private readonly random: Random,
    spread: ReconnectSpread,
  ) {
    this.refused.onChange((refusal) => {
      if (!refusal) this.replica = { times: 0, nextAt: Number.NEGATIVE_INFINITY };
    });
    this.services = new BatchSize(SERVICES_PER_ROUND_TRIP, options.commandTimeout, clock);
    this.connection = new CommandConnection(options, random, spread, {
      onAttempt: (client) => void this.untilConnected(client).catch(() => undefined),
      onUp: () => this.goUp(),
      onDown: (error) => this.goDown(error),
    });
  }

  /** The timeout of a command. */
  get commandTimeoutMs(): number {
    return this.options.commandTimeout;
  }

  /** The error of a command that exceeds it. */
  get noAnswer(): Error {
    return new NoAnswerError(this.commandTimeoutMs);
  }

  /** The address of Redis, for error messages. */
  get where(): string {
    return this.connection.where;
  }

  /** Calls scripts in one round trip, on a Cluster one per node. Answers are in the order of the calls. */
  async run<Reply>(calls: readonly LuaCall<Reply>[]): Promise<LuaAnswer<Reply>[]> {
    if (calls.length === 0) return [];
    const client = await this.ready();
    const answers = isCluster(client) ? await this.runOnCluster(client, calls) : await this.runOn(client, calls);
    this.refused.note(calls, answers, (key) => (isCluster(client) ? (client.slots[slotOf(key)]?.[0] ?? '') : ''));
    if (!isCluster(client)) this.assertReady(client, answers);
    this.connection.noteAnswer();
    if (this.isDown) this.goUp();
    return answers;
  }

  /** Calls a script for each of many services, in batches that the link and Redis can handle. */
  async *runEach<Reply>(
    names: readonly string[],
    callFor: (name: string) => LuaCall<Reply>,
  ): AsyncGenerator<(readonly [name: string, answer: LuaAnswer<Reply>])[], void, undefined> {
    for (let start = 0; start < names.length;) {
      const batch = names.slice(start, start + this.services.next);
      start += batch.length;
      const answers = await this.services.time(batch.length, this.run(batch.map(callFor)));
      yield batch.map((name, index) => [name, answers[index]!] as const);
    }
  }

  /** Calls one script. @throws RegistryUnavailableError also if Redis answers with an error */
  async call<Reply>(call: LuaCall<Reply>): Promise<Reply> {
    const [answer] = await this.run([call]);
    return this.replyOf(answer!);
  }

  /** @throws RegistryUnavailableError if the answer is an error */
  replyOf<Reply>(answer: LuaAnswer<Reply>): Reply {
    if ('error' in answer) throw this.unavailable(answer.error);
    return answer.reply;
  }

  /** The names of all services in use. */
  async names(keys: Pick<KeySpace, 'names'>): Promise<string[]> {
    return (await this.call(listNames(keys))).map(String);
  }

  /** The number of servers that {@link connect} chooses from. */
  async serversToListenTo(): Promise<number> {
    const client = await this.ready();
    return isCluster(client) ? client.nodes('master').length : 1;
  }

  /** Pings every server that commands are sent to. */
  async ping(): Promise<void> {
    const client = await this.ready();
    const servers = isCluster(client) ? client.nodes('master').filter(({ status }) => status === 'ready') : [client];
    await Promise.all(servers.map((server) => this.within(server.ping(), [server])));
  }

  /** `INFO memory` of every server that commands are sent to. */
  async memoryInfos(): Promise<string[]> {
    const client = await this.ready();
    const servers = isCluster(client) ? client.nodes('master') : [client];
    return Promise.all(servers.map((server) => this.within(server.info('memory'), [server])));
  }

  /**
   * Opens a separate connection, which does not reconnect. The caller closes it. It is opened after the command
   * connection, so that all connections of a process return at the same time.
   */
  async connect(): Promise<Redis> {
    const client = await this.ready();
    const own = makeSubscriber(client, this.commandTimeoutMs, this.random, this.failedSubscription);
    own.on('error', () => undefined);
    this.failedSubscription = addressOf(own);
    try {
      await this.untilConnected(own);
      own.once('close', () => (this.failedSubscription = addressOf(own)));
      this.failedSubscription = undefined;
      return own;
    } catch (error) {
      own.disconnect();
      throw error;
    }
  }

  /** Waits for an answer on a connection from {@link connect}. */
  answer<T>(promise: Promise<T>, client: Redis): Promise<T> {
    return this.within(promise, [client]);
  }

  /**
   * Checks that a connection from {@link connect} still receives everything. A node that the Cluster has lost still
   * answers but receives nothing from the others; it reports that after the node timeout of the Cluster.
   * @throws RegistryUnavailableError
   */
  async check(subscriber: Redis): Promise<void> {
    const client = await this.ready();
    if (!isCluster(client)) return;
    const node = client.nodes().find((one) => addressOf(one) === addressOf(subscriber));
    if (!node) throw new RegistryUnavailableError(`The node ${addressOf(subscriber)} has left the Cluster`);
    await this.within(untilReady(node), [node]);
    const info = String(await this.within(node.cluster('INFO'), [node]));
    if (!info.includes('cluster_state:ok')) {
      throw new RegistryUnavailableError(`The node ${addressOf(subscriber)} reports that the Cluster is down`);
    }
  }

  /**
   * Calls `listener` when a command connection ends or does not answer.
   * @returns removes the listener
   */
  onDown(listener: (error: Error) => void): () => void {
    this.downListeners.add(listener);
    return () => this.downListeners.delete(listener);
  }

  /**
   * Calls `listener` when the command connection is up, for the first time or again. On a Cluster, where single nodes
   * come and go, only an answer may show that.
   * @returns removes the listener
   */
  onUp(listener: () => void): () => void {
    this.upListeners.add(listener);
    return () => this.upListeners.delete(listener);
  }

  /**
   * Calls `listener` with the reason when Redis starts to refuse writes, and with null when it accepts them again.
   * @returns removes the listener
   */
  onWritesRefused(listener: (refusal: Error | null) => void): () => void {
    return this.refused.onChange(listener);
  }

  /** Checks whether refused writes are accepted again. @throws RegistryUnavailableError */
  async probeWrites(): Promise<void> {
    await this.run(this.refused.probes());
  }

  unavailable(cause: unknown): RegistryUnavailableError {
    return this.connection.unavailable(cause);
  }

  /** Closes the connection unless it is a client of the user. */
  close(): Promise<void> {
    return this.connection.close();
  }

  private async ready(): Promise<Client> {
    const client = await this.connection.open();
    if (client.status === 'ready') return client;
    const becoming = untilReady(client).catch((error: unknown) => {
      // The rejection itself only says that the connection is closed.
      throw this.connection.failure ?? error;
    });
    // Timing out here must not end the connection attempt, which has its own timeout.
    await this.within(becoming, [], () => this.connection.failure);
    return client;
  }

  /** Connecting takes round trips of its own, so it may take two command timeouts. */
  private untilConnected(client: Client): Promise<void> {
    return this.within(untilReady(client), [client], undefined, 2 * this.commandTimeoutMs);
  }

  private goUp(): void {
    this.isDown = false;
    for (const listener of [...this.upListeners]) listener();
  }

  private goDown(cause: Error): void {
    this.isDown = true;
    const error = this.unavailable(cause);
    for (const listener of [...this.downListeners]) listener(error);
  }

  private async runOn<Reply>(client: Redis, calls: readonly LuaCall<Reply>[]): Promise<LuaAnswer<Reply>[]> {
    this.trackActivity(client);
    const answers = await this.within(callAll(client, calls), [client]);
    const unknown = answers.flatMap((answer, index) => (isRefusal(answer, /^NOSCRIPT/) ? [index] : []));
    if (unknown.length > 0) {
      const reloaded = unknown.map((index) => ({ ...calls[index]!, load: true }));
      const retried = await this.within(callAll(client, reloaded), [client]);
      unknown.forEach((index, position) => (answers[index] = retried[position]!));
    }
    return answers;
  }

  /** @throws RegistryUnavailableError if the server is not ready or is not the primary */
  private assertReady(client: Redis, answers: readonly LuaAnswer<unknown>[]): void {
    const notReady = answers.find((answer) => isRefusal(answer, NOT_READY));
    if (notReady && 'error' in notReady) throw this.unavailable(notReady.error);
    const demoted = answers.find((answer) => isRefusal(answer, NOT_PRIMARY));
    if (!demoted || !('error' in demoted)) return;
    if (this.mayReconnect(demoted.error)) this.giveUp([client], demoted.error);
    throw this.unavailable(demoted.error);
  }

  /** Reconnects away from a replica with a growing delay, since it can at least be read. */
  private mayReconnect({ message }: Error): boolean {
    if (!message.startsWith('READONLY')) return true;
    const now = this.clock.now();
    const { times, nextAt } = this.replica;
    if (now < nextAt) return false;
    const waitMs = Math.min(NEXT_CONNECTION.longestMs, NEXT_CONNECTION.firstMs * 2 ** times);
    this.replica = { times: times + 1, nextAt: now + waitMs };
    return true;
  }

  private runOnCluster<Reply>(
    cluster: Exclude<Client, Redis>,
    calls: readonly LuaCall<Reply>[],
  ): Promise<LuaAnswer<Reply>[]> {
    let isOver = false;
    const work = new ClusterCalls(cluster, calls, {
      isOver: () => isOver,
      onSend: (node) => this.trackActivity(node),
      sleep: (ms) => new Promise((resolve) => this.clock.setTimer(resolve, ms)),
    });
    return this.within(
      work.run().finally(() => (isOver = true)),
      work.waiting,
      () => {
        isOver = true;
        return work.waiting.size > 0 ? undefined : work.refusal;
      },
    );
  }

  /** Records when data is received on a connection: over a slow link, one answer may take long to arrive. */
  private trackActivity({ stream }: Redis): void {
    if (this.receivedAt.has(stream)) return;
    this.receivedAt.set(stream, Number.NEGATIVE_INFINITY);
    stream.on('data', () => this.receivedAt.set(stream, this.clock.now()));
  }

  /** When the server that has been silent for longest last sent something. */
  private silentSince(servers: readonly Client[]): number {
    const received = servers.map((server) => (isCluster(server) ? undefined : this.receivedAt.get(server.stream)));
    return Math.min(...received.map((at) => at ?? Number.NEGATIVE_INFINITY));
  }

  /**
   * Waits for an answer. The timeout restarts whenever a server that owes an answer sends something: Redis answers in
   * order, so that is this answer or an earlier one.
   * @param servers those that owe the answer; on a timeout their connections are closed
   * @param explain the reason for the timeout; undefined if the servers did not answer
   */
  private async within<T>(
    work: Promise<T>,
    servers: Iterable<Client>,
    explain: () => Error | undefined = () => undefined,
    timeoutMs = this.commandTimeoutMs,
  ): Promise<T> {
    let expire: (error: Error) => void = () => undefined;
    const expiry = new Promise<never>((_resolve, reject) => (expire = reject));
    let settled = false;
    const begunAt = this.clock.now();
    const look = (): void => {
      // After a stall the timer fires before the answer that has arrived is read.
      void pendingInput().then(() => {
        if (settled) return;
        const owing = [...servers];
        const leftMs = Math.max(begunAt, this.silentSince(owing)) + timeoutMs - this.clock.now();
        if (owing.length > 0 && leftMs > 0) {
          timer = this.clock.setTimer(look, leftMs);
          return;
        }
        const error = explain() ?? this.noAnswer;
        expire(error);
        if (owing.length > 0) this.giveUp(owing, error);
      });
    };
    let timer = this.clock.setTimer(look, timeoutMs);
    try {
      return await Promise.race([work, expiry]);
    } catch (error) {
      throw this.unavailable(error);
    } finally {
      settled = true;
      timer.cancel();
    }
  }

  private giveUp(servers: Iterable<Client>, error: Error): void {
    this.goDown(error);
    this.connection.giveUp(servers, error);
  }
}

function isRefusal(answer: LuaAnswer<unknown>, pattern: RegExp): boolean {
  return 'error' in answer && pattern.test(answer.error.message);
}
