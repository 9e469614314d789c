import { type AggregatedStatus, type HealthCounts, type HealthSelection } from './aggregated-health.js';
import { type ServiceStanding } from './service-standing.js';
import { type ServiceStandings } from './service-standings.js';

/** The services that a selection is about. */
export interface SelectedServices {
  readonly standings: ReadonlyMap<string, ServiceStanding>;
  /** Those that it names, and that are not registered. */
  readonly missing: readonly string[];
}

export function selectServices(standings: ServiceStandings, { service, tag, tier }: HealthSelection): SelectedServices {
  const names = service === undefined ? undefined : new Set([service].flat());
  const fits = (standing: ServiceStanding): boolean =>
    (tag === undefined || standing.tags.has(tag)) && (tier === undefined || standing.tiers.has(tier));
  if (!names) {
    if (tag === undefined && tier === undefined) return { standings: standings.all(), missing: [] };
    return { standings: new Map([...standings.all()].filter(([, standing]) => fits(standing))), missing: [] };
  }
  const selected = new Map<string, ServiceStanding>();
  const missing: string[] = [];
  for (const name of names) {
    const standing = standings.get(name);
    if (standing && fits(standing)) selected.set(name, standing);
    if (standings.isMissing(name)) missing.push(name);
  }
  return { standings: selected, missing };
}

export function sumUp({ standings, missing }: SelectedServices): HealthCounts {
  const counts: Record<AggregatedStatus, number> = { healthy: 0, degraded: 0, unhealthy: 0, unknown: 0 };
  for (const { status } of standings.values()) counts[status] += 1;
  return {
    overallStatus: overallStatusOf(counts, standings.size, missing.length),
    totalServices: standings.size,
    healthyServices: counts.healthy,
    unhealthyServices: counts.unhealthy,
    missingServices: missing,
  };
}

function overallStatusOf(
  counts: Readonly<Record<AggregatedStatus, number>>,
  total: number,
  missing: number,
): AggregatedStatus {
  if (missing > 0) return 'unhealthy';
  if (counts.unknown === total) return 'unknown';
  // A service that nobody checked yet has no healthy instance either.
  if (counts.unhealthy + counts.unknown > 0) return 'unhealthy';
  return counts.degraded > 0 ? 'degraded' : 'healthy';
}
