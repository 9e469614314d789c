import {
  baseUrlOf,
  recallHealthCheck,
  shapeInstance,
  type HealthDetail,
  type HealthStatus,
  type InstanceStatus,
  type LeaseKind,
  type OperatorStatus,
  type Protocol,
  type ServiceInstance,
  type Tier,
  WIRE_FORM,
  writeHealthCheck,
} from '../../model/index.js';

/** The result of the last health check, as JSON. */
export interface HealthBody {
  /** ISO 8601. */
  readonly checked_at: string;
  /** When the health last changed, in ISO 8601. */
  readonly since?: string;
  readonly reason?: string;
  readonly latency_ms?: number;
  /** The HTTP status of an HTTP check. */
  readonly status_code?: number;
  /** The response of the health endpoint. */
  readonly data?: unknown;
  readonly flapping?: boolean;
}

/** The fields of a registration. */
interface Traits {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly path: string;
  readonly health_check_path: string | null;
  /** The health check of the instance, durations in seconds; undefined if it has none. */
  readonly health_check?: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  readonly version?: string;
  readonly weight: number;
  readonly zone?: string;
  readonly tier?: Tier;
  /** Undefined if there are none. */
  readonly dependencies?: readonly string[];
}

/** The note of an operator status. */
interface OperatorNoteBody {
  readonly since: string;
  readonly reason?: string;
  readonly by?: string;
}

/** An instance as JSON: in every answer of the REST API that shows one, and in the watch. */
export interface InstanceBody extends Traits {
  readonly service_name: string;
  readonly instance_id: string;
  /** The URL that request paths are appended to. */
  readonly base_url: string;
  readonly status: InstanceStatus;
  readonly operator_status: OperatorStatus;
  /** Who set the operator status, since when (ISO 8601) and why; undefined if there is no note. */
  readonly operator_note?: OperatorNoteBody;
  readonly health_status: HealthStatus;
  readonly health?: HealthBody;
  readonly generation: number;
  /** Seconds. */
  readonly ttl: number;
  /** What renews the registration. */
  readonly lease: LeaseKind;
  /** ISO 8601. */
  readonly registered_at: string;
  /** ISO 8601. */
  readonly last_heartbeat: string;
}

export function toInstanceBody(instance: ServiceInstance): InstanceBody {
  return {
    service_name: instance.serviceName,
    instance_id: instance.instanceId,
    base_url: baseUrlOf(instance),
    status: instance.status,
    operator_status: instance.operatorStatus,
    operator_note: instance.operatorNote && { ...instance.operatorNote, since: isoOf(instance.operatorNote.since) },
    health_status: instance.healthStatus,
    health: instance.health && toHealthBody(instance.health),
    ...toTraits(instance),
    generation: instance.generation,
    ttl: instance.ttlMs / 1_000,
    lease: instance.lease,
    registered_at: isoOf(instance.registeredAt),
    last_heartbeat: isoOf(instance.lastHeartbeat),
  };
}

/** The body of a registration request. */
export function toRegistrationBody(instance: ServiceInstance, ttlMs: number): Record<string, unknown> {
  return {
    service_name: instance.serviceName,
    instance_id: instance.instanceId,
    ...toTraits(instance),
    ttl: ttlMs / 1_000,
    lease: instance.lease,
  };
}

function toTraits(instance: ServiceInstance): Traits {
  return {
    host: instance.host,
    port: instance.port,
    protocol: instance.protocol,
    path: instance.path,
    health_check_path: instance.healthCheckPath,
    health_check: instance.healthCheck && writeHealthCheck(instance.healthCheck, WIRE_FORM),
    metadata: instance.metadata,
    tags: instance.tags,
    version: instance.version,
    weight: instance.weight,
    zone: instance.zone,
    tier: instance.tier,
    dependencies: instance.dependencies,
  };
}

/** Parses an instance. @throws TypeError for an invalid body */
export function toServiceInstance(body: InstanceBody): ServiceInstance {
  return shapeInstance({
    serviceName: textOf(body.service_name),
    instanceId: textOf(body.instance_id),
    host: textOf(body.host),
    port: numberOf(body.port),
    protocol: body.protocol,
    path: textOf(body.path),
    healthCheckPath: body.health_check_path,
    healthCheck: body.health_check && recallHealthCheck(body.health_check, WIRE_FORM),
    metadata: body.metadata,
    tags: body.tags,
    version: body.version,
    weight: numberOf(body.weight),
    zone: body.zone,
    tier: body.tier,
    dependencies: body.dependencies,
    status: body.status,
    operatorStatus: body.operator_status,
    operatorNote: body.operator_note && { ...body.operator_note, since: epochOf(body.operator_note.since) },
    healthStatus: body.health_status,
    health: body.health && toHealthDetail(body.health),
    generation: numberOf(body.generation),
    ttlMs: Math.round(numberOf(body.ttl) * 1_000),
    lease: body.lease,
    registeredAt: epochOf(body.registered_at),
    lastHeartbeat: epochOf(body.last_heartbeat),
  });
}

export function toHealthBody(detail: HealthDetail): HealthBody {
  const { checkedAt, since, reason, latencyMs, statusCode, data, flapping } = detail;
  return {
    checked_at: isoOf(checkedAt),
    since: since === undefined ? undefined : isoOf(since),
    reason,
    latency_ms: latencyMs,
    status_code: statusCode,
    data,
    flapping,
  };
}

function toHealthDetail(body: HealthBody): HealthDetail {
  return {
    checkedAt: epochOf(body.checked_at),
    since: body.since === undefined ? undefined : epochOf(body.since),
    reason: body.reason,
    latencyMs: body.latency_ms,
    statusCode: body.status_code,
    data: body.data,
    flapping: body.flapping,
  };
}

/** @param epoch milliseconds since the Unix epoch */
export function isoOf(epoch: number): string {
  return new Date(epoch).toISOString();
}

/** Milliseconds since the Unix epoch. @throws TypeError if it is not an ISO 8601 time */
export function epochOf(iso: unknown): number {
  return numberOf(Date.parse(textOf(iso)));
}

/** @throws TypeError if it is not a string */
export function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`expected a string, but got ${JSON.stringify(value)}`);
  return value;
}

/** @throws TypeError if it is not a number */
export function numberOf(value: unknown): number {
  if (typeof value !== 'number' || Number.isNaN(value))
    throw new TypeError(`expected a number, but got ${String(value)}`);
  return value;
}
