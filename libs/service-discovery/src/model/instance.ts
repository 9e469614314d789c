import { type HealthCheckSpec } from './health-check/index.js';
import { type Protocol } from './protocol.js';

/** Result of health checks. */
export type HealthStatus = 'unknown' | 'healthy' | 'unhealthy';

/** Set by an operator, or by the instance itself at shutdown. Takes precedence over health checks. */
export type OperatorStatus = 'up' | 'maintenance' | 'draining';

/** The effective status: the operator's unless that is `up`, else the result of health checks. */
export type InstanceStatus = HealthStatus | Exclude<OperatorStatus, 'up'>;

/** The tiers with a built-in pattern. */
export const TIERS = ['web', 'app', 'data', 'ml', 'monitoring'] as const;
/**
 * A tier with a built-in pattern.
 * - `web` faces people: a quick error beats a late answer
 * - `app` works between the edge and the data
 * - `data` answers fast or is in trouble: few attempts, bounded concurrency
 * - `ml` gives slow, costly answers: least connections, low concurrency
 * - `monitoring` must not disturb what it watches: one attempt, no waiting
 */
export type BuiltInTier = (typeof TIERS)[number];
/** The name of a tier: a built-in one, or one that callers have defined a pattern for. */
export type Tier = BuiltInTier | (string & Record<never, never>);

/** Result of the last health check. */
export interface HealthDetail {
  /** Milliseconds since the Unix epoch. */
  readonly checkedAt: number;
  /** Since when the health status is unchanged, in milliseconds since the Unix epoch; absent: unknown. */
  readonly since?: number;
  /** Why the instance is not healthy. */
  readonly reason?: string;
  readonly latencyMs?: number;
  /** The status of an HTTP check. */
  readonly statusCode?: number;
  /** The JSON body of the health endpoint. */
  readonly data?: unknown;
  /** Whether results changed so often that the instance must pass checks for longer before it counts as healthy. */
  readonly flapping?: boolean;
}

/** Why an instance was taken out of service, and who did it. */
export interface OperatorReason {
  readonly reason?: string;
  /** The name that the operator gave. */
  readonly by?: string;
}

/** The reason, and since when the instance is out of service. */
export interface OperatorNote extends OperatorReason {
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
}

/** Details of a status: a health check's or an operator's. */
export type StatusDetail = HealthDetail | OperatorNote;

/** Details given when setting a status. The registry adds since when it holds. */
export type StatusReport = HealthDetail | OperatorReason;

/** Identifies one instance. */
export interface InstanceKey {
  readonly serviceName: string;
  readonly instanceId: string;
}

/** One running copy of a service in the registry. Immutable: each change makes a new object. */
export interface ServiceInstance extends InstanceKey {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** Prefix of every request path: empty, or starting with a slash and not ending with one. */
  readonly path: string;
  /** Absolute path of the health endpoint; null: no HTTP endpoint. */
  readonly healthCheckPath: string | null;
  /** Its own check settings, durations in milliseconds; undefined: none. */
  readonly healthCheck?: HealthCheckSpec;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  /** A semantic version. */
  readonly version?: string;
  /** Share of traffic relative to the others; 0 takes the instance out. */
  readonly weight: number;
  readonly zone?: string;
  readonly tier?: Tier;
  /** Names of the services that it declares to call; undefined: none declared. */
  readonly dependencies?: readonly string[];
  /**
   * The caller of the REST API that registered it, such as `token:orders` or `spiffe://shop/orders`. The API never shows it.
   * Undefined: a process registered it without the API.
   */
  readonly owner?: string;
  /** Derived from `operatorStatus` and `healthStatus` by {@link effectiveStatus}. */
  readonly status: InstanceStatus;
  readonly operatorStatus: OperatorStatus;
  /** Details of the operator status; undefined if that is `up` or has none. */
  readonly operatorNote?: OperatorNote;
  readonly healthStatus: HealthStatus;
  readonly health?: HealthDetail;
  /** Grows with each registration under the same id; operations with an older one have no effect. */
  readonly generation: number;
  /** Duration of the lease in milliseconds. */
  readonly ttlMs: number;
  /** What renews the lease. */
  readonly lease: LeaseKind;
  /** Milliseconds since the Unix epoch. */
  readonly registeredAt: number;
  /**
   * Milliseconds since the Unix epoch of the registration or last known renewal, by a heartbeat or a passed check.
   * Calls and lookups return instances as of the last change other than a renewal.
   */
  readonly lastHeartbeat: number;
}

/**
 * Creates an instance with all fields in one order. All instances share one hidden class, which calls read fastest and
 * which takes a third of the memory of objects spread with extra fields. There may be many thousands.
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
    owner: fields.owner,
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

/** A changed copy of an instance, of the same shape. */
export function changeInstance(instance: ServiceInstance, changes: Partial<ServiceInstance>): ServiceInstance {
  return shapeInstance({ ...instance, ...changes });
}

/** The operator's status takes precedence unless it is `up`. */
export function effectiveStatus(operator: OperatorStatus, health: HealthStatus): InstanceStatus {
  return operator === 'up' ? health : operator;
}

/** Whether calls may go to an instance: it has weight and is neither out of service nor unhealthy. */
export function mayBeCalled({ status, weight }: Pick<ServiceInstance, 'status' | 'weight'>): boolean {
  return weight > 0 && (status === 'healthy' || status === 'unknown');
}

/** `http://host:port`, with an IPv6 host in brackets. */
export function originOf({ protocol, host, port }: Pick<ServiceInstance, 'protocol' | 'host' | 'port'>): string {
  return `${protocol}://${addressOf({ host, port })}`;
}

/** `host:port`, with an IPv6 host in brackets. */
export function addressOf({ host, port }: Pick<ServiceInstance, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The origin and the path prefix; request paths are appended to it. */
export function baseUrlOf(instance: Pick<ServiceInstance, 'protocol' | 'host' | 'port' | 'path'>): string {
  return originOf(instance) + instance.path;
}

/** A key as one string, for maps: names and ids contain no slash. */
export function keyOf({ serviceName, instanceId }: InstanceKey): string {
  return `${serviceName}/${instanceId}`;
}

/** The key of a service as a whole, in place of that of an instance: no instance has an empty id. */
export function serviceKeyOf(serviceName: string): InstanceKey {
  return { serviceName, instanceId: '' };
}

/** Whether two objects represent the same instance. */
export function haveSameId(one: ServiceInstance, other: ServiceInstance): boolean {
  return one === other || one.instanceId === other.instanceId;
}

/**
 * What renews a lease: heartbeats of its owner, or passed health checks of its instance. The first heartbeat turns a
 * lease renewed by checks into one renewed by heartbeats.
 */
export type LeaseKind = 'heartbeat' | 'checks';

/** The right to be listed for `ttlMs` after the last renewal. Operations with an older generation have no effect. */
export interface Lease extends InstanceKey {
  readonly generation: number;
  readonly ttlMs: number;
}

/** A status as it follows "is". */
export function statusInWords(status: InstanceStatus): string {
  return status === 'maintenance' ? 'in maintenance' : status;
}
