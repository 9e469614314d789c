import { type Redis } from 'ioredis';
import { RegistryUnavailableError, type Clock } from '../../common/index.js';
import { type Change, type WatchScope } from '../../model/index.js';
import { WatchHub } from '../watch-hub.js';
import { Keepalive } from './keepalive.js';
import { type KeySpace } from './keys.js';
import { remove, restore, sync } from './lua-scripts.js';
import { type Mirror, type Position, type SyncResult } from './mirror.js';
import { type RedisLink } from './redis-link.js';

/** Instances per call: a long script would block Redis. */
const INSTANCES_PER_CALL = 100;

/** That of a reader who knows nothing. */
const NO_POSITION: Position = { epoch: '', sequence: 0, tag: '' };

/** Why services are read: a watch starts, changes were missed, or an audit is due. */
type Reason = 'watch' | 'gap' | 'audit';

export interface WatchSessionDeps {
  readonly link: RedisLink;
  readonly keys: KeySpace;
  readonly mirror: Mirror;
  readonly changesKept: number;
  /** A service had to be read again because changes of it were missed. */
  readonly onGap: (serviceName: string) => void;
  /** An audit found changes that had not been published. */
  readonly onCorrection: (serviceName: string) => void;
  /** Redis had lost a part of a service, which this process has restored. */
  readonly onRestored: (serviceName: string) => void;
  /** The data of a service cannot be read. */
  readonly onUnreadable: (serviceName: string, reason: string) => void;
  /** The session failed. */
  readonly onLost: () => void;
  readonly clock: Clock;
}

/**
 * The subscription of this process, shared by all its watches. Changes are published on the channels of the services,
 * in full and numbered. Missed changes are read from the stream of the service or, if that is too short, by reading the
 * whole service. A session ends for good when its connection is lost or Redis lost its data.
 */
export class WatchSession {
  private readonly hub: WatchHub;
  private readonly channels = new Set<string>();
  private readonly covered = new Set<string>();
  private readonly scheduled = new Set<string>();
  /** Services that were read in this session: from then on, a missed change is a gap. */
  private readonly readBefore = new Set<string>();
  /** Removals found while services were read. They follow the reset of a new watch. */
  private readonly foundRemovals: Extract<Change, { type: 'remove' }>[] = [];
  private coversAll = false;
  /** Services that published changes but are not covered; an index that lost their names does not list them. */
  private readonly uncovered = new Set<string>();
  private syncing: Promise<void> | undefined;
  private over: RegistryUnavailableError | undefined;
  private readonly keepalive: Keepalive;
  private readonly stopWatchingLink: () => void;

  private constructor(
    private readonly subscriber: Redis,
    private readonly deps: WatchSessionDeps,
  ) {
    this.hub = new WatchHub((scope) => deps.mirror.resetWithin(scope));
    subscriber.on('message', (channel: string, message: string) => this.onMessage(channel, message));
    subscriber.on('pmessage', (_pattern: string, channel: string, message: string) => this.onMessage(channel, message));
    subscriber.on('close', () =>
      this.fail(new RegistryUnavailableError(`The watch on Redis at ${deps.link.where} was lost`)),
    );
    const { link, clock } = deps;
    this.keepalive = new Keepalive({
      clock,
      timeoutMs: link.commandTimeoutMs,
      ask: () => subscriber.ping(),
      onSilence: () => this.fail(link.unavailable(link.noAnswer)),
    });
    this.stopWatchingLink = link.onDown((error) => this.fail(link.unavailable(error)));
  }

  /** @throws RegistryUnavailableError */
  static async open(deps: WatchSessionDeps): Promise<WatchSession> {
    return new WatchSession(await deps.link.connect(), deps);
  }

  /** Why it ended; undefined while it is running. */
  get error(): RegistryUnavailableError | undefined {
    return this.over;
  }

  /** Subscribes to a scope and reads it. @throws RegistryUnavailableError */
  async cover(scope: WatchScope): Promise<void> {
    await this.listen(scope);
    const { link, keys, mirror } = this.deps;
    // A change published while the names were being read may be the only sign of a service.
    const names = scope.services ?? [...(await link.names(keys)), ...mirror.names(), ...this.uncovered];
    // Before the services are read: a change published until then would be lost.
    if (!scope.services) this.coversAll = true;
    this.uncovered.clear();
    for (const name of names) this.covered.add(name);
    await this.read(new Set(names), 'watch');
    if (this.over) throw this.over;
  }

  /** Whether every change of a service is followed. */
  covers(serviceName: string): boolean {
    return this.coversAll || this.covered.has(serviceName);
  }

  /** The changes within a covered scope, from now on. */
  async *watch(scope: WatchScope, signal: AbortSignal): AsyncGenerator<Change, void, undefined> {
    const stream = this.hub.open(scope, signal);
    try {
      const opening = await stream.next();
      if (opening.done) return;
      yield opening.value;
      for (const removal of this.foundRemovals) if (!this.deps.mirror.has(removal.key)) yield removal;
      yield* stream;
    } finally {
      await stream.return?.();
    }
  }

