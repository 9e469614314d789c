import { type Redis, type RedisOptions } from 'ioredis';
import {
  messageOf,
  pendingInput,
  reconnectDelay,
  RegistryUnavailableError,
  type Clock,
  type Random,
} from '../../common/index.js';
import { type LuaCall, type LuaScript } from './lua-script.js';
import { type ReconnectSpread } from './reconnect-spread.js';
import { withoutPassword, type ResolvedRedisRegistryStoreOptions } from './options.js';

/** What a call gave: its reply, or what Redis has against it. */
export type LuaAnswer<Reply> = { readonly reply: Reply } | { readonly error: Error };

const RECONNECT = { firstMs: 50, longestMs: 2_000 };
/** How long a connection that is given up may take to end by itself. */
const DISCONNECT_MS = 50;

/**
 * The connections to one Redis: one for commands, which comes back by itself, and one more for whoever subscribes.
 * Whatever keeps an answer from arriving, for longer than the time for a command too, is a `RegistryUnavailableError`.
 * A connection of ours that does not answer in time is given up, since a socket whose other end is gone may stay open
 * for many minutes.
 */
export class RedisLink {
  private opening: Promise<Redis> | undefined;
  private readonly downListeners = new Set<(error: Error) => void>();
  private readonly upListeners = new Set<() => void>();
  private becoming: Promise<void> | undefined;
  private lastError: Error | undefined;
  /** Why there was no connection the last time that there was none. */
  private loss = lostConnection();
  private closed = false;

  constructor(
    private readonly options: ResolvedRedisRegistryStoreOptions,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly spread: ReconnectSpread,
  ) {}

  /** How long a command may take. */
  get commandTimeoutMs(): number {
    return this.options.commandTimeoutMs;
  }

  /** What to say of a Redis that takes longer. */
  get noAnswer(): Error {
    return new Error(`it did not answer within ${this.commandTimeoutMs} ms`);
  }

  /** Where Redis is, for messages. */
  get where(): string {
    const { url, client } = this.options;
    if (!client) return String(withoutPassword(url));
    const { host, port, path } = client.options;
    return path ?? `${host ?? 'localhost'}:${port ?? 6_379}`;
  }

