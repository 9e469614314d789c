import {
  type CommunicatorOptions,
  EventBus,
  type HttpMethod,
  RemoteRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  systemClock,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { type Body, type LoadRequest } from './load.js';

/** What happened between a caller and an instance, and when. */
export interface Encounter {
  readonly what: 'picked' | 'failed';
  readonly instanceId: string;
  /** By `performance.now()`. */
  readonly at: number;
}

/**
 * Calls the services by this library without Nest, as one process does: with a view of the registry, connections and
 * circuits of its own.
 */
export class Caller {
  readonly encounters: Encounter[] = [];

  private constructor(
    private readonly store: RemoteRegistryStore,
    private readonly registry: ServiceRegistry,
    private readonly communicator: ServiceCommunicator,
  ) {}

  static async start(registryUrl: string, options: CommunicatorOptions = {}): Promise<Caller> {
    const store = new RemoteRegistryStore({ url: registryUrl });
    const registry = new ServiceRegistry(store);
    const events = new EventBus({ clock: systemClock });
    const communicator = new ServiceCommunicator({ registry, transport: new UndiciTransport(), events }, options);
    const caller = new Caller(store, registry, communicator);
    const note = (what: Encounter['what'], instanceId: string | undefined): void => {
      if (instanceId !== undefined) caller.encounters.push({ what, instanceId, at: performance.now() });
    };
    events.on('call.picked', ({ instanceId }) => note('picked', instanceId));
    events.on('call.failed_over', ({ from }) => note('failed', from));
    await registry.start();
    return caller;
  }

  request(service: string, method: HttpMethod, path: string, json?: (count: number) => object): LoadRequest {
    const send = (count: number): Promise<Body> =>
      this.communicator.callServiceJson<Body>(service, { method, path, json: json?.(count) });
    return { name: `${method} ${service}${path}`, send };
  }

  async close(): Promise<void> {
    await this.communicator.close();
    await this.registry.close();
    await this.store.close();
  }
}
