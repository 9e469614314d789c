import { createHash } from 'node:crypto';
import { isRecord, OptionValidator, unknownOption, withMaskedPassword, withoutUndefined } from '../../common/index.js';
import {
  findRegistrationProblems,
  keyOf,
  PROTOCOLS,
  type Protocol,
  type ServiceRegistration,
  toInstance,
} from '../../model/index.js';

/** A service whose instances do not register themselves. Its fields apply to each of its instances. */
export interface ListedService extends Omit<
  ServiceRegistration,
  'serviceName' | 'host' | 'port' | 'protocol' | 'path' | 'instanceId'
> {
  /** The name by which other services find it. */
  name: string;
  /**
   * One or more instances, each a URL such as `http://10.0.0.5:8080` or `redis://10.0.0.9:6379`, or an object with one.
   * @default with `via` none: the instances register themselves
   */
  targets?: readonly (string | ListedTarget)[];
  /**
   * Whether a sidecar balances and retries calls to this service; overrides the option `mesh`. If true, it has a single target:
   * the virtual name that the mesh routes, with `http`, since the sidecar encrypts.
   * @default that of the option `mesh`
   */
  mesh?: boolean;
  /**
   * The URL of a gateway that takes a share of the calls during a migration, including the prefix of every request path:
   * `http://kong:8000/users`. @default none: all calls go directly to instances
   */
  via?: string;
  /** Initial percentage of calls that go through `via`: 0 to 100. It can be changed at run time. @default 100 */
  share?: number;
}

/** One instance, with the values that differ from those of its service. */
export interface ListedTarget extends Pick<ServiceRegistration, 'weight' | 'zone'> {
  /** Protocol, host and port, optionally with a path prefix for every request. */
  url: string;
  /** Added to those of the service. */
  tags?: ServiceRegistration['tags'];
}

/** The options of a service that apply to its instances. */
const TRAITS: Readonly<Record<Exclude<keyof ListedService, 'name' | 'targets' | 'mesh' | 'via' | 'share'>, true>> = {
  healthCheckPath: true,
  healthCheck: true,
  metadata: true,
  tags: true,
  version: true,
  weight: true,
  zone: true,
  tier: true,
  dependencies: true,
  ttl: true,
};
const SERVICE_NAMES = ['name', 'targets', 'mesh', 'via', 'share', ...Object.keys(TRAITS)];
const TARGET_NAMES: readonly string[] = ['url', 'weight', 'tags', 'zone'] satisfies (keyof ListedTarget)[];

const USUAL_PORTS: Readonly<Partial<Record<Protocol, number>>> = { http: 80, https: 443, ws: 80, wss: 443 };
const URL_RULE =
  `the URL of an instance, such as "http://10.0.0.5:8080", with a protocol of ${PROTOCOLS.join(', ')}, ` +
  'a host and a port, without credentials, query and fragment';

/**
 * The registrations of a list of services. An instance gets the same id in every process that lists it.
 * @param path where the list stands, such as `services`
 * @throws InvalidConfigurationError naming everything that is wrong
 */
export function readListedServices(services: unknown, path: string): readonly ServiceRegistration[] {
  const check = new OptionValidator();
  const registrations = Array.isArray(services)
    ? services.flatMap((service, index) => readService(check, service, `${path}[${index}]`))
    : [];
  if (!Array.isArray(services)) {
    check.problem(path, services, 'a list of services: [{ name, targets: ["http://10.0.0.5:8080"] }]');
  }
  check.throwIfAny();
  findRepeated(check, registrations);
  check.throwIfAny();
  return registrations.map(({ registration }) => registration);
}

/** The `mesh` of those services of a valid list that have one, by name. */
export function readMeshServices(services: unknown): ReadonlyMap<string, boolean> {
  const chosen = (services as readonly ListedService[]).filter(({ mesh }) => mesh !== undefined);
  return new Map(chosen.map(({ name, mesh }) => [name, mesh!]));
}

type Traits = Omit<ServiceRegistration, 'host' | 'port'>;

/** A placeholder address, to check the other fields alone. */
const ANYWHERE = { serviceName: 'any', host: 'localhost', port: 1 };

interface Read {
  /** The position of the target in the list. */
  readonly path: string;
  readonly registration: ServiceRegistration;
}

