import { systemClock, type Clock } from '../common/index.js';
import { baseUrlOf, type ExpiryHold, type InstanceStatus, type ServiceInstance } from '../model/index.js';
import { type ServiceRegistry } from '../registry/index.js';

/**
 * How a service, or all of them together, are.
 * - `healthy`: there is a healthy instance of every service, and no unhealthy one of any.
 * - `degraded`: there is a healthy instance of every service, but also an unhealthy one.
 * - `unhealthy`: some service has no healthy instance.
 * - `unknown`: no instance was checked yet, or there is none.
 */
export type AggregatedStatus = 'healthy' | 'degraded' | 'unhealthy' | 'unknown';

/** How current a registry's word is. */
export interface RegistryHealth {
  /** False while the registry cannot be reached: then the last good answer is served. */
  readonly connected: boolean;
  /** Whole seconds since that answer was last known to be true; 0 while connected. */
  readonly ageSeconds: number;
}

/** All services in four words, and how current they are. */
export interface HealthSummary {
  readonly overallStatus: AggregatedStatus;
  readonly totalServices: number;
  /** Services whose own status is `healthy`; those that are `degraded` or `unknown` are in neither of the two counts. */
  readonly healthyServices: number;
  /** Services whose own status is `unhealthy`. */
  readonly unhealthyServices: number;
  readonly registry: RegistryHealth;
}

export interface AggregatedHealth extends HealthSummary {
  /** When this was put together, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** By service name. */
  readonly services: Readonly<Record<string, ServiceHealth>>;
}

/**
 * One service. `endpoint`, `lastHeartbeat` and `healthData` are those of one instance: the first healthy one in order of
 * registration, else the first unchecked one, else the first.
 */
export interface ServiceHealth {
  readonly status: AggregatedStatus;
  /** The base URL, such as `http://10.0.0.7:8080/api`. */
  readonly endpoint: string;
  /** Milliseconds since the Unix epoch. */
  readonly lastHeartbeat: number;
  /** The JSON that its health endpoint answered last; null: none. */
  readonly healthData: unknown;
  /** Since too many of its instances miss their heartbeats at once, none is taken out; null: expiry is as usual. */
  readonly expiryHeld: ExpiryHold | null;
  /** In order of registration. */
  readonly instances: readonly InstanceHealth[];
}

export interface InstanceHealth {
  readonly instanceId: string;
  /** The effective status: the operator's word where there is one, else what the checks found. */
  readonly status: InstanceStatus;
  readonly endpoint: string;
  readonly lastHeartbeat: number;
  /** When the last check was made, in milliseconds since the Unix epoch; null: never. */
  readonly lastChecked: number | null;
  readonly latencyMs: number | null;
  readonly statusCode: number | null;
  /** Why it is not healthy, or what was odd about its answer. */
  readonly reason: string | null;
  readonly healthData: unknown;
}

/** Sums up what the registry's snapshot says about the health of all services. Asks nobody. */
export class HealthAggregator {
  private readonly clock: Clock;

  /** @param deps.clock the machine's clock when left out */
  constructor(
    private readonly registry: Pick<ServiceRegistry, 'snapshot' | 'ageMs'>,
    deps: { clock?: Clock } = {},
  ) {
    this.clock = deps.clock ?? systemClock;
  }

  /** Everything, down to each instance. */
  getAggregatedHealth(): AggregatedHealth {
    const { snapshot } = this.registry;
    const services = [...snapshot.services].map(
      ([name, instances]) => [name, describe(instances, snapshot.expiryHolds.get(name) ?? null)] as const,
    );
    return {
      ...this.getSummary(),
      timestamp: this.clock.epoch(),
      services: Object.fromEntries(services),
    };
  }

  /** The counts alone: cheap, however much the health endpoints answered. */
  getSummary(): HealthSummary {
    const services = [...this.registry.snapshot.services.values()];
    const statuses = services.map(statusOf);
    return {
      overallStatus: combine(services, statuses),
      totalServices: services.length,
      healthyServices: statuses.filter((status) => status === 'healthy').length,
      unhealthyServices: statuses.filter((status) => status === 'unhealthy').length,
      registry: {
        connected: this.registry.snapshot.connected,
        ageSeconds: Math.floor(this.registry.ageMs() / 1_000),
      },
    };
  }
}

function combine(
  services: readonly (readonly ServiceInstance[])[],
  statuses: readonly AggregatedStatus[],
): AggregatedStatus {
  if (!services.some((instances) => instances.some(isChecked))) return 'unknown';
  // A service that nobody checked yet has no healthy instance either.
  if (statuses.some((status) => status === 'unhealthy' || status === 'unknown')) return 'unhealthy';
  return statuses.includes('degraded') ? 'degraded' : 'healthy';
}

function statusOf(instances: readonly ServiceInstance[]): AggregatedStatus {
  if (!instances.some(isChecked)) return 'unknown';
  if (!instances.some(({ status }) => status === 'healthy')) return 'unhealthy';
  return instances.some(({ status }) => status === 'unhealthy') ? 'degraded' : 'healthy';
}

function isChecked({ healthStatus }: ServiceInstance): boolean {
  return healthStatus !== 'unknown';
}

function describe(instances: readonly ServiceInstance[], expiryHeld: ExpiryHold | null): ServiceHealth {
  const described = instances.map(describeInstance);
  const shown = described.reduce((best, next) => (rankOf(next) < rankOf(best) ? next : best));
  return {
    status: statusOf(instances),
    endpoint: shown.endpoint,
    lastHeartbeat: shown.lastHeartbeat,
    healthData: shown.healthData,
    expiryHeld,
    instances: described,
  };
}

/** Which instance speaks for its service: the lowest. */
function rankOf({ status }: InstanceHealth): number {
  return status === 'healthy' ? 0 : status === 'unknown' ? 1 : 2;
}

function describeInstance(instance: ServiceInstance): InstanceHealth {
  const { instanceId, status, lastHeartbeat, health } = instance;
  return {
    instanceId,
    status,
    endpoint: baseUrlOf(instance),
    lastHeartbeat,
    lastChecked: health?.checkedAt ?? null,
    latencyMs: health?.latencyMs ?? null,
    statusCode: health?.statusCode ?? null,
    reason: health?.reason ?? null,
    healthData: health?.data ?? null,
  };
}
