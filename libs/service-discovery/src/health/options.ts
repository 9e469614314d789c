import {
  type Duration,
  OptionValidator,
  readTls,
  type TlsByService,
  type TlsMaterial,
  type TlsOptions,
  toTlsSettings,
  USUAL_TLS,
} from '../common/index.js';
import { type StatusRange } from '../model/index.js';
import { type CheckSchedule } from './check-plan.js';
import { type CheckSettings, readSettings, scheduleOf } from './check-settings.js';
import { type CronTimes } from './cron-times.js';
import { DEFAULT_FLAPPING_OPTIONS, resolveFlappingOptions, type FlappingOptions } from './monitor/flapping.js';
import { type CustomCheck } from './probes/custom-probe.js';
import { readProbes, readServiceChecks, type ServiceCheckOptions } from './service-checks.js';

/** Who is checked how often, and what counts as healthy. */
export interface HealthCheckOptions {
  /**
   * Whether this process checks instances at all. One checker a registry is enough.
   * @default true
   */
  enabled: boolean;
  /**
   * Time between two checks of an instance, give or take the jitter. From 10 ms to 1 day.
   * @default 30 s
   */
  interval: Duration;
  /**
   * Times by the wall clock at which instances are checked, all at once, in place of an interval. Services and instances that
   * name an interval of their own go by that.
   * @default none
   */
  cron?: CronTimes;
  /**
   * Time between two checks while results count towards a change of status, such as after a first failure. From 10 ms
   * to 1 day.
   * @default a tenth of the interval, 1 s at least and no longer than the interval; with `cron` its times
   */
  changingInterval?: Duration;
  /**
   * Time between two checks of an instance that is unhealthy. From 10 ms to 1 day.
   * @default the interval
   */
  downInterval?: Duration;
  /**
   * Time between two checks of a healthy instance that nobody calls from here, give or take half of the interval. One that
   * is no longer than the interval changes nothing. From 10 ms to 1 day.
   * @default the interval
   */
  idleInterval?: Duration;
  /**
   * The share of the interval by which each check comes earlier or later, so that checks spread out. From 0 to 0.5.
   * @default 0.1
   */
  jitter: number;
  /**
   * How long one check may take, with everything from the look-up of the name to the end of the body. From 1 ms to
   * 1 hour; one that is longer than an interval that is set is cut to it, since checks of an instance never overlap.
   * @default 10 s
   */
  timeout: Duration;
  /**
   * Successes in a row that make an unhealthy instance healthy. A whole number from 1 to 255. The very first result of
   * an instance counts at once, either way.
   * @default 2
   */
  rise: number;
  /**
   * Failures in a row that make a healthy instance unhealthy, of all kinds that have no number of their own. A whole number
   * from 1 to 255.
   * @default 3
   */
  fall: number;
  /**
   * The same of answers that are not healthy, over HTTP or gRPC, which are counted apart then. A whole number from 0, which
   * lets them count for nothing, to 255. Kong's `http_failures`.
   * @default they count towards `fall`
   */
  httpFailures?: number;
  /**
   * The same of connections that could not be made, or broke. A whole number from 0 to 255. Kong's `tcp_failures`.
   * @default they count towards `fall`
   */
  tcpFailures?: number;
  /**
   * The same of checks that timed out. A whole number from 0 to 255. Kong's `timeouts`.
   * @default they count towards `fall`
   */
  timeouts?: number;
  /**
   * When an instance flaps, and what it has to show then; false: nothing ever flaps.
   * @default see {@link FlappingOptions}
   */
  flapping: Partial<FlappingOptions> | false;
  /**
   * How many checks run at the same time. A whole number from 1 to 10,000.
   * @default 50
   */
  concurrency: number;
  /**
   * The HTTP statuses of a healthy answer. Redirects are never followed, so a 3xx status is an answer like others.
   * @default 200 to 299
   */
  healthyStatuses: readonly StatusRange[];
  /**
   * The HTTP statuses of an unhealthy answer. One that is in neither list counts neither way.
   * @default all that are not healthy
   */
  unhealthyStatuses?: readonly StatusRange[];
  /**
   * How many bytes of an answer's body are read, and kept as data where they are JSON. A longer body, or one that is
   * broken JSON, is a failure. A whole number from 0 (the body is not read, the status alone decides) to 1 MiB.
   * @default 64 KiB
   */
  bodyLimit: number;
  /**
   * How instances are checked over TLS. What it leaves out is as in `transport.tls`, which calls go by.
   * @default as calls
   */
  tls?: TlsOptions;
  /**
   * The same for one service, by its name, and how it is checked. What an instance registered goes before it.
   * @default none
   */
  services?: Readonly<Record<string, ServiceCheckOptions>>;
  /**
   * Custom checks by a name, which registrations and `services` can ask for.
   * @default none
   */
  probes?: Readonly<Record<string, CustomCheck>>;
}

