import {
  count,
  isRecord,
  OptionValidator,
  overlayTls,
  readTls,
  type TlsByService,
  type TlsMaterial,
  type TlsOptions,
  withoutUndefined,
} from '../common/index.js';
import {
  type BodyCondition,
  CODE_FORM,
  type HealthCheckBounds,
  type HealthCheckSpec,
  isServiceName,
  readHealthCheck,
  SAFE_METHODS,
} from '../model/index.js';
import { type CheckSchedule, type CronTimes, shortestGap } from './check-plan.js';
import { type BodyPredicate } from './probes/body-condition.js';
import { type CustomCheck } from './probes/custom-probe.js';

/**
 * Partial check settings, durations in milliseconds. They come from three places, each overriding the one before: the
 * process for all services, the process for one service, and the instance.
 */
export interface CheckSettings extends Omit<HealthCheckSpec, 'body' | 'probe'> {
  readonly body?: BodyCondition | BodyPredicate;
  readonly probe?: string | CustomCheck;
  readonly bodyLimit?: number;
  /** In place of an interval; can only be set for all services. */
  readonly cron?: CronTimes;
}

/** Bounds for settings made in the checking process itself. */
export const CHECKER_BOUNDS: HealthCheckBounds = {
  intervalMs: { minMs: 10, maxMs: 86_400_000 },
  timeoutMs: { minMs: 1, maxMs: 3_600_000 },
  methods: [...SAFE_METHODS, 'POST', 'PUT'],
  functions: true,
};

/** The option that limits how much of a body a check reads. */
export const BODY_LIMIT = count({ default: 65_536, min: 0, max: 1_048_576 });

/**
 * The valid options of a process; everything else is reported as a problem.
 * @param given with the names of a {@link HealthCheckSpec}, and `bodyLimit`; `tls` is read separately
 */
function readSettings(check: OptionValidator, given: unknown): CheckSettings {
  const { bodyLimit, ...others } = given as { readonly bodyLimit?: unknown };
  const settings = readHealthCheck(others, check, CODE_FORM, CHECKER_BOUNDS) as CheckSettings;
  return {
    ...settings,
    ...(bodyLimit !== undefined && { bodyLimit: BODY_LIMIT.read(bodyLimit, 'bodyLimit', check) }),
  };
}

/** Merges settings, later ones override. An interval in a later one replaces cron times. */
export function overlay(all: CheckSettings, ...own: readonly (CheckSettings | undefined)[]): CheckSettings {
  const layers = [all, ...own];
  const cron = own.some((settings) => settings?.interval !== undefined) ? undefined : all.cron;
  return { ...(Object.assign({}, ...layers) as CheckSettings), cron };
}

/** Default of the changing interval as a fraction of the interval; never below its minimum. */
const CHANGING_SHARE = 0.1;
const SHORTEST_CHANGING_MS = 1_000;

/** @param settings complete: defaults applied */
export function scheduleOf(settings: CheckSettings): CheckSchedule {
  const { cron } = settings;
  const intervalMs = cron ? shortestGap(cron) : (settings.interval as number);
  const { downInterval = intervalMs, idleInterval = intervalMs } = settings;
  const usualChangingMs = cron ? intervalMs : Math.max(CHANGING_SHARE * intervalMs, SHORTEST_CHANGING_MS);
  const { changingInterval = Math.min(usualChangingMs, intervalMs) } = settings;
  // The default changing interval does not shorten the timeout: a check that takes longer simply delays the next one.
  const intervals = [intervalMs, settings.changingInterval ?? intervalMs, downInterval, idleInterval] as number[];
  return {
    ...(cron && { cron }),
    intervalMs,
    changingIntervalMs: changingInterval as number,
    downIntervalMs: downInterval as number,
    idleIntervalMs: idleInterval as number,
    jitter: settings.jitter!,
    // Checks of an instance never overlap.
    timeoutMs: Math.min(settings.timeout as number, ...intervals),
    rise: settings.rise!,
    fall: settings.fall!,
    fallOf: withoutUndefined({ http: settings.httpFailures, tcp: settings.tcpFailures, timeout: settings.timeouts }),
  };
}

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
export function readProbes(given: unknown, path: string, check: OptionValidator): ReadonlyMap<string, CustomCheck> {
  const probes = entriesOf(check, path, given, 'an object of functions by name');
  for (const [name, probe] of probes) if (probe === undefined) probes.delete(name);
  for (const [name, probe] of probes) check.optionalFunction(`${path}.${name}`, probe);
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
