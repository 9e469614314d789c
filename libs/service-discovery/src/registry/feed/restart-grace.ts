import { type Clock, type Timer } from '../../common/index.js';
import {
  keyOf,
  type Change,
  type InstanceKey,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../../model/index.js';
import { type ResetChange } from '../../store/index.js';

/**
 * How long an instance has to register again with a store that lost its data. Its process reconnects within 5 s, the
 * longest reconnect delay.
 */
const FORGOTTEN_GRACE_MS = 10_000;

interface MissingInstance {
  readonly instance: ServiceInstance;
  /** What was left of its grace period at the last {@link RestartGrace.pause}. */
  readonly leftMs: number;
}

/**
 * Keeps instances listed that a store lost, for example when it restarted without its data, until they register again.
 * Without it, the first process to reconnect would see almost no instances and fail calls that succeeded throughout the
 * outage.
 *
 * The grace period of an instance starts at the first loss and runs only while the store is reachable, so a store that
 * loses its data again and again does not keep a dead instance listed.
 */
export class RestartGrace {
  private missing = new Map<string, MissingInstance>();
  private timer: Timer | undefined;
  private runningSince = 0;

  /** @param onExpired called with the instances that did not register again in time */
  constructor(
    private readonly clock: Clock,
    private readonly onExpired: (expired: readonly ServiceInstance[]) => void,
  ) {}

  has(key: InstanceKey): boolean {
    return this.missing.has(keyOf(key));
  }

  /** Adds the missing instances to the reset that follows a reconnect, if the store lost its data. */
  extendReset(reset: ResetChange, previous: RegistrySnapshot): ResetChange {
    this.pause();
    // A store that kept its data continues from its last revision.
    const hasForgotten = reset.revision < previous.revision;
    const known = new Set(reset.instances.map(keyOf));
    const missing = new Map<string, MissingInstance>();
    for (const instance of [...previous.services.values()].flat()) {
      const id = keyOf(instance);
      const leftMs = this.missing.get(id)?.leftMs ?? (hasForgotten ? FORGOTTEN_GRACE_MS : 0);
      if (!known.has(id) && leftMs > 0) missing.set(id, { instance, leftMs });
    }
    this.missing = missing;
    this.run();
    // Lost splits are written back; until then calls must not go where they should not.
    const splits = hasForgotten ? new Map([...previous.splits, ...(reset.splits ?? [])]) : reset.splits;
    return { ...reset, instances: [...reset.instances, ...this.instances()], splits };
  }

  /**
   * Drops the instances that the store mentions from the missing ones.
   * @returns the change; to a reset, such as that of a wider watch, the missing instances are added
   */
  apply(change: Change): Change {
    if (change.type === 'put') this.missing.delete(keyOf(change.instance));
    else if (change.type === 'remove') this.missing.delete(keyOf(change.key));
    else if (change.type === 'reset') for (const instance of change.instances) this.missing.delete(keyOf(instance));
    if (this.missing.size === 0) this.stop();
    else if (change.type === 'reset') return { ...change, instances: [...change.instances, ...this.instances()] };
    return change;
  }

  /** The store is unreachable: stops the grace periods until {@link extendReset}. */
  pause(): void {
    if (!this.timer) return;
    this.stop();
    const passedMs = this.clock.now() - this.runningSince;
    for (const [id, { instance, leftMs }] of this.missing)
      this.missing.set(id, { instance, leftMs: leftMs - passedMs });
  }

  /** Forgets all missing instances without calling `onExpired`. */
  clear(): void {
    this.stop();
    this.missing.clear();
  }

  private instances(): ServiceInstance[] {
    return [...this.missing.values()].map(({ instance }) => instance);
  }

  private run(): void {
    if (this.missing.size === 0) return;
    this.runningSince = this.clock.now();
    let nextMs = FORGOTTEN_GRACE_MS;
    for (const { leftMs } of this.missing.values()) nextMs = Math.min(nextMs, leftMs);
    this.timer = this.clock.setTimer(() => this.expire(), nextMs, { keepAlive: false });
  }

  private stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private expire(): void {
    this.pause();
    const over = [...this.missing.values()].filter(({ leftMs }) => leftMs <= 0);
    for (const { instance } of over) this.missing.delete(keyOf(instance));
    this.run();
    this.onExpired(over.map(({ instance }) => instance));
  }
}
