import { NestFactory } from '@nestjs/core';
import { ServiceCommunicator, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { type LoadBalancingStrategyName } from 'nest-service-discovery/core';
import { type CallRequest, type Contender } from './contender.js';
import { CALLED_SERVICE, registrationsOf } from './registrations.js';

/**
 * As `forRoot()` sets it up, with metrics, journal, call figures, request ids and a log whose lines are dropped. Only health checks are off:
 * those of thousands of instances would be measured, too.
 */
export function ours(strategy: LoadBalancingStrategyName): Contender {
  const toRequest = strategy in WITH_KEY ? WITH_KEY[strategy as keyof typeof WITH_KEY] : withoutKey;
  return {
    async setup(target) {
      const library = ServiceDiscoveryModule.forRoot({
        mode: 'memory_only',
        healthCheck: { enabled: false },
        loadBalancing: strategy,
      });
      const app = await NestFactory.createApplicationContext(
        { module: class ClientApp {}, imports: [library] },
        { logger: false },
      );
      const registry = app.get(ServiceRegistry);
      await Promise.all(registrationsOf(target).map((one) => registry.register(one, { heartbeat: 'manual' })));
      const communicator = app.get(ServiceCommunicator);
      return {
        call: (request) => communicator.callServiceJson(CALLED_SERVICE, toRequest(request)),
        close: () => app.close(),
      };
    },
  };
}

type ToRequest = (request: CallRequest) => Parameters<ServiceCommunicator['callServiceJson']>[1];

const withoutKey: ToRequest = ({ method, path, json }) => (json ? { method, path, json } : { method, path });

const withKey: ToRequest = ({ method, path, json, key }) =>
  json ? { method, path, json, key } : { method, path, key };

/**
 * Strategies that use a property of the call. Spreading an object and adding a field would be slower by a third, in V8
 * itself.
 */
const WITH_KEY = {
  consistent_hash: withKey,
  maglev: withKey,
  ip_hash: ({ method, path, json, key: clientIp }) =>
    json ? { method, path, json, clientIp } : { method, path, clientIp },
} satisfies Partial<Record<LoadBalancingStrategyName, ToRequest>>;
