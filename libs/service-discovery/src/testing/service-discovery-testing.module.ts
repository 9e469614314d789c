import { InvalidConfigurationError, type Problem, systemClock } from '../common/index.js';
import { type CommunicatorOptions, type PatternOverrides } from '../communicator/index.js';
import { isServiceName, TIERS } from '../model/index.js';
import {
  getServiceDiscoveryConfig,
  type ResolvedServiceDiscoveryOptions,
  resolveServiceDiscoveryOptions,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from '../nest/index.js';
import { ServiceRegistry } from '../registry/index.js';
import { MemoryRegistryStore, type RegistryStore } from '../store/index.js';
import { fakeInstance } from './fake-instance.js';
import { handlerTransport, type ServiceHandlers } from './service-handlers.js';

/** The options of {@link ServiceDiscoveryTestingModule}: handlers, and what else the app's own options set, such as `patterns`. */
export interface ServiceDiscoveryTestingOptions extends Omit<
  ServiceDiscoveryOptions,
  'preset' | 'mode' | 'registryUrl' | 'remote' | 'redis' | 'store' | 'services' | 'transport'
> {
  /** What answers in place of each service. @default there is no other service */
  services?: ServiceHandlers;
}

const REGISTRY_STARTED = Symbol('nest-service-discovery:registry-started');

/**
 * The module for tests: no registry, no network, no waiting. Each service has one healthy instance, and calls to it run as
 * in production and are answered by its handler, from `compile()` on. Each call is one request, as retries and circuit
 * breakers are off unless the options or the call set them.
 *
 * @example
 * const services = { 'user-service': ({ path }) => ({ id: path.split('/').at(-1), name: 'Ada' }) };
 * const testing = await Test.createTestingModule({
 *   imports: [ServiceDiscoveryTestingModule.forRoot({ services })],
 *   providers: [Orders],
 * }).compile();
 */
export class ServiceDiscoveryTestingModule {
  /**
   * In place of `ServiceDiscoveryModule.forRoot`.
   * @throws InvalidConfigurationError naming what is no service name or no handler
   */
  static forRoot(options: ServiceDiscoveryTestingOptions = {}): ReturnType<typeof ServiceDiscoveryModule.forRoot> {
    return {
      module: ServiceDiscoveryTestingModule,
      imports: [ServiceDiscoveryModule.forRoot(toModuleOptions(options))],
      // Most unit tests never call `init()`.
      providers: [
        {
          provide: REGISTRY_STARTED,
          inject: [ServiceRegistry],
          useFactory: (registry: ServiceRegistry) => registry.start(),
        },
      ],
    };
  }

  /**
   * The same for an app that imports `ServiceDiscoveryModule` itself:
   * `overrideProvider(SERVICE_DISCOVERY_OPTIONS).useValue(ServiceDiscoveryTestingModule.options({ services }))`.
   * @throws InvalidConfigurationError naming every wrong option
   */
  static options(options: ServiceDiscoveryTestingOptions = {}): ResolvedServiceDiscoveryOptions {
    return resolveServiceDiscoveryOptions(toModuleOptions(options), process.env);
  }
}

/** A call that fails is one request, and no other test feels it; one that sets `maxAttempts` is repeated without a wait. */
const ONE_REQUEST: CommunicatorOptions = {
  retry: { maxAttempts: 1, baseDelay: '1ms', maxDelay: '1ms' },
  circuitBreaker: false,
};

function toModuleOptions({ services = {}, ...options }: ServiceDiscoveryTestingOptions): ServiceDiscoveryOptions {
  const { preset: _, ...testing } = getServiceDiscoveryConfig('testing');
  const patterns: PatternOverrides = Object.fromEntries(TIERS.map((tier) => [tier, ONE_REQUEST]));
  return {
    ...testing,
    ...ONE_REQUEST,
    ...options,
    patterns: { ...patterns, ...options.patterns },
    store: storeOf(services),
    transport: handlerTransport(services),
  };
}

/** Leases last for ever, so there is no timer. */
const TIMELESS = { ...systemClock, setTimer: () => ({ cancel: () => undefined }) };

function storeOf(services: ServiceHandlers): RegistryStore {
  assertHandlers(services);
  const store = new MemoryRegistryStore({ clock: TIMELESS });
  Object.keys(services).forEach((serviceName, index) => {
    const instance = fakeInstance({ serviceName, port: index + 1 });
    // Both take effect at once: this store has nothing to wait for.
    void store.put(instance, Number.MAX_SAFE_INTEGER);
    void store.setStatus(instance, 'healthy');
  });
  return store;
}

function assertHandlers(services: ServiceHandlers): void {
  const problems = Object.entries(services).flatMap(([name, handler]): Problem[] => {
    const path = `services.${name}`;
    if (!isServiceName(name)) return [{ path, value: name, expected: 'the name of a service' }];
    if (typeof handler === 'function') return [];
    return [{ path, value: handler, expected: 'a function that answers, such as ({ path }) => ({ path })' }];
  });
  if (problems.length > 0) throw new InvalidConfigurationError(problems);
}
