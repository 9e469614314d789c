import { createHash } from 'node:crypto';
import {
  effectiveStatus,
  recallHealthCheck,
  shapeInstance,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type LeaseKind,
  type OperatorNote,
  type OperatorStatus,
  type ServiceInstance,
} from '../../model/index.js';

/** The version of written records; newer versions cannot be read. */
const RECORD_VERSION = 1;

/** The data of one instance as the scripts return it. */
export interface StoredInstance extends InstanceKey {
  readonly record: string;
  readonly state: string;
  /** Milliseconds since the Unix epoch, as digits; undefined if unknown. */
  readonly lastHeartbeat?: string;
  /** Empty if there is none. */
  readonly detail: string;
}

/** The content of a record: what does not change until the next registration. */
type Registered = Pick<
  ServiceInstance,
  | 'host'
  | 'port'
  | 'protocol'
  | 'path'
  | 'healthCheckPath'
  | 'healthCheck'
  | 'metadata'
  | 'tags'
  | 'version'
  | 'weight'
  | 'zone'
  | 'tier'
  | 'dependencies'
  | 'owner'
>;

/** The fields that every reader relies on, besides the tags: without one of them calls would fail. */
const REQUIRED = Object.entries({
  host: 'string',
  port: 'number',
  protocol: 'string',
  path: 'string',
  weight: 'number',
  metadata: 'object',
} satisfies Partial<Record<keyof Registered, string>>);

/** A registration as JSON. The scripts treat it as opaque. */
export function toRecord(instance: ServiceInstance): string {
  const { host, port, protocol, path, healthCheckPath, metadata, tags, version, weight, zone, tier } = instance;
  const fields: Registered = {
    host,
    port,
    protocol,
    path,
    healthCheckPath,
    healthCheck: instance.healthCheck,
    metadata,
    tags,
    version,
    weight,
    zone,
    tier,
    dependencies: instance.dependencies,
    owner: instance.owner,
  };
  return JSON.stringify({ v: RECORD_VERSION, ...fields });
}

/** @throws Error describing the problem, for data that this version cannot read */
export function toServiceInstance(stored: StoredInstance): ServiceInstance {
  const { serviceName, instanceId } = stored;
  const fields = parseObject(stored.record, 'the record');
  if (fields.v !== RECORD_VERSION) throw new Error(`the record has version ${String(fields.v)}, not ${RECORD_VERSION}`);
  const wrong = REQUIRED.find(([name, type]) => typeof fields[name] !== type || fields[name] === null);
  if (wrong) throw new Error(`the record has no valid ${wrong[0]}`);
  if (!Array.isArray(fields.tags)) throw new Error('the record has no valid tags');
  // Older records have none.
  if (!Array.isArray(fields.dependencies ?? [])) throw new Error('the record has no valid dependencies');
  const record = fields as unknown as Registered;
  const { generation, ttlMs, lease, registeredAt, operatorStatus, operatorNote, healthStatus } = parseState(
    stored.state,
  );
  return shapeInstance({
    serviceName,
    instanceId,
    host: record.host,
    port: record.port,
    protocol: record.protocol,
    path: record.path,
    healthCheckPath: record.healthCheckPath,
    healthCheck: record.healthCheck && recallHealthCheck(record.healthCheck),
    metadata: record.metadata,
    tags: record.tags,
    version: record.version,
    weight: record.weight,
    zone: record.zone,
    tier: record.tier,
    dependencies: record.dependencies,
    owner: record.owner,
    generation,
    ttlMs,
    lease,
    registeredAt,
    operatorStatus,
    operatorNote,
    healthStatus,
    status: effectiveStatus(operatorStatus, healthStatus),
    health: stored.detail === '' ? undefined : (parseObject(stored.detail, 'the detail') as unknown as HealthDetail),
    lastHeartbeat: Number(stored.lastHeartbeat ?? registeredAt),
  });
}

/** The order of registration; an invalid state sorts first. */
export function orderOf(state: string): number {
  return Number(state.split(' ')[2] ?? 0);
}

/** NaN for an invalid state. */
export function generationOf(state: string): number {
  return Number.parseInt(state, 10);
}

/** A hash that is equal for details that differ only in time and latency. */
export function fingerprintOf({ reason, statusCode, data, flapping }: HealthDetail): string {
  const content = [reason ?? null, statusCode ?? null, data ?? null, ...(flapping ? [flapping] : [])];
  const text = JSON.stringify(content, withSortedKeys);
  return createHash('sha1').update(text).digest('base64url');
}

type State = Pick<
  ServiceInstance,
  'generation' | 'ttlMs' | 'lease' | 'registeredAt' | 'operatorStatus' | 'operatorNote' | 'healthStatus'
>;

/**
 * An operator status as stored in a state, which the scripts treat as opaque: the status, and after a tilde its note as
 * base64url-encoded JSON, since a state must not contain spaces.
 */
export function encodeOperatorStatus(status: OperatorStatus, note: OperatorNote | undefined): string {
  if (status === 'up' || !note) return status;
  return `${status}~${Buffer.from(JSON.stringify(note)).toString('base64url')}`;
}

function decodeOperatorStatus(encoded: string): Pick<ServiceInstance, 'operatorStatus' | 'operatorNote'> {
  const [status, note] = encoded.split('~');
  if (note === undefined) return { operatorStatus: status as OperatorStatus };
  const text = Buffer.from(note, 'base64url').toString();
  return {
    operatorStatus: status as OperatorStatus,
    operatorNote: parseObject(text, 'the note') as unknown as OperatorNote,
  };
}

/** What a recovered registration claims: the generation that it had at first. */
export function claimOf(state: string): number {
  return Number(fieldsOf(state)[8]);
}

/** The state that the scripts would have written, as far as a reader knows it. @param order of registration */
export function toState(instance: ServiceInstance, order: number, claim = instance.generation): string {
  const { generation, ttlMs, registeredAt, operatorStatus, operatorNote, healthStatus, health, lease } = instance;
  const announced = [Math.floor(health?.checkedAt ?? 0), health ? fingerprintOf(health) : '-'];
  const operator = encodeOperatorStatus(operatorStatus, operatorNote);
  return [generation, ttlMs, order, registeredAt, operator, healthStatus, ...announced, claim, lease].join(' ');
}

function parseState(text: string): State {
  const [generation, ttlMs, , registeredAt, operator = '', healthStatus, , , , lease] = fieldsOf(text);
  return {
    generation: Number(generation),
    ttlMs: Number(ttlMs),
    lease: lease as LeaseKind,
    registeredAt: Number(registeredAt),
    ...decodeOperatorStatus(operator),
    healthStatus: healthStatus as HealthStatus,
  };
}

function fieldsOf(state: string): string[] {
  const fields = state.split(' ');
  if (fields.length !== 10) throw new Error('the state has an unknown format');
  return fields;
}

function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Reported below, together with other values that are not objects.
  }
  if (typeof value !== 'object' || value === null) throw new Error(`${what} is not a JSON object`);
  return value as Record<string, unknown>;
}

function withSortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
