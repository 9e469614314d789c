import {
  type Clock,
  InvalidConfigurationError,
  messageOf,
  type Problem,
  raceAbort,
  type Random,
  RegistryUnavailableError,
  sleep,
  systemClock,
  systemRandom,
} from '../../common/index.js';
import {
  type Change,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorNote,
  type OperatorStatus,
  type ProcessReport,
  type ServiceInstance,
  type ServiceSplit,
  type StatusDetail,
  type WatchScope,
} from '../../model/index.js';
import {
  type CheckerRoster,
  HEALTH_ANNOUNCEMENT_INTERVAL_MS,
  isOperatorStatus,
  type ReadReports,
  type RegistryStore,
  type ReportChannel,
  type ReportEntry,
} from '../registry-store.js';
import { KeySpace } from './keys.js';
import { type LuaAnswer } from './lua-call.js';
import { announceChecker, generationNow, readHolder, remove, setSplit, setStatus, touchNames } from './lua-scripts.js';
import { Mirror } from './mirror.js';
import { resolveRedisRegistryStoreOptions, type RedisRegistryStoreOptions } from './options.js';
import { encodeOperatorStatus, fingerprintOf, generationOf, toRecord, type StoredInstance } from './record.js';
import { RecordSignatures } from './record-signatures.js';
import { ReconnectSpread } from './connection.js';
import { RedisLink } from './redis-link.js';
import { RedisTime } from './redis-time.js';
import { isWrongType, RENEWAL, renewAll, signAgain } from './renewals.js';
import { ReportStreams } from './report-streams.js';
import { SplitSignatures, type StoredSplit } from './split-signatures.js';
import { JitteredInterval, LONGEST_GRACE_MS, SWEEP_INTERVAL_MS, Sweeper, SweepPace } from './sweeper.js';
import { findEviction, type RedisTrouble, type RedisTroubleCounts, TroubleLog } from './trouble.js';
import { WatchSession, type WatchSessionDeps } from './watch-session.js';
import { WriteQueue } from './write-queue.js';

export interface RedisRegistryStoreDeps {
  /** @default the system clock */
  clock?: Clock;
  /** The clock of the sweeps for expired leases, so that they can be listed separately. @default `clock` */
  expiryClock?: Clock;
  /** @default the system's random generator */
  random?: Random;
  /** Called when something was skipped or repaired; a persistent fault is reported once. @default none */
  onTrouble?: (trouble: RedisTrouble) => void;
  /** What a user can do if Redis is unreachable, added to errors that do not say so themselves. @default none */
  unreachableHint?: string;
}

const NO_KEY_TO_REGISTER: Problem = {
  path: 'redis.signing.privateKey',
  value: undefined,
  expected:
    'a key to sign registrations with, or redis.signing.key: with public keys alone, the registry can only be read',
};
/** How often everything that is watched is compared with Redis. */
const AUDIT_INTERVAL_MS = 30_000;

/**
 * Registrations kept in Redis, shared by all processes of a namespace. The clock of Redis decides when a lease has
 * expired. Generations grow with that clock and keep an older registration from affecting a newer one.
 *
 * A process has two connections: one for commands and one for subscriptions. Each command has a timeout. A lost watch
 * throws, and its reader opens it again: `ServiceRegistry` does so with a jittered backoff, and keeps its last snapshot
 * until then. A watch also throws when Redis turns out to have lost its data, so that instances register again while
 * the snapshot is still served.
 *
 * Nothing is connected before the first call.
 */
