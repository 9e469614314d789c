import {
  type Clock,
  instanceNotFound,
  nameOfRequest,
  type Random,
  ServiceNotFoundError,
  systemClock,
  systemRandom,
  TimerWheel,
} from '../common/index.js';
import { type NamedStrategies } from '../balancing/index.js';
import {
  type Change,
  type EventSink,
  type InstanceKey,
  isHttp,
  type RegistrySnapshot,
  type ServiceInstance,
  SILENT,
  steadyList,
  type Tier,
} from '../model/index.js';
import { type ServiceRegistry } from '../registry/index.js';
import { CIRCUIT_BREAKER_OPTIONS } from '../resilience/index.js';
import { type InstanceDelta, type Transport } from '../transport/index.js';
import { CallTraces } from './call-trace.js';
import { type CallSpan, type CallTracer } from './call-tracer.js';
import { Call, type ResponseUse } from './call/call.js';
import { type CallDependencies, closedError } from './call/call-dependencies.js';
import { Pipeline } from './call/pipeline.js';
import { runCall } from './call/run-call.js';
import { givenDeadline } from './call/deadline-header.js';
import { type CallStageDescription } from './call/stage.js';
import { type CallSettings, type CallTimes } from './options/index.js';
import { type PreparedRequest, prepareRequest, type ServiceCallRequest } from './request.js';
import { type CircuitBreakerView, type CircuitCommand } from './channel/breakers.js';
import { isDraining } from './channel/instance-changes.js';
import { type EjectionView } from './channel/outlier-detectors.js';
import { ServiceChannel, type ServiceLoad } from './channel/service-channel.js';
import { ChannelView } from './channel/channel-view.js';
import { type UnreachableView } from './channel/unreachable-instances.js';
import { explainService, type ServiceExplanation } from './explain-service.js';
import { FirstRegistrations } from './first-registrations.js';
import { NearNames } from './near-names.js';
import { unsupportedProtocol } from './unsupported-protocol.js';

/** Collaborators of a communicator. */
export interface CommunicatorDependencies {
  readonly registry: ServiceRegistry;
  readonly transport: Transport;
  /** @default the machine's clock */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: Random;
  /** @default events are dropped */
  readonly events?: EventSink;
  /**
   * The deadline of the request that this process is handling, in milliseconds since the Unix epoch; calls end by then.
   * Read at each call, so it may come from an `AsyncLocalStorage`; undefined if there is none.
   * @default no such limit
   */
  readonly ambientDeadline?: () => number | undefined;
  /**
   * What calls show beside their deadline, so that services with the same shared token take it up: the first of
   * {@link deadlineKeysOf}. @default nothing
   */
  readonly deadlineKey?: string;
  /**
   * The headers of the request that this process is handling which its calls pass on, such as `traceparent`, by lower-case name.
   * A header that the call sets itself is kept. Read at each call; undefined if there are none.
   * @default none
   */
  readonly ambientHeaders?: () => Readonly<Record<string, string>> | undefined;
  /** Makes spans of calls. @default none */
  readonly tracer?: CallTracer;
  /** Custom load balancing strategies by the names that options use for them. @default none */
  readonly strategies?: NamedStrategies;
  /** What the error of a call to an unknown service says after its name. @default the name of a service that is like it */
  readonly suggestName?: (name: string) => string;
  /**
   * Why the address of an instance may not lead there from here, to be read after "is"; undefined where nothing suggests so. It is
   * told once by an event when calls may go there, and by the errors of calls that got no connection or 404.
   * @default nothing suggests so
   */
  readonly addressDoubt?: (instance: ServiceInstance) => string | undefined;
  /** Whether calls go to instances with `https` alone. @default false */
  readonly requireTls?: boolean;
  /** Services whose `mesh` differs from that of the options, by name. @default none */
  readonly meshServices?: ReadonlyMap<string, boolean>;
}

const NO_INSTANCES: readonly ServiceInstance[] = [];

/** What a call needs besides the request. */
export interface CallTerms<T> {
  readonly settings: CallSettings;
  /** Taken from the settings unless the request overrides them. */
  readonly times: CallTimes;
  readonly use: ResponseUse<T>;
  /** How long the call has already waited for the service to be registered. @default 0 */
  readonly waitedMs?: number;
}

interface KnownService {
  readonly channel: ServiceChannel;
  /** Keyed weakly by settings: a caller may derive a communicator per call. */
  pipelines: WeakMap<CallSettings, Pipeline>;
}

