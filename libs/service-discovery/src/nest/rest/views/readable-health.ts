import { type AggregatedHealth } from '../../../health/index.js';

/**
 * Leaves out the names of services that a caller may not read, which faults would tell of: as root cause, or by what depends
 * on what.
 */
export function readableHealth(health: AggregatedHealth, mayRead: (serviceName: string) => boolean): AggregatedHealth {
  const services = Object.entries(health.services).map(
    ([name, service]) => [name, { ...service, affectedBy: service.affectedBy.filter(mayRead) }] as const,
  );
  const faults = health.faults
    .map((fault) => ({
      ...fault,
      services: fault.services.filter(mayRead),
      cascades: fault.cascades.filter(mayRead),
      atRisk: fault.atRisk.filter(mayRead),
    }))
    .filter((fault) => fault.services.length > 0);
  return {
    ...health,
    services: Object.fromEntries(services),
    faults,
    missingServices: health.missingServices.filter(mayRead),
  };
}
