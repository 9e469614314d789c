import { OptionValidator } from '../../common/index.js';
import { type AggregatedStatus, type HealthCounts, type HealthSelection } from './aggregated-health.js';
import { isAggregatedStatus, type HealthAggregatorOptions } from './options.js';
import { type ServiceStanding } from './service-standing.js';
import { type ServiceStandings } from './service-standings.js';

/** The services that a selection is about. */
export interface SelectedServices {
  readonly standings: ReadonlyMap<string, ServiceStanding>;
  /** Those that are counted on, and that are not registered. */
  readonly missing: readonly string[];
  /** Those that the whole does without. */
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
    // What tags a service has that is not registered, nobody knows.
    if (tag === undefined && tier === undefined)
      return { standings: all, missing: required.filter(isMissing), optional };
    return { standings: new Map([...all].filter(([, standing]) => fits(standing))), missing: [], optional };
  }
  const names = [...new Set([service].flat())];
  const selected = new Map<string, ServiceStanding>();
  for (const name of names) {
    const standing = all.get(name);
    if (standing && fits(standing)) selected.set(name, standing);
  }
  return { standings: selected, missing: names.filter(isMissing), optional: [] };
}

/** @param onError told of what a rule of one's own threw, or said that is no status */
export function sumUp(
  { standings, missing, optional }: SelectedServices,
  { overallStatus: rule }: HealthAggregatorOptions,
  onError: (error: unknown) => void,
): HealthCounts {
  const counts: Record<AggregatedStatus, number> = { healthy: 0, degraded: 0, unhealthy: 0, unknown: 0 };
  for (const { status } of standings.values()) counts[status] += 1;
  const usual = overallStatusOf(counts, missing.length, lostAmong(optional, standings));
  const ruled = (): AggregatedStatus => {
    const statuses = new Map([...standings].map(([name, { status }]) => [name, status]));
    const status: unknown = rule?.({ statuses, missing, usual });
    if (isAggregatedStatus(status)) return status;
    throw new TypeError(`health.overallStatus said ${String(status)}, which is no status`);
  };
  return {
    overallStatus: rule ? orUsual(ruled, usual, onError) : usual,
    totalServices: standings.size,
    healthyServices: counts.healthy,
    unhealthyServices: counts.unhealthy,
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

/** How many of these are registered without a healthy instance. */
function lostAmong(names: readonly string[], standings: SelectedServices['standings']): number {
  return names.filter((name) => isLost(standings.get(name)?.status)).length;
}

/** A service that nobody checked yet has no healthy instance either. */
function isLost(status: AggregatedStatus | undefined): boolean {
  return status === 'unhealthy' || status === 'unknown';
}

function overallStatusOf(
  counts: Readonly<Record<AggregatedStatus, number>>,
  missing: number,
  optionalLost: number,
): AggregatedStatus {
  if (missing > 0) return 'unhealthy';
  const lost = counts.unhealthy + counts.unknown;
  if (counts.unhealthy + counts.healthy + counts.degraded === 0) return 'unknown';
  if (lost > optionalLost) return 'unhealthy';
  return lost + counts.degraded > 0 ? 'degraded' : 'healthy';
}
