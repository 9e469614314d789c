import { type Redis } from 'ioredis';
import { pendingInput, RegistryUnavailableError, type Clock, type Random } from '../../common/index.js';
import { BatchSize } from './batch-size.js';
import { ClusterCalls } from './cluster-calls.js';
import { CommandConnection, type CommandConnectionOptions } from './command-connection.js';
import { addressOf, isCluster, makeSubscriber, untilReady, type Client } from './connection.js';
import { type KeySpace } from './keys.js';
import { callAll, type LuaAnswer } from './lua-call.js';
import { type LuaCall } from './lua-script.js';
import { listNames } from './lua-scripts.js';
import { type ReconnectSpread } from './reconnect-spread.js';
import { RefusedWrites } from './refused-writes.js';
import { slotOf } from './slot.js';
import { NoAnswerError } from './unavailable.js';

/** Services in one round trip at the most: Redis does nothing else while it works on one. */
const SERVICES_PER_ROUND_TRIP = 500;
/** The server is no primary any more: Sentinel, or the next connection, may know another one. */
const MISPLACED = /^(READONLY|MASTERDOWN)\b/;
/** The waits between two connections that are given up since they lead to a replica. */
const NEXT_CONNECTION = { firstMs: 1_000, longestMs: 30_000 };
/** Redis is there, but not for anybody yet: it has nothing against what was asked. */
const TEMPORARY = /^(LOADING|BUSY)\b/;

/**
 * The connections to one Redis: one for commands, which comes back by itself, and one more for whoever subscribes. On a
 * Cluster, that for commands is one to each node that is used.
 *
 * Whatever keeps an answer from arriving, for longer than the time for a command too, is a `RegistryUnavailableError`.
 * A connection of ours that does not answer in time is given up, since a socket whose other end is gone may stay open
 * for many minutes; so is one to a server that is no primary any more.
 */
