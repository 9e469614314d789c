import { type FilterStage, type UnavailableReason } from '../balancing/index.js';
import { type CallStageName, type CircuitBreakerView, type CircuitCommand } from '../communicator/index.js';
import { type AggregatedStatus, type Fault, type StatusReason, type StatusTransition } from '../health/index.js';
import {
  type CircuitState,
  type InstanceStatus,
  type LeaseKind,
  type OperatorStatus,
  type RolloutState,
  type ServiceDiscoveryEvent,
  type SplitPart,
} from '../model/index.js';
import { type InstanceBody } from '../store/index.js';

/** All services in a few figures. What the statuses mean is described at {@link AggregatedStatus}. */
export interface HealthCountsView {
  readonly overall_status: AggregatedStatus;
  readonly total_services: number;
  /** The four counts add up to `total_services`. */
  readonly healthy_services: number;
  readonly degraded_services: number;
  readonly unhealthy_services: number;
  readonly unknown_services: number;
}

/** The answer of `GET /health/aggregated`. */
export interface AggregatedHealthView extends HealthCountsView {
  /** ISO 8601. */
  readonly timestamp: string;
  /** Of the registry; null where that is another process's matter. */
  readonly namespace: string | null;
  readonly services: Readonly<Record<string, ServiceHealthView>>;
  /** The `after` of the page that shows more services; left out: there are none. */
  readonly next?: string;
  /** Required services that are not registered. */
  readonly missing_services: readonly string[];
  /** Root causes and the services that they affect, widest impact first. */
  readonly faults: readonly FaultView[];
  readonly registry: RegistryHealthView;
}

/** Whether the registry can be reached, and the age of its last known state in whole seconds. */
export interface RegistryHealthView {
  readonly connected: boolean;
  readonly age_seconds: number;
  /** Why it refuses writes; absent: it accepts them. */
  readonly write_refusal?: string;
}

/** What the fields mean stands at {@link Fault}. */
export interface FaultView {
  readonly services: readonly string[];
  readonly kind: Fault['kind'];
  readonly cascades: readonly string[];
  readonly at_risk: readonly string[];
}

/** The health of one service and its instances. */
export interface ServiceHealthView {
  readonly status: AggregatedStatus;
  /** The base URL of the instance that represents the service: a healthy one if possible. */
  readonly endpoint: string;
  /** ISO 8601. */
  readonly last_heartbeat: string;
  /** The last response of its health endpoint; null: none. */
  readonly health_data: unknown;
  /** Null: expiry is as usual. */
  readonly expiry_held: ExpiryHoldView | null;
  /** The services that it says that it calls. */
  readonly dependencies: readonly string[];
  /** The services at fault that it depends on, directly or through others. */
  readonly affected_by: readonly string[];
  readonly instances: readonly InstanceHealthView[];
}

/** Set while too many instances of a service miss their heartbeats at once, so that none is removed. */
export interface ExpiryHoldView {
  /** ISO 8601, by the registry's clock. */
  readonly since: string;
  /** How many miss their heartbeats. */
  readonly overdue: number;
  /** Of how many. */
  readonly total: number;
}

/** What one source reports; for the fields see {@link StatusReason}. */
export interface StatusReasonView {
  readonly source: StatusReason['source'];
  readonly status: InstanceStatus | null;
  readonly reason: string | null;
  /** ISO 8601. */
  readonly since: string | null;
  /** Who set the operator status, if given. */
  readonly by?: string;
}

/** The answer of `GET /services/:name/instances/:id/history`. */
export interface HistoryView {
  readonly service_name: string;
  readonly instance_id: string;
  /** The oldest first. */
  readonly transitions: readonly StatusTransitionView[];
}

/** What the fields mean stands at {@link StatusTransition}. */
export interface StatusTransitionView {
  readonly from: InstanceStatus | null;
  readonly to: InstanceStatus | null;
  readonly source: StatusTransition['source'];
  readonly reason: string | null;
  /** ISO 8601. */
  readonly at: string;
}

