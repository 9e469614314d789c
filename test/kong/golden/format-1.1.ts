// Made of format-1.1.yaml by nest-service-discovery kong import.
import { type ServiceDiscoveryOptions } from 'nest-service-discovery';

export const kongOptions = {
  services: [
    {
      name: 'users',
      targets: [{ url: 'http://10.0.0.1:8001/v1', tags: ['a'] }, { url: 'http://10.0.0.2:8001/v1', weight: 50 }],
      healthCheckPath: '/status',
      tags: ['internal', 'team-users'],
      tier: 'kong',
    },
    {
      name: 'legacy',
      targets: ['http://legacy.internal:8080/api'],
      healthCheckPath: null,
      tier: 'kong-legacy',
    },
  ],
  patterns: {
    kong: {
      loadBalancing: { strategy: 'consistent_hash', hash: { on: [{ header: 'x-user' }, 'ip'] } },
      timeout: '12s',
      attemptTimeout: '4s',
      retry: { maxAttempts: 3 },
      circuitBreaker: {
        failureThreshold: 2,
        recoveryTimeout: '2s',
        successThreshold: 3,
        ignoredStatuses: [408, 429, 501, [504, 599]],
      },
    },
    'kong-legacy': { timeout: '360s', attemptTimeout: '60s', retry: { maxAttempts: 6 }, circuitBreaker: false },
  },
  healthCheck: {
    services: {
      users: {
        type: 'http',
        interval: '5s',
        downInterval: '1s',
        timeout: '2s',
        rise: 2,
        httpFailures: 3,
        tcpFailures: 2,
        timeouts: 4,
        healthyStatuses: [[200, 201], 204],
        unhealthyStatuses: [429, [500, 503]],
      },
    },
  },
  transport: { connectTimeout: '60s' },
} satisfies ServiceDiscoveryOptions;
