import { InvalidConfigurationError, type Problem, systemClock, TransportError } from '../common/index.js';
import { type CommunicatorOptions, type PatternOverrides } from '../communicator/index.js';
import { isServiceName, type ServiceInstance, TIERS } from '../model/index.js';
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
import { FakeTransport } from './fake-transport.js';
import { answerOf, type ServiceHandlers, toHandled } from './service-handlers.js';

/** What tests may set of the options of `forRoot`: all but those of the registry. */
export type TestedOptions = Omit<
  ServiceDiscoveryOptions,
  'preset' | 'mode' | 'registryUrl' | 'remote' | 'redis' | 'store' | 'services' | 'transport'
>;

/** The options of {@link ServiceDiscoveryTestingModule}: handlers, and what else the app's own options set, such as `patterns`. */
export interface ServiceDiscoveryTestingOptions extends TestedOptions {
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
    return startedModule(toModuleOptions(options));
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

/** The module with the options of a test, whose registry starts without `init()`: most unit tests never call that. */
export function startedModule(options: ServiceDiscoveryOptions): ReturnType<typeof ServiceDiscoveryModule.forRoot> {
  return {
    module: ServiceDiscoveryTestingModule,
    imports: [ServiceDiscoveryModule.forRoot(options)],
    providers: [
      {
        provide: REGISTRY_STARTED,
        inject: [ServiceRegistry],
        useFactory: (registry: ServiceRegistry) => registry.start(),
      },
    ],
  };
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

const TIMELESS = { ...systemClock, setTimer: () => ({ cancel: () => undefined }) };

function storeOf(services: ServiceHandlers): RegistryStore {
  assertHandlers(services);
  const store = timelessStore();
  Object.keys(services).forEach((serviceName, index) => putHealthy(store, { serviceName, port: index + 1 }));
  return store;
}

/** A store whose leases last for ever, so that it has no timer. */
export function timelessStore(): MemoryRegistryStore {
  return new MemoryRegistryStore({ clock: TIMELESS });
}

/** Registers a healthy instance. */
export function putHealthy(store: RegistryStore, fields: Partial<ServiceInstance>): ServiceInstance {
  const instance = fakeInstance(fields);
  // Both take effect at once: a store in memory has nothing to wait for.
  void store.put(instance, Number.MAX_SAFE_INTEGER);
  void store.setStatus(instance, 'healthy');
  return instance;
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

/** A transport over which the handlers answer. */
function handlerTransport(handlers: ServiceHandlers): FakeTransport {
  return new FakeTransport(async (instance, request) => {
    const { serviceName: service } = instance;
    const handler = Object.hasOwn(handlers, service) ? handlers[service] : undefined;
    if (!handler) throw new TransportError(`"${service}" has no handler${known(handlers)}`, true, { service });
    return answerOf(handler, await toHandled(request), instance);
  });
}

function known(handlers: ServiceHandlers): string {
  const names = Object.keys(handlers);
  return names.length === 0 ? ', as has no other service' : `: there are handlers of ${names.join(', ')}`;
}
