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

/** The version of the records that are written; newer ones are not understood. */
const RECORD_VERSION = 1;

/** What Redis holds of one instance, as its scripts hand it over. */
export interface StoredInstance extends InstanceKey {
  readonly record: string;
  readonly state: string;
  /** Milliseconds since the Unix epoch, as digits; undefined: unknown. */
  readonly lastHeartbeat?: string;
  /** Empty: none. */
  readonly detail: string;
}

/** What a record holds: what does not change until the next registration. */
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
>;

/** What every reader takes for granted, beside the tags: a record that lacks it would break calls, not only itself. */
const REQUIRED = Object.entries({
  host: 'string',
  port: 'number',
  protocol: 'string',
  path: 'string',
  weight: 'number',
  metadata: 'object',
} satisfies Partial<Record<keyof Registered, string>>);

/** A registration as JSON; the scripts never look into it. */
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
  };
  return JSON.stringify({ v: RECORD_VERSION, ...fields });
}

/** @throws Error saying what is wrong, for what this version cannot read */
export function toServiceInstance(stored: StoredInstance): ServiceInstance {
  const { serviceName, instanceId } = stored;
  const fields = parseObject(stored.record, 'the record');
  if (fields.v !== RECORD_VERSION) throw new Error(`the record has version ${String(fields.v)}, not ${RECORD_VERSION}`);
  const wrong = REQUIRED.find(([name, type]) => typeof fields[name] !== type || fields[name] === null);
  if (wrong) throw new Error(`the record has no valid ${wrong[0]}`);
  if (!Array.isArray(fields.tags)) throw new Error('the record has no valid tags');
  // Records of before there were any have none.
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

/** In which order instances registered; what is no state comes first. */
export function orderOf(state: string): number {
  return Number(state.split(' ')[2] ?? 0);
}

/** A text that is equal for details that say the same, whatever their time and latency. */
export function printOf({ reason, statusCode, data, flapping }: HealthDetail): string {
  const said = [reason ?? null, statusCode ?? null, data ?? null, ...(flapping ? [flapping] : [])];
  const text = JSON.stringify(said, withSortedKeys);
  return createHash('sha1').update(text).digest('base64url');
}

type State = Pick<
  ServiceInstance,
  'generation' | 'ttlMs' | 'lease' | 'registeredAt' | 'operatorStatus' | 'operatorNote' | 'healthStatus'
>;

/**
 * An operator's word as it stands in a state, which the scripts keep as it is: the word, and behind a tilde its note as JSON,
 * in letters that a state may hold.
 */
export function toOperatorWord(status: OperatorStatus, note: OperatorNote | undefined): string {
  if (status === 'up' || !note) return status;
  return `${status}~${Buffer.from(JSON.stringify(note)).toString('base64url')}`;
}

function parseOperatorWord(word: string): Pick<ServiceInstance, 'operatorStatus' | 'operatorNote'> {
  const [status, note] = word.split('~');
  if (note === undefined) return { operatorStatus: status as OperatorStatus };
  const text = Buffer.from(note, 'base64url').toString();
  return {
    operatorStatus: status as OperatorStatus,
    operatorNote: parseObject(text, 'the note') as unknown as OperatorNote,
  };
}

/** The state that the scripts would have written of an instance, as far as a reader knows it. @param order of registration */
export function toState(instance: ServiceInstance, order: number): string {
  const { generation, ttlMs, registeredAt, operatorStatus, operatorNote, healthStatus, health, lease } = instance;
  const announced = [Math.floor(health?.checkedAt ?? 0), health ? printOf(health) : '-'];
  const word = toOperatorWord(operatorStatus, operatorNote);
  // Of a registration that came back the first generation is not known; the latest stands above it.
  return [generation, ttlMs, order, registeredAt, word, healthStatus, ...announced, generation, lease].join(' ');
}

function parseState(text: string): State {
  const [generation, ttlMs, , registeredAt, operator = '', healthStatus, , , , lease] = wordsOf(text);
  return {
    generation: Number(generation),
    ttlMs: Number(ttlMs),
    lease: lease as LeaseKind,
    registeredAt: Number(registeredAt),
    ...parseOperatorWord(operator),
    healthStatus: healthStatus as HealthStatus,
  };
}

function wordsOf(state: string): string[] {
  const words = state.split(' ');
  if (words.length !== 10) throw new Error('the state is not one that this version writes');
  return words;
}

function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Reported below, together with JSON of another kind.
  }
  if (typeof value !== 'object' || value === null) throw new Error(`${what} is no JSON object`);
  return value as Record<string, unknown>;
}

function withSortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
