import { Counter, Registry } from 'prom-client';
import { isRecord, OptionValidator, systemClock, type Clock } from '../common/index.js';
import { REGISTRY_TROUBLE_KINDS, type EventName, type InstanceKey } from '../model/index.js';
import { type EventBus, type EventOf } from './event-bus.js';
import { InstanceCounter } from './instance-counter.js';
import { gaugeRegistry, type MetricsSource } from './registry-gauges.js';
import { type ScrapedMetric } from './scraped-metric.js';
import { ServiceCounter } from './service-counter.js';
import { ServiceHistogram } from './service-histogram.js';

export interface DiscoveryMetricsOptions {
  /**
   * The prom-client registry that the metrics are added to, such as the app's own.
   * @default a new one, never prom-client's global registry
   */
  registry?: Registry;
  /**
   * What every name starts with: letters, digits, `_` and `:`, not starting with a digit.
   * @default 'service_discovery_'
   */
  prefix?: string;
  /**
   * Upper bounds of the call duration histogram's buckets, in seconds, ascending.
   * @default DEFAULT_DURATION_BUCKETS
   */
  durationBuckets?: readonly number[];
}

/** From a call over loopback to one that runs into the default timeouts. */
export const DEFAULT_DURATION_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

export const DEFAULT_METRICS_PREFIX = 'service_discovery_';

/**
 * The service label of calls to names that nobody registered. Such names may come from a caller's input, and each
 * would be a series for ever. No service can have this name.
 */
const UNKNOWN_SERVICE_LABEL = '_unknown';

/**
 * How long the series of a service stay after its last instance left: two of the five minutes that rates commonly look
 * back, so that whoever scrapes has seen how its last calls ended.
 */
export const SERIES_KEPT_MS = 600_000;

/** Prometheus metrics made of the event bus's events and, at each scrape, of the registry's snapshot. */
export class DiscoveryMetrics {
  private readonly registry: Registry;
  private readonly names: string[] = [];
  private readonly subscriptions: (() => void)[] = [];
  private readonly perService: ScrapedMetric<unknown>[] = [];
  private readonly perInstance: InstanceCounter[] = [];
  private readonly clock: Clock;
  /** When the last of the instances left that left a service, the longest ago first. */
  private readonly leftAt = new Map<string, number>();

  /**
   * @param source left out: no gauges, and series of services that are gone stay
   * @throws InvalidConfigurationError naming every wrong option
   */
  constructor(
    private readonly bus: EventBus,
    private readonly source?: MetricsSource,
    private readonly options: DiscoveryMetricsOptions = {},
    deps: { readonly clock?: Clock } = {},
  ) {
    validateDiscoveryMetricsOptions(options);
    this.clock = deps.clock ?? systemClock;
    this.registry = options.registry ?? new Registry();
    this.countInstances();
    this.countTroubles();
    this.countCircuits();
    this.countEjections();
    this.countCalls();
    if (source) gaugeRegistry(source, this.registry, (rest) => this.name(rest));
  }

  /** What a scrape's `Content-Type` header says. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** Every metric of the registry in Prometheus's text format. */
  metrics(): Promise<string> {
    // An event that comes after its instance left, such as the end of a call in flight, brings its series back.
    if (this.source?.snapshot.ready) {
      for (const counter of this.perInstance) counter.retain(this.source.snapshot);
    }
    this.forgetServices();
    return this.registry.metrics();
  }

  /** Stops counting and takes the metrics out of the registry. */
  close(): void {
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    for (const name of this.names.splice(0)) this.registry.removeSingleMetric(name);
  }

  private countInstances(): void {
    const registrations = this.counter('registrations_total', 'Registrations, first and repeated');
    const deregistrations = this.counter('deregistrations_total', 'Instances that left, by reason', ['reason']);
    const checks = this.serviceCounter('health_checks_total', 'Health checks, by result', 'result');
    // Present from the start, so that a rate over the first event is right.
    for (const reason of ['deregistered', 'expired']) deregistrations.inc({ reason }, 0);

    const holds = this.serviceCounter('expiry_holds_total', 'Times that expiry of a service was held');
    this.on('expiry.held', ({ service }) => holds.increment(service));
    this.on('instance.registered', () => registrations.inc());
    this.on('instance.deregistered', ({ key }) => {
      deregistrations.inc({ reason: 'deregistered' });
      this.forget(key);
    });
    this.on('instance.expired', ({ key }) => {
      deregistrations.inc({ reason: 'expired' });
      this.forget(key);
    });
    this.on('health.checked', ({ key, passed, skipped }) =>
      checks.increment(key.serviceName, skipped ? 'skipped' : passed ? 'success' : 'failure'),
    );
  }