function readService(check: OptionValidator, service: unknown, path: string): Read[] {
  if (!isRecord(service)) {
    check.problem(path, undefined, 'a service: { name, targets: ["http://10.0.0.5:8080"] }');
    return [];
  }
  const { name, targets, mesh, via, share: _share, ...traits } = service as Partial<ListedService>;
  const known = Object.fromEntries(Object.entries(traits).filter(([trait]) => Object.hasOwn(TRAITS, trait)));
  for (const [trait, value] of Object.entries(traits)) {
    if (!Object.hasOwn(TRAITS, trait) && value !== undefined) {
      check.problems.push(unknownOption(`${path}.${trait}`, trait, value, SERVICE_NAMES));
    }
  }
  const traitsOfAll = { ...known, serviceName: name } as Traits;
  const nameOf = (field: string): string => `${path}.${field === 'serviceName' ? 'name' : field}`;
  const problems = findRegistrationProblems({ ...ANYWHERE, ...traitsOfAll }, nameOf);
  check.problems.push(...problems);
  if (targets === undefined && via !== undefined) return [];
  if (!Array.isArray(targets) || targets.length === 0) {
    check.problem(`${path}.targets`, targets, 'a list of one or more URLs, such as ["http://10.0.0.5:8080"]');
    return [];
  }
  if (mesh !== undefined) checkMesh(check, mesh, targets, path);
  // Problems of the service are reported once, not for each target.
  const common = problems.length === 0 ? traitsOfAll : ANYWHERE;
  return targets.flatMap((target, index) => readTarget(check, common, target, `${path}.targets[${index}]`));
}

function checkMesh(check: OptionValidator, mesh: unknown, targets: readonly unknown[], path: string): void {
  if (typeof mesh !== 'boolean') check.problem(`${path}.mesh`, mesh, 'true or false');
  if (mesh !== true) return;
  const one = 'one URL, the virtual name that the mesh routes, since `mesh` is set';
  if (targets.length > 1) check.problem(`${path}.targets`, targets.length, one);
  const [target] = targets;
  const url = isRecord(target) ? target.url : target;
  const isEncrypted = typeof url === 'string' && url.startsWith('https:');
  if (isEncrypted) check.problem(`${path}.targets[0]`, url, 'a URL with http: with `mesh`, the sidecar encrypts');
}

function readTarget(check: OptionValidator, common: Traits, target: unknown, path: string): Read | [] {
  const isObject = isRecord(target);
  const { url, weight, tags, zone, ...unknown } = (isObject ? target : { url: target }) as Partial<ListedTarget>;
  for (const [name, value] of Object.entries(unknown)) {
    if (value !== undefined) check.problems.push(unknownOption(`${path}.${name}`, name, value, TARGET_NAMES));
  }
  const address = addressOf(url);
  if (!address) check.problem(isObject ? `${path}.url` : path, withMaskedPassword(url), URL_RULE);
  const nameOf = (field: string): string => `${path}.${field}`;
  const problems = findRegistrationProblems(withoutUndefined({ ...ANYWHERE, weight, tags, zone }), nameOf);
  check.problems.push(...problems);
  if (!address || problems.length > 0) return [];
  const registration = {
    ...common,
    ...address,
    weight: weight ?? common.weight,
    zone: zone ?? common.zone,
    tags: [...(common.tags ?? []), ...(tags ?? [])],
  };
  // Together, the tags of the service and the target may be too many.
  check.problems.push(...findRegistrationProblems(registration, nameOf));
  return { path, registration };
}

/** Undefined if the URL does not address an instance. */
function addressOf(
  url: unknown,
): Pick<ServiceRegistration, 'host' | 'port' | 'protocol' | 'path' | 'instanceId'> | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const { protocol: scheme, hostname: host, port: digits, pathname, username, password, search, hash } = new URL(url);
  const protocol = scheme.slice(0, -1) as Protocol;
  const port = digits === '' ? USUAL_PORTS[protocol] : Number(digits);
  const path = pathname.replace(/\/+$/, '');
  if (port === undefined || username !== '' || password !== '' || search !== '' || hash !== '') return undefined;
  const address = { host, port, protocol, path };
  if (findRegistrationProblems({ ...ANYWHERE, ...address }).length > 0) return undefined;
  return { ...address, instanceId: idOf(address) };
}

/** The default id, derived from host and port; a hash of the path tells instances at one address apart. */
function idOf({ path, ...address }: Pick<ServiceRegistration, 'host' | 'port' | 'path'>): string | undefined {
  if (path === '' || path === undefined) return undefined;
  const { instanceId } = toInstance({ ...ANYWHERE, ...address }, { ttlMs: 0, now: 0 });
  return `${instanceId}@${createHash('sha256').update(path).digest('hex').slice(0, 12)}`;
}

function findRepeated(check: OptionValidator, registrations: readonly Read[]): void {
  const seen = new Map<string, string>();
  for (const { path, registration } of registrations) {
    const key = keyOf(toInstance(registration, { ttlMs: 0, now: 0 }));
    const first = seen.get(key);
    if (first === undefined) seen.set(key, path);
    else check.problem(path, undefined, `another address than that of ${first}`);
  }
}
