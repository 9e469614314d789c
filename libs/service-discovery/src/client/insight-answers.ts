import { type AggregatedStatus } from '../health/index.js';
import { type JournalEntry } from '../model/index.js';

/** The answer of `GET /journal`, the newest entry first. */
export interface JournalView {
  readonly entries: readonly JournalEntry[];
  /** The `before` of the page with older entries; null: there are none. */
  readonly next: string | null;
}

/** What calls of one service to another came to within a step. */
export interface CallPointView {
  /** ISO 8601. */
  readonly at: string;
  readonly calls: number;
  readonly errors: number;
  readonly retries: number;
  readonly hedges: number;
  /** Calls and attempts that were refused before they were sent. */
  readonly shed: number;
  /** How many waited for a slot when the step ended. */
  readonly queued: number;
  /** Null: no call. */
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
}

/** Calls of one service to another within the time asked for. */
export interface CallEdgeView {
  readonly caller: string;
  readonly service_name: string;
  /** Steps without calls are left out. */
  readonly points: readonly CallPointView[];
  /** The share that is left of the retry budget of this process, 0 to 1; null: this process makes no such calls. */
  readonly retry_budget: number | null;
}

/** What came to one instance within the time asked for, from all callers. */
export interface InstanceCallsView {
  readonly instance_id: string;
  /** Calls, and attempts that another instance followed up, that ended at it. */
  readonly calls: number;
  readonly errors: number;
  /** Of calls with one attempt; null: there were none. */
  readonly p95_ms: number | null;
  /** Its share of the calls to all instances of the service, 0 to 1; null: there were none. */
  readonly share: number | null;
  /** Its share of the weights of the instances that may be called now, 0 to 1; null: it is not registered. */
  readonly weight_share: number | null;
}

/** The answer of `GET /calls`. */
export interface CallFiguresView {
  /** 10, or more where there are many edges: then percentiles are the highest ones of 10 s within a step. */
  readonly step_seconds: number;
  /** ISO 8601. */
  readonly from: string;
  readonly edges: readonly CallEdgeView[];
  /**
   * With `service`: its registered instances, in order of registration, then those that had calls and left. Counted in slots of
   * 5 minutes, so that the time asked for is rounded up.
   */
  readonly instances: readonly InstanceCallsView[];
}

/** A service that is not well. */
export interface ServiceFaultView {
  readonly service_name: string;
  readonly status: 'unhealthy' | 'degraded' | 'not_registered';
  /** ISO 8601; null: unknown. */
  readonly since: string | null;
  /** What is wrong, for people. */
  readonly text: string;
  /** The services at fault that it depends on, which are the likely cause. */
  readonly caused_by: readonly string[];
  /** The services that depend on it, directly or through others. */
  readonly breaks: readonly string[];
}

/** A service of the topology. */
export interface TopologyNodeView {
  readonly service_name: string;
  readonly status: AggregatedStatus | 'not_registered';
  readonly instances: number;
  readonly healthy_instances: number;
  /** That of its first instance with one. */
  readonly tier: string | null;
  /** When the status of one of its instances last changed (ISO 8601); null: unknown. */
  readonly since: string | null;
  /** Those of all its instances, sorted. */
  readonly tags: readonly string[];
  readonly zones: readonly string[];
  readonly versions: readonly string[];
  /** Whether its instances do not expire, since too many of them miss their heartbeats at once. */
  readonly expiry_held: boolean;
}

/** Figures are those of the last minute, null without calls. */
export interface TopologyEdgeView {
  readonly from: string;
  readonly to: string;
  readonly source: 'calls' | 'declared' | 'both';
  readonly calls_per_second: number | null;
  readonly error_share: number | null;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
}

/** The answer of `GET /topology`. */
export interface TopologyView {
  readonly nodes: readonly TopologyNodeView[];
  readonly edges: readonly TopologyEdgeView[];
  readonly faults: readonly ServiceFaultView[];
}

/** The answer of `GET /scaling/:name`: what all callers asked of a service in the last minute; 0 without calls. */
export interface ScalingView {
  readonly service_name: string;
  /** Calls in progress on average, those that wait or are repeated included. */
  readonly in_flight: number;
  readonly calls_per_second: number;
  readonly p99_ms: number;
  /** How many calls waited for a slot of a bulkhead or of the adaptive concurrency limit, on average. */
  readonly queued: number;
}

/** One of the list that `GET /sd/prometheus` answers, in the form of Prometheus's HTTP service discovery. */
export interface ScrapeTargetView {
  /** `host:port`, of one instance. */
  readonly targets: readonly [string];
  readonly labels: Readonly<Record<string, string>>;
}

/** A circuit that an operator holds, until it is set to automatic. */
export interface ForcedCircuitView {
  readonly service_name: string;
  /** Null for the circuit of the service as a whole. */
  readonly instance_id: string | null;
  /** `isolated` refuses every call, `closed` lets every call through. */
  readonly state: 'isolated' | 'closed';
  /** Since when, by the journal, as `by` and `reason` are; null: it does not say, or no longer. */
  readonly since: string | null;
  readonly by: string | null;
  readonly reason: string | null;
}

/** The answer of `GET /overview`. */
export interface OverviewView {
  readonly registry: {
    /** `custom` with a store of the app's own. */
    readonly mode: string;
    readonly connected: boolean;
    readonly age_seconds: number;
    /**
     * Processes that hold the registry, as far as this one knows: over Redis those that share it; in `memory_only` 1; in `remote`
     * 1, or 0 while it cannot be reached. Null: unknown.
     */
    readonly replicas: number | null;
    readonly held_expiry: readonly {
      readonly service_name: string;
      readonly since: string;
      readonly overdue: number;
      readonly total: number;
    }[];
  };
  readonly counts: {
    readonly services: number;
    readonly healthy_services: number;
    readonly degraded_services: number;
    readonly unhealthy_services: number;
    readonly instances: number;
    readonly healthy_instances: number;
  };
  readonly faults: readonly ServiceFaultView[];
  /** Circuits that an operator holds open or closed, for the calls that this process makes. */
  readonly forced_circuits: readonly ForcedCircuitView[];
  readonly rights: { readonly operate: boolean };
  /** The process that answers: `host:pid`. */
  readonly process: string;
}
