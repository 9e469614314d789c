import {
  type CallEdgeView,
  type CallFiguresView,
  type ForcedCircuitView,
  type InstanceCallsView,
  type OverviewView,
  type ScalingView,
  type ScrapeTargetView,
  type ServiceFaultView,
  type TopologyEdgeView,
  type TopologyNodeView,
  type TopologyView,
} from '../../../client/index.js';
import { type CircuitBreakerView } from '../../../communicator/index.js';
import { type AggregatedStatus } from '../../../health/index.js';
import {
  addressOf,
  isSecure,
  type JournalEntry,
  keyOf,
  mayBeCalled,
  type RegistrySnapshot,
  type ServiceInstance,
  steadyList,
} from '../../../model/index.js';
import {
  type CallEdge,
  type EdgeRate,
  type InstanceTotal,
  type ServiceDemand,
  type Topology,
  type TopologyEdge,
  type TopologyFault,
  type TopologyNode,
} from '../../../observability/index.js';

type MayRead = (serviceName: string) => boolean;

/** An entry as a reader may see it: without the names of services that it may not read. */
export function toReadableEntry(entry: JournalEntry, mayRead: MayRead): JournalEntry {
  const isKnown = entry.caller !== null && mayRead(entry.caller);
  return isKnown ? entry : { ...entry, process: null, caller: null };
}

export function toCallEdgeView({ caller, service, points }: CallEdge, retryBudget: number | undefined): CallEdgeView {
  return {
    caller,
    service_name: service,
    points: points.map(({ at, p50, p95, p99, ...counts }) => ({
      at: isoOf(at),
      ...counts,
      p50_ms: p50,
      p95_ms: p95,
      p99_ms: p99,
    })),
    retry_budget: retryBudget ?? null,
  };
}

export function toCallFiguresView(
  from: number,
  stepMs: number,
  edges: readonly CallEdgeView[],
  instances: readonly InstanceCallsView[],
): CallFiguresView {
  return { step_seconds: stepMs / 1_000, from: isoOf(from), edges, instances };
}

