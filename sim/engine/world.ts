import {
  type CommunicatorDefaults,
  MemoryRegistryStore,
  type Random,
  ServiceCommunicator,
  type ServiceInstance,
  ServiceRegistry,
} from 'nest-service-discovery/core';
import { LaggingStore } from './lagging-store.js';
import { stream } from './randomness.js';
import { SimClock } from './sim-clock.js';
import { type Behaviour, SimServer } from './sim-server.js';
import { SimTransport } from './sim-transport.js';

/** The one service of a simulation. */
export const SERVICE = 'simulated';

export interface WorldOptions {
  readonly seed: number;
  /** Delay of registry changes for callers, in milliseconds. @default 0 */
  readonly registryLagMs?: number;
}

/** The servers of one service, the registry that lists them, and its callers, in simulated time. */
export class World {
  readonly clock = new SimClock();
  readonly servers = new Map<string, SimServer>();
  readonly transport = new SimTransport(this.clock, (id) => this.servers.get(id));
  /** As seen by servers. */
  readonly registry: ServiceRegistry;
  /** As seen by callers. */
  readonly directory: ServiceRegistry;
  private readonly seed: number;
  private readonly store: MemoryRegistryStore;

  private constructor({ seed, registryLagMs = 0 }: WorldOptions) {
    const { clock } = this;
    this.seed = seed;
    this.store = new MemoryRegistryStore({ clock });
    this.registry = new ServiceRegistry(this.store, {}, { clock, random: this.random('registry') });
    const seen = new LaggingStore(this.store, clock, registryLagMs);
    this.directory = new ServiceRegistry(seen, {}, { clock, random: this.random('directory') });
  }

  static async open(options: WorldOptions): Promise<World> {
    const world = new World(options);
    await Promise.all([world.registry.start(), world.directory.start()]);
    return world;
  }

  async close(): Promise<void> {
    await Promise.all([this.registry.close(), this.directory.close()]);
    await this.store.close();
  }

  /** A generator that draws the same numbers for a name in every world of this seed. */
  random(name: string): Random {
    return stream(this.seed, name);
  }

  /** Starts a server and registers it as healthy. */
  async start(
    instanceId: string,
    behaviour: (random: Random) => Partial<Behaviour> & Pick<Behaviour, 'serviceMs'>,
  ): Promise<SimServer> {
    const server = new SimServer(this.clock, behaviour(this.random(instanceId)));
    this.servers.set(instanceId, server);
    await this.register(instanceId);
    return server;
  }

  async register(instanceId: string): Promise<void> {
    const registration = { serviceName: SERVICE, instanceId, host: '127.0.0.1', port: 8080, ttl: '1d' } as const;
    await this.registry.register(registration, { heartbeat: 'manual' });
    await this.registry.setStatus({ serviceName: SERVICE, instanceId }, 'healthy');
  }

  instances(): readonly ServiceInstance[] {
    return this.directory.getInstances(SERVICE);
  }

  /** A calling process. */
  communicator(options: CommunicatorDefaults, name = 'caller'): ServiceCommunicator {
    const { directory: registry, transport, clock } = this;
    return new ServiceCommunicator({ registry, transport, clock, random: this.random(name) }, options);
  }
}
