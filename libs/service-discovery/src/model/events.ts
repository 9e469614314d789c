import { type TlsEvents } from '../common/index.js';
import { type RemovalReason } from './change.js';
import { type HealthDetail, type InstanceKey, type InstanceStatus, type ServiceInstance } from './instance.js';
import { type RolloutState } from './rollout.js';
import { type SplitPart } from './split.js';

/** State of a circuit: `half_open` lets single probes through; `isolated` was opened by an operator and stays so until released. */
export type CircuitState = 'closed' | 'open' | 'half_open' | 'isolated';

/**
 * Why a circuit changed its state.
 * - `consecutive_failures`, `failure_rate`, `slow_call_rate`: the condition that opened it
 * - `recovery_time_over`, `recovered`: it lets probes through because its recovery time has passed, or because health
 *   checks found its target healthy again
 * - `probe_failed`, `probe_slow`: it opened again; `probes_succeeded`: it closed
 * - `max_open_share`: it closed after failed probes, since too many circuits of the service are open
 * - `isolated`, `forced_closed`, `reset`: an operator's command, or the instance registered again
 */
export type CircuitReason =
  | 'consecutive_failures'
  | 'failure_rate'
  | 'slow_call_rate'
  | 'recovery_time_over'
  | 'recovered'
  | 'probe_failed'
  | 'probe_slow'
  | 'probes_succeeded'
  | 'max_open_share'
  | 'isolated'
  | 'forced_closed'
  | 'reset';

export const REGISTRY_TROUBLE_KINDS = [
  'bad_record',
  'unreadable_service',
  'unreadable_namespace',
  'gap',
  'correction',
  'restored',
  'evictable',
  'unsigned_record',
  'forged_record',
  'replayed_record',
] as const;

/**
 * - `bad_record`: an instance is not valid JSON or was written by a newer version; it is skipped
 * - `unreadable_service`: the registry's server refuses to read a service, for example because a key has another type
 * - `unreadable_namespace`: the same for data of no single service: leases do not expire, or checks are not shared
 * - `gap`: more changes were missed than are kept, so the service was read again
 * - `correction`: a comparison found changes that had not been delivered
 * - `restored`: the registry's server had lost a part of a service, such as an evicted key, and this process restored
 *   it
 * - `evictable`: the registry's server evicts keys when its memory is full, including those of the registry
 * - `unsigned_record`: with `redis.signing`, an instance whose registration is not signed
 * - `forged_record`: the signature of a registration is wrong, that of another namespace, service or id, or made with an
 *   unknown key
 * - `replayed_record`: the registration is genuine, and is older than one that was seen, has ended, or is no longer valid
 */
export type RegistryTroubleKind = (typeof REGISTRY_TROUBLE_KINDS)[number];

/** Which comparison identified an instance as an outlier. */
export type EjectionReason = 'consecutive_failures' | 'success_rate' | 'failure_percentage' | 'latency';

/**
 * What the REST API bounds: `api.limits.services`, `instancesPerService`, `instancesPerCaller` and `registrationsPerMinute`;
 * `api.maxEventReaders`; `api.maxWatches`.
 */
export const API_LIMITS = [
  'services',
  'instances_per_service',
  'instances_per_caller',
  'registrations_per_minute',
  'event_readers',
  'watches',
] as const;
export type ApiLimit = (typeof API_LIMITS)[number];

/** What a caller of the REST API does, and so the right that it needs. */
export const API_RIGHTS = ['read', 'register', 'operate'] as const;

/**
 * - `read`: services, their instances and how they are
 * - `register`: registering instances, and renewing, removing and setting the status of its own ones
 * - `operate`: the same for instances of other callers, and the circuits of calls
 */
export type ApiRight = (typeof API_RIGHTS)[number];

export const API_REFUSAL_REASONS = [
  'no_credential',
  'wrong_credential',
  'no_right',
  'not_owner',
  'authorize',
  'guard',
] as const;

/**
 * Why the REST API refused a request.
 * - `no_credential`, `wrong_credential`: it shows no credential, or none that is valid
 * - `no_right`: no rule of `api.access` gives its caller the right
 * - `not_owner`: the instance belongs to another caller
 * - `authorize`, `guard`: the function `api.authorize`, or the guard `api.guard`, refused it
 */
export type ApiRefusalReason = (typeof API_REFUSAL_REASONS)[number];

