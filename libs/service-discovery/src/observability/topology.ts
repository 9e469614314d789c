import { counted } from '../common/index.js';
import {
  type AggregatedHealth,
  type AggregatedStatus,
  type HealthAggregator,
  type InstanceHealth,
  type ServiceHealth,
} from '../health/index.js';
import { type EdgeRate } from './call-figures.js';

interface InstanceSummary {
  readonly instances: number;
  readonly healthyInstances: number;
  /** When the status of one of its instances last changed, in milliseconds since the Unix epoch; null: unknown. */
  readonly since: number | null;
}

export interface TopologyNode extends InstanceSummary {
  readonly service: string;
  readonly status: AggregatedStatus | 'not_registered';
}

/** That one service calls another. */
export interface TopologyEdge {
  readonly from: string;
  readonly to: string;
  /** Calls of the last minute, a registration's `dependencies`, or both. */
  readonly source: 'calls' | 'declared' | 'both';
  /** Of the last minute; undefined: no calls. */
  readonly rate?: EdgeRate;
}

/** A service that is not well. */
export interface TopologyFault {
  readonly service: string;
  readonly status: 'unhealthy' | 'degraded' | 'not_registered';
  /** In milliseconds since the Unix epoch; null: unknown. */
  readonly since: number | null;
  /** What is wrong, for people. */
  readonly text: string;
  /** The services at fault that it depends on, which are the likely cause. */
  readonly causedBy: readonly string[];
  /** The services that depend on it, directly or through others. */
  readonly breaks: readonly string[];
}

/** Which service calls which, and what is not well. */
export interface Topology {
  readonly nodes: readonly TopologyNode[];
  readonly edges: readonly TopologyEdge[];
  /** Root causes first, those that break most before others; services that are only degraded come last. */
  readonly faults: readonly TopologyFault[];
}

type Aggregator = Pick<HealthAggregator, 'getAggregatedHealth' | 'missingSince'>;

/** Joins the calls of the last minute with what registrations declare. */
export function describeTopology(aggregator: Aggregator, rates: readonly EdgeRate[]): Topology {
  const health = aggregator.getAggregatedHealth();
  const edges = joinEdges(health, rates);
  const names = new Set([
    ...Object.keys(health.services),
    ...health.missingServices,
    ...edges.flatMap(({ from, to }) => [from, to]),
  ]);
  return {
    nodes: [...names].map((name) => toNode(name, health.services[name])),
    edges,
    faults: findFaults(health, edges, aggregator),
  };
}

function joinEdges({ services }: AggregatedHealth, rates: readonly EdgeRate[]): TopologyEdge[] {
  const edges = new Map<string, TopologyEdge>();
  for (const rate of rates) {
    const { caller: from, service: to } = rate;
    edges.set(`${from}\n${to}`, { from, to, source: 'calls', rate });
  }
  for (const [from, { dependencies }] of Object.entries(services)) {
    for (const to of dependencies) {
      const key = `${from}\n${to}`;
      const rate = edges.get(key)?.rate;
      edges.set(key, rate ? { from, to, source: 'both', rate } : { from, to, source: 'declared' });
    }
  }
  return [...edges.values()];
}

function toNode(service: string, health: ServiceHealth | undefined): TopologyNode {
  return { service, status: health?.status ?? 'not_registered', ...summaryOf(health?.instances ?? NO_INSTANCES) };
}

const NO_INSTANCES: readonly InstanceHealth[] = [];
/** The instances of a service stay the same object until one of them changes. */
const summaries = new WeakMap<readonly InstanceHealth[], InstanceSummary>();

function summaryOf(instances: readonly InstanceHealth[]): InstanceSummary {
  let summary = summaries.get(instances);
  if (!summary) {
    const healthyInstances = instances.filter(({ status }) => status === 'healthy').length;
    summary = { instances: instances.length, healthyInstances, since: latest(startsOf(instances)) };
    summaries.set(instances, summary);
  }
  return summary;
}

/** Since when each instance has its status, where that is known; in milliseconds since the Unix epoch. */
function startsOf(instances: readonly InstanceHealth[]): number[] {
  return instances.flatMap(({ reasons }) => reasons.find(({ status }) => status !== null)?.since ?? []);
}

function latest(times: readonly number[]): number | null {
  return times.length === 0 ? null : Math.max(...times);
}

function findFaults(
  health: AggregatedHealth,
  edges: readonly TopologyEdge[],
  aggregator: Pick<Aggregator, 'missingSince'>,
): TopologyFault[] {
  const callers = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const known = callers.get(to);
    if (known) known.push(from);
    else callers.set(to, [from]);
  }
  const missing = new Set(health.faults.flatMap(({ kind, services }) => (kind === 'not_registered' ? services : [])));
  const faults: TopologyFault[] = [...missing].map((service) => ({
    service,
    status: 'not_registered',
    since: aggregator.missingSince(service),
    text: `${service} has no registered instance`,
    causedBy: [],
    breaks: dependentsOf(service, callers),
  }));
  for (const [service, its] of Object.entries(health.services)) {
    if (its.status !== 'unhealthy' && its.status !== 'degraded') continue;
    faults.push({
      service,
      status: its.status,
      ...describeFault(service, its),
      causedBy: its.status === 'unhealthy' ? its.affectedBy : [],
      breaks: dependentsOf(service, callers),
    });
  }
  const rank = ({ status, causedBy }: TopologyFault): number =>
    status === 'degraded' ? 2 : causedBy.length > 0 ? 1 : 0;
  return faults.sort((one, other) => rank(one) - rank(other) || other.breaks.length - one.breaks.length);
}

/** A service is unhealthy since its last instance is, and degraded since the first one is. */
function describeFault(service: string, { status, instances }: ServiceHealth): Pick<TopologyFault, 'since' | 'text'> {
  const failing = instances.filter((instance) => instance.status !== 'healthy' && instance.status !== 'unknown');
  const starts = startsOf(failing);
  const since = status === 'unhealthy' || starts.length === 0 ? latest(starts) : Math.min(...starts);
  const why = failing.find(({ reason }) => reason !== null)?.reason;
  const what = `${failing.length} of ${counted(instances.length, 'instance')} of ${service} cannot be called`;
  return { since, text: why === undefined ? what : `${what}: ${why}` };
}

/** Who calls a service, directly or through others; a service that calls itself does not depend on itself. */
function dependentsOf(service: string, callers: ReadonlyMap<string, readonly string[]>): string[] {
  const found = new Set([service]);
  for (const name of found) for (const caller of callers.get(name) ?? []) found.add(caller);
  found.delete(service);
  return [...found].sort();
}
