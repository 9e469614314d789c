import { type Clock, type Random, systemClock, systemRandom } from '../common/index.js';
import { type EventSink, type RegistrySnapshot, SILENT, type Tier } from '../model/index.js';
import { type ServiceRegistry } from '../registry/index.js';
import { type Transport } from '../transport/index.js';
import { Call, type CallDependencies, type Consume } from './call/call.js';
import { closedError } from './call/closed-error.js';
import { buildPipeline } from './call/pipeline.js';
import { runCall } from './call/run-call.js';
import { type CallSettings, type CallTimes } from './options.js';
import { prepareRequest, type ServiceCallRequest } from './request.js';
import { type CircuitBreakerView, ServiceChannel } from './service-channel.js';

/** What a communicator works with. */
export interface CommunicatorDependencies {
  readonly registry: ServiceRegistry;
  readonly transport: Transport;
  /** @default the machine's clock */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: Random;
  /** @default nobody listens */
  readonly events?: EventSink;
  /**
   * When whoever this process works for at the moment stops waiting, in milliseconds since the Unix epoch: no call made
   * meanwhile takes longer. Asked at each call, so that it may read an `AsyncLocalStorage`; undefined where nobody waits.
   * @default no such limit
   */
  readonly ambientDeadline?: () => number | undefined;
}

/** What all communicators derived from one share: connections, breakers, budgets, load statistics. */
export class CallEngine {
  private readonly channels = new Map<string, ServiceChannel>();
  private readonly registry: ServiceRegistry;
  private readonly callDeps: CallDependencies;
  private readonly unsubscribe: () => void;
  private readonly closing = new AbortController();
  private readonly pipeline = buildPipeline();

  constructor({
    registry,
    transport,
    clock = systemClock,
    random = systemRandom,
    events = SILENT,
    ambientDeadline,
  }: CommunicatorDependencies) {
    this.registry = registry;
    this.callDeps = { clock, random, events, transport, closing: this.closing.signal, ambientDeadline };
    this.unsubscribe = registry.onChange((snapshot, _previous, change) => {
      // Heartbeats are by far the most changes, and nothing that a call goes by.
      if (change?.type !== 'renewed') this.reconcile(snapshot);
    });
  }

  get events(): EventSink {
    return this.callDeps.events;
  }

  /** The tier that a service's instances declare. */
  tierOf(service: string): Tier | undefined {
    return this.registry.getInstances(service)[0]?.tier;
  }

  /** @throws ServiceDiscoveryError at once where the request is wrong or the engine closed */
  call<T>(
    service: string,
    request: ServiceCallRequest,
    settings: CallSettings,
    times: CallTimes,
    consume: Consume<T>,
  ): Promise<T> {
    if (this.closing.signal.aborted) throw closedError(service);
    const prepared = prepareRequest(service, request);
    const channel = this.channel(service);
    // What may be called changes with the age of the snapshot, too, and of that nobody tells.
    channel.update(this.registry.servedInstances(service));
    const call = new Call(service, channel, request, prepared, settings, times, consume, this.callDeps);
    return runCall(call, this.pipeline);
  }

  circuitBreakers(): CircuitBreakerView[] {
    return [...this.channels.values()].flatMap((channel) => channel.circuitBreakers());
  }

  /** Refuses new calls, ends those that wait for a retry, lets the transport end its requests and connections. */
  async close(): Promise<void> {
    this.closing.abort();
    this.unsubscribe();
    await this.callDeps.transport.close();
  }

  private channel(service: string): ServiceChannel {
    const known = this.channels.get(service);
    if (known) return known;
    const channel = new ServiceChannel(service, this.callDeps);
    channel.update(this.registry.getInstances(service));
    // A name that nobody registered is not remembered: callers may ask for any number of them.
    if (channel.instances.length > 0) this.channels.set(service, channel);
    return channel;
  }

  private reconcile(snapshot: RegistrySnapshot): void {
    let changed = false;
    for (const [service, channel] of this.channels) {
      const instances = snapshot.services.get(service) ?? [];
      if (instances === channel.instances || (instances.length === 0 && channel.instances.length === 0)) continue;
      channel.update(instances);
      changed = true;
    }
    if (changed) this.callDeps.transport.retain?.([...this.channels.values()].flatMap((channel) => channel.instances));
  }
}