/** @param registered the instances of the service */
export function toInstanceCallsViews(
  totals: readonly InstanceTotal[],
  registered: readonly ServiceInstance[],
): InstanceCallsView[] {
  const byId = new Map(totals.map((total) => [total.instanceId, total]));
  const calls = sumOf(totals.map((total) => total.calls));
  const weights = new Map(registered.map((one) => [one.instanceId, mayBeCalled(one) ? one.weight : 0]));
  const weight = sumOf([...weights.values()]);
  return [...new Set([...weights.keys(), ...byId.keys()])].map((id) => {
    const total = byId.get(id);
    const its = weights.get(id);
    return {
      instance_id: id,
      calls: total?.calls ?? 0,
      errors: total?.errors ?? 0,
      p95_ms: total?.p95 ?? null,
      share: calls === 0 ? null : rounded((total?.calls ?? 0) / calls),
      weight_share: its === undefined ? null : rounded(its / Math.max(weight, Number.MIN_VALUE)),
    };
  });
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

export function toTopologyView(
  { nodes, edges, faults }: Topology,
  snapshot: RegistrySnapshot,
  mayRead: MayRead,
): TopologyView {
  return {
    nodes: nodes.filter(({ service }) => mayRead(service)).map((node) => toNodeView(node, snapshot)),
    edges: edges.filter(({ from, to }) => mayRead(from) && mayRead(to)).map(toEdgeView),
    faults: toFaultViews(faults, mayRead),
  };
}

function toNodeView(
  { service, status, instances, healthyInstances, since }: TopologyNode,
  { services, expiryHolds }: RegistrySnapshot,
): TopologyNodeView {
  return {
    service_name: service,
    status,
    instances,
    healthy_instances: healthyInstances,
    since: since === null ? null : isoOf(since),
    ...traitsOf(services.get(service) ?? NO_INSTANCES),
    expiry_held: expiryHolds.has(service),
  };
}

type Traits = Pick<TopologyNodeView, 'tier' | 'tags' | 'zones' | 'versions'>;

const NO_INSTANCES: readonly ServiceInstance[] = [];
/** By lists that heartbeats leave as they are. */
const knownTraits = new WeakMap<readonly ServiceInstance[], Traits>();

function traitsOf(registered: readonly ServiceInstance[]): Traits {
  const steady = steadyList(registered);
  let traits = knownTraits.get(steady);
  if (!traits) {
    traits = {
      tier: steady.find(({ tier }) => tier !== undefined)?.tier ?? null,
      tags: distinct(steady.flatMap(({ tags }) => tags)),
      zones: distinct(steady.flatMap(({ zone }) => zone ?? [])),
      versions: distinct(steady.flatMap(({ version }) => version ?? [])),
    };
    knownTraits.set(steady, traits);
  }
  return traits;
}

export function toFaultViews(faults: readonly TopologyFault[], mayRead: MayRead): ServiceFaultView[] {
  return faults
    .filter(({ service }) => mayRead(service))
    .map(({ service, status, since, text, causedBy, breaks }) => ({
      service_name: service,
      status,
      since: since === null ? null : isoOf(since),
      text,
      caused_by: causedBy.filter(mayRead),
      breaks: breaks.filter(mayRead),
    }));
}

/** Of the registered services that the reader may read. */
export function toCountsView({ nodes }: Pick<Topology, 'nodes'>, mayRead: MayRead): OverviewView['counts'] {
  const all = nodes.filter(({ service, status }) => status !== 'not_registered' && mayRead(service));
  const withStatus = (wanted: AggregatedStatus): number => all.filter(({ status }) => status === wanted).length;
  return {
    services: all.length,
    healthy_services: withStatus('healthy'),
    degraded_services: withStatus('degraded'),
    unhealthy_services: withStatus('unhealthy'),
    instances: sumOf(all.map(({ instances }) => instances)),
    healthy_instances: sumOf(all.map(({ healthyInstances }) => healthyInstances)),
  };
}

export function toHeldExpiryView(
  { expiryHolds }: RegistrySnapshot,
  mayRead: MayRead,
): OverviewView['registry']['held_expiry'] {
  return [...expiryHolds]
    .filter(([service]) => mayRead(service))
    .map(([service, { since, ...counts }]) => ({ service_name: service, since: isoOf(since), ...counts }));
}

/**
 * Those that refuse calls come first. Circuits with the settings of several callers are one, since an operator forces them together.
 * @param commands what operators did in this process, the newest first
 */
export function toForcedCircuitViews(
  circuits: readonly CircuitBreakerView[],
  commands: readonly JournalEntry[],
  mayRead: MayRead,
): ForcedCircuitView[] {
  const views = new Map<string, ForcedCircuitView>();
  for (const { service, instanceId = null, forced } of circuits) {
    if (!forced || !mayRead(service)) continue;
    const command = commands.find(
      ({ service_name: name, instance_id: id, data }) =>
        name === service && id === instanceId && data.action === 'force_circuit',
    );
    const { at = null, by = null, reason = null } = command?.data.to === forced ? command : {};
    views.set(keyOf({ serviceName: service, instanceId: instanceId ?? '' }), {
      ...{ service_name: service, instance_id: instanceId, state: forced },
      ...{ since: at, by, reason },
    });
  }
  return [...views.values()].sort((a, b) => Number(a.state === 'closed') - Number(b.state === 'closed'));
}

export function toScalingView(service: string, demand: ServiceDemand | undefined): ScalingView {
  return {
    service_name: service,
    in_flight: rounded(demand?.inFlight ?? 0),
    calls_per_second: rounded(demand?.callsPerSecond ?? 0),
    p99_ms: demand?.p99 ?? 0,
    queued: rounded(demand?.queued ?? 0),
  };
}

/**
 * An instance that speaks HTTP as a target of Prometheus, which takes the scheme and the path of the scrape from labels that begin with
 * `__`. Tags have a comma on either side, so that `.*,api,.*` finds one.
 */
export function toScrapeTargetView(instance: ServiceInstance): ScrapeTargetView {
  const { serviceName, instanceId, protocol, version, zone, tier, tags, status, metadata } = instance;
  const known = { service: serviceName, instance: instanceId, version, zone, tier, status };
  const labels = Object.entries(known).flatMap(([name, value]) =>
    value === undefined ? [] : [[`__meta_service_discovery_${name}`, value] as const],
  );
  const { metrics_path: path } = metadata;
  return {
    targets: [addressOf(instance)],
    labels: {
      ...Object.fromEntries(labels),
      ...(tags.length > 0 && { __meta_service_discovery_tags: `,${tags.join(',')},` }),
      ...(isSecure(protocol) && { __scheme__: 'https' }),
      ...(typeof path === 'string' && path.startsWith('/') && { __metrics_path__: path }),
    },
  };
}

function toEdgeView({ from, to, source, rate }: TopologyEdge): TopologyEdgeView {
  return {
    from,
    to,
    source,
    calls_per_second: rate ? rounded(rate.callsPerSecond) : null,
    error_share: rate ? rounded(rate.errorShare) : null,
    ...latenciesOf(rate),
  };
}

function latenciesOf(rate: EdgeRate | undefined): Pick<TopologyEdgeView, 'p50_ms' | 'p95_ms' | 'p99_ms'> {
  return { p50_ms: rate?.p50 ?? null, p95_ms: rate?.p95 ?? null, p99_ms: rate?.p99 ?? null };
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function isoOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
