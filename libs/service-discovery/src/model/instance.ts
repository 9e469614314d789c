import { type HealthCheckSpec } from './health-check/index.js';
import { type LeaseKind } from './lease-kind.js';
import { type Protocol } from './protocol.js';

/** What health checks found. */
export type HealthStatus = 'unknown' | 'healthy' | 'unhealthy';

/** What an operator, or the instance itself at shutdown, said. It outranks every health check. */
export type OperatorStatus = 'up' | 'maintenance' | 'draining';

/** The one status that readers see: the operator's word where it is not `up`, else what the checks found. */
export type InstanceStatus = HealthStatus | Exclude<OperatorStatus, 'up'>;

/** The tiers that the library has a pattern for. */
export const TIERS = ['web', 'app', 'data', 'ml', 'monitoring'] as const;
/**
 * A tier that the library has a pattern for.
 * - `web` faces people: a quick error beats a late answer
 * - `app` works between the edge and the data
 * - `data` answers fast or is in trouble: few attempts, and no pressure on top
 * - `ml` gives slow, costly answers: the least busy instance, few calls at once
 * - `monitoring` must not disturb what it watches: one attempt, no waiting
 */
export type BuiltInTier = (typeof TIERS)[number];
/** The name of a tier: a built-in one, or one that those who call the service have a pattern for. */
export type Tier = BuiltInTier | (string & Record<never, never>);

/** What the last health check saw. */
export interface HealthDetail {
  /** Milliseconds since the Unix epoch. */
  readonly checkedAt: number;
  /** Since when the health has been what it is, in milliseconds since the Unix epoch; left out: not known. */
  readonly since?: number;
  /** Why the instance is not healthy, in a sentence. */
  readonly reason?: string;
  readonly latencyMs?: number;
  /** The HTTP status, where the probe was HTTP. */
  readonly statusCode?: number;
  /** The JSON that the health endpoint answered. */
  readonly data?: unknown;
  /** Whether results changed so often of late that the instance has to prove itself for longer. */
  readonly flapping?: boolean;
}

/** Why an instance is taken out, and by whom. */
export interface OperatorReason {
  readonly reason?: string;
  /** Whoever says it, as they call themselves. */
  readonly by?: string;
}

/** The same, and since when it is out. */
export interface OperatorNote extends OperatorReason {
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
}

/** What goes with a status: of a health the one, of an operator's word the other. */
export type StatusDetail = HealthDetail | OperatorNote;

/** What whoever sets a status says of it. Since when it holds, the registry finds by itself. */
export type StatusReport = HealthDetail | OperatorReason;

/** Names one instance. */
export interface InstanceKey {
  readonly serviceName: string;
  readonly instanceId: string;
}

/** One running copy of a service, as the registry knows it. Never mutated: each change makes a new object. */
export interface ServiceInstance extends InstanceKey {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** Prefix of every request path: empty, or starting with a slash and not ending with one. */
  readonly path: string;
  /** Where a health check asks, from the root of the host; null: it is checked without one. */
  readonly healthCheckPath: string | null;
  /** What it says itself of how it is to be checked, durations in milliseconds; undefined: nothing. */
  readonly healthCheck?: HealthCheckSpec;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  /** A semantic version. */
  readonly version?: string;
  /** Share of traffic relative to the others; 0 takes the instance out. */
  readonly weight: number;
  readonly zone?: string;
  readonly tier?: Tier;
  /** Names of the services that it calls, as it says itself; undefined: none. */
  readonly dependencies?: readonly string[];
  /** Derived from `operatorStatus` and `healthStatus` by {@link effectiveStatus}. */
  readonly status: InstanceStatus;
  readonly operatorStatus: OperatorStatus;
  /** What was said with it; undefined where it is `up`, or nothing was. */
  readonly operatorNote?: OperatorNote;
  readonly healthStatus: HealthStatus;
  readonly health?: HealthDetail;
  /** Grows with each registration under the same id; an older one can no longer change anything. */
  readonly generation: number;
  /** The lease's length in milliseconds. */
  readonly ttlMs: number;
  /** What renews the lease. */
  readonly lease: LeaseKind;
  /** Milliseconds since the Unix epoch. */
  readonly registeredAt: number;
  /**
   * Milliseconds since the Unix epoch of the registration or last renewal, by a heartbeat or a passing check, that this reader
   * knows of. Calls and look-ups hand out instances as they were before renewals that changed nothing else.
   */
  readonly lastHeartbeat: number;
}

/**
 * An instance with every field written out, in one order. Objects that are made here have one shape, however they came
 * about: calls read them fastest, and they take a third of what spread ones do that gain a field. There may be many thousands.
 */
export function shapeInstance(fields: ServiceInstance): ServiceInstance {
  return {
    serviceName: fields.serviceName,
    instanceId: fields.instanceId,
    host: fields.host,
    port: fields.port,
    protocol: fields.protocol,
    path: fields.path,
    healthCheckPath: fields.healthCheckPath,
    healthCheck: fields.healthCheck,
    metadata: fields.metadata,
    tags: fields.tags,
    version: fields.version,
    weight: fields.weight,
    zone: fields.zone,
    tier: fields.tier,
    dependencies: fields.dependencies,
    status: fields.status,
    operatorStatus: fields.operatorStatus,
    operatorNote: fields.operatorNote,
    healthStatus: fields.healthStatus,
    health: fields.health,
    generation: fields.generation,
    ttlMs: fields.ttlMs,
    lease: fields.lease,
    registeredAt: fields.registeredAt,
    lastHeartbeat: fields.lastHeartbeat,
  } satisfies Record<keyof ServiceInstance, unknown>;
}

/** The successor of an instance, of the same shape. */
export function changeInstance(instance: ServiceInstance, changes: Partial<ServiceInstance>): ServiceInstance {
  return shapeInstance({ ...instance, ...changes });
}

/** The operator's word wins unless it is `up`. */
export function effectiveStatus(operator: OperatorStatus, health: HealthStatus): InstanceStatus {
  return operator === 'up' ? health : operator;
}

/** Whether calls go to an instance: it weighs anything, and neither an operator nor a check speaks against it. */
export function mayBeCalled({ status, weight }: Pick<ServiceInstance, 'status' | 'weight'>): boolean {
  return weight > 0 && (status === 'healthy' || status === 'unknown');
}

/** `http://host:port`, with an IPv6 host in brackets. */
export function originOf({ protocol, host, port }: Pick<ServiceInstance, 'protocol' | 'host' | 'port'>): string {
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The origin and the path prefix: what a request path is appended to. */
export function baseUrlOf(instance: Pick<ServiceInstance, 'protocol' | 'host' | 'port' | 'path'>): string {
  return originOf(instance) + instance.path;
}

/** One text for a key, for maps: names and ids hold no slash. */
export function keyOf({ serviceName, instanceId }: InstanceKey): string {
  return `${serviceName}/${instanceId}`;
}

/** Whether two states are of one instance. */
export function haveSameId(one: ServiceInstance, other: ServiceInstance): boolean {
  return one === other || one.instanceId === other.instanceId;
}
