import {
  type CallTracer,
  DiscoveryMetrics,
  EventBus,
  EventLogger,
  type LoadBalancingStrategyName,
  type LoggerPort,
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  systemClock,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { type CallRequest, type Contender } from './contender.js';
import { CALLED_SERVICE, registrationsOf } from './registrations.js';

/** The defaults of a Nest user, including metrics and a log. */
export function ours(strategy: LoadBalancingStrategyName, tracer?: CallTracer): Contender {
  const toRequest = strategy in WITH_KEY ? WITH_KEY[strategy as keyof typeof WITH_KEY] : withoutKey;
  return {
    async setup(target) {
      const events = new EventBus();
      const store = new MemoryRegistryStore();
      const registry = new ServiceRegistry(store, {}, { events });
      await registry.start();
      const registrations = registrationsOf(target);
      await Promise.all(registrations.map((one) => registry.register(one, { heartbeat: 'manual' })));
      const metrics = new DiscoveryMetrics(events, registry);
      const logger = new EventLogger(events, DROPPED_LINES, {}, { clock: systemClock });
      const transport = new UndiciTransport();
      const communicator = new ServiceCommunicator(
        { registry, transport, events, tracer },
        { loadBalancing: strategy },
      );
      return {
        call: (request) => communicator.callServiceJson(CALLED_SERVICE, toRequest(request)),
        async close() {
          await communicator.close();
          metrics.close();
          logger.close();
          await registry.close();
          await store.close();
        },
      };
    },
  };
}

/** Drops all lines, as if the app had disabled its log levels. */
const DROPPED_LINES: LoggerPort = {
  debug: () => undefined,
  log: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

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
