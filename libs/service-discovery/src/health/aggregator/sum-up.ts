import { OptionValidator } from '../../common/index.js';
import { type AggregatedStatus, type HealthCounts, type HealthSelection } from './aggregated-health.js';
import { isAggregatedStatus, type HealthAggregatorOptions, type OverallRule } from './options.js';
import { type ServiceStanding } from './service-standing.js';
import { type ServiceStandings } from './service-standings.js';

/** The services that a selection is about. */
export interface SelectedServices {
  readonly standings: ReadonlyMap<string, ServiceStanding>;
  /** Those that are required, and that are not registered. */
  readonly missing: readonly string[];
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

const SELECTION_NAMES = ['service', 'tag', 'tier'] as const satisfies readonly (keyof HealthSelection)[];

/** @throws InvalidConfigurationError naming what is no part of a selection */
export function checkSelection(selection: HealthSelection): void {
  const check = new OptionValidator('selection');
  check.options('', selection, {}, SELECTION_NAMES);
  check.throwIfAny();
}

export function selectServices(
  standings: ServiceStandings,
  { service, tag, tier }: HealthSelection,
  { required, optional }: HealthAggregatorOptions,
): SelectedServices {
  const all = standings.all();
  const fits = (standing: ServiceStanding): boolean =>
    (tag === undefined || standing.tags.has(tag)) && (tier === undefined || standing.tiers.has(tier));
  const isMissing = (name: string): boolean => standings.isMissing(name);
  if (service === undefined) {
    if (tag === undefined && tier === undefined)
      return { standings: all, missing: required.filter(isMissing), required, optional };
    // The tags and tiers of a service that is not registered are not known, so none is missing here.
    const fitting = new Map([...all].filter(([, standing]) => fits(standing)));
    return { standings: fitting, missing: [], required, optional };
  }
  const names = [...new Set([service].flat())];
  const selected = new Map<string, ServiceStanding>();
  for (const name of names) {
    const standing = all.get(name);
    if (standing && fits(standing)) selected.set(name, standing);
  }
  return { standings: selected, missing: names.filter(isMissing), required: names, optional: [] };
}

/** @param onError told of what the app's own rule threw, or returned that is no status */
export function sumUp(
  selected: SelectedServices,
  { rule, overallStatus: own }: HealthAggregatorOptions,
  onError: (error: unknown) => void,
): HealthCounts {
  const { standings, missing } = selected;
  const counts: Record<AggregatedStatus, number> = { healthy: 0, degraded: 0, unhealthy: 0, unknown: 0 };
  for (const { status } of standings.values()) counts[status] += 1;
  const usual = overallStatusOf(selected, counts, rule);
  const ruled = (): AggregatedStatus => {
    const statuses = new Map([...standings].map(([name, { status }]) => [name, status]));
    const status: unknown = own?.({ statuses, missing, usual });
    if (isAggregatedStatus(status)) return status;
    throw new TypeError(`health.overallStatus said ${String(status)}, which is no status`);
  };
  return {
    overallStatus: own ? orUsual(ruled, usual, onError) : usual,
    totalServices: standings.size,
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
  { standings, missing, required, optional }: SelectedServices,
  counts: Readonly<Record<AggregatedStatus, number>>,
  rule: OverallRule,
): AggregatedStatus {
  if (missing.length > 0) return 'unhealthy';
  if (counts.unknown === standings.size) return 'unknown';
  const lost = [...standings].filter(([, { isLost }]) => isLost).map(([name]) => name);
  if (lost.some((name) => required.includes(name))) return 'unhealthy';
  const canBeCalled = standings.size - lost.length;
  if (rule === 'majority' ? canBeCalled > standings.size / 2 : lost.length + counts.degraded === 0) return 'healthy';
  const isNoneHealthy = counts.healthy + counts.degraded === 0;
  const isOptionalOnly = lost.every((name) => optional.includes(name));
  return isNoneHealthy && !isOptionalOnly ? 'unhealthy' : 'degraded';
}
