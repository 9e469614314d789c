import { findInstance, steadyList, type Change, type RegistrySnapshot } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { NO_FINDINGS, type PassiveHealth } from '../status-merge.js';
import { type AggregatedStatus, type ServiceStatusChange } from './aggregated-health.js';
import { mayChangeStatus, ServiceStatus } from './service-status.js';

/** The part of `ServiceRegistry` that aggregation uses. */
export type AggregatedRegistry = Pick<ServiceRegistry, 'snapshot' | 'ageMs' | 'onChange'>;

/**
 * The status of each registered service, computed lazily. A registry change only marks its service as dirty, and a
 * service is recomputed on the next read. Heartbeats and checks with an unchanged result cost nothing.
 */
export class ServiceStatuses {
  private readonly statuses = new Map<string, ServiceStatus>();
  /** Services to recompute, for all changes up to `noted`. */
  private readonly changed = new Set<string>();
  private noted: RegistrySnapshot | undefined;
  private scope: RegistrySnapshot['scope'];
  private isReady = false;
  private revision = 0;
  /**
   * Status of the changed services at the time of the last {@link takeMoves}; undefined while changes are not tracked.
   */
  private moved: Map<string, AggregatedStatus | null> | undefined;

  /** @param passive findings of calls, used only for instances that have not been checked */
  constructor(
    private readonly registry: Pick<AggregatedRegistry, 'snapshot'>,
    private readonly passive?: Pick<PassiveHealth, 'findingsOn'>,
  ) {}

  /** Increases whenever a service is added, removed, changes its status, or the set of missing services may change. */
  get version(): number {
    this.refresh();
    return this.revision;
  }

  /** Undefined: the service is not registered. */
  get(name: string): ServiceStatus | undefined {
    this.refresh();
    return this.statuses.get(name);
  }

  /** By service name, in no order. */
  all(): ReadonlyMap<string, ServiceStatus> {
    this.refresh();
    return this.statuses;
  }

  /** Whether the service is known not to be registered: a snapshot has arrived and this process reads that service. */
  isMissing(name: string): boolean {
    const { ready, scope, services } = this.registry.snapshot;
    return ready && scope?.has(name) !== false && !services.has(name);
  }

  /** The services whose status changed since the last call; starts tracking on the first call. */
  takeMoves(): readonly ServiceStatusChange[] {
    this.refresh();
    const moves: ServiceStatusChange[] = [];
    for (const [service, from] of this.moved ?? []) {
      const to = this.statuses.get(service)?.status ?? null;
      if (from !== to) moves.push({ service, from, to });
    }
    this.moved = new Map();
    return moves.sort((one, other) => (one.service < other.service ? -1 : 1));
  }

  /** Stops tracking changes of status. */
  forgetMoves(): void {
    this.moved = undefined;
  }

  /** Marks a service dirty after the findings of calls changed. */
  noteFindings(name: string): void {
    this.changed.add(name);
  }

  /** @returns whether the summary may have changed */
  note(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): boolean {
    // A read from within the same notification, by another listener, has already processed every change.
    if (this.noted !== previous || change?.type === 'reset') return true;
    this.noted = snapshot;
    switch (change?.type) {
      case 'put':
        if (!mayChangeStatus(findInstance(previous, change.instance), change.instance)) return false;
        this.changed.add(change.instance.serviceName);
        return true;
      case 'remove':
        this.changed.add(change.key.serviceName);
        return true;
      case undefined:
        return true;
      case 'renewed':
      case 'hold':
      case 'split':
        return false;
    }
  }

  private refresh(): void {
    const { snapshot } = this.registry;
    if (this.noted !== snapshot) {
      for (const name of this.statuses.keys()) if (!snapshot.services.has(name)) this.changed.add(name);
      for (const [name, list] of snapshot.services) {
        const known = this.statuses.get(name);
        if (!known || steadyList(known.instances) !== steadyList(list)) this.changed.add(name);
      }
      this.noted = snapshot;
    }
    const { ready, scope } = snapshot;
    if (this.changed.size === 0 && ready === this.isReady && scope === this.scope) return;
    [this.isReady, this.scope] = [ready, scope];
    for (const name of this.changed) {
      if (this.moved?.has(name) === false) this.moved.set(name, this.statuses.get(name)?.status ?? null);
      const list = snapshot.services.get(name);
      if (list) this.statuses.set(name, new ServiceStatus(list, this.passive?.findingsOn(name) ?? NO_FINDINGS));
      else this.statuses.delete(name);
    }
    this.changed.clear();
    this.revision += 1;
  }
}
