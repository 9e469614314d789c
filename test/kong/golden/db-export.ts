// Made of db-export.yaml by nest-service-discovery kong import.
import { type ServiceDiscoveryOptions } from 'nest-service-discovery';

export const kongOptions = {
  services: [{ name: 'users', targets: ['http://10.0.0.1:8001'], healthCheckPath: null, tier: 'kong' }],
  patterns: {
    kong: {
      loadBalancing: { strategy: 'weighted_round_robin' },
      timeout: '360s',
      attemptTimeout: '60s',
      retry: { maxAttempts: 6 },
      circuitBreaker: false,
    },
  },
  healthCheck: { services: {} },
  transport: { connectTimeout: '60s' },
} satisfies ServiceDiscoveryOptions;
