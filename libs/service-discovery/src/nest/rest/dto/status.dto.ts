import { isDeeper } from '../../../common/index.js';
import {
  METADATA_LIMIT_LEVELS,
  type HealthDetail,
  type HealthStatus,
  type OperatorStatus,
} from '../../../model/index.js';
import { ByRule, isText, ReasonRule, Rule } from './rule.js';

const OPERATOR_STATUSES: readonly unknown[] = ['up', 'maintenance', 'draining'] satisfies OperatorStatus[];
const HEALTH_STATUSES: readonly unknown[] = ['healthy', 'unhealthy', 'unknown'] satisfies HealthStatus[];
const HEALTH_DATA_LIMIT_BYTES = 65_536;
/** As for metadata: readers may traverse it recursively. */
const HEALTH_DATA_LIMIT_LEVELS = METADATA_LIMIT_LEVELS;

/** The body of `PUT .../status`: an operator's word. */
export class StatusDto {
  @Rule('one of up, maintenance, draining', (value) => OPERATOR_STATUSES.includes(value), { optional: false })
  status!: OperatorStatus;

  @ReasonRule()
  reason?: string;

  @ByRule()
  by?: string;
}

export interface HealthDetailBody {
  /** ISO 8601. @default now */
  checked_at?: string;
  reason?: string;
  latency_ms?: number;
  status_code?: number;
  data?: unknown;
  flapping?: boolean;
}

/** The body of `PUT .../health`: what a health check found. */
export class HealthDto {
  @Rule('one of healthy, unhealthy, unknown', (value) => HEALTH_STATUSES.includes(value), { optional: false })
  status!: HealthStatus;

  @Rule(
    'an object with checked_at (ISO 8601), reason, latency_ms, status_code, flapping and data (at most 64 KiB and 32 levels), each optional',
    isHealthDetail,
  )
  detail?: HealthDetailBody;
}

/** @param now milliseconds since the Unix epoch */
export function toHealthDetail(body: HealthDetailBody | undefined, now: number): HealthDetail | undefined {
  if (body === undefined) return undefined;
  const { checked_at, reason, latency_ms: latencyMs, status_code: statusCode, data, flapping } = body;
  const checkedAt = checked_at === undefined ? now : Date.parse(checked_at);
  return { checkedAt, reason, latencyMs, statusCode, data, flapping };
}

function isHealthDetail(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const {
    checked_at: checkedAt,
    reason,
    latency_ms: latencyMs,
    status_code: statusCode,
    data,
    flapping,
    ...unknown
  } = value as Record<string, unknown>;
  return (
    Object.keys(unknown).length === 0 &&
    (checkedAt === undefined || (typeof checkedAt === 'string' && !Number.isNaN(Date.parse(checkedAt)))) &&
    (reason === undefined || isText(1_024)(reason)) &&
    (latencyMs === undefined || (Number.isFinite(latencyMs) && (latencyMs as number) >= 0)) &&
    (statusCode === undefined || Number.isInteger(statusCode)) &&
    (flapping === undefined || typeof flapping === 'boolean') &&
    (data === undefined || (!isDeeper(data, HEALTH_DATA_LIMIT_LEVELS) && jsonBytes(data) <= HEALTH_DATA_LIMIT_BYTES))
  );
}

/** Infinite where the nesting is too deep to be written out. */
function jsonBytes(value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