  private countTroubles(): void {
    const troubles = this.counter('registry_troubles_total', 'What was skipped, or missed and mended', ['kind']);
    for (const kind of REGISTRY_TROUBLE_KINDS) troubles.inc({ kind }, 0);
    this.on('registry.trouble', ({ kind }) => troubles.inc({ kind }));
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
    const panics = this.serviceCounter('panics_total', 'Times that health no longer counted, as too few were healthy');
    const failOpens = this.serviceCounter(
      'fail_open_picks_total',
      'Unhealthy instances chosen for an attempt, as no other one could take it',
    );
    const picks = this.instanceCounter('balancing_decisions_total', 'Instances chosen for an attempt', 'strategy');
    const unreachable = this.serviceCounter(
      'unreachable_total',
      'Times that no connection to an instance could be opened',
    );
    const refusals = this.serviceCounter('refusals_total', 'Calls that were refused unsent', 'stage', 'code');
    const retries = this.serviceCounter('retries_total', 'Attempts after the first one of a call');
    const hedges = this.serviceCounter('hedges_total', 'Attempts beside one that takes long');
    const failovers = this.serviceCounter('failovers_total', 'Retries and fallbacks that went elsewhere');
    const stale = this.serviceCounter('stale_answers_total', 'Failed calls that got the last good answer');
    const calls = this.serviceCounter('calls_total', 'Calls with all their attempts, by result', 'result', 'code');
    const buckets = this.options.durationBuckets ?? DEFAULT_DURATION_BUCKETS;
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
    this.on('call.hedged', ({ service }) => hedges.increment(service));
    this.on('call.failed_over', ({ service, reason }) => failovers.increment(labelOf(service, reason)));
    this.on('call.answered_stale', ({ service, reason }) => stale.increment(labelOf(service, reason)));
    this.on('call.completed', ({ service: called, ok, code, durationMs }) => {
      const service = labelOf(called, code);
      const result = ok ? 'success' : 'failure';
      calls.increment(service, result, code);
      durations.observe(service, result, durationMs / 1_000);
    });
  }

  private on<Name extends EventName>(type: Name, listener: (event: EventOf<Name>) => void): void {
    this.subscriptions.push(this.bus.on(type, listener));
  }

  private counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: this.name(name), help, labelNames, registers: [this.registry] });
  }

  private serviceCounter(name: string, help: string, ...labels: [first?: string, second?: string]): ServiceCounter {
    return this.ofServices(new ServiceCounter(this.name(name), help, labels, this.registry));
  }

  private histogram(name: string, help: string, label: string, buckets: readonly number[]): ServiceHistogram {
    return this.ofServices(new ServiceHistogram(this.name(name), help, label, buckets, this.registry));
  }

  private instanceCounter(name: string, help: string, label: string): InstanceCounter {
    const counter = this.ofServices(new InstanceCounter(this.name(name), help, label, this.registry));
    this.perInstance.push(counter);
    return counter;
  }

  private ofServices<Metric extends ScrapedMetric<unknown>>(metric: Metric): Metric {
    this.perService.push(metric);
    return metric;
  }

  private forget({ serviceName, instanceId }: InstanceKey): void {
    for (const counter of this.perInstance) counter.forget(serviceName, instanceId);
    this.leftAt.delete(serviceName);
    this.leftAt.set(serviceName, this.clock.now());
    this.forgetServices();
  }

  /**
   * Forgets services that have been without an instance for long: where each deployment has a name of its own, their series
   * would be ever more. One that comes back after all is counted from 0, as after a restart of this process, which is what
   * rates expect of a counter. What was never registered stays: policies of an app's own functions have names, too.
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
    const name = (this.options.prefix ?? DEFAULT_METRICS_PREFIX) + rest;
    this.names.push(name);
    return name;
  }
}

/** @param why the code of what went wrong */
function labelOf(service: string, why: string | undefined): string {
  return why === 'SERVICE_NOT_FOUND' ? UNKNOWN_SERVICE_LABEL : service;
}

/**
 * @param path what stands before an option's name in a problem, such as `metrics`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function validateDiscoveryMetricsOptions(options: DiscoveryMetricsOptions, path = ''): void {
  const check = new OptionValidator(path);
  const given = check.options<DiscoveryMetricsOptions>('', options, {}, ['registry', 'prefix', 'durationBuckets']);
  const { registry, prefix, durationBuckets } = given as Record<keyof DiscoveryMetricsOptions, unknown>;
  if (registry !== undefined && !isRegistry(registry)) {
    check.problem('registry', typeof registry, 'a Registry of prom-client');
  }
  if (prefix !== undefined && (typeof prefix !== 'string' || !/^[A-Za-z_:][A-Za-z0-9_:]*$/.test(prefix))) {
    check.problem('prefix', prefix, 'letters, digits, "_" and ":", not starting with a digit');
  }
  if (durationBuckets !== undefined && !isAscending(durationBuckets)) {
    check.problem('durationBuckets', durationBuckets, 'a list of ascending numbers above 0');
  }
  check.throwIfAny();
}

/** By its looks: an app may have a copy of prom-client of its own. */
function isRegistry(value: unknown): boolean {
  return isRecord(value) && typeof value.registerMetric === 'function';
}

function isAscending(bounds: unknown): boolean {
  if (!Array.isArray(bounds) || bounds.length === 0) return false;
  return bounds.every((bound, index) => typeof bound === 'number' && bound > ((bounds[index - 1] as number) ?? 0));
}