/** All events of services and calls, by type. The publisher fills in `at`, in milliseconds since the Unix epoch. */
export interface ServiceDiscoveryEvents extends TlsEvents {
  /** An instance registered, for the first time or again. */
  'instance.registered': { instance: ServiceInstance; replaced: boolean };
  /** An instance was removed from the registry, by its own process or an operator. */
  'instance.deregistered': { key: InstanceKey };
  /** The lease of an instance expired without a heartbeat. */
  'instance.expired': { key: InstanceKey };
  /** The effective status changed, by a health check or an operator. */
  'instance.status_changed': { key: InstanceKey; from: InstanceStatus; to: InstanceStatus; reason?: string };
  /** Results of its checks changed so often that it must pass checks for longer before it counts as healthy. */
  'instance.flapping': { key: InstanceKey; status: InstanceStatus };
  /** The results of its checks have been steady for long enough; it no longer counts as flapping. */
  'instance.settled': { key: InstanceKey; status: InstanceStatus };
  /**
   * An instance performs so much worse than the others that calls of this process avoid it for a while. `evidence` is
   * the measurement. `enforced: false`: a dry run, in which calls are unaffected.
   */
  'instance.ejected': {
    key: InstanceKey;
    reason: EjectionReason;
    evidence: string;
    ejectedForMs: number;
    ejections: number;
    enforced?: false;
  };
  /**
   * The ejection of an instance ended: its time passed, as the next call notices, or health checks found it healthy
   * again.
   */
  'instance.readmitted': { key: InstanceKey; enforced?: false };
  /**
   * Connecting to it failed, so calls of this process avoid it for a while. `failures` counts consecutive attempts,
   * made at growing intervals.
   */
  'instance.unreachable': { key: InstanceKey; reason: string; avoidedForMs: number; failures: number };
  /** An unreachable instance has answered again. */
  'instance.reached': { key: InstanceKey };
  /**
   * An instance is registered under a loopback address, probably by another machine: calls from this process would go to
   * this machine instead.
   */
  'instance.loopback': { key: InstanceKey; host: string; reason: string };
  /** A health check was made. A skipped one is inconclusive, possibly until a setting is changed. */
  'health.checked': {
    key: InstanceKey;
    passed: boolean;
    skipped?: true;
    misconfigured?: true;
    detail: HealthDetail;
  };
  /** Expiry of a service is held, since too many of its instances miss heartbeats at once. */
  'expiry.held': { service: string; since: number; overdue: number; total: number };
  /** Expiry of a service resumes: instances that have not returned are removed. */
  'expiry.resumed': { service: string };
  /** A lease of this process was lost, and the instance registered again. */
  'lease.recovered': { key: InstanceKey };
  /** The registry cannot be reached, or rejects this process; the last known snapshot is served, if there is one. */
  'registry.unavailable': { reason: string; hasSnapshot: boolean };
  /** The registry can be reached again, `downMs` after the connection was lost. */
  'registry.available': { downMs: number };
  /** The registry can be read but takes no writes: no registrations, no heartbeats, no expiry. */
  'registry.writes_refused': { reason: string };
  /** The registry takes writes again, `refusedMs` after it began refusing them. */
  'registry.writes_accepted': { refusedMs: number };
  /** Part of the shared registry was skipped, or was missing and repaired. */
  'registry.trouble': { kind: RegistryTroubleKind; service?: string; instanceId?: string; reason: string };
  /**
   * Changes made in this process are queued for the registry and visible only here; emitted once until they are
   * reconciled.
   */
  'registry.offline': Record<never, never>;
  /**
   * Queued changes were sent to the registry: how many it applied, and how many were dropped because a newer
   * registration has the id, the instance is gone, or its heartbeats had stopped.
   */
  'registry.reconciled': { applied: number; superseded: number; gone: number; expired: number };
  /** The REST API refused a request since a limit, `max`, is reached. `option` sets it; `caller` is who asked, if it is known. */
  'api.limit_reached': { limit: ApiLimit; option: string; max: number; caller?: string };
  /** The REST API refused a request. `caller` if it is known, `service` and `instanceId` if the request is about one. */
  'api.refused': {
    action: ApiRight;
    reason: ApiRefusalReason;
    caller?: string;
    service?: string;
    instanceId?: string;
    message: string;
  };
  /**
   * Someone set the status of an instance, or forced a circuit, over the REST API of this process. `by` is the caller, such
   * as `local` or `jwt:https://id.example#ada`, after the name that the request gave: `ada (shared-token)`. `to` is the
   * status or the state of the circuit that was asked for.
   */
  'operator.acted': {
    service: string;
    instanceId?: string;
    action: 'set_status' | 'force_circuit' | 'set_share' | 'set_rollout';
    to: string;
    by: string;
    reason?: string;
  };
  /**
   * A rollout started or went to its next step (`running`), or ended. `share` is what the new version gets of the calls from now on, in
   * per cent; `reason` says why it was rolled back or aborted.
   */
  'rollout.moved': { service: string; version: string; state: RolloutState; share: number; reason?: string };
  /** This process moves a rollout on from now on, since the process that did (`from`) shows no sign of life. */
  'rollout.taken_over': { service: string; version: string; from: string };
  /**
   * A circuit breaker opened and refuses calls: that of an instance, or of the service as a whole if there is no
   * `instanceId`.
   */
  'circuit.opened': {
    service: string;
    instanceId?: string;
    reason: CircuitReason;
    failures: number;
    retryAfterMs?: number;
  };
  /** An open circuit breaker lets a few calls through to find out whether its instance or service has recovered. */
  'circuit.half_opened': { service: string; instanceId?: string; reason: CircuitReason };
  /** A circuit breaker lets all calls through again. */
  'circuit.closed': { service: string; instanceId?: string; reason: CircuitReason };
  /**
   * So few instances of a service, or of a level or version of it, are healthy that calls go to all of them (panic
   * mode). Shares are by weight.
   */
  'balancing.panic': { service: string; healthyShare: number };
  /** Enough instances are healthy again, and calls go only to these. */
  'balancing.panic_ended': { service: string; healthyShare: number };
  /** No other instance of a service can be called, so calls go to its unhealthy ones; `unhealthy` is their number. */
  'balancing.fail_open': { service: string; unhealthy: number };
  /** An instance that is not unhealthy can be called again. */
  'balancing.fail_open_ended': { service: string };
  /**
   * An instance could not take an attempt, so another one was picked. `reason` is `circuit_open`, or `at_capacity` if
   * its concurrency limit is reached.
   */
  'call.passed_over': { service: string; instanceId: string; reason: string };
  /** An instance was picked for an attempt. `failOpen` if it is unhealthy and no other one can take the call. */
  'call.picked': { service: string; instanceId: string; strategy: string; attempt: number; failOpen?: boolean };
  /**
   * An attempt of a service whose calls are split ended at this part. `ok` is false where the attempt counts as a failure; retries
   * may have made the call succeed all the same.
   */
  'call.split': { service: string; part: SplitPart; ok: boolean; durationMs: number };
  /**
   * A call or an attempt was refused locally, before it was sent. `code` is that of its error, `stage` what refused it:
   * `rate_limit`, `throttling`, `bulkhead`, `adaptive_concurrency`, `service_circuit_breaker`; or, for all eligible
   * instances, `circuit_breaker` or `concurrency`.
   */
  'call.refused': { service: string; stage: string; code: string; retryAfterMs?: number };
  /** Another attempt follows a failed one. If the instance changes, `call.failed_over` comes with it. */
  'call.retried': { service: string; attempt: number; delayMs: number; reason: string };
  /** A failed attempt is not repeated, since too many calls are being retried: the retry budget is exhausted. */
  'call.retry_budget_exhausted': { service: string; attempts: number; reason: string };
  /** A hedge was sent alongside a slow attempt, `afterMs` after that attempt or the previous hedge. */
  'call.hedged': { service: string; attempt: number; afterMs: number };
  /** A retry went to another instance, or a call to its fallback service. */
  'call.failed_over': { service: string; from: string; to: string; reason: string };
  /** A call failed and was answered with the last good response. */
  'call.answered_stale': { service: string; ageMs: number; reason: string };
  /**
   * A call ended, after all its attempts. `status` if a response arrived; `instanceId` is that of the last attempt. If the call
   * failed, `request` is its method and path without the query, such as `GET /users/42`, and `address` the `host:port` of that
   * instance.
   */
  'call.completed': {
    service: string;
    instanceId?: string;
    request?: string;
    address?: string;
    ok: boolean;
    status?: number;
    code?: string;
    attempts: number;
    durationMs: number;
  };
}

/** What an event was part of, where that is known. */
export interface EventIds {
  /** Of the request that this process was answering. */
  requestId?: string;
  /** Of the trace, 32 hexadecimal digits. */
  traceId?: string;
  /** Of the span of the call, 16 hexadecimal digits. */
  spanId?: string;
}

/** The name of an event, such as `circuit.opened`. */
export type EventName = keyof ServiceDiscoveryEvents;

/** Any event, discriminated by `type`. */
export type ServiceDiscoveryEvent = {
  [Name in EventName]: { readonly type: Name; readonly at: number } & Readonly<EventIds & ServiceDiscoveryEvents[Name]>;
}[EventName];

/** Receives the library's events. Never throws, returns at once. */
export interface EventSink {
  /** @param payload becomes part of the event; the caller must not keep a reference */
  emit<Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name] & EventIds): void;
}

/** Drops all events. */
export const SILENT: EventSink = { emit: () => undefined };

/** The event that reports a removal. */
export const REMOVAL_EVENT: Readonly<Record<RemovalReason, 'instance.deregistered' | 'instance.expired'>> = {
  deregistered: 'instance.deregistered',
  expired: 'instance.expired',
};
