import { assertOptions, InvalidConfigurationError, type Problem } from '../../common/index.js';
import { findRegistrationProblems, type ServiceRegistration } from '../../model/index.js';

/** How a service registers. Host, port and protocol default to those of the listening server. */
export interface DiscoverableServiceOptions extends Partial<Omit<ServiceRegistration, 'serviceName'>> {
  /** The name under which other services find it. */
  name: string;
  /**
   * Path of the health check, relative to the root of the host, not to `path`; null: check that a TCP connection opens.
   * @default the app's own `GET /health/ready` or else `GET /health` (`api.healthPath`, below the global prefix), else
   * the library's `GET /health/ready`; null if there is none
   */
  healthCheckPath?: string | null;
}

const DISCOVERABLE = Symbol('nest-service-discovery:discoverable');

/**
 * Registers this process under a name once its server listens, renews the registration, and removes it at shutdown. Can
 * be placed on any module, controller or provider class. In an app without a server, the registration needs `host` and
 * `port`.
 *
 * It has no effect, without a warning, in an app that does not import `ServiceDiscoveryModule.forRoot()`, since the
 * module looks for this decorator. In a monorepo, each app that should register must import it.
 *
 * A microservice registers when it listens, if its transport has a port: TCP as `tcp`, gRPC as `grpc`. In an app with
 * an HTTP server, which registers as well, `protocol: 'tcp'` or `'grpc'` without a `port` registers the microservice
 * next to it.
 *
 * @throws InvalidConfigurationError at class definition, naming every wrong option
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
  // The name is validated as part of the registration.
  if (serviceName !== undefined) {
    const expected = 'no option of this name (the name of the service is "name")';
    problems.push({ path: 'serviceName', value: serviceName, expected });
  }
  return problems;
}

/** Options of the class's own decorator; a subclass does not register its parent's service again. */
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