/** State shared by a communicator and all those derived from it: connections, breakers, budgets, load statistics. */
export class CallEngine {
  readonly traces = new CallTraces();
  private readonly services = new Map<string, KnownService>();
  /** Instances to report to the transport as removed with the next change: their data became too old for calls. */
  private readonly untold = new Set<ServiceInstance>();
  private readonly registry: ServiceRegistry;
  private readonly callDeps: CallDependencies;
  private readonly transport: Transport;
  private readonly strategies: NamedStrategies;
  private readonly requireTls: boolean;
  private readonly unsubscribe: () => void;
  private readonly closing = new AbortController();
  /** Undefined once the time for first registrations is over. */
  private firstRegistrations: FirstRegistrations | undefined;

  constructor({
    registry,
    transport,
    clock = systemClock,
    random = systemRandom,
    events = SILENT,
    ambientDeadline,
    deadlineKey,
    ambientHeaders,
    tracer,
    strategies = {},
    suggestName,
    addressDoubt,
    requireTls = false,
  }: CommunicatorDependencies) {
    this.registry = registry;
    this.transport = transport;
    this.strategies = strategies;
    this.requireTls = requireTls;
    const nearNames = new NearNames(() => registry.snapshot.services.keys(), clock);
    this.callDeps = {
      clock,
      timers: new TimerWheel(clock, true),
      random,
      events,
      closing: this.closing.signal,
      ambientDeadline,
      deadlineKey,
      ambientHeaders,
      tracer,
      suggestName: suggestName ?? ((name) => nearNames.suggest(name)),
      addressDoubt,
    };
    this.firstRegistrations = new FirstRegistrations(registry, clock);
    this.unsubscribe = registry.onChange((snapshot, _previous, change) => this.reconcile(snapshot, change));
  }

  get events(): EventSink {
    const { events } = this.callDeps;
    return this.traces.isOn ? this.traces.withFallbacks(events) : events;
  }

  get tracer(): CallTracer | undefined {
    return this.callDeps.tracer;
  }

  /** The tier that most of a service's instances declare: one alone does not change how all callers call the others. */
  tierOf(service: string): Tier | undefined {
    return commonTier(steadyList(this.registry.getInstances(service)));
  }

  /** Whether a call has to wait for the first registration of the service. */
  awaitsFirst(service: string, { waitForFirstMs }: CallSettings): boolean {
    if (waitForFirstMs === 0 || this.firstRegistrations?.mayCome(service) !== true) return false;
    return !this.registry.snapshot.splits.get(service)?.via?.share;
  }

  /**
   * Waits for the first registration of a service, at most for the timeout of the call.
   * @returns how long it took, in milliseconds
   * @throws ServiceDiscoveryError immediately if the request is invalid or the engine is closed
   */
  async untilFirst<T>(service: string, request: ServiceCallRequest, terms: CallTerms<T>): Promise<number> {
    const { settings, times, use } = terms;
    if (this.closing.signal.aborted) throw closedError(service);
    const { clock } = this.callDeps;
    const deadline = givenDeadline({ deps: this.callDeps, prepared: prepareRequest(service, request, use.accept) });
    const maxMs = Math.min(settings.waitForFirstMs, times.timeoutMs, deadline - clock.epoch());
    const caller = request.cancellation?.signal ?? request.signal;
    return (await this.firstRegistrations?.wait(service, Math.max(0, maxMs), caller, this.closing.signal)) ?? 0;
  }

  /**
   * @throws ServiceDiscoveryError immediately if the request is invalid, the engine is closed, or no instance speaks
   * HTTP
   */
  call<T>(service: string, request: ServiceCallRequest, { settings, times, use, waitedMs }: CallTerms<T>): Promise<T> {
    if (this.closing.signal.aborted) throw closedError(service);
    const prepared = prepareRequest(service, request, use.accept);
    const known = this.knownService(service);
    // Which instances are served also depends on the age of the snapshot, which changes without a notification.
    const delta = known.channel.update(this.registry.servedInstances(service));
    if (delta) for (const instance of delta.left) this.untold.add(instance);
    if (known.channel.destinations.length === 0) assertHttp(known.channel);
    const pipeline = this.pipelineOf(known, settings);
    const { view, outermost } = pipeline;
    let span = this.carry(service, request, prepared, waitedMs);
    if (this.traces.isOn) span = this.printed(span, request, prepared, pipeline, times, waitedMs);
    return runCall(
      new Call(view, request, prepared, times, use.consume, this.callDeps, false, waitedMs, span),
      outermost,
    );
  }