/** The health of one instance. */
export interface InstanceHealthView {
  readonly instance_id: string;
  readonly status: InstanceStatus;
  /** Highest precedence first: the first status is the effective one. */
  readonly reasons: readonly StatusReasonView[];
  readonly endpoint: string;
  /** ISO 8601. */
  readonly last_heartbeat: string;
  /** ISO 8601; null: never. */
  readonly last_checked: string | null;
  readonly latency_ms: number | null;
  readonly status_code: number | null;
  readonly reason: string | null;
  /** Whether its results change so often that it must pass checks for longer. */
  readonly flapping: boolean;
  readonly health_data: unknown;
}

/** One service: an element of the lists, and the answer of `GET /services/:name`. */
export interface ServiceView {
  readonly service_name: string;
  /** Where the instance that speaks for the service is: one that can be called, where there is one. */
  readonly base_url: string;
  /** Of the service as a whole, whichever of its instances are listed. */
  readonly status: AggregatedStatus;
  /** Those that the list is about, by id, up to its limit. */
  readonly instances: readonly ListedInstanceView[];
  /** How many the service has in all. */
  readonly total_instances: number;
  readonly healthy_instances: number;
  /** Null: expiry is as usual. */
  readonly expiry_held: ExpiryHoldView | null;
  /** The `after` of `GET /services/:name` that shows more of its instances; left out: there are none. */
  readonly next?: string;
}

/** An instance in a list. */
export interface ListedInstanceView extends InstanceBody {
  /** When the registration ends unless it is renewed (ISO 8601). Left out: this process does not follow renewals. */
  readonly expires_at?: string;
  /** Who says what of how it is, the strongest first. */
  readonly reasons: readonly StatusReasonView[];
}

/** The answer of the calls that list services, by name. */
export interface ServiceListView {
  readonly services: readonly ServiceView[];
  /** How many services all pages list together. */
  readonly total: number;
  /** The `after` of the next page; left out: this is the last one. */
  readonly next?: string;
}

/** One breaker, as the answer of `GET /circuit-breakers` lists it. */
export interface CircuitBreakerBody {
  readonly service_name: string;
  /** Null for the breaker of the service as a whole. */
  readonly instance_id: string | null;
  readonly state: CircuitBreakerView['state'];
  /** State forced by an operator; null: none. */
  readonly forced: CircuitBreakerView['forced'] | null;
  /** The failures that count now, or that opened it. */
  readonly failures: number;
  /** Closed although a condition to open is met, since too many circuits of the service are open. */
  readonly held_closed: boolean;
  /** The calls that a rate goes by: `calls`, `failed`, `slow` and their shares; null where no rate opens the circuit. */
  readonly window: Readonly<Record<string, number>> | null;
  readonly state_age_ms: number;
  /** Half open: how many probes are under way. */
  readonly probes: number;
  /** Closed: the share of the calls that is let through. */
  readonly share: number;
  /** When calls get through again; null if they do, or if it is unknown. */
  readonly retry_after_ms: number | null;
}

/** What the library tells of calls, with its names in snake_case; what does not apply is left out. */
export type CallsView = Readonly<Record<string, unknown>>;

/** The answer to a registration. */
export interface RegisteredView {
  readonly service_name: string;
  readonly instance_id: string;
  /** Proves, where it is sent with a heartbeat or a deregistration, that the sender is the one who registered last. */
  readonly generation: number;
  readonly base_url: string;
  readonly status: InstanceStatus;
  /** Seconds until the registration ends, unless it is renewed. */
  readonly ttl: number;
  /** What renews it: heartbeats, or the health checks that the instance passes. */
  readonly lease: LeaseKind;
}

/** The answer to a heartbeat that came in time. */
export type HeartbeatView = Omit<RegisteredView, 'base_url'>;

/** The answer to an operator's status. */
export interface StatusView {
  readonly service_name: string;
  readonly instance_id: string;
  /** The effective status. */
  readonly status: InstanceStatus;
  readonly operator_status: OperatorStatus;
}

/** The answer to an operator's word on a circuit. */
export interface CircuitCommandView {
  readonly service_name: string;
  /** Null where it is about the service as a whole. */
  readonly instance_id: string | null;
  /** `isolated` and `closed` hold the circuit there; with `automatic` it goes by its calls. */
  readonly state: CircuitCommand;
}

