import {
  applyChange,
  EMPTY_SNAPSHOT,
  keyOf,
  type Change,
  type InstanceKey,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../model/index.js';
import { type SnapshotListener } from '../registry/index.js';

type NewChange = Change extends infer Each ? (Each extends Change ? Omit<Each, 'revision'> : never) : never;

/** A registry for readers, whose changes the test makes itself. */
export class ChangingRegistry {
  snapshot: RegistrySnapshot = EMPTY_SNAPSHOT;
  private readonly listeners = new Set<SnapshotListener>();

  /** @param instances undefined: the registry has not answered yet */
  constructor(instances?: readonly ServiceInstance[]) {
    if (instances) this.apply({ type: 'reset', instances });
  }

  ageMs(): number {
    return 0;
  }

  onChange(listener: SnapshotListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  get listening(): number {
    return this.listeners.size;
  }

  apply(unnumbered: NewChange): void {
    const change = { ...unnumbered, revision: this.snapshot.revision + 1 } as Change;
    this.show(applyChange(this.snapshot, change, 0), change);
  }

  /** Replaces the snapshot, for example by one that is not connected. */
  show(snapshot: RegistrySnapshot, change: Change | null = null): void {
    const previous = this.snapshot;
    this.snapshot = snapshot;
    for (const listener of this.listeners) listener(snapshot, previous, change);
  }

  put(...instances: readonly ServiceInstance[]): void {
    for (const instance of instances) this.apply({ type: 'put', instance });
  }

  remove(key: InstanceKey, reason: 'deregistered' | 'expired' = 'deregistered'): void {
    const { serviceName, instanceId } = key;
    this.apply({ type: 'remove', key: { serviceName, instanceId }, reason });
  }

  beat(...instances: readonly ServiceInstance[]): void {
    const keys = instances.map(({ serviceName, instanceId }) => ({ serviceName, instanceId }));
    this.apply({ type: 'renewed', keys, at: 1 });
  }

  keys(): string[] {
    return [...this.snapshot.services.values()].flat().map(keyOf);
  }
}
