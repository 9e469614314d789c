import { type Clock, type Timer } from '../common/index.js';
import { keyOf, type Change, type InstanceKey, type RegistrySnapshot, type ServiceInstance } from '../model/index.js';
import { type ResetChange } from '../store/index.js';

/**
 * How long an instance has to register again with a store that forgot it. Its process finds the store within 5 s, the
 * longest wait between two tries.
 */
const FORGOTTEN_GRACE_MS = 10_000;

interface Carried {
  readonly instance: ServiceInstance;
  /** How much is left of its grace, as of the last {@link CarriedInstances.pause}. */
  readonly leftMs: number;
}

/**
 * Keeps what a store forgot, as one does that starts without its memory, until it is registered again. Without that, the first reader to find
 * the new store would see almost no instances, and refuse calls that went well during the whole outage.
 *
 * The grace of an instance runs while the store can be reached, from the first loss on: a store that forgets again and again
 * does not keep an instance listed whose process has died.
 */
export class CarriedInstances {
  private carried = new Map<string, Carried>();
  private timer: Timer | undefined;
  private runningSince = 0;

  /** @param giveUp told of what was not registered again in time */
  constructor(
    private readonly clock: Clock,
    private readonly giveUp: (forgotten: readonly ServiceInstance[]) => void,
  ) {}

  has(key: InstanceKey): boolean {
    return this.carried.has(keyOf(key));
  }

  /** What to take a reset for that follows a lost watch: with what the store forgot, where it has started anew. */
  complete(reset: ResetChange, previous: RegistrySnapshot): ResetChange {
    this.pause();
    // A store that remembers goes on counting.
    const hasForgotten = reset.revision < previous.revision;
    const known = new Set(reset.instances.map(keyOf));
    const carried = new Map<string, Carried>();
    for (const instance of [...previous.services.values()].flat()) {
      const id = keyOf(instance);
      const leftMs = this.carried.get(id)?.leftMs ?? (hasForgotten ? FORGOTTEN_GRACE_MS : 0);
      if (!known.has(id) && leftMs > 0) carried.set(id, { instance, leftMs });
    }
    this.carried = carried;
    this.run();
    return carried.size === 0 ? reset : { ...reset, instances: [...reset.instances, ...this.instances()] };
  }

  /**
   * What the store has spoken about is forgotten no more.
   * @returns the change; a reset, as of a watch that covers more services, with what is still carried
   */
  settle(change: Change): Change {
    if (change.type === 'put') this.carried.delete(keyOf(change.instance));
    else if (change.type === 'remove') this.carried.delete(keyOf(change.key));
    else if (change.type === 'reset') for (const instance of change.instances) this.carried.delete(keyOf(instance));
    if (this.carried.size === 0) this.stop();
    else if (change.type === 'reset') return { ...change, instances: [...change.instances, ...this.instances()] };
    return change;
  }

  /** The store cannot be reached: until {@link complete} the time counts for no instance. */
  pause(): void {
    if (!this.timer) return;
    this.stop();
    const passedMs = this.clock.now() - this.runningSince;
    for (const [id, { instance, leftMs }] of this.carried)
      this.carried.set(id, { instance, leftMs: leftMs - passedMs });
  }

  /** Carries nothing any more, and tells nothing. */
  clear(): void {
    this.stop();
    this.carried.clear();
  }

  private instances(): ServiceInstance[] {
    return [...this.carried.values()].map(({ instance }) => instance);
  }

  private run(): void {
    if (this.carried.size === 0) return;
    this.runningSince = this.clock.now();
    let nextMs = FORGOTTEN_GRACE_MS;
    for (const { leftMs } of this.carried.values()) nextMs = Math.min(nextMs, leftMs);
    this.timer = this.clock.setTimer(() => this.expire(), nextMs, { keepAlive: false });
  }

  private stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private expire(): void {
    this.pause();
    const over = [...this.carried.values()].filter(({ leftMs }) => leftMs <= 0);
    for (const { instance } of over) this.carried.delete(keyOf(instance));
    this.run();
    this.giveUp(over.map(({ instance }) => instance));
  }
}