  /** Adds what the request under way passes on, and begins the span of the call, if it is traced. */
  private carry(
    service: string,
    { template }: ServiceCallRequest,
    { method, headers }: PreparedRequest,
    waitedMs: number | undefined,
  ): CallSpan | undefined {
    const { ambientHeaders, tracer, events, clock } = this.callDeps;
    const carried = ambientHeaders?.();
    if (carried) for (const name in carried) headers[name] ??= carried[name]!;
    if (!tracer) return undefined;
    const startedAt = waitedMs === undefined ? undefined : clock.epoch() - waitedMs;
    return tracer.startCall({ service, method, template, startedAt, carried, events });
  }

  /** The span of a call within `trace()`, around the one that it has. */
  private printed(
    span: CallSpan | undefined,
    request: ServiceCallRequest,
    prepared: PreparedRequest,
    pipeline: Pipeline,
    times: CallTimes,
    waitedMs = 0,
  ): CallSpan | undefined {
    const { clock, events } = this.callDeps;
    const { view } = pipeline;
    const printed = this.traces.begin(() => ({
      service: view.service,
      request: nameOfRequest(prepared),
      stages: pipeline.describe(),
      explanation: explainService(view, request, prepared),
      times,
      waitedMs,
      leftMs: Math.min(times.timeoutMs - waitedMs, givenDeadline({ deps: this.callDeps, prepared }) - clock.epoch()),
      now: () => clock.now(),
      events,
      span,
    }));
    return printed ?? span;
  }

  idleMs({ serviceName, instanceId }: InstanceKey): number {
    const state = this.services.get(serviceName)?.channel.states.find(instanceId);
    if (!state) return Number.POSITIVE_INFINITY;
    return state.active > 0 ? 0 : this.callDeps.clock.now() - state.calledAt;
  }

  /** @param service absent: all services */
  circuitBreakers(service?: string): CircuitBreakerView[] {
    return this.channelsOf(service).flatMap((channel) => channel.circuitBreakers());
  }

  /** @param service absent: all services */
  ejections(service?: string): EjectionView[] {
    return this.channelsOf(service).flatMap((channel) => channel.ejections());
  }

  /** @param service absent: all services */
  load(service?: string): ServiceLoad[] {
    return this.channelsOf(service).map((channel) => channel.load());
  }

  unreachable(service: string): UnreachableView[] {
    return this.services.get(service)?.channel.unreachable.views() ?? [];
  }

  unreachableIds(service: string): ReadonlySet<string> | undefined {
    return this.services.get(service)?.channel.unreachable.at();
  }

  describePipeline(service: string, settings: CallSettings): CallStageDescription[] {
    return this.pipelineOf(this.knownService(service), settings).describe();
  }

  /** The share of the retry budget that is left, 0 to 1; undefined: not called yet, or unlimited. */
  retryBudgetLeft(service: string, settings: CallSettings): number | undefined {
    const known = this.services.get(service);
    return known && this.pipelineOf(known, settings).view.limits.budget?.left;
  }

  /** @throws ServiceDiscoveryError `INVALID_REQUEST` */
  explain(service: string, settings: CallSettings, request: ServiceCallRequest): ServiceExplanation {
    const known = this.knownService(service);
    known.channel.update(steadyList(this.registry.getInstances(service)));
    return explainService(this.pipelineOf(known, settings).view, request, prepareRequest(service, request));
  }

  /** @throws ServiceDiscoveryError `SERVICE_NOT_FOUND`, `INSTANCE_NOT_FOUND`, `UNSUPPORTED_PROTOCOL` */
  forceCircuit(service: string, instanceId: string | undefined, command: CircuitCommand, settings: CallSettings): void {
    const instances = this.registry.getInstances(service);
    const known = this.knownService(service);
    const { channel } = known;
    const gateway = channel.gatewaySplit?.gateway;
    if (instances.length === 0 && !gateway) {
      throw new ServiceNotFoundError(service, {}, this.callDeps.suggestName(service));
    }
    channel.update(steadyList(instances));
    if (instanceId === undefined) {
      const options = settings.serviceCircuitBreaker ?? CIRCUIT_BREAKER_OPTIONS.resolve();
      channel.breakers.of(settings.serviceBreakerKey, options);
      channel.breakers.command(command);
      // Pipelines contain the stage of the service's breaker only while it is needed.
      known.pipelines = new WeakMap();
      return;
    }
    const instance = [...instances, ...(gateway ? [gateway] : [])].find((one) => one.instanceId === instanceId);
    if (!instance) throw instanceNotFound(service, instanceId);
    if (!isHttp(instance.protocol)) throw unsupportedProtocol(service, [instance]);
    const { breakers } = channel.states.of(instance);
    breakers.of(settings.breakerKey, settings.circuitBreaker ?? CIRCUIT_BREAKER_OPTIONS.resolve());
    breakers.command(command);
  }

