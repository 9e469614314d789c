import { type Outcome, seededRandom, type ServiceDiscoveryError, TransportError } from '../common/index.js';
import {
  type CommunicatorDefaults,
  type CommunicatorDependencies,
  ServiceCommunicator,
} from '../communicator/index.js';
import { type LoadBalancer, type PickContext } from '../balancing/index.js';
import { type EventName, type EventSink, type ServiceInstance, type ServiceRegistration } from '../model/index.js';
import { ServiceRegistry } from '../registry/index.js';
import { MemoryRegistryStore } from '../store/index.js';
import { FakeTransport } from './fake-transport.js';
import { ManualClock } from './manual-clock.js';

/**
 * A communicator for tests, with a registry in memory, a fake transport, a manual clock, and a record of its events.
 */
export class CallFixture {
  readonly clock = new ManualClock();
  readonly transport = new FakeTransport((instance) => ({ body: { from: instance.instanceId } }));
  readonly events: { type: EventName; payload: Record<string, unknown> }[] = [];
  readonly registry: ServiceRegistry;
  private readonly store: MemoryRegistryStore;

  private constructor() {
    const { clock } = this;
    this.store = new MemoryRegistryStore({ clock });
    this.registry = new ServiceRegistry(this.store, {}, { clock, random: seededRandom(1) });
  }

  static async open(): Promise<CallFixture> {
    const stage = new CallFixture();
    await stage.registry.start();
    return stage;
  }

  /** After this, no timer may be left. */
  async close(): Promise<void> {
    await this.registry.close();
    await this.store.close();
  }

  communicatorWith(
    defaults: CommunicatorDefaults = {},
    more: Pick<CommunicatorDependencies, 'ambientDeadline' | 'ambientHeaders' | 'strategies' | 'tracer'> = {},
  ): ServiceCommunicator {
    const { registry, transport, clock } = this;
    const events: EventSink = { emit: (type, payload) => void this.events.push({ type, payload: { ...payload } }) };
    return new ServiceCommunicator({ registry, transport, clock, random: seededRandom(1), events, ...more }, defaults);
  }

  /** Registers instances of `users`. */
  async register(...ids: string[]): Promise<void> {
    for (const [index, instanceId] of ids.entries()) await this.registerOne({ instanceId, port: 8001 + index });
  }

  async registerOne(registration: Partial<ServiceRegistration>): Promise<void> {
    const full = { serviceName: 'users', host: '127.0.0.1', port: 8000, ...registration };
    await this.registry.register(full, { heartbeat: 'manual' });
  }

  /** From now on one instance fails, and all others answer with their id. */
  failOn(failing: string, error: () => unknown = reset): void {
    this.transport.answer((instance) => {
      if (instance.instanceId === failing) throw error();
      return { body: { from: instance.instanceId } };
    });
  }

  typesOf(prefix: string): string[] {
    return this.events.map(({ type }) => type).filter((type) => type.startsWith(prefix));
  }
}

/** The error of a request that was never sent. */
export const refused = (): TransportError => new TransportError('connect ECONNREFUSED', true);

/** The error of a request that may have arrived. */
export const reset = (): TransportError => new TransportError('socket hang up', false);

/** The error of a promise that must reject. */
export async function failure(promise: Promise<unknown>): Promise<ServiceDiscoveryError> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error: unknown) => error as ServiceDiscoveryError,
  );
}

/**
 * The factory of a custom load balancer for tests.
 * @param choose picks one of the registered instances, or undefined
 * @param done called at the end of each attempt
 */
export function balancerOf(
  choose: (instances: readonly ServiceInstance[], context: PickContext) => ServiceInstance | undefined,
  done: (outcome: Outcome) => void = () => undefined,
): () => LoadBalancer {
  return () => {
    let list: readonly ServiceInstance[] = [];
    return {
      update: (instances) => void (list = instances),
      pick: (context = {}) => {
        const instance = choose(list, context);
        return instance ? { kind: 'picked', instance, done } : { kind: 'unavailable', reason: 'none_available' };
      },
    };
  };
}

/** The first instance, in any state. */
export const firstListed = ([instance]: readonly ServiceInstance[]): ServiceInstance | undefined => instance;

/** The first instance that is not refused. */
export const firstWilling = (
  instances: readonly ServiceInstance[],
  { refusal }: PickContext,
): ServiceInstance | undefined => instances.find((listed) => refusal?.(listed) === undefined);
