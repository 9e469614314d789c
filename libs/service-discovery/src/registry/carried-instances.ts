import { type Clock, type Timer } from '../common/index.js';
import { keyOf, type Change, type InstanceKey, type RegistrySnapshot, type ServiceInstance } from '../model/index.js';
import { type ResetChange } from '../store/index.js';

/**
 * How long an instance has to register again with a store that forgot it. Its process finds the store within 5 s, the
 * longest wait between two tries.
 */
const FORGOTTEN_GRACE_MS = 10_000;

/**
 * Keeps what a store forgot because it started anew, until it is registered again. Without that, whoever finds the new
 * store first would see almost no instances, and refuse calls that went well during the whole outage.
 */
export class CarriedInstances {
  private carried = new Map<string, ServiceInstance>();
  private timer: Timer | undefined;

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
    this.clear();
    // A store that remembers goes on counting.
    if (reset.revision >= previous.revision) return reset;
    const known = new Set(reset.instances.map(keyOf));
    const forgotten = [...previous.services.values()].flat().filter((instance) => !known.has(keyOf(instance)));
    if (forgotten.length === 0) return reset;
    this.carried = new Map(forgotten.map((instance) => [keyOf(instance), instance]));
    this.timer = this.clock.setTimer(() => this.expire(), FORGOTTEN_GRACE_MS, { keepAlive: false });
    return { ...reset, instances: [...reset.instances, ...forgotten] };
  }

  /**
   * What the store has spoken about is forgotten no more.
   * @returns the change; a reset, as of a watch that covers more services, with what is still carried
   */
  settle(change: Change): Change {
    if (change.type === 'put') this.carried.delete(keyOf(change.instance));
    else if (change.type === 'remove') this.carried.delete(keyOf(change.key));
    else if (change.type === 'reset') for (const instance of change.instances) this.carried.delete(keyOf(instance));
    if (this.carried.size === 0) this.clear();
    else if (change.type === 'reset') return { ...change, instances: [...change.instances, ...this.carried.values()] };
    return change;
  }

  /** Carries nothing any more, and tells nobody. */
  clear(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.carried.clear();
  }

  private expire(): void {
    const forgotten = [...this.carried.values()];
    this.clear();
    this.giveUp(forgotten);
  }
}
