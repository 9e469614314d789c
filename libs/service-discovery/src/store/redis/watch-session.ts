import { type Redis } from 'ioredis';
import { RegistryUnavailableError, type Clock } from '../../common/index.js';
import { type Change, type WatchScope } from '../../model/index.js';
import { WatchHub } from '../watch-hub.js';
import { Keepalive } from './keepalive.js';
import { type KeySpace } from './keys.js';
import { remove, restore, sync } from './lua-scripts.js';
import { type Mirror, type Position, type SyncResult } from './mirror.js';
import { type RedisLink } from './redis-link.js';

/** Instances in one call: a script that takes long keeps Redis from its other work. */
const INSTANCES_PER_CALL = 100;

/** Why services are read: somebody begins to watch, changes were missed, or it is time to compare. */
type Reason = 'watch' | 'gap' | 'audit';

export interface WatchSessionDeps {
  readonly link: RedisLink;
  readonly keys: KeySpace;
  readonly mirror: Mirror;
  readonly changesKept: number;
  /** A service had to be read anew, since changes of it were missed. */
  readonly onGap: (serviceName: string) => void;
  /** A pass over everything found changes that had not been told. */
  readonly onCorrection: (serviceName: string) => void;
  /** Redis had lost a part of a service, which this process has put back. */
  readonly onRestored: (serviceName: string) => void;
  /** Redis cannot give what it holds of a service. */
  readonly onUnreadable: (serviceName: string, reason: string) => void;
  /** It has ended, though nobody wanted it to. */
  readonly onLost: () => void;
  readonly clock: Clock;
}

/**
 * One connection's time of listening, shared by all watches of this process. Changes are told on the channels of the
 * services, in full, and numbered; what was missed is read from the stream of the service, or where that is too short,
 * from what Redis holds now. Ends, and does not come back, when a connection is lost or when Redis lost its data.
 */
export class WatchSession {
  private readonly hub: WatchHub;
  private readonly channels = new Set<string>();
  private readonly covered = new Set<string>();
  private readonly wanted = new Set<string>();
  /** Of which something was taken in already: what is missed from then on is a gap. */
  private readonly readBefore = new Set<string>();
  /** Removals that came to light while services were read: what a watch is told after its reset. */
  private readonly foundRemovals: Extract<Change, { type: 'remove' }>[] = [];
  private coversAll = false;
  /** Services that are not covered, and were told of: an index that lost their names does not show them. */
  private readonly passedOver = new Set<string>();
  private syncing: Promise<void> | undefined;
  private over: RegistryUnavailableError | undefined;
  private readonly keepalive: Keepalive;
  private readonly stopWatchingLink: () => void;

