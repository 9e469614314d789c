import { systemClock, withoutUndefined, type Clock } from '../../common/index.js';
import { type ExpiryHold, type InstanceKey, type ServiceInstance } from '../../model/index.js';
import { type PassiveFinding, type PassiveHealth } from '../passive-health.js';
import { StatusHistory, type StatusTransition } from '../status-history.js';
import {
  type AggregatedHealth,
  type Fault,
  type HealthCounts,
  type HealthSelection,
  type HealthSummary,
  type ServiceHealth,
} from './aggregated-health.js';
import { describeService } from './describe-service.js';
import { findFaults, type Impact } from './faults.js';
import { resolveHealthAggregatorOptions, type HealthAggregatorOptions } from './options.js';
import { type ServiceStanding } from './service-standing.js';
import { ServiceStandings, type AggregatedRegistry } from './service-standings.js';
import { checkSelection, selectServices, sumUp, type SelectedServices } from './sum-up.js';
import { SummaryChanges, type HealthChange } from './summary-changes.js';

export interface HealthAggregatorDeps {
  /** @default the machine's clock */
  readonly clock?: Clock;
  /** What calls of this process find; counts where nobody has checked. @default nothing */
  readonly passive?: PassiveHealth;
  /** That of the registry, to be shown. @default none is known */
  readonly namespace?: string;
  /** Told of what a listener or a rule of the app's own threw. @default nobody: the error is dropped */
  readonly onError?: (error: unknown) => void;
}

/** What was said of a list of instances, and by what beside it. */
interface Description {
  readonly findings: ReadonlyMap<string, PassiveFinding>;
  readonly health: ServiceHealth;
}

/** Sums of so many selections are kept: more than anybody polls. */
const KEPT_SELECTIONS = 100;

/**
 * Sums up what the registry's snapshot says about the health of all services, or of some. Asks nobody. What was found is
 * kept until it changes, and then found anew for the service that changed: to poll it costs nothing.
 */
export class HealthAggregator {
  private readonly options: HealthAggregatorOptions;
  private readonly clock: Clock;
  private readonly onError: (error: unknown) => void;
  private readonly standings: ServiceStandings;
  /** What follows holds as long as this version does. */
  private version = -1;
  private readonly sums = new Map<string, HealthCounts>();
  private impact: Impact | undefined;
  /** Lists never change, so what is said of one holds as long as it does. */
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
    this.options = resolveHealthAggregatorOptions(options);
    this.clock = deps.clock ?? systemClock;
    this.onError = deps.onError ?? ((): void => undefined);
    this.standings = new ServiceStandings(registry, deps.passive);
    this.changes = new SummaryChanges(this.standings, () => this.getSummary(), this.onError);
    this.transitions = new StatusHistory(this.clock, this.options.history);
    const stopHearing = deps.passive?.onChange((name) => {
      this.standings.noteFindings(name);
      this.changes.note();
    });
    const unfollow = registry.onChange((...change) => {
      this.transitions.note(...change);
      if (this.standings.note(...change)) this.changes.note();
    });
    this.stops = [unfollow, ...(stopHearing ? [stopHearing] : [])];
  }

  /**
   * Everything, down to each instance.
   * @param selection which services @default all
   * @throws InvalidConfigurationError for a name in it that is none, which would be taken for all services
   */
  getAggregatedHealth(selection: HealthSelection = {}): AggregatedHealth {
    const { services, expiryHolds } = this.registry.snapshot;
    const summary = this.getSummary(selection);
    const { standings } = this.select(selection);
    const { faults, affectedBy } = this.impactNow();
    const described: [string, ServiceHealth][] = [];
    // In the registry's order.
    for (const [name, instances] of services) {
      const standing = standings.get(name);
      if (!standing) continue;
      const health = this.describe(instances, standing, expiryHolds.get(name) ?? null);
      const affected = affectedBy.get(name);
      described.push([name, affected ? { ...health, affectedBy: affected } : health]);
    }
    const concerned = new Set([...standings.keys(), ...summary.missingServices]);
    return {
      ...summary,
      timestamp: this.clock.epoch(),
      namespace: this.deps.namespace ?? null,
      services: Object.fromEntries(described),
      faults: faults.filter((fault) => concerns(fault, concerned)),
    };
  }

  /**
   * The counts alone: cheap, however many instances there are.
   * @param selection which services @default all
   * @throws InvalidConfigurationError as {@link getAggregatedHealth}
   */
  getSummary(selection: HealthSelection = {}): HealthSummary {
    const { connected, writeRefusal } = this.registry.snapshot;
    const ageSeconds = Math.floor(this.registry.ageMs() / 1_000);
    return { ...this.countsOf(selection), registry: withoutUndefined({ connected, ageSeconds, writeRefusal }) };
  }

  /**
   * Calls `listener` when the status of a service, or anything else of the summary of all, has become another one, but for
   * how old it is. What changes in one go is told at once, after it.
   * @returns stops it; safe to call again
   */
  onChange(listener: (change: HealthChange) => void): () => void {
    return this.changes.add(listener);
  }

  /**
   * The last changes of an instance's status that this process heard of, the oldest first. Of an instance that has left, they
   * are kept for 10 min, and for no more than 1,000 such instances.
   */
  history(key: InstanceKey): readonly StatusTransition[] {
    return this.transitions.of(key);
  }

  /** Stops following the registry, and tells of nothing more. */
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
    return selectServices(this.standings, selection, this.options);
  }

  private impactNow(): Impact {
    this.forgetWhatChanged();
    if (this.impact) return this.impact;
    const all = this.standings.all();
    const missing = new Set(this.options.required.filter((name) => this.standings.isMissing(name)));
    for (const { dependencies } of all.values())
      for (const name of dependencies) if (this.standings.isMissing(name)) missing.add(name);
    return (this.impact = findFaults(all, missing));
  }

  private forgetWhatChanged(): void {
    const { version } = this.standings;
    if (version === this.version) return;
    this.version = version;
    this.sums.clear();
    this.impact = undefined;
  }

  private describe(
    instances: readonly ServiceInstance[],
    standing: ServiceStanding,
    hold: ExpiryHold | null,
  ): ServiceHealth {
    const { findings } = standing;
    const known = this.described.get(instances);
    if (known?.findings === findings && !hold) return known.health;
    const health = describeService(instances, standing, hold, this.clock.epoch());
    // During a hold it is a matter of time who misses heartbeats.
    if (!hold) this.described.set(instances, { findings, health });
    return health;
  }
}

function concerns({ services, cascades, atRisk }: Fault, names: ReadonlySet<string>): boolean {
  return [services, cascades, atRisk].some((some) => some.some((name) => names.has(name)));
}