  /** Checks that the subscription still receives everything. */
  async check(): Promise<void> {
    try {
      await this.deps.link.check(this.subscriber);
    } catch (error) {
      this.fail(this.deps.link.unavailable(error));
    }
  }

  /** Compares everything covered with Redis, and corrects what was missed. */
  async audit(): Promise<void> {
    try {
      const { link, keys } = this.deps;
      if (this.coversAll) for (const name of await link.names(keys)) this.covered.add(name);
      const unknown = await this.read(new Set(this.covered), 'audit');
      // Instances that were written without a change, or have been refused: reading them again shows which.
      if (unknown.size > 0) await this.read(unknown, 'audit', true);
    } catch (error) {
      this.fail(this.deps.link.unavailable(error));
    }
  }

  /** Takes out instances whose signatures have become invalid. */
  async endInvalid(): Promise<void> {
    try {
      for (const change of this.deps.mirror.endInvalid()) this.hub.publish(change);
      await this.removeResurrected();
    } catch (error) {
      this.fail(this.deps.link.unavailable(error));
    }
  }

  /** Redis lost a part of a service: restores it from the mirror if the service is covered. */
  repair(serviceName: string): void {
    if (this.covered.has(serviceName)) this.scheduleRead(serviceName);
  }

  /** Ends the session. Its watches throw the error; without one they end. */
  fail(error?: RegistryUnavailableError): void {
    if (this.over) return;
    this.over = error ?? new RegistryUnavailableError('The registry store is closed');
    if (error) this.deps.onLost();
    this.keepalive.stop();
    this.stopWatchingLink();
    this.subscriber.disconnect();
    this.hub.close();
  }

  private async listen({ services, renewals }: WatchScope): Promise<void> {
    const { keys } = this.deps;
    const channels = [keys.processes];
    const patterns: string[] = [];
    for (const { changes, beats } of services?.map((name) => keys.of(name)) ?? []) {
      channels.push(changes, ...(renewals ? [beats] : []));
    }
    if (!services) patterns.push(keys.allChanges, ...(renewals ? [keys.allBeats] : []));
    await Promise.all([this.subscribe('subscribe', channels), this.subscribe('psubscribe', patterns)]);
  }

  private async subscribe(command: 'subscribe' | 'psubscribe', names: readonly string[]): Promise<void> {
    const missing = names.filter((name) => !this.channels.has(name));
    if (missing.length === 0) return;
    await this.keepalive.time(this.deps.link.answer(this.subscriber[command](...missing), this.subscriber));
    for (const name of missing) this.channels.add(name);
  }

  private onMessage(channel: string, message: string): void {
    this.keepalive.received();
    if (this.over) return;
    if (channel === this.deps.keys.processes) this.onNames(message.split(' '));
    const origin = this.deps.keys.parse(channel);
    if (!origin) return;
    const { serviceName } = origin;
    if (!this.covers(serviceName)) {
      this.uncovered.add(serviceName);
      return;
    }
    if (origin.kind === 'beats') this.onBeats(serviceName, message);
    else this.onChange(serviceName, message);
  }

  /** Names that had been missing in the index: processes that read it before do not know those services. */
  private onNames(names: readonly string[]): void {
    for (const name of names) {
      if (!this.coversAll) this.uncovered.add(name);
      else if (!this.covered.has(name)) {
        this.covered.add(name);
        this.scheduleRead(name);
      }
    }
  }

  private onChange(serviceName: string, message: string): void {
    const parts = /^(\d+) (\d+) (\S+) (\S+) (.*)$/s.exec(message);
    if (!parts) {
      // Not written by this version: read the service instead.
      this.scheduleRead(serviceName);
      return;
    }
    const [, epoch = '', sequence = '', previous = '', tag = '', text = ''] = parts;
    this.covered.add(serviceName);
    const published = { epoch, sequence: Number(sequence), previous, tag, text };
    const { mirror } = this.deps;
    const before = mirror.resurrectedCount;
    const applied = mirror.apply(serviceName, published);
    // The next read removes what was put back.
    if (mirror.resurrectedCount > before) this.scheduleRead(serviceName);
    if (applied === 'known') return;
    // A loss from before this session is resolved by the first read.
    if (applied === 'gap' || (applied.isLoss && !this.readBefore.has(serviceName))) {
      this.scheduleRead(serviceName);
      return;
    }
    this.readBefore.add(serviceName);
    if (applied.change) this.hub.publish(applied.change);
    if (applied.isLoss) this.failForLoss();
  }

  private onBeats(serviceName: string, message: string): void {
    const [at, ...ids] = message.split(' ');
    const change = this.deps.mirror.renew(serviceName, Number(at), ids);
    if (change) this.hub.publish(change);
  }

