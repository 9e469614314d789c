import { type Metric, type OpenMetricsContentType, type Registry } from 'prom-client';
import {
  type Clock,
  custom,
  isRecord,
  OptionGroup,
  optional,
  type OptionsOf,
  type ResolvedOf,
  systemClock,
} from '../common/index.js';
import { type ServiceLoad } from '../communicator/index.js';
import {
  API_LIMITS,
  API_REFUSAL_REASONS,
  API_RIGHTS,
  REGISTRY_TROUBLE_KINDS,
  type EventName,
  type InstanceKey,
} from '../model/index.js';
import { type EventBus, type EventOf } from './event-bus.js';
import { InstanceCounter } from './instance-counter.js';
import { type CounterLabel, LabelCounter } from './label-counter.js';
import { loadGauges, type MetricsSource, registryGauges } from './registry-gauges.js';
import { type Exemplar, type ScrapedMetric, type ServiceMetric } from './scraped-metric.js';
import { ServiceCounter } from './service-counter.js';
import { ServiceHistogram } from './service-histogram.js';

type AnyRegistry = Registry | Registry<OpenMetricsContentType>;

/** From a call over loopback to one that reaches the default timeouts. */
export const DEFAULT_DURATION_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

export const DEFAULT_METRICS_PREFIX = 'service_discovery_';

/** What metrics are called, and where they go. */
export const METRICS_OPTIONS = new OptionGroup('metrics', {
  /**
   * The prom-client registry to add the metrics to, such as that of the app.
   * @default a new one, never prom-client's global registry
   */
  registry: optional(
    custom<AnyRegistry>({
      range: 'a `Registry` of prom-client',
      read: (value, path, check) => {
        if (!isRegistry(value)) check.problem(path, typeof value, 'a Registry of prom-client');
        return value as Registry;
      },
    }),
  ),
  /**
   * The prefix of all metric names: letters, digits, `_` and `:`, not starting with a digit.
   * @default 'service_discovery_'
   */
  prefix: custom<string>({
    default: DEFAULT_METRICS_PREFIX,
    range: "a metric's name",
    read: (value, path, check) => {
      const isPrefix = typeof value === 'string' && /^[A-Za-z_:][A-Za-z0-9_:]*$/.test(value);
      if (!isPrefix) check.problem(path, value, 'letters, digits, "_" and ":", not starting with a digit');
      return value as string;
    },
  }),
  /**
   * The upper bounds of the buckets of call durations, in seconds, ascending.
   * @default DEFAULT_DURATION_BUCKETS, 1 ms to 30 s
   */
  durationBuckets: custom<readonly number[]>({
    default: DEFAULT_DURATION_BUCKETS,
    range: 'ascending seconds',
    read: (value, path, check) => {
      if (!isAscending(value)) check.problem(path, value, 'a list of ascending numbers above 0');
      return value as readonly number[];
    },
  }),
});

/** What metrics are called, and where they go. */
export interface DiscoveryMetricsOptions extends Partial<OptionsOf<typeof METRICS_OPTIONS>> {}

/** That of prom-client's registries unless they are told otherwise. */
const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The service label of calls to unregistered names. Such names may come from user input, and each would become a
 * permanent series. No service can have this name.
 */
const UNKNOWN_SERVICE_LABEL = '_unknown';

/**
 * How long the series of a service stay after its last instance left: twice the usual five-minute window of rates, so
 * that its last calls have been scraped.
 */
export const SERIES_KEPT_MS = 600_000;

/** Prometheus metrics, computed from the events of the bus and, at each scrape, from the snapshot of the registry. */
export class DiscoveryMetrics {
  /** The registry of the app, or that of this object once it is scraped. */
  private registry: AnyRegistry | undefined;
  /** By name, which a registry in OpenMetrics format changes in the metric. */
  private readonly all = new Map<string, ScrapedMetric>();
  private readonly subscriptions: (() => void)[] = [];
  private readonly perService: ServiceMetric<unknown>[] = [];
  private readonly perInstance: InstanceCounter[] = [];
  private readonly clock: Clock;
  private readonly options: ResolvedOf<typeof METRICS_OPTIONS>;
  /** When the last instance to leave a service left, oldest first. */
  private readonly leftAt = new Map<string, number>();