/**
 * An event as JSON: the data of each event of `GET /events`, whose name is the event's type. Fields are those of
 * `ServiceDiscoveryEvents` in snake_case, with `service_name` and `instance_id` wherever it is about one; `at` is in ISO
 * 8601.
 */
export type EventView = Readonly<Record<string, unknown>> & {
  readonly type: ServiceDiscoveryEvent['type'];
  readonly at: string;
};

/** The answer of `GET /explain/:name`: `ServiceExplanation` in snake_case, of which these fields are always there. */
export interface ExplanationView extends CallsView {
  readonly service_name: string;
  readonly strategy: string;
  /** What the strategy chooses by; left out: it does not say. */
  readonly goes_by?: string;
  /** Why no instance can be picked; left out: one can. */
  readonly unavailable?: UnavailableReason;
  /** The instance that a hash strategy would choose for the key. */
  readonly owner?: string;
  readonly healthy_share: number;
  /** Whether health is ignored somewhere, since too few are healthy. */
  readonly panic: boolean;
  readonly fail_open: boolean;
  /** The stage that would refuse the call before an instance is picked; left out: none. */
  readonly refused_by?: CallStageName;
  /** Retries and hedges that the budget allows now; left out: unlimited. */
  readonly retries_left?: number;
  /** Left out: attempts are not hedged. */
  readonly hedge_after_ms?: number;
  readonly instances: readonly ExplainedInstanceView[];
}

/** What a pick would do with one instance. */
export interface ExplainedInstanceView {
  readonly instance_id: string;
  readonly status: InstanceStatus;
  /** Whether the strategy may choose it. */
  readonly taken: boolean;
  /** The filter that left it out, and why; left out: it is taken. */
  readonly stage?: FilterStage;
  readonly reason?: string;
  readonly weight: number;
  /** The fraction of its weight that counts during slow start. */
  readonly slow_start: number;
  /** Calls in flight. */
  readonly active: number;
  readonly latency_ms: number;
  /** The share of calls that goes to its pool; left out: it is not taken. */
  readonly pool_share?: number;
  /** Left out: it has no circuit yet. */
  readonly circuit?: { readonly state: CircuitState };
}

/** How the calls to a service are split, for all callers. */
export interface SplitView {
  readonly service_name: string;
  /** The gateway that a share of the calls goes through, in per cent; null: none. */
  readonly via: { readonly url: string; readonly share: number } | null;
  /** The rollout that is running, or that the calls follow since it ended; null: none. */
  readonly rollout: RolloutView | null;
  /** Attempts since the split was last changed: of the process that is asked, and of those that report to it. */
  readonly parts: readonly SplitPartView[];
}

/** A new version that gets its calls step by step. */
export interface RolloutView {
  /** The semver range of the new version. */
  readonly version: string;
  readonly state: RolloutState;
  /** What the new version gets of the calls, in per cent. */
  readonly share: number;
  /** The share at each step, in per cent. */
  readonly steps: readonly number[];
  /** Since when it is at this share, in ISO 8601. */
  readonly since: string;
  /** How long a step takes at least. */
  readonly step_ms: number;
  /** The share of failed attempts above which it is rolled back: 0 to 1. */
  readonly max_error_rate: number;
  /** The p99 above which it is rolled back; null: latency does not matter. */
  readonly max_p99_ms: number | null;
  /** So many attempts decide a step. */
  readonly min_attempts: number;
  /** Why it was rolled back or aborted; null: it was not, or no reason was given. */
  readonly reason: string | null;
  /** The process that moves it on; null: none does yet. */
  readonly driver: string | null;
}

/** What attempts at one part of a split came to. */
export interface SplitPartView {
  readonly part: SplitPart;
  readonly attempts: number;
  /** Of all attempts: 0 to 1. */
  readonly share: number;
  readonly errors: number;
  /** 0 to 1. */
  readonly error_rate: number;
  readonly p99_ms: number | null;
}
