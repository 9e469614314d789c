import {
  applyChange,
  type Change,
  EMPTY_SNAPSHOT,
  type EventName,
  type EventSink,
  type InstanceKey,
  keyOf,
  type RegistrySnapshot,
  type ServiceDiscoveryEvents,
  type ServiceInstance,
  type ServiceRegistration,
} from '../model/index.js';
import {
  ServiceRegistry,
  type ServiceRegistryDeps,
  type ServiceRegistryOptions,
  type SnapshotListener,
} from '../registry/index.js';
import { FlakyRegistryStore } from './flaky-registry-store.js';
import { ManualClock } from './manual-clock.js';

type Emitted = { type: EventName } & Record<string, unknown>;

/** One process: a registry over the shared store, with its events. */
export interface RegistryProcess {
  readonly registry: ServiceRegistry;
  readonly events: Emitted[];
  /** The type and subject of each event. */
  log(): string[];
}

/** Registries of several processes over one store, with one manual clock. */
export class RegistryFixture {
  readonly clock = new ManualClock();
  readonly store = new FlakyRegistryStore(this.clock);
  private readonly processes: RegistryProcess[] = [];

  processOf(options: Partial<ServiceRegistryOptions> = {}, deps: ServiceRegistryDeps = {}): RegistryProcess {
    const events: Emitted[] = [];
    const sink: EventSink = {
      emit: <Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name]) =>
        void events.push({ type, ...payload }),
    };
    const { clock } = this;
    const registry = new ServiceRegistry(this.store, options, { clock, random: () => 0, events: sink, ...deps });
    const process = { registry, events, log: (): string[] => events.map(describeEvent) };
    this.processes.push(process);
    return process;
  }

  async started(...args: Parameters<RegistryFixture['processOf']>): Promise<RegistryProcess> {
    const process = this.processOf(...args);
    await process.registry.start();
    return process;
  }

  /** Runs everything that is due now. */
  settled(): Promise<void> {
    return this.clock.advanceAsync(0);
  }

  /** After this, the clock must have no timers. */
  async close(): Promise<void> {
    await Promise.all(this.processes.map(({ registry }) => registry.close()));
    await this.store.close();
  }
}

function describeEvent(event: Emitted): string {
  const { instanceId } = (event.key ?? event.instance ?? {}) as { instanceId?: string };
  return [event.type, instanceId, event.replaced === true ? 'replaced' : undefined, event.to].filter(Boolean).join(' ');
}

export const user = (instanceId: string, more: Partial<ServiceRegistration> = {}): ServiceRegistration => ({
  serviceName: 'users',
  host: '127.0.0.1',
  port: 8080,
  instanceId,
  ...more,
});

export const keyed = (instanceId: string, serviceName = 'users'): InstanceKey => ({ serviceName, instanceId });

export const idsOf = (registry: ServiceRegistry, name = 'users'): string[] =>
  registry.getInstances(name).map(({ instanceId }) => instanceId);

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
