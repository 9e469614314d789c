import { type RemovalReason } from './change.js';
import { type HealthDetail, type InstanceKey, type InstanceStatus, type ServiceInstance } from './instance.js';

export type CircuitState = 'closed' | 'open' | 'half_open' | 'isolated';

/**
 * Why a circuit changed its state.
 * - `consecutive_failures`, `failure_rate`, `slow_call_rate`: the condition that opened it
 * - `recovery_time_over`, `recovered`: it lets probes through, since it was open for long enough, or since health checks
 *   found healthy again what it protects
 * - `probe_failed`, `probe_slow`: it opened again; `probes_succeeded`: it closed
 * - `isolated`, `forced_closed`, `reset`: by hand, or since the instance registered anew
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
] as const;

/**
 * - `bad_record`: an instance that is no JSON, or was written by a newer version; it is left out
 * - `unreadable_service`: the registry's server refuses to read a service, such as for a key of another type in its place
 * - `unreadable_namespace`: the same, for what belongs to no service: no lease runs out, or no health check is shared out
 * - `gap`: more changes were missed than are kept, so the service was read anew
 * - `correction`: comparing found changes that had not been told
 * - `restored`: the registry's server had lost a part of a service, such as an evicted key, which this process put back
 * - `evictable`: the registry's server deletes keys where its memory is full, those of the registry among them
 */
export type RegistryTroubleKind = (typeof REGISTRY_TROUBLE_KINDS)[number];

/** Which comparison found an instance to be an outlier. */
export type EjectionReason = 'consecutive_failures' | 'success_rate' | 'failure_percentage' | 'latency';

/**
 * Everything that happens in the life of services and calls, one type an event. `at` is in milliseconds since the
 * Unix epoch and is filled in by whoever publishes.
 */