  /**
   * @param source undefined: there are no gauges, and the series of removed services stay
   * @param deps `load`: the calls that are under way, by service; left out: no gauges of them
   * @throws InvalidConfigurationError naming every wrong option
   */
  constructor(
    private readonly bus: EventBus,
    private readonly source?: MetricsSource,
    options: DiscoveryMetricsOptions = {},
    deps: { readonly clock?: Clock; readonly load?: () => readonly ServiceLoad[] } = {},
  ) {
    this.options = METRICS_OPTIONS.resolve(options, '');
    this.clock = deps.clock ?? systemClock;
    this.countInstances();
    this.countTroubles();
    this.countLimits();
    this.countRefusals();
    this.countCircuits();
    this.countEjections();
    this.countCalls();
    if (source) for (const gauge of registryGauges(source, (rest) => this.name(rest))) this.add(gauge);
    if (deps.load) for (const gauge of loadGauges(deps.load, (rest) => this.name(rest))) this.add(gauge);
    if (options.registry) this.register(options.registry);
  }

  /** The `Content-Type` of a scrape. */
  get contentType(): string {
    return this.options.registry?.contentType ?? PROMETHEUS_CONTENT_TYPE;
  }

  /** All metrics of the registry in Prometheus's text format. */
  async metrics(): Promise<string> {
    // A late event, such as the end of a call in flight, brings back the series of an instance that has left.
    if (this.source?.snapshot.ready) {
      for (const counter of this.perInstance) counter.retain(this.source.snapshot);
    }
    this.forgetServices();
    return (this.registry ?? (await this.createRegistry())).metrics();
  }

  /** Stops counting and removes the metrics from the registry. */
  close(): void {
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    for (const name of this.all.keys()) this.registry?.removeSingleMetric(name);
    this.all.clear();
  }

  private countInstances(): void {
    const registrations = this.labelCounter('registrations_total', 'Registrations, first and repeated');
    const deregistrations = this.labelCounter('deregistrations_total', 'Instances that left, by reason', {
      name: 'reason',
      values: ['deregistered', 'expired'],
    });
    const checks = this.serviceCounter('health_checks_total', 'Health checks, by result', 'result');

    const holds = this.serviceCounter('expiry_holds_total', 'Times that expiry of a service was held');
    this.on('expiry.held', ({ service }) => holds.increment(service));
    this.on('instance.registered', () => registrations.increment());
    this.on('instance.deregistered', ({ key }) => {
      deregistrations.increment('deregistered');
      this.forget(key);
    });
    this.on('instance.expired', ({ key }) => {
      deregistrations.increment('expired');
      this.forget(key);
    });
    this.on('health.checked', ({ key, passed, skipped }) =>
      checks.increment(key.serviceName, skipped ? 'skipped' : passed ? 'success' : 'failure'),
    );
  }

  private countTroubles(): void {
    const troubles = this.labelCounter(
      'registry_troubles_total',
      'Problems in the registry that were skipped or repaired',
      { name: 'kind', values: REGISTRY_TROUBLE_KINDS },
    );
    this.on('registry.trouble', ({ kind }) => troubles.increment(kind));
  }

  private countLimits(): void {
    const refusals = this.labelCounter('api_limit_refusals_total', 'Requests refused by a limit of the REST API', {
      name: 'limit',
      values: API_LIMITS,
    });
    this.on('api.limit_reached', ({ limit }) => refusals.increment(limit));
  }

