import { type ServiceInstance } from 'nest-service-discovery/core';

export const TTL_MS = 300_000;

/** An average instance. */
export function instanceAt(index: number, services: number, metadata: Record<string, unknown> = {}): ServiceInstance {
  return {
    serviceName: `service-${index % services}`,
    instanceId: `service-${index % services}-${index}`,
    host: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    port: 8080,
    protocol: 'http',
    path: '',
    healthCheckPath: '/health',
    metadata: { rack: `rack-${index % 40}`, ...metadata },
    tags: ['api', 'v1'],
    version: '1.2.3',
    weight: 1,
    zone: `zone-${index % 3}`,
    tier: 'app',
    status: 'unknown',
    operatorStatus: 'up',
    healthStatus: 'unknown',
    generation: 0,
    ttlMs: TTL_MS,
    lease: 'heartbeat',
    registeredAt: 0,
    lastHeartbeat: 0,
  };
}

/** Instances as returned by a registry, with the index of {@link instanceAt}. */
export function instancesOf(count: number, services: number): ServiceInstance[] {
  return Array.from({ length: count }, (_, index) => instanceAt(index, services));
}
