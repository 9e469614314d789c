import { systemClock, type Clock } from '../../common/index.js';
import { type ExpiryHold, type ServiceInstance } from '../../model/index.js';
import {
  type AggregatedHealth,
  type AggregatedStatus,
  type HealthCounts,
  type HealthSelection,
  type HealthSummary,
  type ServiceHealth,
} from './aggregated-health.js';
import { describeService } from './describe-service.js';
import { ServiceStandings, type AggregatedRegistry } from './service-standings.js';
import { selectServices, sumUp } from './sum-up.js';

/** Sums of so many selections are kept: more than anybody polls. */
const KEPT_SELECTIONS = 100;

/**
 * Sums up what the registry's snapshot says about the health of all services, or of some. Asks nobody. What was found is
 * kept until it changes, and then found anew for the service that changed: to poll it costs nothing.
 */
export class HealthAggregator {
  private readonly clock: Clock;
  private readonly standings: ServiceStandings;
  /** By selection, as of `version`. */
  private readonly sums = new Map<string, HealthCounts>();
  private version = -1;
  /** Lists never change, so what is said of one holds as long as it does. */
  private readonly described = new WeakMap<readonly ServiceInstance[], ServiceHealth>();

  /** @param deps.clock the machine's clock when left out */
  constructor(
    private readonly registry: AggregatedRegistry,
    deps: { clock?: Clock } = {},
  ) {
    this.clock = deps.clock ?? systemClock;
    this.standings = new ServiceStandings(registry);
  }

  /** Everything, down to each instance. @param selection which services @default all */
  getAggregatedHealth(selection: HealthSelection = {}): AggregatedHealth {
    const { services, expiryHolds } = this.registry.snapshot;
    const { standings } = selectServices(this.standings, this.registry.snapshot, selection);
    const described: [string, ServiceHealth][] = [];
    // In the registry's order.
    for (const [name, instances] of services) {
      const standing = standings.get(name);
      if (!standing) continue;
      described.push([name, this.describe(instances, standing.status, expiryHolds.get(name) ?? null)]);
    }
    return {
      ...this.getSummary(selection),
      timestamp: this.clock.epoch(),
      services: Object.fromEntries(described),
    };
  }

  /** The counts alone: cheap, however many instances there are. @param selection which services @default all */
  getSummary(selection: HealthSelection = {}): HealthSummary {
    const { connected } = this.registry.snapshot;
    const ageSeconds = Math.floor(this.registry.ageMs() / 1_000);
    return { ...this.countsOf(selection), registry: { connected, ageSeconds } };
  }

  /** Stops following the registry. */
  close(): void {
    this.standings.close();
  }

  private countsOf(selection: HealthSelection): HealthCounts {
    const { version } = this.standings;
    if (version !== this.version || this.sums.size > KEPT_SELECTIONS) this.sums.clear();
    this.version = version;
    const { snapshot } = this.registry;
    const { service, tag, tier } = selection;
    const key = JSON.stringify([service, tag, tier, snapshot.ready, snapshot.scope?.size]);
    let counts = this.sums.get(key);
    if (!counts) this.sums.set(key, (counts = sumUp(selectServices(this.standings, snapshot, selection))));
    return counts;
  }

  private describe(
    instances: readonly ServiceInstance[],
    status: AggregatedStatus,
    hold: ExpiryHold | null,
  ): ServiceHealth {
    let health = this.described.get(instances);
    if (health?.expiryHeld !== hold) {
      health = describeService(instances, status, hold);
      this.described.set(instances, health);
    }
    return health;
  }
}