  /** Schedules a read of a service with missed changes. Reads do not overlap; each covers all that are scheduled. */
  private scheduleRead(serviceName: string): void {
    this.scheduled.add(serviceName);
    this.syncing ??= this.readScheduled()
      .catch((error: unknown) => this.fail(this.deps.link.unavailable(error)))
      .finally(() => (this.syncing = undefined));
  }

  private async readScheduled(): Promise<void> {
    while (this.scheduled.size > 0 && !this.over) {
      const names = new Set(this.scheduled);
      this.scheduled.clear();
      await this.read(names, 'gap');
    }
  }

  /**
   * @param whole whether to read everything, whatever is known
   * @returns the services of which Redis has more than is known
   */
  private async read(names: ReadonlySet<string>, why: Reason, whole = false): Promise<ReadonlySet<string>> {
    const { link, keys, mirror } = this.deps;
    let reloaded = false;
    const incomplete: string[] = [];
    const withMore = new Set<string>();
    const requested = new Map<string, Position>();
    const rounds = link.runEach([...names], (name) => {
      const position = whole ? NO_POSITION : mirror.positionOf(name);
      requested.set(name, position);
      const { epoch, sequence, tag } = position;
      // Readers keep what Redis lost, and what of it was deregistered since is not in what it has now.
      const removals = epoch === '' && mirror.hasLost;
      return sync(keys.of(name), epoch, sequence, tag, why === 'watch' ? 1 : 0, removals ? 1 : 0);
    });
    for await (const answers of rounds) {
      if (this.over) return withMore;
      for (const [name, answer] of answers) {
        if ('error' in answer) this.deps.onUnreadable(name, answer.error.message);
        else {
          const result = this.takeIn(name, requested.get(name)!, answer.reply, why);
          if (result.reloaded) reloaded = true;
          if (result.isIncomplete) incomplete.push(name);
          if (result.hasMore) withMore.add(name);
        }
      }
      if (this.over) return withMore;
    }
    this.forget(mirror.prune(names));
    // One reset for all services: each reader takes its state from the mirror.
    if (reloaded) this.hub.publish({ type: 'reset', revision: mirror.revision, instances: [] });
    await this.removeResurrected();
    for (const name of incomplete) await this.restore(name);
    return withMore;
  }

  /** Restores what Redis lost of a service, unless it has changed in the meantime: then another process restores it. */
  private async restore(name: string): Promise<void> {
    const { link, keys, mirror, changesKept } = this.deps;
    const rows = mirror.rowsForRestore(name);
    const { epoch } = mirror.positionOf(name);
    let { sequence, tag } = mirror.positionOf(name);
    for (let start = 0; start < rows.length; start += INSTANCES_PER_CALL) {
      const instances = rows.slice(start, start + INSTANCES_PER_CALL).flat();
      const [next, nextTag] = await link.call(restore(keys.of(name), epoch, sequence, tag, changesKept, ...instances));
      if (next === undefined) return;
      [sequence, tag] = [Number(next), String(nextTag)];
    }
    this.deps.onRestored(name);
  }

  /** Forgets services that Redis no longer knows. Services named in a scope stay covered. */
  private forget(names: readonly string[]): void {
    for (const name of names) {
      this.readBefore.delete(name);
      if (this.coversAll) this.covered.delete(name);
    }
  }

  /** Removes again what a failover or an attacker brought back: a new server never saw the removal. */
  private async removeResurrected(): Promise<void> {
    const { link, keys, mirror, changesKept } = this.deps;
    const { resurrected } = mirror;
    const answers = await link.run(
      resurrected.map(({ serviceName, instanceId, generation }) =>
        remove(keys.of(serviceName), instanceId, String(generation), changesKept),
      ),
    );
    answers.forEach((answer, index) => {
      if (!('error' in answer)) mirror.end(resurrected[index]!);
    });
  }

  private takeIn(
    name: string,
    requested: Position,
    reply: readonly unknown[],
    why: Reason,
  ): Pick<SyncResult, 'reloaded' | 'isIncomplete' | 'hasMore'> {
    const isFirst = !this.readBefore.has(name);
    this.readBefore.add(name);
    const { changes, reloaded, lost, isIncomplete, hasMore, isOvertaken } = this.deps.mirror.sync(
      name,
      requested,
      reply,
    );
    if (isOvertaken) this.scheduleRead(name);
    for (const change of changes) {
      this.hub.publish(change);
      if (reloaded && change.type === 'remove') this.foundRemovals.push(change);
    }
    if (!isFirst && lost) {
      this.failForLoss();
      return { reloaded: false, isIncomplete: false, hasMore: false };
    }
    if (!isFirst && why === 'gap' && reloaded) this.deps.onGap(name);
    if (!isFirst && why === 'audit' && (reloaded || changes.length > 0)) this.deps.onCorrection(name);
    return { reloaded, isIncomplete, hasMore };
  }

  private failForLoss(): void {
    const { link } = this.deps;
    this.fail(new RegistryUnavailableError(`Redis at ${link.where} lost the registry's data`));
  }
}