  private countRefusals(): void {
    const refusals = this.labelCounter(
      'api_refusals_total',
      'Requests that the REST API refused',
      { name: 'action', values: API_RIGHTS },
      { name: 'reason', values: API_REFUSAL_REASONS },
    );
    this.on('api.refused', ({ action, reason }) => refusals.increment(action, reason));
  }

  private countCircuits(): void {
    const changes = this.instanceCounter('circuit_state_changes_total', 'Circuit breakers, by new state', 'to');
    this.on('circuit.opened', (event) => changes.increment(event.service, event.instanceId ?? '', 'open'));
    this.on('circuit.half_opened', (event) => changes.increment(event.service, event.instanceId ?? '', 'half_open'));
    this.on('circuit.closed', (event) => changes.increment(event.service, event.instanceId ?? '', 'closed'));
  }

  private countEjections(): void {
    const ejections = this.instanceCounter('ejections_total', 'Instances ejected as outliers, by reason', 'reason');
    this.on('instance.ejected', ({ key, reason, enforced }) => {
      if (enforced !== false) ejections.increment(key.serviceName, key.instanceId, reason);
    });
  }

  private countCalls(): void {
    const panics = this.serviceCounter(
      'panics_total',
      'Times that health was ignored because too few instances were healthy',
    );
    const failOpens = this.serviceCounter(
      'fail_open_picks_total',
      'Unhealthy instances chosen for an attempt because no other was available',
    );
    const picks = this.instanceCounter('balancing_decisions_total', 'Instances chosen for an attempt', 'strategy');
    const unreachable = this.serviceCounter(
      'unreachable_total',
      'Times that no connection to an instance could be opened',
    );
    const refusals = this.serviceCounter('refusals_total', 'Calls rejected before sending', 'stage', 'code');
    const retries = this.serviceCounter('retries_total', 'Attempts after the first one of a call');
    const exhausted = this.serviceCounter(
      'retry_budget_exhausted_total',
      'Failed attempts that were not repeated because the retry budget was exhausted',
    );
    const hedges = this.serviceCounter('hedges_total', 'Hedged attempts');
    const failovers = this.serviceCounter(
      'failovers_total',
      'Retries and fallbacks that went to another instance or service',
    );
    const splits = this.serviceCounter(
      'split_attempts_total',
      'Attempts at services whose calls are split, by the part that they went to',
      'part',
      'result',
    );
    const stale = this.serviceCounter('stale_answers_total', 'Failed calls that got a stale answer');
    const calls = this.serviceCounter('calls_total', 'Calls with all their attempts, by result', 'result', 'code');
    const buckets = this.options.durationBuckets;
    const durations = this.histogram(
      'call_duration_seconds',
      'Duration of calls with all their attempts',
      'result',
      buckets,
    );

    this.on('balancing.panic', ({ service }) => panics.increment(service));
    this.on('call.picked', (event) => {
      picks.increment(event.service, event.instanceId, event.strategy);
      if (event.failOpen) failOpens.increment(event.service);
    });
    this.on('instance.unreachable', ({ key }) => unreachable.increment(key.serviceName));
    this.on('call.refused', ({ service, stage, code }) => refusals.increment(service, stage, code));
    this.on('call.retried', ({ service }) => retries.increment(service));
    this.on('call.retry_budget_exhausted', ({ service }) => exhausted.increment(service));
    this.on('call.hedged', ({ service }) => hedges.increment(service));
    this.on('call.failed_over', ({ service, reason }) => failovers.increment(this.labelOf(service, reason)));
    this.on('call.answered_stale', ({ service, reason }) => stale.increment(this.labelOf(service, reason)));
    this.on('call.split', ({ service, part, ok }) => splits.increment(service, part, ok ? 'success' : 'failure'));
    this.on('call.completed', (event) => {
      const { service: called, ok, code, attempts, durationMs } = event;
      const service = this.labelOf(called, code, attempts);
      const result = ok ? 'success' : 'failure';
      calls.increment(service, result, code);
      const seconds = durationMs / 1_000;
      durations.observe(service, result, seconds, event.spanId === undefined ? undefined : exemplarOf(event, seconds));
    });
  }