  /** Refuses new calls, ends calls that wait for a retry, and closes the transport. */
  async close(): Promise<void> {
    this.closing.abort();
    this.callDeps.timers.close();
    this.unsubscribe();
    await this.transport.close();
  }

  private channelsOf(service: string | undefined): ServiceChannel[] {
    if (service === undefined) return [...this.services.values()].map(({ channel }) => channel);
    const known = this.services.get(service);
    return known ? [known.channel] : [];
  }

  private knownService(service: string): KnownService {
    const found = this.services.get(service);
    if (found) return found;
    const known: KnownService = {
      channel: new ServiceChannel(service, {
        ...this.callDeps,
        strategies: this.strategies,
        requireTls: this.requireTls,
      }),
      pipelines: new WeakMap(),
    };
    const split = this.registry.snapshot.splits.get(service);
    known.channel.follow(split);
    // Unregistered names are not cached: callers may use any number of them.
    if (split || this.registry.getInstances(service).length > 0) this.services.set(service, known);
    return known;
  }

  private pipelineOf({ channel, pipelines }: KnownService, settings: CallSettings): Pipeline {
    let pipeline = pipelines.get(settings);
    if (!pipeline) {
      pipeline = new Pipeline(new ChannelView(channel, settings), this.transport, this.callDeps);
      pipelines.set(settings, pipeline);
    }
    return pipeline;
  }

  private reconcile(snapshot: RegistrySnapshot, change: Change | null): void {
    const { services, splits } = snapshot;
    this.firstRegistrations?.note(snapshot, change);
    if (this.firstRegistrations?.isOver) this.firstRegistrations = undefined;
    const deltas: InstanceDelta[] = [];
    if (this.untold.size > 0) deltas.push({ joined: NO_INSTANCES, left: [...this.untold] });
    this.untold.clear();
    for (const service of this.affectedBy(change)) {
      const channel = this.services.get(service)?.channel;
      const delta = channel?.update(steadyList(services.get(service) ?? NO_INSTANCES));
      if (delta) deltas.push(delta);
      const moved = channel?.follow(splits.get(service));
      if (moved) deltas.push(moved);
    }
    if (deltas.length === 0) return;
    const instances = [...this.services.values()]
      .flatMap(({ channel }) => channel.destinations)
      .filter((one) => !isDraining(one));
    const joined = deltas.flatMap((delta) => delta.joined);
    const left = deltas.flatMap((delta) => delta.left);
    this.transport.retain?.(instances, { joined, left });
  }

  /** The services whose calls are affected by a change. */
  private affectedBy(change: Change | null): Iterable<string> {
    switch (change?.type) {
      case 'put':
        return [change.instance.serviceName];
      case 'remove':
        return [change.key.serviceName];
      case 'split':
        return [change.serviceName];
      case 'renewed':
      case 'hold':
        // Renewals are by far the most frequent changes and do not affect calls.
        return [];
      case 'reset':
      case undefined:
        return this.services.keys();
    }
  }
}

/** A service without instances passes: the pick reports it as not found. */
function assertHttp({ service, others }: ServiceChannel): void {
  if (others.length > 0) throw unsupportedProtocol(service, others);
}

/** By list, since each call asks for it and lists seldom change. */
const tiers = new WeakMap<readonly ServiceInstance[], { readonly tier: Tier | undefined }>();

function commonTier(instances: readonly ServiceInstance[]): Tier | undefined {
  let known = tiers.get(instances);
  if (!known) {
    const counts = new Map<Tier | undefined, number>();
    for (const { tier } of instances) counts.set(tier, (counts.get(tier) ?? 0) + 1);
    const [common] = [...counts].find(([, count]) => count * 2 > instances.length) ?? [];
    tiers.set(instances, (known = { tier: common }));
  }
  return known.tier;
}
