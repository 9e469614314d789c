import {
  isRecord,
  OptionValidator,
  overlayTls,
  readTls,
  type TlsByService,
  type TlsMaterial,
  type TlsOptions,
} from '../common/index.js';
import { type BodyCondition, type HealthCheckSpec, isServiceName } from '../model/index.js';
import { type CheckSettings, readSettings } from './check-settings.js';
import { type BodyPredicate } from './probes/body-condition.js';
import { type CustomCheck } from './probes/custom-probe.js';

/**
 * How instances of one service are checked. The same settings that an instance can register, with wider bounds:
 * intervals from 10 ms, a timeout from 1 ms to 1 hour, `POST` and `PUT`, headers that never leave this process, and
 * functions.
 */
export interface ServiceCheckOptions extends Omit<HealthCheckSpec, 'body' | 'probe' | 'tls'> {
  /** HTTP: what the body of a healthy response contains, or a function that decides. */
  readonly body?: BodyCondition | BodyPredicate;
  /** HTTP: as for all services. */
  readonly bodyLimit?: number;
  /** Custom check: the function itself, or its name in `probes`. */
  readonly probe?: string | CustomCheck;
  readonly tls?: TlsOptions;
}

/** Custom checks by name. */
export function readProbes(check: OptionValidator, given: unknown): ReadonlyMap<string, CustomCheck> {
  const probes = entriesOf(check, 'probes', given, 'an object of functions by name');
  for (const [name, probe] of probes) if (probe === undefined) probes.delete(name);
  for (const [name, probe] of probes) check.optionalFunction(`probes.${name}`, probe);
  return probes as Map<string, CustomCheck>;
}

/**
 * Overrides per service name.
 * @param usual TLS options that a service's own are merged into
 */
export function readServiceChecks(
  check: OptionValidator,
  given: unknown,
  probes: ReadonlyMap<string, CustomCheck>,
  usual: TlsByService,
): { readonly checks: ReadonlyMap<string, CheckSettings>; readonly tls: ReadonlyMap<string, TlsMaterial> } {
  const services = new Map<string, CheckSettings>();
  const tlsOfServices = new Map(usual.services);
  for (const [name, options] of entriesOf(check, 'services', given, 'an object of options by the name of a service')) {
    const path = `services.${name}`;
    if (!isServiceName(name)) check.problem(path, name, 'the name of a service');
    else if (!isRecord(options)) check.problem(path, options, 'an object of options');
    else {
      const own = new OptionValidator(check.pathOf(path));
      const { tls, ...others } = options;
      const settings = readSettings(own, others);
      const { probe } = settings;
      if (typeof probe === 'string' && !probes.has(probe)) {
        own.problem(
          'probe',
          probe,
          `a function, or the name of one in probes: ${[...probes.keys()].join(', ') || 'none'}`,
        );
      }
      const base = usual.services.get(name) ?? usual.all;
      if (tls !== undefined) tlsOfServices.set(name, overlayTls(own, 'tls', base, readTls(own, 'tls', tls)));
      check.problems.push(...own.problems);
      services.set(name, settings);
    }
  }
  for (const name of services.keys()) {
    const circle = circleFrom(name, services);
    // Report each cycle once, at the name that sorts first.
    if (circle?.toSorted()[0] === name) {
      check.problem(
        `services.${name}.aliasOf`,
        circle[1] ?? name,
        `no circle: ${[...circle, name].join(' is an alias of ')}`,
      );
    }
  }
  return { checks: services, tls: tlsOfServices };
}

/** The chain of aliases that leads from a service back to itself. */
function circleFrom(start: string, services: ReadonlyMap<string, CheckSettings>): string[] | undefined {
  const way: string[] = [];
  for (let name: string | undefined = start; name !== undefined && !way.includes(name);) {
    way.push(name);
    const settings = services.get(name);
    name = settings?.type === 'alias' ? settings.aliasOf : undefined;
    if (name === start) return way;
  }
  return undefined;
}

function entriesOf(check: OptionValidator, path: string, given: unknown, expected: string): Map<string, unknown> {
  if (isRecord(given)) return new Map(Object.entries(given));
  check.problem(path, given, expected);
  return new Map();
}