export const DEFAULT_HEALTH_CHECK_OPTIONS: Readonly<HealthCheckOptions> = {
  enabled: true,
  interval: 30_000,
  jitter: 0.1,
  timeout: 10_000,
  rise: 2,
  fall: 3,
  flapping: DEFAULT_FLAPPING_OPTIONS,
  concurrency: 50,
  healthyStatuses: [[200, 299]],
  bodyLimit: 65_536,
};

/** The options of which the default is nothing, or depends on others. */
export const HEALTH_CHECK_OPTIONS_WITHOUT_DEFAULT = [
  'cron',
  'changingInterval',
  'downInterval',
  'idleInterval',
  'httpFailures',
  'tcpFailures',
  'timeouts',
  'unhealthyStatuses',
  'tls',
  'services',
  'probes',
] as const satisfies readonly (keyof HealthCheckOptions)[];

/** Checked {@link HealthCheckOptions}. */
export interface ResolvedHealthCheckOptions {
  readonly enabled: boolean;
  readonly concurrency: number;
  /** When instances are checked of which nothing else is said. */
  readonly schedule: CheckSchedule;
  /** Undefined: nothing ever flaps. */
  readonly flapping?: FlappingOptions;
  /** How they are checked. */
  readonly defaults: CheckSettings;
  /** What is different for a service, by its name. */
  readonly services: ReadonlyMap<string, CheckSettings>;
  readonly probes: ReadonlyMap<string, CustomCheck>;
}

/**
 * Fills in the defaults and checks every option.
 * @param path where the options stand, for the error: `healthCheck.interval`
 * @param callTls what calls go by, which checks do, too, unless they have their own
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveHealthCheckOptions(
  options?: Partial<HealthCheckOptions>,
  path = 'healthCheck',
  callTls: TlsByService = USUAL_TLS,
): ResolvedHealthCheckOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_HEALTH_CHECK_OPTIONS, HEALTH_CHECK_OPTIONS_WITHOUT_DEFAULT);
  const { enabled, concurrency, flapping, cron, services = {}, probes = {}, tls: ownTls, ...settings } = given;
  if (cron !== undefined && options?.interval !== undefined) {
    check.problem(
      'interval',
      options.interval,
      'nothing beside healthCheck.cron: only one of them can say when to check',
    );
  }
  const named = readProbes(check, probes);
  const tls = overlayTls(callTls, ownTls === undefined ? {} : readTls(check, 'tls', ownTls));
  const defaults = { ...readSettings(check, settings), tls: toTlsSettings(tls.all), ...(cron && { cron }) };
  const resolved: ResolvedHealthCheckOptions = {
    enabled: check.boolean('enabled', enabled),
    concurrency: check.number('concurrency', concurrency, { min: 1, max: 10_000, integer: true }),
    schedule: scheduleOf(defaults),
    flapping: check.gather(() => resolveFlappingOptions(flapping, check.pathOf('flapping'))),
    defaults,
    services: readServiceChecks(check, services, named, tls),
    probes: named,
  };
  check.throwIfAny();
  return resolved;
}

function overlayTls({ all, services }: TlsByService, own: TlsMaterial): TlsByService {
  const entries = [...services].map(([name, tls]) => [name, { ...tls, ...own }] as const);
  return { all: { ...all, ...own }, services: new Map(entries) };
}
