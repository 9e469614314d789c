import {
  findInstance,
  keyOf,
  type Change,
  type InstanceKey,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../../model/index.js';
import { type SnapshotOverlay } from '../feed/snapshot-feed.js';
import { type OfflineQueue } from './offline-queue.js';

/** Shows the queued writes to readers, in place of what the store shows of their instances. */
export class QueueOverlay implements SnapshotOverlay {
  constructor(private readonly queue: Pick<OfflineQueue, 'size' | 'keys' | 'show'>) {}

  get size(): number {
    return this.queue.size;
  }

  show(key: InstanceKey, stored: ServiceInstance | undefined): ServiceInstance | undefined {
    return this.queue.show(key, stored);
  }

  over(change: Change, stored: RegistrySnapshot, shown: RegistrySnapshot): Change | null {
    if (this.size === 0 || change.type === 'hold') return change;
    if (change.type === 'renewed') return this.overRenewal(change);
    if (change.type === 'reset') return { ...change, instances: this.overAll(change.instances) };
    const { serviceName, instanceId } = change.type === 'put' ? change.instance : change.key;
    const key = { serviceName, instanceId };
    const instance = this.show(key, findInstance(stored, key));
    if (instance === findInstance(shown, key)) return null;
    const { revision } = change;
    if (instance) return { type: 'put', revision, instance };
    return change.type === 'remove' ? change : { type: 'remove', revision, key, reason: 'deregistered' };
  }

  /** Removes covered instances from a heartbeat change, which carries them as the store has them. */
  private overRenewal(change: Extract<Change, { type: 'renewed' }>): Change {
    const covered = new Set(this.queue.keys().map(keyOf));
    return { ...change, instances: change.instances?.filter((instance) => !covered.has(keyOf(instance))) };
  }

  private overAll(stored: readonly ServiceInstance[]): ServiceInstance[] {
    const rest = new Map(this.queue.keys().map((key) => [keyOf(key), key]));
    const instances: ServiceInstance[] = [];
    for (const instance of stored) {
      const shown = rest.delete(keyOf(instance)) ? this.show(instance, instance) : instance;
      if (shown) instances.push(shown);
    }
    for (const key of rest.values()) {
      const shown = this.show(key, undefined);
      if (shown) instances.push(shown);
    }
    return instances;
  }
}
