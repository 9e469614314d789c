import { effectiveStatus, shapeInstance, type ServiceInstance } from '../model/index.js';

/**
 * An instance as the registry shows it, for tests: healthy, weight 100, at `127.0.0.1:8080`. By default the id is
 * derived from host and port, and `status` from the operator status and the health.
 *
 * @example
 * const [a, b] = ['a', 'b'].map((instanceId) => fakeInstance({ instanceId }));
 */
export function fakeInstance(overrides: Partial<ServiceInstance> = {}): ServiceInstance {
  const host = overrides.host ?? '127.0.0.1';
  const port = overrides.port ?? 8080;
  const operatorStatus = overrides.operatorStatus ?? 'up';
  const healthStatus = overrides.healthStatus ?? 'healthy';
  const registeredAt = Date.UTC(2026, 0, 1);
  return shapeInstance({
    serviceName: 'user-service',
    instanceId: `${host.replaceAll(':', '-')}:${port}`,
    host,
    port,
    protocol: 'http',
    path: '',
    healthCheckPath: '/health',
    metadata: {},
    tags: [],
    weight: 100,
    status: effectiveStatus(operatorStatus, healthStatus),
    operatorStatus,
    healthStatus,
    generation: 1,
    ttlMs: 300_000,
    lease: 'heartbeat',
    registeredAt,
    lastHeartbeat: registeredAt,
    ...overrides,
  });
}
