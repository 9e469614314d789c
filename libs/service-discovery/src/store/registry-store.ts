import { isDeepStrictEqual } from 'node:util';
import {
  type Change,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type JournalEntry,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ProcessReport,
  type ServiceInstance,
  type ServiceSplit,
  type StatusDetail,
  type WatchScope,
} from '../model/index.js';

/**
 * Where registrations live. Every implementation passes `registryStoreContract` of `./testing`.
 * When a lease expires, its instance is removed, unless expiry of the service is held: see `SelfPreservationOptions`.
 * Methods reject with `RegistryUnavailableError` in bounded time when the store cannot be reached: a store over a
 * network has its own timeouts.
 */
export interface RegistryStore {
  /**
   * Registers an instance, or replaces the registration under its id. `instance.lease` says what renews the lease. The
   * generation of the lease is greater than every earlier one of the id. The health starts as `unknown`. The operator
   * status `maintenance` outlasts a replacement, `draining` does not.
   */
  put(instance: ServiceInstance, ttlMs: number): Promise<Lease>;
  /**
   * Registers an instance again whose lease was lost, as {@link put} does, unless the id was registered later by
   * another process.
   * @param claim the original generation of the registration, which is stored with the new one. Of several instances
   *   that recover, the one with the latest claim holds the id in the end, in any order
   * @returns null if a registration with a later claim holds the id; nothing changed
   */
  recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null>;
  /**
   * Extends leases in one round trip. Returns false at the index of a lost lease: register again.
   * @param by what renews the leases. A heartbeat extends any lease, and turns it into a lease kept by heartbeats.
   *   Checks extend only leases that checks keep; for one that heartbeats keep they return true and change nothing.
   *   Default: a heartbeat
   */
  renew(leases: readonly Lease[], by?: LeaseKind): Promise<readonly boolean[]>;
  /** Ends a lease. Returns false if it was lost before, or a newer generation holds the id; nothing changed. */
  remove(lease: Lease): Promise<boolean>;
  /**
   * Sets the operator status (`up`, `maintenance`, `draining`) or the health (`unknown`, `healthy`, `unhealthy`); the
   * other one stays. Returns false if there is no such instance.
   * @param detail a `HealthDetail` with a health, an `OperatorNote` with an operator status
   */
  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean>;
  /**
   * Sets how the calls to a service are split, whether it has instances or not. Omitted by stores that keep no splits.
   * @param replaces the split that the new one was made from; undefined: there was none
   * @returns false if the store has another one; nothing changed
   */
  setSplit?(serviceName: string, split: ServiceSplit, replaces: ServiceSplit | undefined): Promise<boolean>;
  /**
   * Starts with a reset that holds everything in scope, followed by every change after it, without a gap. Ends when
   * `signal` aborts or the store closes. Throws `RegistryUnavailableError` when the connection is lost; call it again
   * then.
   */
  watch(scope: WatchScope, signal: AbortSignal): AsyncIterable<Change>;
  /**
   * Calls `listener` when the store can be reached again after an outage, so that a lost watch can be opened without
   * further delay. Omitted by stores that cannot tell.
   * @returns removes the listener
   */
  onReachable?(listener: () => void): () => void;
  /**
   * Calls `listener` with the reason when the store starts to refuse writes while it can be watched, at once if it
   * already does, and with null when it accepts them again. Omitted by stores that cannot tell.
   * @returns removes the listener
   */
  onWritesRefused?(listener: (refusal: Error | null) => void): () => void;
  /**
   * The approximate generation that a registration made now would get. Generations grow with the store's clock, in
   * microseconds, so this tells when something was registered during an outage. Omitted by stores whose generations do
   * not follow a clock.
   * @throws RegistryUnavailableError
   */
  generationNow?(): Promise<number>;
  /**
   * Ends all watches and releases all resources, including timers. Called by the owner of the store after the
   * registries that use it are closed.
   */
  close(): Promise<void>;
}

/**
 * The processes that run health checks, kept by a store that several processes share, so that they can divide the
 * checks among them.
 */
export interface CheckerRoster {
  /**
   * Registers a checker, or renews it, for `ttlMs`.
   * @returns the ids of all checkers, including this one
   * @throws RegistryUnavailableError
   */
  announceChecker(id: string, ttlMs: number): Promise<readonly string[]>;
  /** Removes a checker. @throws RegistryUnavailableError */
  retireChecker(id: string): Promise<void>;
}

/** An entry of the journal on its way to other processes. */
export interface ReportEntry {
  readonly entry: JournalEntry;
  /** The same in all processes that report one change; undefined: no other process does. */
  readonly key?: string;
}

/** What other processes sent, as it was sent. */
export interface ReadReports {
  /** Each should be a {@link ProcessReport}. */
  readonly reports: readonly unknown[];
  /** Each should be a {@link JournalEntry}. */
  readonly entries: readonly unknown[];
}

/** Carries to other processes what each knows alone: its calls, and its part of the journal. */
export interface ReportChannel {
  /**
   * @param entries those of the report, with their keys
   * @param maxEntries about how many entries the journal keeps, where it is kept for all processes
   * @throws RegistryUnavailableError; other errors when the report is refused
   */
  sendReport(report: ProcessReport, entries: readonly ReportEntry[], maxEntries: number): Promise<void>;
  /**
   * What all processes sent since the last call, this one too. Omitted where another process shows the reports; that one
   * sees changes of the registry by itself, so they are no part of reports.
   * @throws RegistryUnavailableError
   */
  readReports?(): Promise<ReadReports>;
}

const OPERATOR_STATUSES: readonly string[] = ['up', 'maintenance', 'draining'] satisfies OperatorStatus[];

export function isOperatorStatus(status: OperatorStatus | HealthStatus): status is OperatorStatus {
  return OPERATOR_STATUSES.includes(status);
}

/** How often an otherwise unchanged health check is announced. */
export const HEALTH_ANNOUNCEMENT_INTERVAL_MS = 60_000;

/**
 * Whether watchers are sent a new detail of an unchanged health status. A new reason, status code or response body is
 * sent at once. A detail that differs only in time and latency is sent once a minute, since otherwise every check of
 * every instance would reach every watcher.
 */
export function isHealthNews(announced: HealthDetail | undefined, detail: HealthDetail | undefined): boolean {
  if (!announced || !detail) return announced !== detail;
  return (
    announced.reason !== detail.reason ||
    announced.statusCode !== detail.statusCode ||
    announced.flapping !== detail.flapping ||
    detail.checkedAt - announced.checkedAt >= HEALTH_ANNOUNCEMENT_INTERVAL_MS ||
    !isDeepStrictEqual(announced.data, detail.data)
  );
}