  private constructor(
    private readonly subscriber: Redis,
    private readonly deps: WatchSessionDeps,
  ) {
    this.hub = new WatchHub((scope) => deps.mirror.resetWithin(scope));
    subscriber.on('message', (channel: string, message: string) => this.hear(channel, message));
    subscriber.on('pmessage', (_pattern: string, channel: string, message: string) => this.hear(channel, message));
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

  /** Why it has ended; undefined while it goes on. */
  get error(): RegistryUnavailableError | undefined {
    return this.over;
  }

  /** Listens to a scope, and reads what is in it. @throws RegistryUnavailableError */
  async cover(scope: WatchScope): Promise<void> {
    await this.listen(scope);
    const { link, keys, mirror } = this.deps;
    // What was told of a service while the names were on their way may be all that shows that there is one.
    const names = scope.services ?? [...(await link.names(keys)), ...mirror.names(), ...this.passedOver];
    // All at once: what is told of a service before it was read would be lost.
    if (!scope.services) this.coversAll = true;
    this.passedOver.clear();
    for (const name of names) this.covered.add(name);
    await this.read(new Set(names), 'watch');
    if (this.over) throw this.over;
  }

  /** What happens within a scope that is covered, from now on. */
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

  /** Looks whether it still hears of everything. */
  async check(): Promise<void> {
    try {
      await this.deps.link.check(this.subscriber);
    } catch (error) {
      this.fail(this.deps.link.unavailable(error));
    }
  }

  /** Compares everything with Redis, and corrects what was missed. */
  async audit(): Promise<void> {
    try {
      const { link, keys } = this.deps;
      if (this.coversAll) for (const name of await link.names(keys)) this.covered.add(name);
      await this.read(new Set(this.covered), 'audit');
    } catch (error) {
      this.fail(this.deps.link.unavailable(error));
    }
  }

  /** Redis lost a part of a service: what this process knows of it is put back, where it is read. */
  mend(serviceName: string): void {
    if (this.covered.has(serviceName)) this.want(serviceName);
  }

  /** Ends it; its watches see the error, or without one an end. */
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

  private hear(channel: string, message: string): void {
    this.keepalive.heard();
    if (this.over) return;
    if (channel === this.deps.keys.processes) this.hearNames(message.split(' '));
    const origin = this.deps.keys.parse(channel);
    if (!origin) return;
    const { serviceName } = origin;
    if (!this.coversAll && !this.covered.has(serviceName)) {
      this.passedOver.add(serviceName);
      return;
    }
    if (origin.tells === 'beats') this.hearBeats(serviceName, message);
    else this.hearChange(serviceName, message);
  }

  /** Names that the index had lost: who read it before has not seen those services. */
  private hearNames(names: readonly string[]): void {
    for (const name of names) {
      if (!this.coversAll) this.passedOver.add(name);
      else if (!this.covered.has(name)) {
        this.covered.add(name);
        this.want(name);
      }
    }
  }

  private hearChange(serviceName: string, message: string): void {
    const parts = /^(\d+) (\d+) (\S+) (\S+) (.*)$/s.exec(message);
    if (!parts) {
      // Nothing that this version writes: what there is, the service itself tells.
      this.want(serviceName);
      return;
    }
    const [, epoch = '', sequence = '', previous = '', tag = '', text = ''] = parts;
    this.covered.add(serviceName);
    const told = { epoch, sequence: Number(sequence), previous, tag, text };
    const applied = this.deps.mirror.apply(serviceName, told);
    if (typeof applied === 'object') {
      this.readBefore.add(serviceName);
      if (applied.change) this.hub.publish(applied.change);
    } else if (applied === 'lost' && this.readBefore.has(serviceName)) this.failForLoss();
    // A loss from before this session began is what its first reading takes in.
    else if (applied !== 'known') this.want(serviceName);
  }

  private hearBeats(serviceName: string, message: string): void {
    const [at, ...ids] = message.split(' ');
    const change = this.deps.mirror.renew(serviceName, Number(at), ids);
    if (change) this.hub.publish(change);
  }

  /** Reads a service of which something was missed; one such reading at a time, for all that there are. */
  private want(serviceName: string): void {
    this.wanted.add(serviceName);
    this.syncing ??= this.readWanted()
      .catch((error: unknown) => this.fail(this.deps.link.unavailable(error)))
      .finally(() => (this.syncing = undefined));
  }

  private async readWanted(): Promise<void> {
    while (this.wanted.size > 0 && !this.over) {
      const names = new Set(this.wanted);
      this.wanted.clear();
      await this.read(names, 'gap');
    }
  }

  private async read(names: ReadonlySet<string>, why: Reason): Promise<void> {
    const { link, keys, mirror } = this.deps;
    let reloaded = false;
    const short: string[] = [];
    const asked = new Map<string, Position>();
    const rounds = link.runEach([...names], (name) => {
      const position = mirror.positionOf(name);
      asked.set(name, position);
      const { epoch, sequence, tag } = position;
      return sync(keys.of(name), epoch, sequence, tag, why === 'watch' ? 1 : 0);
    });
    for await (const answers of rounds) {
      if (this.over) return;
      for (const [name, answer] of answers) {
        if ('error' in answer) this.deps.onUnreadable(name, answer.error.message);
        else {
          const result = this.takeIn(name, asked.get(name)!, answer.reply, why);
          if (result.reloaded) reloaded = true;
          if (result.isShort) short.push(name);
        }
      }
      if (this.over) return;
    }
    this.forget(mirror.prune(names));
    // Once for all of them: each reader takes everything anew. What it takes is the mirror's to say.
    if (reloaded) this.hub.publish({ type: 'reset', revision: mirror.revision, instances: [] });
    await this.endAgain();
    for (const name of short) await this.restore(name);
  }

  /** Puts back what Redis lost of a service, unless it has changed by then: then a process that has seen the change does. */
  private async restore(name: string): Promise<void> {
    const { link, keys, mirror, changesKept } = this.deps;
    const holdings = mirror.holdingsOf(name);
    const { epoch } = mirror.positionOf(name);
    let { sequence, tag } = mirror.positionOf(name);
    for (let start = 0; start < holdings.length; start += INSTANCES_PER_CALL) {
      const instances = holdings.slice(start, start + INSTANCES_PER_CALL).flat();
      const [next, nextTag] = await link.call(restore(keys.of(name), epoch, sequence, tag, changesKept, ...instances));
      if (next === undefined) return;
      [sequence, tag] = [Number(next), String(nextTag)];
    }
    this.deps.onRestored(name);
  }

  /** Services come and go: what Redis has forgotten is not read for ever. Those that were named stay. */
  private forget(names: readonly string[]): void {
    for (const name of names) {
      this.readBefore.delete(name);
      if (this.coversAll) this.covered.delete(name);
    }
  }

  /** What a server brought back that took over: whoever saw it end tells that server too. */
  private async endAgain(): Promise<void> {
    const { link, keys, mirror, changesKept } = this.deps;
    const { revenants } = mirror;
    const answers = await link.run(
      revenants.map(({ serviceName, instanceId, generation }) =>
        remove(keys.of(serviceName), instanceId, String(generation), changesKept),
      ),
    );
    answers.forEach((answer, index) => {
      if (!('error' in answer)) mirror.end(revenants[index]!);
    });
  }

  private takeIn(
    name: string,
    asked: Position,
    reply: readonly unknown[],
    why: Reason,
  ): Pick<SyncResult, 'reloaded' | 'isShort'> {
    const isFirst = !this.readBefore.has(name);
    this.readBefore.add(name);
    const { changes, reloaded, lost, isShort } = this.deps.mirror.sync(name, asked, reply);
    for (const change of changes) {
      this.hub.publish(change);
      if (reloaded && change.type === 'remove') this.foundRemovals.push(change);
    }
    if (!isFirst && lost) {
      this.failForLoss();
      return { reloaded: false, isShort: false };
    }
    if (!isFirst && why === 'gap' && reloaded) this.deps.onGap(name);
    if (!isFirst && why === 'audit' && (reloaded || changes.length > 0)) this.deps.onCorrection(name);
    return { reloaded, isShort };
  }

  private failForLoss(): void {
    const { link } = this.deps;
    this.fail(new RegistryUnavailableError(`Redis at ${link.where} lost what it held of the registry`));
  }
}