export class RedisRegistryStore implements RegistryStore, CheckerRoster, ReportChannel {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly changesKept: number;
  private readonly keys: KeySpace;
  private readonly link: RedisLink;
  private readonly time: RedisTime;
  private readonly signatures: RecordSignatures | undefined;
  private readonly splitSignatures: SplitSignatures | undefined;
  private readonly mirror: Mirror;
  private readonly writes: WriteQueue;
  private readonly sweeper: Sweeper;
  private readonly sweepPace: SweepPace;
  private readonly interval: JitteredInterval;
  private readonly reports: ReportStreams;
  private readonly troubles: TroubleLog;
  private readonly spread: ReconnectSpread;
  private session: Promise<WatchSession> | undefined;
  /** The session once it is open. */
  private listening: WatchSession | undefined;
  private leaving = new AbortController();
  private watches = 0;
  private auditDue = Number.POSITIVE_INFINITY;
  private noExpiryBefore = Number.NEGATIVE_INFINITY;
  private refusedSince: number | undefined;
  private lostAt: number | undefined;
  private closed = false;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: RedisRegistryStoreOptions, deps: RedisRegistryStoreDeps = {}) {
    const resolved = resolveRedisRegistryStoreOptions(options);
    this.clock = deps.clock ?? systemClock;
    this.random = deps.random ?? systemRandom;
    this.changesKept = resolved.changesKept;
    this.keys = new KeySpace(resolved.namespace);
    this.troubles = new TroubleLog(deps.onTrouble);
    this.spread = new ReconnectSpread(this.clock, this.random, () => this.mirror.names().length);
    this.sweepPace = new SweepPace(this.clock, this.random);
    this.link = new RedisLink(
      { ...resolved, unreachableHint: deps.unreachableHint },
      this.clock,
      this.random,
      this.spread,
    );
    this.reports = new ReportStreams(this.link, this.keys);
    this.link.onWritesRefused(this.noteRefusal);
    this.writes = new WriteQueue({
      link: this.link,
      keys: this.keys,
      changesKept: this.changesKept,
      clock: this.clock,
    });
    this.time = new RedisTime(this.clock, async () => (await this.generationNow()) / 1_000);
    const { signing, namespace } = resolved;
    this.signatures = signing && new RecordSignatures(signing, namespace, () => this.time.now());
    this.splitSignatures = signing && new SplitSignatures(signing, namespace, () => this.time.now());
    this.mirror = new Mirror({
      signatures: this.signatures,
      splitSignatures: this.splitSignatures,
      onBadRecord: (serviceName, instanceId, reason) =>
        this.troubles.note({ kind: 'bad_record', serviceName, instanceId, reason }),
      onRefused: (key, { kind, reason }) => this.troubles.note({ kind, ...key, reason }),
    });
    this.sweeper = new Sweeper({
      link: this.link,
      keys: this.keys,
      random: this.random,
      changesKept: this.changesKept,
      selfPreservation: resolved.selfPreservation,
      onUnreadable: this.noteUnreadable,
      onIncomplete: (serviceName) => this.listening?.repair(serviceName),
      knownNames: () => this.mirror.usedNames(),
      onFleet: (processes, servers) => {
        this.spread.fleetSeen(processes);
        this.sweepPace.tried(processes * servers);
      },
    });
    this.warnOfEviction();
    this.interval = new JitteredInterval(
      deps.expiryClock ?? this.clock,
      this.random,
      SWEEP_INTERVAL_MS,
      ({ stalledMs }) => this.tick(stalledMs),
    );
  }

  /** How often something was skipped or repaired since the store was created. */
  get troubleCounts(): RedisTroubleCounts {
    return this.troubles.counts;
  }

  /**
   * Concurrent registrations share a round trip.
   * @throws InvalidConfigurationError if records are signed, and this process has no key that signs
   */
  async put(instance: ServiceInstance, ttlMs: number): Promise<Lease> {
    this.begin();
    if (this.signatures?.canSign === false) throw new InvalidConfigurationError([NO_KEY_TO_REGISTER]);
    // Only a recovery can be refused.
    return (await this.register(instance, ttlMs))!;
  }

  /** A process without a key that signs cannot recover a registration, and returns null. */
  async recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null> {
    this.begin();
    if (this.signatures?.canSign === false) return null;
    const lease = await this.register(instance, ttlMs, claim);
    if (lease || !(await this.removeForgery(instance, claim))) return lease;
    return this.register(instance, ttlMs, claim);
  }

  async renew(leases: readonly Lease[], by: LeaseKind = 'heartbeat'): Promise<readonly boolean[]> {
    if (leases.length === 0) return [];
    this.begin();
    const { link, keys, changesKept, signatures } = this;
    const renewals = await renewAll(leases, by, {
      link,
      keys,
      changesKept,
      onIndexAnswer: (answer) => this.noteIndex(answer),
      onUnreadable: this.noteUnreadable,
      digestOf: signatures && ((lease) => signatures.digestOf(lease)),
    });
    const held = renewals.map((renewal) => renewal !== RENEWAL.lost);
    if (!signatures) return held;
    const toSign = leases.filter(
      (lease, index) =>
        renewals[index] === RENEWAL.heldWithAnotherRecord || (held[index] && signatures.isDue(lease, by)),
    );
    // The leases are renewed; what cannot be signed now is signed with the next renewal.
    if (toSign.length > 0) await signAgain(toSign, { link, keys, changesKept, signatures }).catch(() => undefined);
    return held;
  }

  async remove(lease: Lease): Promise<boolean> {
    this.begin();
    const keys = this.keys.of(lease.serviceName);
    const call = remove(keys, lease.instanceId, String(lease.generation), this.changesKept);
    if ((await this.writes.run(lease.serviceName, call)) !== 1) return false;
    this.signatures?.removed(lease);
    this.mirror.end(lease);
    return true;
  }

  /**
   * A detail under an unchanged status is sent to watchers only if it says something new, or once a minute, but always
   * stored. A changed health without a detail drops the old one. The operator status is stored together with its note.
   */
  async setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, given?: StatusDetail): Promise<boolean> {
    this.begin();
    const isOperator = isOperatorStatus(status);
    const detail = isOperator ? undefined : (given as HealthDetail | undefined);
    const found = await this.writes.run(
      key.serviceName,
      setStatus(
        this.keys.of(key.serviceName),
        key.instanceId,
        isOperator ? 'operator' : 'health',
        isOperator ? encodeOperatorStatus(status, given as OperatorNote | undefined) : status,
        detail ? JSON.stringify(detail) : '',
        Math.floor(detail?.checkedAt ?? 0),
        detail ? fingerprintOf(detail) : '-',
        HEALTH_ANNOUNCEMENT_INTERVAL_MS,
        this.changesKept,
      ),
    );
    return found === 1;
  }

  /** @throws InvalidConfigurationError if records are signed, and this process has no key that signs */
  async setSplit(serviceName: string, split: ServiceSplit, replaces: ServiceSplit | undefined): Promise<boolean> {
    this.begin();
    if (this.signatures?.canSign === false) throw new InvalidConfigurationError([NO_KEY_TO_REGISTER]);
    if (this.signatures) await this.time.refresh();
    // A service without instances may be missing in the index, and new watches would not find it. Others hear of it by the change.
    await this.link.call(touchNames(this.keys, '', serviceName));
    const inTheWay = await this.writeSplit(serviceName, split, replaces ? JSON.stringify(replaces) : '');
    if (!inTheWay) return true;
    const { splitSignatures } = this;
    if (inTheWay.text === '' || !splitSignatures?.isRequired) return false;
    // What is forged, or was put back, must not keep a genuine split from being set.
    if (!splitSignatures.check(serviceName, inTheWay)) return false;
    return (await this.writeSplit(serviceName, split, inTheWay.text)) === undefined;
  }

  /** @returns the split that Redis has instead of the one to replace; undefined if the new one was set */
  private async writeSplit(
    serviceName: string,
    split: ServiceSplit,
    replaces: string,
  ): Promise<StoredSplit | undefined> {
    const text = JSON.stringify(split);
    const signature = this.splitSignatures?.sign(serviceName, text) ?? '';
    const call = setSplit(this.keys.of(serviceName), text, signature, replaces, this.changesKept);
    const answer = await this.link.call(call);
    if (answer.length > 0) return { text: String(answer[0]), signature: String(answer[1]) };
    // From now on, older ones are refused.
    this.splitSignatures?.check(serviceName, { text, signature });
    return undefined;
  }

  async *watch(scope: WatchScope, signal: AbortSignal): AsyncGenerator<Change, void, undefined> {
    if (signal.aborted || this.closed) return;
    this.begin();
    this.watches += 1;
    try {
      const session = await raceAbort(this.join(scope, signal), signal);
      yield* session.watch(scope, signal);
      if (session.error) throw session.error;
    } catch (error) {
      if (!signal.aborted && !this.closed) throw error;
    } finally {
      this.watches -= 1;
      if (this.watches === 0) await this.endSession();
    }
  }

  /**
   * Removes instances whose leases have expired, unless another process swept within the last second. This happens
   * automatically every second; call it where that is too late, for example in a test.
   * @returns how many instances were removed
   * @throws RegistryUnavailableError
   */
  async sweep(): Promise<number> {
    this.begin();
    return this.noting(this.sweeper.sweep());
  }

  async announceChecker(id: string, ttlMs: number): Promise<readonly string[]> {
    this.begin();
    const checkers = await this.noting(this.link.call(announceChecker(this.keys, id, ttlMs)));
    return checkers.map(String);
  }

  async retireChecker(id: string): Promise<void> {
    await this.announceChecker(id, 0);
  }

  async sendReport(report: ProcessReport, entries: readonly ReportEntry[], maxEntries: number): Promise<void> {
    this.begin();
    await this.reports.send(report, entries, maxEntries);
  }

  async readReports(): Promise<ReadReports> {
    this.begin();
    return this.reports.read();
  }

  /** By the clock of Redis. After a failover to a server whose clock is behind, it may be below the last generation. */
  async generationNow(): Promise<number> {
    this.begin();
    return Number(await this.link.call(generationNow(this.keys)));
  }

  /** Calls `listener` when Redis becomes reachable, for the first time or again. @returns removes the listener */
  onReachable(listener: () => void): () => void {
    return this.link.onUp(listener);
  }

  /**
   * Calls `listener` when Redis, or a master of a Cluster, starts to refuse writes, and with null when all accept them.
   */
  onWritesRefused(listener: (refusal: Error | null) => void): () => void {
    return this.link.onWritesRefused(listener);
  }

  /** Ends all watches and closes all connections except a client of the user. */
  async close(): Promise<void> {
    this.closed = true;
    this.interval.stop();
    this.writes.close();
    await this.endSession();
    await this.link.close();
  }

  private async register(instance: ServiceInstance, ttlMs: number, claim?: number): Promise<Lease | null> {
    const { signatures } = this;
    if (!signatures) return this.writes.register(instance, toRecord(instance), ttlMs, claim);
    await this.time.refresh();
    // Readers refuse what seems older than the record that it replaces.
    const isKnown = signatures.knows(instance) || this.listening?.covers(instance.serviceName);
    if (!isKnown) signatures.check(await this.readHolder(instance));
    const record = signatures.sign(instance, ttlMs);
    const lease = await this.writes.register(instance, record, ttlMs, claim);
    if (lease) signatures.registered(lease, record);
    return lease;
  }

  /**
   * Claims are not signed, so what keeps a registration from being recovered may be forged, or put back.
   * @returns false if a genuine registration holds the id rightfully
   */
  private async removeForgery(key: InstanceKey, claim: number): Promise<boolean> {
    if (!this.signatures?.isRequired) return false;
    const holder = await this.readHolder(key);
    if (this.signatures.isRightful(holder, claim)) return false;
    const { serviceName, instanceId, state } = holder;
    const call = remove(this.keys.of(serviceName), instanceId, String(generationOf(state)), this.changesKept);
    await this.writes.run(serviceName, call);
    return true;
  }

  private async readHolder({ serviceName, instanceId }: InstanceKey): Promise<StoredInstance> {
    const [record = '', state = ''] = await this.link.call(readHolder(this.keys.of(serviceName), instanceId));
    return { serviceName, instanceId, record: String(record), state: String(state), detail: '' };
  }

  /** Checks the eviction policy once, as soon as Redis is reachable. */
  private warnOfEviction(): void {
    const stop = this.link.onUp(() => {
      stop();
      this.link.memoryInfos().then(
        (infos) => {
          const reason = infos.map(findEviction).find((found) => found !== undefined);
          if (reason !== undefined) this.troubles.note({ kind: 'evictable', reason });
        },
        // The ACL user may not be allowed to read it.
        () => undefined,
      );
    });
  }

  private begin(): void {
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
    this.interval.start();
  }

  private async join(scope: WatchScope, signal: AbortSignal): Promise<WatchSession> {
    const before = this.session;
    const present = await before?.catch(() => undefined);
    // Without a reader, no one would end the session.
    signal.throwIfAborted();
    // Another watch may have opened a new session in the meantime.
    if (!this.session || (this.session === before && present?.error)) this.session = this.openSession();
    const session = await this.session;
    await session.cover(scope);
    return session;
  }

  private openSession(): Promise<WatchSession> {
    this.auditDue = this.clock.now() + AUDIT_INTERVAL_MS * (0.5 + this.random());
    const opening = this.openInTurn({
      clock: this.clock,
      onLost: () => {
        this.spread.lost();
        this.lostAt ??= this.clock.now();
      },
      link: this.link,
      keys: this.keys,
      mirror: this.mirror,
      changesKept: this.changesKept,
      onGap: (serviceName) => this.troubles.note({ kind: 'gap', serviceName, reason: 'changes were missed' }),
      onCorrection: (serviceName) =>
        this.troubles.note({ kind: 'correction', serviceName, reason: 'changes had not been published' }),
      onRestored: (serviceName) =>
        this.troubles.note({ kind: 'restored', serviceName, reason: 'Redis had lost a part of it' }),
      onUnreadable: this.noteUnreadable,
    });
    opening.then(
      (session) => {
        if (this.session === opening) this.listening = session;
      },
      () => {
        if (this.session === opening) this.session = undefined;
      },
    );
    return opening;
  }

  /** Waits for this process's turn after a loss, also if only the subscription was lost. */
  private async openInTurn(deps: WatchSessionDeps): Promise<WatchSession> {
    const { waitMs } = this.spread;
    if (waitMs > 0) await sleep(this.clock, waitMs, this.leaving.signal, { keepAlive: false });
    // Another server may have taken over.
    if (this.signatures) await this.time.read();
    const session = await WatchSession.open(deps);
    if (this.lostAt !== undefined) this.signatures?.wasAway(this.clock.now() - this.lostAt);
    this.lostAt = undefined;
    return session;
  }

  private async endSession(): Promise<void> {
    const session = this.session;
    this.session = undefined;
    this.listening = undefined;
    this.leaving.abort();
    this.leaving = new AbortController();
    (await session?.catch(() => undefined))?.fail();
  }

  /**
   * A stalled process received no heartbeats and may act on old data, and a Redis that refuses writes renews no leases.
   * This process therefore expires nothing until the same time has passed again.
   */
  private async tick(stalledMs: number): Promise<void> {
    const now = this.clock.now();
    if (stalledMs > 0) this.holdExpiry(stalledMs);
    const session = this.listening;
    const tasks: Promise<unknown>[] = [this.link.probeWrites()];
    if (now < this.noExpiryBefore || this.refusedSince !== undefined) tasks.push(this.link.ping());
    else if (this.sweepPace.isDue) tasks.push(this.noting(this.sweeper.sweep()));
    if (session) tasks.push(session.check());
    if (session && now >= this.auditDue) {
      this.auditDue = now + AUDIT_INTERVAL_MS * (0.9 + 0.2 * this.random());
      tasks.push(this.audit(session));
    }
    // Failures end the session, which its watches see, or are noted as trouble.
    await Promise.allSettled(tasks);
  }

  private async audit(session: WatchSession): Promise<void> {
    await session.audit();
    // While Redis refuses writes, no owner can sign its registration again.
    if (this.signatures && this.refusedSince === undefined) await session.endInvalid();
  }

  private holdExpiry(ms: number): void {
    this.noExpiryBefore = Math.max(this.noExpiryBefore, this.clock.now() + Math.min(ms, LONGEST_GRACE_MS));
  }

  private readonly noteRefusal = (refusal: Error | null): void => {
    const since = this.refusedSince;
    this.refusedSince = refusal ? (since ?? this.clock.now()) : undefined;
    if (refusal || since === undefined) return;
    this.holdExpiry(this.clock.now() - since);
    this.signatures?.wasAway(this.clock.now() - since);
  };

  private readonly noteUnreadable = (serviceName: string, reason: string): void => {
    this.troubles.note({ kind: 'unreadable_service', serviceName, reason });
  };

  /** The leases are renewed even if the index cannot be updated; an operator has to fix that. */
  private noteIndex(answer: LuaAnswer<unknown>): void {
    if ('error' in answer && isWrongType(answer.error)) this.noteUnreadableNamespace(answer.error);
    else this.link.replyOf(answer);
  }

  private noteUnreadableNamespace(error: Error): void {
    this.troubles.note({ kind: 'unreadable_namespace', reason: messageOf(this.link.unavailable(error)) });
  }

  /** Reports a key of the wrong type that background work finds, since no caller would see the error. */
  private async noting<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const { cause } = error as Error;
      if (cause instanceof Error && isWrongType(cause)) this.noteUnreadableNamespace(error as Error);
      throw error;
    }
  }
}
