import { LeaseLostError, RegistryUnavailableError, type Clock, type Random } from '../../common/index.js';
import {
  haveSameRegistration,
  toInstance,
  type Change,
  type InstanceKey,
  type OperatorNote,
  type OperatorStatus,
  type ServiceInstance,
  type ServiceRegistration,
} from '../../model/index.js';
import { inBatches, longestRenewalDelay, renewalDelay, type RenewalPace, Rounds } from '../rounds.js';
import { type ServiceRegistry } from '../service-registry.js';

const CONCURRENCY = 16;
/** Another process counts as present for this many renewal intervals after its last sign of life. */
const SHARED_INTERVALS = 2;

export interface ListedInstancesDeps {
  readonly registry: Pick<
    ServiceRegistry,
    'deregister' | 'follow' | 'getInstance' | 'onChange' | 'register' | 'renewAll' | 'setStatus'
  >;
  readonly clock: Clock;
  readonly random: Random;
  /** The lease length of registrations without a `ttl`. */
  readonly serviceTtlMs: number;
  /** See `ServiceRegistryOptions`. @default the default rule */
  readonly heartbeatIntervalMs?: number;
  /**
   * Whether `close()` deregisters instances that no other process lists. Other processes are noticed by their
   * heartbeats, so this needs a store that reports those. With the registry in memory it is off, since its readers keep
   * their last snapshot.
   */
  readonly removesAtEnd: boolean;
  /** Called once for each instance that the registry rejects. */
  readonly refused: (key: InstanceKey, error: unknown) => void;
}

interface Listed {
  readonly registration: ServiceRegistration;
  readonly instance: ServiceInstance;
  /** Whether this process registered it or found it registered. */
  isKnown: boolean;
  /** Whether this process is registering it, so that a new generation is its own. */
  isBeingRegistered: boolean;
  /** Whether the registry rejected it, which is reported once. */
  isRefused: boolean;
  /** The generation of the registration that is renewed. */
  generation: number;
  /** Whether the registry has yet to report this process's last renewal. */
  isEchoDue: boolean;
  /** When another process last renewed it, by `Clock.now()`. */
  sharedAt: number;
  /** The operator status last seen, set again if the registry loses it. */
  operatorStatus: OperatorStatus;
  operatorNote?: OperatorNote;
}

/**
 * Keeps instances registered that do not register themselves, for as long as this process lists them.
 *
 * Any number of processes may list the same instance. A process that finds it registered takes over that registration
 * and renews the same lease as the others; if its description differs, the process registers its own once at startup. A
 * missing instance is registered again by each process that notices. At shutdown, an instance that other processes list
 * stays registered.
 */
export class ListedInstances {
  private readonly byService = new Map<string, Map<string, Listed>>();
  private readonly all: readonly Listed[];
  private readonly pace: RenewalPace;
  private readonly rounds: Rounds;
  private stopListening: () => void = () => undefined;

  /** @throws InvalidInstanceError naming every wrong field */
  constructor(
    registrations: readonly ServiceRegistration[],
    private readonly deps: ListedInstancesDeps,
  ) {
    const { clock, random, serviceTtlMs: ttlMs, heartbeatIntervalMs: intervalMs } = deps;
    this.all = registrations.map((registration) => ({
      registration,
      instance: toInstance(registration, { ttlMs, now: clock.epoch() }),
      isKnown: false,
      isBeingRegistered: false,
      isRefused: false,
      generation: 0,
      isEchoDue: false,
      sharedAt: Number.NEGATIVE_INFINITY,
      operatorStatus: 'up',
    }));
    for (const listed of this.all) {
      const { serviceName, instanceId } = listed.instance;
      const ofService = this.byService.get(serviceName) ?? new Map<string, Listed>();
      this.byService.set(serviceName, ofService.set(instanceId, listed));
    }
    this.pace = { shortestTtlMs: Math.min(...this.all.map(({ instance }) => instance.ttlMs)), intervalMs };
    this.rounds = new Rounds({
      clock,
      run: () => this.keepAll(),
      delayMs: (failures) => renewalDelay(this.pace, failures, random),
    });
  }

  has(key: InstanceKey): boolean {
    return this.find(key) !== undefined;
  }

  /**
   * Resolves after the first attempt to register all; retries in the background if the registry is unreachable. Never
   * rejects.
   */
  async start(): Promise<void> {
    if (this.all.length === 0) return;
    this.stopListening = this.deps.registry.onChange((_snapshot, _previous, change) => this.changed(change));
    this.rounds.runNow();
    await this.rounds.running;
  }

  /** Stops renewing, and deregisters what no other process lists. Never rejects. */
  async close(): Promise<void> {
    this.rounds.stop();
    await this.rounds.running;
    this.stopListening();
    if (!this.deps.removesAtEnd) return;
    // An instance that cannot be removed expires.
    await inBatches(this.all, CONCURRENCY, (listed) => this.removeUnlessShared(listed)).catch(() => undefined);
  }

