import { Listeners, OptionValidator } from '../../common/index.js';
import {
  type AggregatedStatus,
  type HealthCounts,
  type HealthSelection,
  type HealthSummary,
  type ServiceStatusChange,
} from './aggregated-health.js';
import { type HealthAggregatorOptions, isAggregatedStatus, type OverallRule } from './options.js';
import { type ServiceStatus } from './service-status.js';
import { type ServiceStatuses } from './service-statuses.js';

/** The services that match a selection. */
export interface SelectedServices {
  readonly services: ReadonlyMap<string, ServiceStatus>;
  /** Required services that are not registered. */
  readonly missing: readonly string[];
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

const SELECTION_NAMES = ['service', 'tag', 'tier'] as const satisfies readonly (keyof HealthSelection)[];

/** @throws InvalidConfigurationError for an unknown field or a wrong value */
export function checkSelection(selection: HealthSelection): void {
  const check = new OptionValidator('selection');
  check.options('', selection, {}, SELECTION_NAMES);
  check.throwIfAny();
}

export function selectServices(
  statuses: ServiceStatuses,
  { service, tag, tier }: HealthSelection,
  { required, optional }: HealthAggregatorOptions,
): SelectedServices {
  const all = statuses.all();
  const fits = (status: ServiceStatus): boolean =>
    (tag === undefined || status.tags.has(tag)) && (tier === undefined || status.tiers.has(tier));
  const isMissing = (name: string): boolean => statuses.isMissing(name);
  if (service === undefined) {
    if (tag === undefined && tier === undefined)
      return { services: all, missing: required.filter(isMissing), required, optional };
    // Tags and tiers of unregistered services are unknown, so none of them counts as missing here.
    const fitting = new Map([...all].filter(([, status]) => fits(status)));
    return { services: fitting, missing: [], required, optional };
  }
  const names = [...new Set([service].flat())];
  const selected = new Map<string, ServiceStatus>();
  for (const name of names) {
    const status = all.get(name);
    if (status && fits(status)) selected.set(name, status);
  }
  return { services: selected, missing: names.filter(isMissing), required: names, optional: [] };
}

/** @param onError receives what the app's own rule threw, or an error for an invalid status that it returned */
export function sumUp(
  selected: SelectedServices,
  { rule, overallStatus: own }: HealthAggregatorOptions,
  onError: (error: unknown) => void,
): HealthCounts {
  const { services, missing } = selected;
  const counts: Record<AggregatedStatus, number> = { healthy: 0, degraded: 0, unhealthy: 0, unknown: 0 };
  for (const { status } of services.values()) counts[status] += 1;
  const usual = overallStatusOf(selected, counts, rule);
  const ruled = (): AggregatedStatus => {
    const statuses = new Map([...services].map(([name, { status }]) => [name, status]));
    const status: unknown = own?.({ statuses, missing, usual });
    if (isAggregatedStatus(status)) return status;
    throw new TypeError(`health.overallStatus returned ${String(status)}, which is not a status`);
  };
  return {
    overallStatus: own ? orUsual(ruled, usual, onError) : usual,
    totalServices: services.size,
    healthyServices: counts.healthy,
    degradedServices: counts.degraded,
    unhealthyServices: counts.unhealthy,
    unknownServices: counts.unknown,
    missingServices: missing,
  };
}

function orUsual(
  ruled: () => AggregatedStatus,
  usual: AggregatedStatus,
  onError: (error: unknown) => void,
): AggregatedStatus {
  try {
    return ruled();
  } catch (error) {
    onError(error);
    return usual;
  }
}

/** See {@link AggregatedStatus}. */
function overallStatusOf(
  { services, missing, required, optional }: SelectedServices,
  counts: Readonly<Record<AggregatedStatus, number>>,
  rule: OverallRule,
): AggregatedStatus {
  if (missing.length > 0) return 'unhealthy';
  if (counts.unknown === services.size) return 'unknown';
  const lost = [...services].filter(([, { isLost }]) => isLost).map(([name]) => name);
  if (lost.some((name) => required.includes(name))) return 'unhealthy';
  const canBeCalled = services.size - lost.length;
  if (rule === 'majority' ? canBeCalled > services.size / 2 : lost.length + counts.degraded === 0) return 'healthy';
  const isNoneHealthy = counts.healthy + counts.degraded === 0;
  const isOptionalOnly = lost.every((name) => optional.includes(name));
  return isNoneHealthy && !isOptionalOnly ? 'unhealthy' : 'degraded';
}

/** How the health of all services changed since listeners were last notified. */
export interface HealthChange {
  readonly summary: HealthSummary;
  readonly previous: HealthSummary;
  /** In order of name. */
  readonly services: readonly ServiceStatusChange[];
}

/**
 * Notifies listeners of changes to the summary. Changes made in the same turn are reported once, after it, and not at
 * all if the summary is as before. Costs nothing without listeners.
 */
export class SummaryChanges {
  private readonly listeners: Listeners<[HealthChange]>;
  /** The summary that was reported last. */
  private told: HealthSummary | undefined;
  private isDue = false;

  constructor(
    private readonly statuses: ServiceStatuses,
    private readonly summarize: () => HealthSummary,
    onError: (error: unknown) => void,
  ) {
    this.listeners = new Listeners(onError);
  }

  /** @returns unsubscribes; idempotent */
  add(listener: (change: HealthChange) => void): () => void {
    if (this.listeners.size === 0) {
      this.told = this.summarize();
      this.statuses.takeMoves();
    }
    const remove = this.listeners.add(listener);
    return () => {
      remove();
      if (this.listeners.size === 0) this.statuses.forgetMoves();
    };
  }

  /** Schedules a notification, since the summary may have changed. */
  note(): void {
    if (this.isDue || this.listeners.size === 0) return;
    this.isDue = true;
    queueMicrotask(() => this.tell());
  }

  close(): void {
    this.listeners.clear();
    this.statuses.forgetMoves();
  }

  private tell(): void {
    this.isDue = false;
    const previous = this.told;
    if (this.listeners.size === 0 || !previous) return;
    const summary = this.summarize();
    const services = this.statuses.takeMoves();
    if (services.length === 0 && saysTheSame(summary, previous)) return;
    this.told = summary;
    this.listeners.call({ summary, previous, services });
  }
}

/** Compares two summaries between which no service changed its status, so their counts are equal. */
function saysTheSame(one: HealthSummary, other: HealthSummary): boolean {
  return (
    one.overallStatus === other.overallStatus &&
    one.missingServices.join() === other.missingServices.join() &&
    one.registry.connected === other.registry.connected &&
    one.registry.writeRefusal === other.registry.writeRefusal
  );
}
