import { assertOptions, InvalidConfigurationError, type Problem } from '../../common/index.js';
import { findRegistrationProblems, type ServiceRegistration } from '../../model/index.js';

/** How a service announces itself. What is left out of host, port and protocol is taken from the server that listens. */
export interface DiscoverableServiceOptions extends Partial<Omit<ServiceRegistration, 'serviceName'>> {
  /** The name that other services find it under. */
  name: string;
  /**
   * Where a health check asks, from the root of the host, not below `path`; null: that a TCP connection opens is check enough.
   * @default the app's own `GET /health/ready` or else `GET /health` (`api.healthPath`, below the global prefix), else the
   *   library's `GET /health/ready`; null where there is none
   */
  healthCheckPath?: string | null;
}

const DISCOVERABLE = Symbol('nest-service-discovery:discoverable');

/**
 * Registers this process under a name as soon as its server listens, keeps the registration alive, and takes it back
 * at shutdown. For a module, a controller or a provider class: where it stands changes nothing.
 * In an app without a server, the registration needs `host` and `port`.
 *
 * Nothing registers, and nothing warns of it, in an app that does not import `ServiceDiscoveryModule.forRoot()`: the module
 * is what looks for this decorator. In a monorepo, each app that is to register imports it.
 *
 * A microservice registers when it listens, where its transport has a port: TCP as `tcp`, gRPC as `grpc`. In an app with an
 * HTTP server, which registers there, `protocol: 'tcp'` or `'grpc'` without a `port` registers the microservice beside it.
 *
 * @throws InvalidConfigurationError when the class is defined, naming everything that is wrong with the options
 */
export function DiscoverableService(options: DiscoverableServiceOptions): ClassDecorator {
  return (target) => {
    const at = `@DiscoverableService ${target.name}`;
    // A name alone, as `@ServiceClient()` takes it.
    const name = typeof options === 'string' ? options : 'user-service';
    assertOptions(at, options, `an object: @DiscoverableService({ name: '${name}' })`);
    const problems = findProblems(options).map(({ path, ...rest }) => ({ path: `${at}.${path}`, ...rest }));
    if (problems.length > 0) throw new InvalidConfigurationError(problems);
    Reflect.defineMetadata(DISCOVERABLE, options, target);
  };
}

function findProblems(options: DiscoverableServiceOptions): Problem[] {
  const registration = toRegistration(options, { host: options.host ?? 'localhost', port: options.port ?? 1 });
  const problems = findRegistrationProblems(registration, (field) => (field === 'serviceName' ? 'name' : field));
  const { serviceName } = options as Partial<ServiceRegistration>;
  // The name stands in its place in the registration.
  if (serviceName !== undefined) {
    const expected = 'no option of this name (the name of the service is "name")';
    problems.push({ path: 'serviceName', value: serviceName, expected });
  }
  return problems;
}

/** What a class itself was decorated with; a subclass does not announce its parent's service again. */
export function discoverableOptionsOf(target: object): DiscoverableServiceOptions | undefined {
  return Reflect.getOwnMetadata(DISCOVERABLE, target) as DiscoverableServiceOptions | undefined;
}

/** The registration at an address. */
export function toRegistration(
  { name, ...rest }: DiscoverableServiceOptions,
  address: Pick<ServiceRegistration, 'host' | 'port' | 'protocol'>,
): ServiceRegistration {
  return { ...rest, ...address, serviceName: name };
}