  /** Calls scripts, all in one round trip. Answers stand at the call's index. */
  async run<Reply>(calls: readonly LuaCall<Reply>[]): Promise<LuaAnswer<Reply>[]> {
    if (calls.length === 0) return [];
    const client = await this.ready();
    const answers = await this.send(client, calls);
    const unknown = answers.flatMap((answer, index) => (isUnknownScript(answer) ? [index] : []));
    if (unknown.length === 0) return answers;
    const again = unknown.map((index) => calls[index]!);
    await this.load(client, new Set(again.map(({ script }) => script)));
    const late = await this.send(client, again);
    unknown.forEach((index, position) => (answers[index] = late[position]!));
    return answers;
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

  /** Sends one command. @param key that it is about */
  async command<T>(send: (client: Redis) => Promise<T>, key?: string): Promise<T> {
    const client = await this.ready();
    const sent = send(client).catch((error: Error) => {
      throw key === undefined ? error : plainError(error, [key]);
    });
    return this.within(sent, client);
  }

  /**
   * A connection of its own, which does not come back when it is lost. Whoever asked for it closes it. Made after the
   * one for commands, so that all of a process returns when that does.
   */
  async connect(): Promise<Redis> {
    const client = await this.ready();
    const own = client.duplicate({
      ...this.ownOptions(),
      // For `disconnect` to take effect; a subscriber starts over from the beginning, with another connection.
      retryStrategy: () => null,
      autoResubscribe: false,
    });
    own.on('error', () => undefined);
    try {
      await this.within(untilReady(own, lostConnection), own);
      return own;
    } catch (error) {
      own.disconnect();
      throw error;
    }
  }

  /** Waits for an answer on a connection that {@link connect} made. */
  answer<T>(promise: Promise<T>, client: Redis): Promise<T> {
    return this.within(promise, client);
  }

  /**
   * Calls `listener` when the connection for commands ends, or does not answer.
   * @returns stops it
   */
  onDown(listener: (error: Error) => void): () => void {
    this.downListeners.add(listener);
    return () => this.downListeners.delete(listener);
  }

  /**
   * Calls `listener` when the connection for commands is there, for the first time or again.
   * @returns stops it
   */
  onUp(listener: () => void): () => void {
    this.upListeners.add(listener);
    return () => this.upListeners.delete(listener);
  }

  unavailable(cause: unknown): RegistryUnavailableError {
    if (cause instanceof RegistryUnavailableError) return cause;
    if (this.closed) return new RegistryUnavailableError('The registry store is closed');
    const said = cause instanceof Error && cause.name === 'ReplyError' ? 'refuses' : 'cannot be reached';
    return new RegistryUnavailableError(`Redis at ${this.where} ${said}: ${messageOf(cause)}`, { cause });
  }

  /** Ends the connection, unless it is the user's own. */
  async close(): Promise<void> {
    this.closed = true;
    const client = await this.opening?.catch(() => undefined);
    if (!client) return;
    client.off('connecting', this.onConnecting);
    client.off('close', this.onClose);
    client.off('error', this.onError);
    client.off('ready', this.onReady);
    if (this.options.client) return;
    client.on('error', () => undefined);
    client.disconnect();
  }

  private async ready(): Promise<Redis> {
    const client = await this.open();
    // Who waits for a turn that comes late must not end the attempt that it waited for: see onConnecting.
    if (client.status !== 'ready') await this.within(this.untilReadyOnce(client), client, 'keep');
    return client;
  }

  /** However many wait, they listen once. */
  private untilReadyOnce(client: Redis): Promise<void> {
    this.becoming ??= untilReady(client, () => this.loss).finally(() => (this.becoming = undefined));
    return this.becoming;
  }

  private open(): Promise<Redis> {
    if (this.closed) return Promise.reject(new RegistryUnavailableError('The registry store is closed'));
    this.opening ??= this.make().catch((error: unknown) => {
      this.opening = undefined;
      throw this.unavailable(error);
    });
    return this.opening;
  }

  private async make(): Promise<Redis> {
    const client = this.options.client ?? (await this.makeOwn());
    this.onConnecting = () => void this.within(this.untilReadyOnce(client), client).catch(() => undefined);
    client.on('connecting', this.onConnecting);
    client.on('close', this.onClose);
    client.on('error', this.onError);
    client.on('ready', this.onReady);
    return client;
  }

  private async makeOwn(): Promise<Redis> {
    // Not at the top: whoever has no registry on Redis need not have ioredis.
    const { Redis } = await import('ioredis').catch((cause: unknown) => {
      throw new RegistryUnavailableError('A registry on Redis needs the package ioredis: npm install ioredis', {
        cause,
      });
    });
    return new Redis(this.options.url ?? '', this.ownOptions());
  }

  private ownOptions(): RedisOptions {
    return {
      lazyConnect: true,
      connectTimeout: this.options.commandTimeoutMs,
      disconnectTimeout: DISCONNECT_MS,
      // A command that could not be sent in its time must not be sent later: whoever gave it has gone on.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt) => {
        this.spread.lost();
        return Math.ceil(Math.max(reconnectDelay(attempt, RECONNECT, this.random), this.spread.waitMs));
      },
      // What a connection costs Redis, everybody's comes at once after an outage. HELLO tells that somebody answers;
      // that Redis still loads its data, the first command will tell. A Sentinel's word has to be checked, however.
      disableClientInfo: true,
      enableReadyCheck: Boolean(this.options.client?.options.sentinels),
    };
  }

  /** Bounds each attempt to connect. */
  private onConnecting: () => void = () => undefined;

  private readonly onClose = (): void => {
    this.loss = this.lastError ?? lostConnection();
    this.lastError = undefined;
    this.goDown(this.loss);
  };

