import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  InvalidConfigurationError,
  messageOf,
  type Problem,
  ServiceDiscoveryError,
  systemClock,
  TransportError,
} from '../common/index.js';
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
import { type ServiceRequest } from '../transport/index.js';
import { fakeInstance } from './fake-instance.js';
import { type FakeResponse, FakeTransport } from './fake-transport.js';

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

/** A call as the handler of a {@link ServiceDiscoveryTestingModule} gets it. */
export interface HandledRequest {
  /** `GET`, `POST` … */
  readonly method: string;
  /** Without the query: `/users/1`. */
  readonly path: string;
  /** A parameter that is given several times is a list. */
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Names in lower case. */
  readonly headers: ServiceRequest['headers'];
  /** What was sent as JSON is parsed; else a text. Undefined: there is none. */
  readonly body: unknown;
}

/**
 * Answers the calls to a service, now or later. What it returns is the body of a 200: a text, bytes or a stream as they
 * are, anything else as JSON, undefined as no body; {@link reply} sets a status. What it throws counts as a request
 * without a response, `TRANSPORT_FAILURE`; a ServiceDiscoveryError is thrown as it is.
 */
export type ServiceHandler = (request: HandledRequest) => unknown;

/** The handlers by the names of their services. */
export type ServiceHandlers = Readonly<Record<string, ServiceHandler>>;

/** A status with a body, and headers if need be: see {@link reply}. */
export class Reply {
  constructor(
    readonly status: number,
    readonly body: unknown,
    readonly headers: FakeResponse['headers'],
  ) {}
}

/**
 * An answer with a status, for a {@link ServiceHandler}: `reply(404, { message: 'no such user' })`.
 * @param headers names in lower case. @default the content type of a JSON body, else none
 */
export function reply(status: number, body?: unknown, headers?: FakeResponse['headers']): Reply {
  return new Reply(status, body, headers);
}

/** A transport over which the handlers answer. */
function handlerTransport(handlers: ServiceHandlers): FakeTransport {
  return new FakeTransport(async ({ serviceName: service }, request) => {
    const handler = Object.hasOwn(handlers, service) ? handlers[service] : undefined;
    if (!handler) throw new TransportError(`"${service}" has no handler${known(handlers)}`, true, { service });
    const handled = await toHandled(request);
    try {
      const answer = await handler(handled);
      return answer instanceof Reply ? answer : { body: answer };
    } catch (error) {
      if (error instanceof ServiceDiscoveryError) throw error;
      const message = `The handler of "${service}" failed: ${messageOf(error)}`;
      throw new TransportError(message, false, { service, cause: error });
    }
  });
}

function known(handlers: ServiceHandlers): string {
  const names = Object.keys(handlers);
  return names.length === 0 ? ', as has no other service' : `: there are handlers of ${names.join(', ')}`;
}

async function toHandled({ method, path, query, headers, body }: ServiceRequest): Promise<HandledRequest> {
  const url = new URL(path, 'http://service');
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of [value].flat()) if (one !== undefined && one !== null) url.searchParams.append(name, String(one));
  }
  return { method, path: url.pathname, query: toRecord(url.searchParams), headers, body: await toBody(body, headers) };
}

function toRecord(params: URLSearchParams): HandledRequest['query'] {
  const names = [...new Set(params.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = params.getAll(name);
      return [name, values.length === 1 ? values[0]! : values];
    }),
  );
}

async function toBody(body: ServiceRequest['body'], headers: ServiceRequest['headers']): Promise<unknown> {
  if (body === undefined) return undefined;
  const content =
    typeof body === 'string' ? body : await text(body instanceof Uint8Array ? Readable.from([body]) : body);
  return String(headers['content-type']).startsWith('application/json') ? (JSON.parse(content) as unknown) : content;
}