export interface ServiceDiscoveryEvents {
  /** An instance registered, for the first time or again. */
  'instance.registered': { instance: ServiceInstance; replaced: boolean };
  /** An instance was taken out of the registry, by its own process or by hand. */
  'instance.deregistered': { key: InstanceKey };
  /** The lease of an instance ran out: no heartbeat came for its length. */
  'instance.expired': { key: InstanceKey };
  /** The effective status changed, by a health check or an operator. */
  'instance.status_changed': { key: InstanceKey; from: InstanceStatus; to: InstanceStatus; reason?: string };
  /** Results of its checks changed so often of late that it has to prove itself for longer to be healthy again. */
  'instance.flapping': { key: InstanceKey; status: InstanceStatus };
  /** The results of its checks have been steady for long enough, so the instance counts as flapping no more. */
  'instance.settled': { key: InstanceKey; status: InstanceStatus };
  /**
   * An instance does so much worse than the others that calls avoid it for a while: this process's own finding. `evidence`
   * says what was measured. `enforced: false`: a dry run, in which calls go on as before.
   */
  'instance.ejected': {
    key: InstanceKey;
    reason: EjectionReason;
    evidence: string;
    ejectedForMs: number;
    ejections: number;
    enforced?: false;
  };
  /** The ejection of an instance is over: its time, as the next call notices, or since health checks found it healthy again. */
  'instance.readmitted': { key: InstanceKey; enforced?: false };
  /**
   * No connection to it could be opened, so calls avoid it for a while: this process's own finding. `failures` is how
   * often it was tried in a row, each time after a longer while.
   */
  'instance.unreachable': { key: InstanceKey; reason: string; avoidedForMs: number; failures: number };
  /** An instance that could not be reached has answered again. */
  'instance.reached': { key: InstanceKey };
  /**
   * An instance that calls of this process may go to is registered under a loopback address, and probably by another machine: calls
   * would go to this machine instead.
   */
  'instance.loopback': { key: InstanceKey; host: string; reason: string };
  /** One health check was made; one that was skipped counts neither way, and may be so until somebody changes a setting. */
  'health.checked': {
    key: InstanceKey;
    passed: boolean;
    skipped?: true;
    misconfigured?: true;
    detail: HealthDetail;
  };
  /** Too many instances of a service miss their heartbeats at once, so none is taken out for now. */
  'expiry.held': { service: string; since: number; overdue: number; total: number };
  /** Expiry of a service is held no more: instances that have not come back are taken out. */
  'expiry.resumed': { service: string };
  /** Our own lease was lost and the instance registered again. */
  'lease.recovered': { key: InstanceKey };
  /** The registry cannot be reached, or refuses us; the last good snapshot is served, where there has been one. */
  'registry.unavailable': { reason: string; hasSnapshot: boolean };
  /** The registry can be reached again, `downMs` after it could not. */
  'registry.available': { downMs: number };
  /** The registry can be read, and takes no writes: no registration, no heartbeat, and nothing expires there. */
  'registry.writes_refused': { reason: string };
  /** The registry takes writes again, `refusedMs` after it refused them. */
  'registry.writes_accepted': { refusedMs: number };
  /** Something in the shared registry was skipped, or was missed and mended. */
  'registry.trouble': { kind: RegistryTroubleKind; service?: string; instanceId?: string; reason: string };
  /** Changes made in this process wait for the registry, and show here alone: once until they are reconciled. */
  'registry.offline': Record<never, never>;
  /**
   * The registry was told what had waited for it: how many changes it took, and how many were dropped since a newer
   * registration holds the id, since the instance is gone, or since the heartbeats of what waited had stopped.
   */
  'registry.reconciled': { applied: number; superseded: number; gone: number; expired: number };
  /** A circuit breaker opened, and refuses calls: that of an instance, or of the service as a whole where there is no `instanceId`. */
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
  /** So few instances of a service, or of a level or version of it, are healthy that calls go to all of them. Shares are by weight. */
  'balancing.panic': { service: string; healthyShare: number };
  /** Enough instances are healthy again, and calls go to these alone. */
  'balancing.panic_ended': { service: string; healthyShare: number };
  /** No other instance of a service can be called, so calls go to its unhealthy ones. `unhealthy` is how many they are. */
  'balancing.fail_open': { service: string; unhealthy: number };
  /** An instance that is not unhealthy can be called again. */
  'balancing.fail_open_ended': { service: string };
  /**
   * An instance could not take an attempt just now, so that another one was looked for. `reason` is `circuit_open`, or
   * `at_capacity` where as many calls run there as may.
   */
  'call.passed_over': { service: string; instanceId: string; reason: string };
  /** An instance was chosen for an attempt. `failOpen` where it is unhealthy, and no other one can take the call. */
  'call.picked': { service: string; instanceId: string; strategy: string; attempt: number; failOpen?: boolean };
  /**
   * A call or an attempt was refused on our own side, before it was sent. `code` is that of its error, `stage` what
   * refused it: `rate_limit`, `throttling`, `bulkhead`, `adaptive_concurrency`, `service_circuit_breaker`; of all
   * instances that could take it: `circuit_breaker`, `concurrency`.
   */
  'call.refused': { service: string; stage: string; code: string; retryAfterMs?: number };
  /** Another attempt follows a failed one. `failover` in the same moment where the instance changes. */
  'call.retried': { service: string; attempt: number; delayMs: number; reason: string };
  /** Another attempt was sent beside one that takes long; `afterMs` since that one was sent, or the hedge before. */
  'call.hedged': { service: string; attempt: number; afterMs: number };
  /** A retry went to another instance, or a call to its fallback service. */
  'call.failed_over': { service: string; from: string; to: string; reason: string };
  /** A call failed, and was answered with the last good answer instead. */
  'call.answered_stale': { service: string; ageMs: number; reason: string };
  /** A call ended, with all its attempts. `status` where a response arrived. */
  'call.completed': {
    service: string;
    instanceId?: string;
    ok: boolean;
    status?: number;
    code?: string;
    attempts: number;
    durationMs: number;
  };
}

/** The name of an event: what happened to what, such as `circuit.opened`. */
export type EventName = keyof ServiceDiscoveryEvents;

/** Any event, told apart by `type`. */
export type ServiceDiscoveryEvent = {
  [Name in EventName]: { readonly type: Name; readonly at: number } & Readonly<ServiceDiscoveryEvents[Name]>;
}[EventName];

/** Where the parts of the library report what happens. Never throws, returns at once. */
export interface EventSink {
  /** @param payload an object made for this event, which it may become: nobody else may hold it */
  emit<Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name]): void;
}

/** For whoever does not listen. */
export const SILENT: EventSink = { emit: () => undefined };

/** How a removal is reported. */
export const REMOVAL_EVENT: Readonly<Record<RemovalReason, 'instance.deregistered' | 'instance.expired'>> = {
  deregistered: 'instance.deregistered',
  expired: 'instance.expired',
};
