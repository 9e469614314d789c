/** What the API answers, as far as the page reads it. */

export type Status = 'healthy' | 'degraded' | 'unhealthy' | 'unknown' | 'draining' | 'maintenance' | 'not_registered';
type CircuitState = 'closed' | 'half_open' | 'open' | 'isolated';
export type OperatorStatus = 'up' | 'draining' | 'maintenance';
export type CircuitCommand = 'isolated' | 'closed' | 'automatic';

export interface Overview {
  readonly process: string;
  readonly registry: {
    readonly mode: string;
    readonly connected: boolean;
    readonly age_seconds: number;
    readonly replicas: number | null;
    /** Services whose expiry is held. */
    readonly held_expiry: readonly { readonly service_name: string }[];
  };
  readonly counts: {
    readonly services: number;
    readonly healthy_services: number;
    readonly degraded_services: number;
    readonly unhealthy_services: number;
    readonly instances: number;
    readonly healthy_instances: number;
  };
  readonly faults: readonly Fault[];
  readonly rights: { readonly operate: boolean };
}

export interface Fault {
  readonly service_name: string;
  readonly since: string | null;
  readonly status: Status;
  readonly text: string;
  /** The services that depend on it, directly or not. */
  readonly breaks: readonly string[];
  /** Faults that it follows from; empty: it is a root cause. */
  readonly caused_by: readonly string[];
}

export interface Topology {
  readonly nodes: readonly ServiceNode[];
  readonly edges: readonly CallEdge[];
  readonly faults: readonly Fault[];
}

export interface ServiceNode {
  readonly service_name: string;
  readonly status: Status;
  readonly instances: number;
  readonly healthy_instances: number;
  readonly tier: string | null;
  readonly tags?: readonly string[];
  readonly zones?: readonly string[];
  readonly versions?: readonly string[];
  readonly since?: string | null;
  readonly expiry_held?: boolean;
}

export interface CallEdge {
  readonly from: string;
  readonly to: string;
  readonly source: 'calls' | 'declared' | 'both';
  readonly calls_per_second: number | null;
  readonly error_share: number | null;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
}

export interface Reason {
  readonly source: string;
  readonly status: Status | null;
  readonly reason: string | null;
  readonly since: string | null;
  readonly by?: string;
}

export interface Instance {
  readonly service_name: string;
  readonly instance_id: string;
  readonly base_url: string;
  readonly status: Status;
  readonly operator_status: OperatorStatus;
  readonly health?: {
    readonly checked_at: string;
    readonly latency_ms?: number;
    readonly status_code?: number;
    readonly reason?: string;
    readonly flapping?: boolean;
    readonly data?: unknown;
  };
  readonly protocol: string;
  readonly health_check_path?: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  readonly version?: string;
  readonly weight: number;
  readonly zone?: string;
  readonly tier?: string;
  readonly ttl: number;
  readonly lease: string;
  readonly owner?: string;
  readonly registered_at: string;
  readonly last_heartbeat: string;
  readonly expires_at?: string;
  readonly reasons: readonly Reason[];
}

export interface Service {
  readonly service_name: string;
  readonly base_url: string;
  readonly status: Status;
  readonly instances: readonly Instance[];
  readonly total_instances: number;
  readonly healthy_instances: number;
  readonly expiry_held: { readonly since: string; readonly overdue: number; readonly total: number } | null;
  readonly next?: string;
}

export interface Transition {
  readonly from: Status | null;
  readonly to: Status | null;
  readonly source: string;
  readonly reason: string | null;
  readonly at: string;
}

export interface Circuit {
  readonly service_name: string;
  readonly instance_id: string | null;
  readonly state: CircuitState;
  readonly forced: 'isolated' | 'closed' | null;
  readonly failures: number;
  readonly held_closed: boolean;
  readonly state_age_ms: number;
  readonly retry_after_ms: number | null;
}

export interface Ejection {
  readonly service_name: string;
  readonly instance_id: string;
  readonly [field: string]: unknown;
}

export interface Stage {
  readonly stage: string;
  readonly purpose: string;
  readonly per: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface Explanation {
  readonly strategy: string;
  readonly goes_by?: string;
  readonly owner?: string;
  readonly unavailable?: string;
  readonly healthy_share: number;
  readonly panic: boolean;
  readonly fail_open: boolean;
  readonly refused_by?: string;
  readonly retries_left?: number;
  readonly hedge_after_ms?: number;
  readonly instances: readonly ExplainedInstance[];
}

interface ExplainedInstance {
  readonly instance_id: string;
  readonly status: Status;
  readonly taken: boolean;
  readonly stage?: string;
  readonly reason?: string;
  readonly pool_share?: number;
  readonly weight: number;
  readonly slow_start: number;
  readonly active: number;
  readonly latency_ms: number;
  readonly circuit?: { readonly state: CircuitState };
}

export interface Calls {
  readonly step_seconds: number;
  readonly from: string;
  readonly edges: readonly CallSeries[];
  readonly instances?: readonly InstanceCalls[];
}

interface InstanceCalls {
  readonly instance_id: string;
  readonly calls: number;
  readonly errors: number;
  readonly p95_ms: number | null;
}

export interface CallSeries {
  readonly caller: string;
  readonly service_name: string;
  readonly points: readonly CallPoint[];
  readonly retry_budget: number | null;
}

export interface CallPoint {
  readonly at: string;
  readonly calls: number;
  readonly errors: number;
  readonly retries: number;
  readonly hedges: number;
  readonly shed: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
}

export interface JournalEntry {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly severity: 'info' | 'warning' | 'error';
  readonly service_name: string | null;
  readonly instance_id: string | null;
  /** Null to readers who may not know it. */
  readonly process: string | null;
  readonly text: string;
  readonly by: string | null;
  readonly reason: string | null;
  readonly data: unknown;
}