  private readonly onReady = (): void => {
    for (const listener of [...this.upListeners]) listener();
  };

  private readonly onError = (error: Error): void => {
    this.lastError = error;
  };

  private goDown(cause: Error): void {
    const error = this.unavailable(cause);
    for (const listener of [...this.downListeners]) listener(error);
  }

  private async send<Reply>(client: Redis, calls: readonly LuaCall<Reply>[]): Promise<LuaAnswer<Reply>[]> {
    const pipeline = client.pipeline();
    for (const { script, keys, args } of calls) pipeline.evalsha(script.sha, keys.length, ...keys, ...args);
    const results = await this.within(pipeline.exec(), client);
    return (results ?? []).map(([error, reply], index): LuaAnswer<Reply> => {
      if (!error) return { reply: reply as Reply };
      if (error.name !== 'ReplyError' || isTemporary(error)) throw this.unavailable(error);
      return { error: plainError(error, calls[index]!.keys) };
    });
  }

  private async load(client: Redis, scripts: ReadonlySet<LuaScript>): Promise<void> {
    const pipeline = client.pipeline();
    for (const { source } of scripts) pipeline.script('LOAD', source);
    const results = await this.within(pipeline.exec(), client);
    const failed = results?.find(([error]) => error)?.[0];
    if (failed) throw this.unavailable(failed);
  }

  /** @param then what becomes of the client when `work` takes too long */
  private async within<T>(work: Promise<T>, client: Redis, then: 'give up' | 'keep' = 'give up'): Promise<T> {
    let expire: (error: Error) => void = () => undefined;
    const expiry = new Promise<never>((_resolve, reject) => (expire = reject));
    let settled = false;
    const timer = this.clock.setTimer(() => {
      // A process that stood still finds its timer due and the answer unread.
      void pendingInput().then(() => {
        if (settled) return;
        expire(client.status === 'reconnecting' ? this.loss : this.noAnswer);
        if (then === 'give up') this.giveUp(client, this.noAnswer);
      });
    }, this.commandTimeoutMs);
    try {
      return await Promise.race([work, expiry]);
    } catch (error) {
      throw this.unavailable(error);
    } finally {
      settled = true;
      timer.cancel();
    }
  }

  private giveUp(client: Redis, error: Error): void {
    this.goDown(error);
    if (client !== this.options.client) client.disconnect(true);
  }
}

function lostConnection(): Error {
  return new Error('the connection was lost');
}

/**
 * @param why what to say of a connection that ends without an error
 * @throws what keeps the connection from being made, or from staying
 */
function untilReady(client: Redis, why: () => Error): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finish = (error?: Error): void => {
      client.off('ready', onReady);
      client.off('error', finish);
      client.off('close', onEnd);
      client.off('end', onEnd);
      if (error) reject(error);
      else resolve();
    };
    const onReady = (): void => finish();
    const onEnd = (): void => finish(why());
    client.on('ready', onReady);
    client.on('error', finish);
    client.on('close', onEnd);
    client.on('end', onEnd);
    if (client.status === 'end') onEnd();
    else if (client.status === 'wait') client.connect().catch(finish);
  });
}

/** What Redis has against a key of another type says neither which one nor what to do. */
function plainError(error: Error, keys: readonly string[]): Error {
  if (!error.message.startsWith('WRONGTYPE')) return error;
  const subject = keys.length === 1 ? keys[0]! : `one of ${keys.join(', ')}`;
  error.message = `WRONGTYPE: ${subject} holds something else than the registry keeps there; delete it, or use another namespace`;
  return error;
}

/** Redis is there, but not for anybody yet: it has nothing against what was asked. */
function isTemporary({ message }: Error): boolean {
  return /^(LOADING|BUSY|MASTERDOWN)\b/.test(message);
}

function isUnknownScript(answer: LuaAnswer<unknown>): boolean {
  return 'error' in answer && answer.error.message.startsWith('NOSCRIPT');
}