export class RedisLink {
  private readonly downListeners = new Set<(error: Error) => void>();
  private readonly upListeners = new Set<() => void>();
  /** Whether it was not there the last time that it was needed. */
  private isDown = false;
  private readonly connection: CommandConnection;
  /** The node that a subscription could not be had, or kept, on. */
  private failedSubscription: string | undefined;
  /** How many services go into one round trip. */
  private readonly services: BatchSize;
  /** When something last came over a connection, by its socket. */
  private readonly heardAt = new WeakMap<object, number>();
  private readonly refused = new RefusedWrites((error) => this.unavailable(error));
  /** How often a connection was given up since it leads to a replica, and when another one may be. */
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
    this.services = new BatchSize(SERVICES_PER_ROUND_TRIP, options.commandTimeoutMs, clock);
    this.connection = new CommandConnection(options, random, spread, {
      onAttempt: (client) => void this.untilConnected(client).catch(() => undefined),
      onUp: () => this.goUp(),
      onDown: (error) => this.goDown(error),
    });
  }

  /** How long a command may take. */
  get commandTimeoutMs(): number {
    return this.options.commandTimeoutMs;
  }

  /** What to say of a Redis that takes longer. */
  get noAnswer(): Error {
    return new NoAnswerError(this.commandTimeoutMs);
  }

  /** Where Redis is, for messages. */
  get where(): string {
    return this.connection.where;
  }

  /** Calls scripts, all in one round trip, or in one to each node of a Cluster. Answers stand at the call's index. */
  async run<Reply>(calls: readonly LuaCall<Reply>[]): Promise<LuaAnswer<Reply>[]> {
    if (calls.length === 0) return [];
    const client = await this.ready();
    const answers = isCluster(client) ? await this.runOnCluster(client, calls) : await this.runOn(client, calls);
    this.refused.note(calls, answers, (key) => (isCluster(client) ? (client.slots[slotOf(key)]?.[0] ?? '') : ''));
    if (!isCluster(client)) this.heedState(client, answers);
    this.connection.noteAnswer();
    if (this.isDown) this.goUp();
    return answers;
  }

  /** Calls a script for each of many services, as many in one round trip as the link and Redis can take. */
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

  /** Calls one script. @throws RegistryUnavailableError also for what Redis has against it */
  async call<Reply>(call: LuaCall<Reply>): Promise<Reply> {
    const [answer] = await this.run([call]);
    return this.replyOf(answer!);
  }

  /** @throws RegistryUnavailableError with what Redis has against a call */
  replyOf<Reply>(answer: LuaAnswer<Reply>): Reply {
    if ('error' in answer) throw this.unavailable(answer.error);
    return answer.reply;
  }

  /** The services that are in use. */
  async names(keys: Pick<KeySpace, 'names'>): Promise<string[]> {
    return (await this.call(listNames(keys))).map(String);
  }

  /** How many servers there are that {@link connect} chooses from. */
  async serversToListenTo(): Promise<number> {
    const client = await this.ready();
    return isCluster(client) ? client.nodes('master').length : 1;
  }

  /** Asks every server that commands are sent to whether it is there. */
  async ping(): Promise<void> {
    const client = await this.ready();
    const servers = isCluster(client) ? client.nodes('master').filter(({ status }) => status === 'ready') : [client];
    await Promise.all(servers.map((server) => this.within(server.ping(), [server])));
  }

  /** What every server that commands are sent to says of its memory. */
  async memoryInfos(): Promise<string[]> {
    const client = await this.ready();
    const servers = isCluster(client) ? client.nodes('master') : [client];
    return Promise.all(servers.map((server) => this.within(server.info('memory'), [server])));
  }

  /**
   * A connection of its own, which does not come back when it is lost. Whoever asked for it closes it. Made after the
   * one for commands, so that all of a process returns when that does.
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

  /** Waits for an answer on a connection that {@link connect} made. */
  answer<T>(promise: Promise<T>, client: Redis): Promise<T> {
    return this.within(promise, [client]);
  }

  /**
   * Whether a connection that {@link connect} made still hears of everything. A node that a Cluster has lost answers,
   * but hears nothing from the others; it says so once it has waited for them for the Cluster's node timeout.
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
      throw new RegistryUnavailableError(`The node ${addressOf(subscriber)} says that the Cluster is down`);
    }
  }

  /**
   * Calls `listener` when a connection for commands ends, or does not answer.
   * @returns stops it
   */
  onDown(listener: (error: Error) => void): () => void {
    this.downListeners.add(listener);
    return () => this.downListeners.delete(listener);
  }

  /**
   * Calls `listener` when the connection for commands is there, for the first time or again; on a Cluster that may show
   * only by an answer, as a single node comes and goes.
   * @returns stops it
   */
  onUp(listener: () => void): () => void {
    this.upListeners.add(listener);
    return () => this.upListeners.delete(listener);
  }

  /**
   * Calls `listener` with why when Redis begins to refuse writes, and with null when it takes them again.
   * @returns stops it
   */
  onWritesRefused(listener: (refusal: Error | null) => void): () => void {
    return this.refused.onChange(listener);
  }

  /** Finds out whether writes that were refused are taken again. @throws RegistryUnavailableError */
  async probeWrites(): Promise<void> {
    await this.run(this.refused.probes());
  }

  unavailable(cause: unknown): RegistryUnavailableError {
    return this.connection.unavailable(cause);
  }

  /** Ends the connection, unless it is the user's own. */
  close(): Promise<void> {
    return this.connection.close();
  }

  private async ready(): Promise<Client> {
    const client = await this.connection.open();
    if (client.status === 'ready') return client;
    const becoming = untilReady(client).catch((error: unknown) => {
      // What comes after it, that the connection is closed, says less.
      throw this.connection.failure ?? error;
    });
    // Who waits for a turn that comes late must not end the attempt that it waited for: that is bounded by itself.
    await this.within(becoming, [], () => this.connection.failure);
    return client;
  }

  /** A connection takes round trips of its own before it can be asked for anything: for both there is the time for a command. */
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
    this.listenTo(client);
    const answers = await this.within(callAll(client, calls), [client]);
    const unknown = answers.flatMap((answer, index) => (isRefusal(answer, /^NOSCRIPT/) ? [index] : []));
    if (unknown.length > 0) {
      const again = unknown.map((index) => ({ ...calls[index]!, load: true }));
      const late = await this.within(callAll(client, again), [client]);
      unknown.forEach((index, position) => (answers[index] = late[position]!));
    }
    return answers;
  }

  /** @throws RegistryUnavailableError where a server is not there for anybody yet, or is no primary */
  private heedState(client: Redis, answers: readonly LuaAnswer<unknown>[]): void {
    const early = answers.find((answer) => isRefusal(answer, TEMPORARY));
    if (early && 'error' in early) throw this.unavailable(early.error);
    const misplaced = answers.find((answer) => isRefusal(answer, MISPLACED));
    if (!misplaced || !('error' in misplaced)) return;
    if (this.mayLookElsewhere(misplaced.error)) this.giveUp([client], misplaced.error);
    throw this.unavailable(misplaced.error);
  }

  /** A replica can be read, so its connection is given up ever more rarely while each new one leads to a replica again. */
  private mayLookElsewhere({ message }: Error): boolean {
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
      onSend: (node) => this.listenTo(node),
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

  /** Takes down when something comes over a connection: over a slow link, one answer may take long to arrive. */
  private listenTo({ stream }: Redis): void {
    if (this.heardAt.has(stream)) return;
    this.heardAt.set(stream, Number.NEGATIVE_INFINITY);
    stream.on('data', () => this.heardAt.set(stream, this.clock.now()));
  }

  /** Since when one of the servers, or more of them, have sent nothing. */
  private silentSince(servers: readonly Client[]): number {
    const heard = servers.map((server) => (isCluster(server) ? undefined : this.heardAt.get(server.stream)));
    return Math.min(...heard.map((at) => at ?? Number.NEGATIVE_INFINITY));
  }

  /**
   * Waits for an answer. The time for it starts over whenever a server that owes it sends something: Redis answers in order, so
   * that is this answer, or one before it.
   * @param servers those that owe the answer: where it does not come, their connections are given up
   * @param explain why there is no answer; undefined: the servers did not give one
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
      // A process that stood still finds its timer due and the answer unread.
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
