import {
  type EventName,
  type EventSink,
  type InstanceKey,
  type ServiceDiscoveryEvents,
  type ServiceRegistration,
} from '../model/index.js';
import { ServiceRegistry, type ServiceRegistryDeps, type ServiceRegistryOptions } from '../registry/index.js';
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