  private find({ serviceName, instanceId }: InstanceKey): Listed | undefined {
    return this.byService.get(serviceName)?.get(instanceId);
  }

  private changed(change: Change | null): void {
    switch (change?.type) {
      case 'put':
        this.notice(change.instance);
        break;
      case 'remove':
        if (this.find(change.key)) this.rounds.runNow();
        break;
      case 'renewed':
        for (const key of change.keys) this.noticeRenewal(this.find(key));
        break;
      case 'reset':
        if (this.all.some(({ instance }) => !this.deps.registry.getInstance(instance))) this.rounds.runNow();
        break;
      case 'hold':
      case 'split':
      case undefined:
        break;
    }
  }

  private notice(shown: ServiceInstance): void {
    const listed = this.find(shown);
    if (!listed?.isKnown) return;
    if (shown.generation !== listed.generation && !listed.isBeingRegistered) this.markShared(listed);
    this.adopt(listed, shown);
  }

  /** The registry reports each renewal once, so one report more than this process sent comes from another process. */
  private noticeRenewal(listed: Listed | undefined): void {
    if (!listed) return;
    if (listed.isEchoDue) listed.isEchoDue = false;
    else this.markShared(listed);
  }

  private markShared(listed: Listed): void {
    listed.sharedAt = this.deps.clock.now();
  }

  /** Renews the instances that are registered, and registers the others. @throws RegistryUnavailableError */
  private async keepAll(): Promise<void> {
    const { registry } = this.deps;
    await Promise.all([...this.byService.keys()].map((name) => registry.follow(name)));
    const present: Listed[] = [];
    const missing: Listed[] = [];
    for (const listed of this.all) (this.isPresent(listed) ? present : missing).push(listed);
    const lost = await this.renew(present);
    await inBatches(missing, CONCURRENCY, (listed) => this.register(listed));
    // The snapshot may still show what the registry has lost or another process has replaced.
    await inBatches(lost, CONCURRENCY, (listed) => this.register(listed, listed.generation));
  }

  private isPresent(listed: Listed): boolean {
    const shown = this.deps.registry.getInstance(listed.instance);
    if (!shown) return false;
    if (!listed.isKnown) {
      if (!haveSameRegistration(shown, listed.instance)) return false;
      // Registered by another process, or by this one before a restart, which looks the same.
      this.markShared(listed);
    }
    this.adopt(listed, shown);
    return true;
  }

  private adopt(listed: Listed, { generation, operatorStatus, operatorNote }: ServiceInstance): void {
    Object.assign(listed, { isKnown: true, generation, operatorStatus, operatorNote });
  }

  /** @returns those whose lease is lost */
  private async renew(present: readonly Listed[]): Promise<Listed[]> {
    if (present.length === 0) return [];
    // The registry may report a renewal before it answers.
    for (const listed of present) listed.isEchoDue = true;
    const held = await this.deps.registry.renewAll(
      present.map(({ instance: { serviceName, instanceId, ttlMs }, generation }) => ({
        serviceName,
        instanceId,
        generation,
        ttlMs,
      })),
    );
    const lost = present.filter((_listed, index) => held[index] !== true);
    for (const listed of lost) listed.isEchoDue = false;
    return lost;
  }

  /** @param claim the generation of a lost lease: a later registration is left as it is */
  private async register(listed: Listed, claim?: number): Promise<void> {
    const { registry, refused } = this.deps;
    const { operatorStatus, operatorNote } = listed;
    const requested = { ...listed.registration, ttl: listed.instance.ttlMs };
    listed.isBeingRegistered = true;
    try {
      const { lease, instance } = await registry.register(requested, { heartbeat: 'manual', claim });
      Object.assign(listed, { isKnown: true, isRefused: false, generation: lease.generation });
      if (operatorStatus !== 'up' && instance.operatorStatus === 'up') {
        await registry.setStatus(listed.instance, operatorStatus, operatorNote);
      }
    } catch (error) {
      if (error instanceof RegistryUnavailableError) throw error;
      // Another process registered it first; the next round renews that registration.
      if (error instanceof LeaseLostError) return;
      if (!listed.isRefused) refused(listed.instance, error);
      listed.isRefused = true;
    } finally {
      listed.isBeingRegistered = false;
    }
  }

  private async removeUnlessShared(listed: Listed): Promise<void> {
    const { registry, clock } = this.deps;
    const { instance, generation, sharedAt } = listed;
    const isShared = clock.now() - sharedAt < SHARED_INTERVALS * longestRenewalDelay(this.pace);
    if (!listed.isKnown || isShared) return;
    await registry.deregister(instance, { generation });
  }
}