  /**
   * Names of functions under a policy are in no registry, so an unknown name counts as one that was made up only where no
   * attempt was made.
   * @param why the code of the call's end
   */
  private labelOf(service: string, why: string | undefined, attempts?: number): string {
    if (why === 'SERVICE_NOT_FOUND') return UNKNOWN_SERVICE_LABEL;
    const { snapshot } = this.source ?? {};
    if (attempts !== 0 || !snapshot?.ready) return service;
    return snapshot.services.has(service) || this.leftAt.has(service) ? service : UNKNOWN_SERVICE_LABEL;
  }

  private on<Name extends EventName>(type: Name, listener: (event: EventOf<Name>) => void): void {
    this.subscriptions.push(this.bus.on(type, listener));
  }

  private labelCounter(name: string, help: string, ...labels: readonly CounterLabel[]): LabelCounter {
    return this.add(new LabelCounter(this.name(name), help, labels));
  }

  private serviceCounter(name: string, help: string, ...labels: [first?: string, second?: string]): ServiceCounter {
    return this.ofServices(new ServiceCounter(this.name(name), help, labels));
  }

  private histogram(name: string, help: string, label: string, buckets: readonly number[]): ServiceHistogram {
    return this.ofServices(new ServiceHistogram(this.name(name), help, label, buckets));
  }

  private instanceCounter(name: string, help: string, label: string): InstanceCounter {
    const counter = this.ofServices(new InstanceCounter(this.name(name), help, label));
    this.perInstance.push(counter);
    return counter;
  }

  private ofServices<Of extends ServiceMetric<unknown>>(metric: Of): Of {
    this.perService.push(metric);
    return this.add(metric);
  }

  private add<Added extends ScrapedMetric>(metric: Added): Added {
    this.all.set(metric.name, metric);
    return metric;
  }

  /** Loads prom-client, which a process that is never scraped does without. */
  private async createRegistry(): Promise<AnyRegistry> {
    const { Registry } = await import('prom-client');
    return this.registry ?? this.register(new Registry());
  }

  private register(registry: AnyRegistry): AnyRegistry {
    for (const metric of this.all.values()) registry.registerMetric(metric as unknown as Metric);
    return (this.registry = registry);
  }

  private forget({ serviceName, instanceId }: InstanceKey): void {
    for (const counter of this.perInstance) counter.forget(serviceName, instanceId);
    this.leftAt.delete(serviceName);
    this.leftAt.set(serviceName, this.clock.now());
    this.forgetServices();
  }

  /**
   * Removes the series of services that have had no instance for long, since they would pile up if each deployment has
   * a name of its own. A service that returns is counted from 0, which rates treat as a counter reset. Names that were
   * never registered stay: they are policies around the app's own functions.
   */
  private forgetServices(): void {
    const longAgo = this.clock.now() - SERIES_KEPT_MS;
    for (const [service, at] of this.leftAt) {
      if (at > longAgo) return;
      this.leftAt.delete(service);
      if (this.source?.snapshot.services.has(service) !== false) continue;
      for (const metric of this.perService) metric.forgetService(service);
    }
  }

  private name(rest: string): string {
    return this.options.prefix + rest;
  }
}

function exemplarOf({ traceId = '', spanId = '', at }: EventOf<'call.completed'>, value: number): Exemplar {
  return { labelSet: { trace_id: traceId, span_id: spanId }, value, timestamp: at / 1_000 };
}

/** Duck-typed, since the app may have its own copy of prom-client. */
function isRegistry(value: unknown): boolean {
  return isRecord(value) && typeof value.registerMetric === 'function';
}

function isAscending(bounds: unknown): boolean {
  if (!Array.isArray(bounds) || bounds.length === 0) return false;
  return bounds.every((bound, index) => typeof bound === 'number' && bound > ((bounds[index - 1] as number) ?? 0));
}
