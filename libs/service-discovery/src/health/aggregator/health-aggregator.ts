import { systemClock, withoutUndefined, type Clock } from '../../common/index.js';
import { type ExpiryHold, type InstanceKey, type ServiceInstance } from '../../model/index.js';
import { type PassiveFinding, type PassiveHealth } from '../status-merge.js';
import { StatusHistory, type StatusTransition } from '../status-history.js';
import {
  type AggregatedHealth,
  type Fault,
  type HealthCounts,
  type HealthSelection,
  type HealthSummary,
  type ServiceHealth,
} from './aggregated-health.js';
import { findFaults, type Impact } from './faults.js';
import { HEALTH_AGGREGATOR_OPTIONS, type HealthAggregatorOptions } from './options.js';
import { describeService, type ServiceStatus } from './service-status.js';
import { ServiceStatuses, type AggregatedRegistry } from './service-statuses.js';
import {
  checkSelection,
  type HealthChange,
  type SelectedServices,
  selectServices,
  SummaryChanges,
  sumUp,
} from './sum-up.js';

export interface HealthAggregatorDeps {
  /** @default the machine's clock */
  readonly clock?: Clock;
  /** Findings of this process's own calls; used only for instances that have not been checked. @default none */
  readonly passive?: PassiveHealth;
  /** The registry's namespace, for display. @default unknown */
  readonly namespace?: string;
  /** Receives errors thrown by listeners and by the app's own rule. @default errors are dropped */
  readonly onError?: (error: unknown) => void;
}

/** The cached description of a list of instances, with the findings that it was computed from. */
interface Description {
  readonly findings: ReadonlyMap<string, PassiveFinding>;
  readonly health: ServiceHealth;
}

/** Upper bound on cached summaries; more selections than a process is expected to poll. */
const KEPT_SELECTIONS = 100;

/**
 * Aggregates the health of all services, or of some, from the registry's snapshot; makes no requests. Results are
 * cached and recomputed only for services that changed, so polling is cheap.
 */
export class HealthAggregator {
  private readonly options: HealthAggregatorOptions;
  private readonly clock: Clock;
  private readonly onError: (error: unknown) => void;
  private readonly statuses: ServiceStatuses;
  /** The version of `statuses` that the caches below are valid for. */
  private version = -1;
  private readonly sums = new Map<string, HealthCounts>();
  private impact: Impact | undefined;
  /** Keyed by list: lists are immutable. */
  private readonly described = new WeakMap<readonly ServiceInstance[], Description>();
  private readonly changes: SummaryChanges;
  private readonly transitions: StatusHistory;
  private readonly stops: readonly (() => void)[];

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(
    private readonly registry: AggregatedRegistry,
    private readonly deps: HealthAggregatorDeps = {},
    options?: Partial<HealthAggregatorOptions>,
  ) {
    this.options = HEALTH_AGGREGATOR_OPTIONS.resolve(options);
    this.clock = deps.clock ?? systemClock;
    this.onError = deps.onError ?? ((): void => undefined);
    this.statuses = new ServiceStatuses(registry, deps.passive);
    this.changes = new SummaryChanges(this.statuses, () => this.getSummary(), this.onError);
    this.transitions = new StatusHistory(this.clock, this.options.history);
    const stopHearing = deps.passive?.onChange((name) => {
      this.statuses.noteFindings(name);
      this.changes.note();
    });
    this.transitions.note(registry.snapshot, registry.snapshot, null);
    const unfollow = registry.onChange((...change) => {
      this.transitions.note(...change);
      if (this.statuses.note(...change)) this.changes.note();
    });
    this.stops = [unfollow, ...(stopHearing ? [stopHearing] : [])];
  }

