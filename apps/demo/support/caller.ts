import {
  type Cancellation,
  type CommunicatorOptions,
  EventBus,
  type HttpMethod,
  RemoteRegistryStore,
  ServiceCommunicator,
  type ServiceInstance,
  ServiceRegistry,
  type ServiceRequest,
  type ServiceResponse,
  systemClock,
  TransportError,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { type Body, type LoadRequest } from './load.js';

/** An event between a caller and an instance. */
export interface Encounter {
  /** An attempt was picked, could not be sent, or failed otherwise; or its circuit opened, or half-opened. */
  readonly what: 'picked' | 'unreachable' | 'failed' | 'opened' | 'half_opened';
  readonly instanceId: string;
  /** By `performance.now()`. */
  readonly at: number;
  /** The failures that opened its circuit. */
  readonly failures?: number;
}

type Note = (what: Encounter['what'], instanceId: string | undefined, failures?: number) => void;

class NotingTransport extends UndiciTransport {
  constructor(private readonly note: Note) {
    super();
  }

  override async dispatch(
    to: ServiceInstance,
    request: ServiceRequest,
    cancellation?: Cancellation,
  ): Promise<ServiceResponse> {
    try {
      return await super.dispatch(to, request, cancellation);
    } catch (error) {
      this.note(error instanceof TransportError && error.neverSent ? 'unreachable' : 'failed', to.instanceId);
      throw error;
    }
  }
}

/**
 * Calls the services with this library without Nest, like a process of its own: with separate registry snapshot,
 * connections and circuits.
 */
export class Caller {
  private constructor(
    private readonly encounters: readonly Encounter[],
    private readonly store: RemoteRegistryStore,
    private readonly registry: ServiceRegistry,
    private readonly communicator: ServiceCommunicator,
  ) {}

  static async start(
    registryAt: { readonly url: string; readonly token: string },
    options: CommunicatorOptions = {},
  ): Promise<Caller> {
    const encounters: Encounter[] = [];
    const note: Note = (what, instanceId, failures) => {
      if (instanceId !== undefined) encounters.push({ what, instanceId, at: performance.now(), failures });
    };
    const store = new RemoteRegistryStore(registryAt);
    const registry = new ServiceRegistry(store);
    const events = new EventBus({ clock: systemClock });
    events.on('call.picked', ({ instanceId }) => note('picked', instanceId));
    events.on('circuit.opened', ({ instanceId, failures }) => note('opened', instanceId, failures));
    events.on('circuit.half_opened', ({ instanceId }) => note('half_opened', instanceId));
    await registry.start();
    const communicator = new ServiceCommunicator({ registry, transport: new NotingTransport(note), events }, options);
    return new Caller(encounters, store, registry, communicator);
  }

  /** Events with an instance, in order. */
  with(instanceId: string): Encounter[] {
    return this.encounters.filter((encounter) => encounter.instanceId === instanceId);
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
