import { type ServiceRegistration } from 'nest-service-discovery/core';
import { type Target } from './contender.js';

export const CALLED_SERVICE = 'service-0';

/** Instances per other service; they are registered and never called. */
const OTHER_INSTANCES = 3;

/** All instances in a registry: those of the called service, and of the others. */
export function registrationsOf({ ports, services }: Target): ServiceRegistration[] {
  const others = ports.slice(0, OTHER_INSTANCES);
  return Array.from({ length: services }, (_, n) =>
    (n === 0 ? ports : others).map((port) => ({
      serviceName: n === 0 ? CALLED_SERVICE : `service-${n}`,
      host: '127.0.0.1',
      port,
      ttl: '1d' as const,
    })),
  ).flat();
}
