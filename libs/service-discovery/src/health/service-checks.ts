import {
  isRecord,
  OptionValidator,
  readTls,
  type TlsByService,
  type TlsOptions,
  toTlsSettings,
} from '../common/index.js';
import { type BodyCondition, type HealthCheckSpec, isServiceName } from '../model/index.js';
import { type CheckSettings, readSettings } from './check-settings.js';
import { type BodyPredicate } from './probes/body-condition.js';
import { type CustomCheck } from './probes/custom-probe.js';

/**
 * How the instances of one service are checked. The same as an instance can say itself, with wider bounds: intervals from
 * 10 ms, a timeout from 1 ms to 1 hour, `POST` and `PUT`, headers that stay in this process, and functions.
 */
export interface ServiceCheckOptions extends Omit<HealthCheckSpec, 'body' | 'probe' | 'tls'> {
  /** Of HTTP: what the body of a healthy answer holds, or a function that says whether it is healthy. */
  readonly body?: BodyCondition | BodyPredicate;
  /** Of HTTP: as for all. */
  readonly bodyLimit?: number;
  /** Of a custom check: the check itself, or its name in `probes`. */
  readonly probe?: string | CustomCheck;
  readonly tls?: TlsOptions;
}

/** The custom checks by their names. */
export function readProbes(check: OptionValidator, given: unknown): ReadonlyMap<string, CustomCheck> {
  const probes = entriesOf(check, 'probes', given, 'an object of functions by name');
  for (const [name, probe] of probes) if (probe === undefined) probes.delete(name);
  for (const [name, probe] of probes) check.optionalFunction(`probes.${name}`, probe);
  return probes as Map<string, CustomCheck>;
}

/**
 * What is different for a service, by its name.
 * @param usual the TLS that a service's own lies over
 */
export function readServiceChecks(
  check: OptionValidator,
  given: unknown,
  probes: ReadonlyMap<string, CustomCheck>,
  usual: TlsByService,
): ReadonlyMap<string, CheckSettings> {
  const services = new Map<string, CheckSettings>();
  for (const [name, tls] of usual.services) services.set(name, { tls: toTlsSettings(tls) });
  for (const [name, options] of entriesOf(check, 'services', given, 'an object of options by the name of a service')) {
    const path = `services.${name}`;
    if (!isServiceName(name)) check.problem(path, name, 'the name of a service');
    else if (!isRecord(options)) check.problem(path, options, 'an object of options');
    else {
      const own = new OptionValidator(check.pathOf(path));
      const { tls, ...others } = options;
      const settings = { ...services.get(name), ...readSettings(own, others) };
      const { probe } = settings;
      if (typeof probe === 'string' && !probes.has(probe)) {
        own.problem(
          'probe',
          probe,
          `a function, or the name of one in probes: ${[...probes.keys()].join(', ') || 'none'}`,
        );
      }
      const ownTls = tls === undefined ? {} : readTls(own, 'tls', tls);
      check.problems.push(...own.problems);
      const base = usual.services.get(name) ?? usual.all;
      services.set(name, tls === undefined ? settings : { ...settings, tls: toTlsSettings({ ...base, ...ownTls }) });
    }
  }
  for (const name of services.keys()) {
    const circle = circleFrom(name, services);
    // Each circle is told of once, at the first of its names.
    if (circle?.toSorted()[0] === name) {
      check.problem(
        `services.${name}.aliasOf`,
        circle[1] ?? name,
        `no circle: ${[...circle, name].join(' is an alias of ')}`,
      );
    }
  }
  return services;
}

/** The services on the way of aliases from one back to itself. */
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