  /**
   * The health of all selected services, down to each instance.
   * @param selection which services @default all
   * @throws InvalidConfigurationError for an unknown field in `selection`, which would otherwise select all services
   */
  getAggregatedHealth(selection: HealthSelection = {}): AggregatedHealth {
    const { services, expiryHolds } = this.registry.snapshot;
    const summary = this.getSummary(selection);
    const { services: selected } = this.select(selection);
    const { faults, affectedBy } = this.impactNow();
    const described: [string, ServiceHealth][] = [];
    // In the registry's order.
    for (const [name, instances] of services) {
      const status = selected.get(name);
      if (!status) continue;
      const health = this.describe(instances, status, expiryHolds.get(name) ?? null);
      const affected = affectedBy.get(name);
      described.push([name, affected ? { ...health, affectedBy: affected } : health]);
    }
    const concerned = new Set([...selected.keys(), ...summary.missingServices]);
    return {
      ...summary,
      timestamp: this.clock.epoch(),
      namespace: this.deps.namespace ?? null,
      services: Object.fromEntries(described),
      faults: faults.filter((fault) => concerns(fault, concerned)),
    };
  }

  /**
   * Status and counts only; the cost does not depend on the number of instances.
   * @param selection which services @default all
   * @throws InvalidConfigurationError as {@link getAggregatedHealth}
   */
  getSummary(selection: HealthSelection = {}): HealthSummary {
    const { connected, writeRefusal } = this.registry.snapshot;
    const ageSeconds = Math.floor(this.registry.ageMs() / 1_000);
    return { ...this.countsOf(selection), registry: withoutUndefined({ connected, ageSeconds, writeRefusal }) };
  }

  /**
   * Calls `listener` when the status of a service changes, or any other field of the summary except its age. Changes
   * made in the same turn are reported once, after it.
   * @returns unsubscribes; idempotent
   */
  onChange(listener: (change: HealthChange) => void): () => void {
    return this.changes.add(listener);
  }

  /**
   * The latest status changes of an instance that this process observed, oldest first. The history of an instance that
   * left is kept for 10 min, for at most 1,000 such instances.
   */
  history(key: InstanceKey): readonly StatusTransition[] {
    return this.transitions.of(key);
  }

  /**
   * Since when a service that is not registered has been missing, as far as this process knows: since its last instance left,
   * else since this process reads the registry. In milliseconds since the Unix epoch; null: unknown.
   */
  missingSince(service: string): number | null {
    return this.transitions.missingSince(service);
  }

  /** Unsubscribes from the registry and stops notifying listeners. */
  close(): void {
    this.changes.close();
    for (const stop of this.stops) stop();
  }

  private countsOf(selection: HealthSelection): HealthCounts {
    this.forgetWhatChanged();
    checkSelection(selection);
    const { service, tag, tier } = selection;
    const key = JSON.stringify([service, tag, tier]);
    let counts = this.sums.get(key);
    if (!counts) {
      if (this.sums.size >= KEPT_SELECTIONS) this.sums.clear();
      this.sums.set(key, (counts = sumUp(this.select(selection), this.options, this.onError)));
    }
    return counts;
  }

  private select(selection: HealthSelection): SelectedServices {
    return selectServices(this.statuses, selection, this.options);
  }

  private impactNow(): Impact {
    this.forgetWhatChanged();
    if (this.impact) return this.impact;
    const all = this.statuses.all();
    const missing = new Set(this.options.required.filter((name) => this.statuses.isMissing(name)));
    for (const { dependencies } of all.values())
      for (const name of dependencies) if (this.statuses.isMissing(name)) missing.add(name);
    return (this.impact = findFaults(all, missing));
  }

  private forgetWhatChanged(): void {
    const { version } = this.statuses;
    if (version === this.version) return;
    this.version = version;
    this.sums.clear();
    this.impact = undefined;
  }

  private describe(
    instances: readonly ServiceInstance[],
    status: ServiceStatus,
    hold: ExpiryHold | null,
  ): ServiceHealth {
    const { findings } = status;
    const known = this.described.get(instances);
    if (known?.findings === findings && !hold) return known.health;
    const health = describeService(instances, status, hold, this.clock.epoch());
    // During a hold the missed heartbeats change with time alone, so the result is not cached.
    if (!hold) this.described.set(instances, { findings, health });
    return health;
  }
}

function concerns({ services, cascades, atRisk }: Fault, names: ReadonlySet<string>): boolean {
  return [services, cascades, atRisk].some((some) => some.some((name) => names.has(name)));
}
