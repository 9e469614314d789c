import {
  type Duration,
  OptionValidator,
  overlayTls,
  readTls,
  type TlsByService,
  type TlsOptions,
  USUAL_TLS,
} from '../common/index.js';
import { type StatusRange } from '../model/index.js';
import { type CheckSchedule, type CronTimes } from './check-plan.js';
import { FLAPPING_OPTIONS, type FlappingOptions } from './monitor/status-thresholds.js';
import { type CustomCheck } from './probes/custom-probe.js';
import {
  type CheckSettings,
  readProbes,
  readServiceChecks,
  readSettings,
  scheduleOf,
  type ServiceCheckOptions,
} from './service-checks.js';

/** How often instances are checked, and what counts as healthy. */
export interface HealthCheckOptions {
  /**
   * Whether this process checks instances at all. One checking process per registry is enough.
   * @default true
   */
  enabled: boolean;
  /**
   * Time between two checks of an instance, before jitter. From 10 ms to 1 day.
   * @default 30 s
   */
  interval: Duration;
  /**
   * Wall-clock times at which all instances are checked together, in place of an interval. Services and instances with
   * an interval of their own ignore it.
   * @default none
   */
  cron?: CronTimes;
  /**
   * Time between two checks while results count towards a change of status, for example after a first failure. From 10
   * ms to 1 day.
   * @default a tenth of the interval, at least 1 s and at most the interval; with `cron` its times
   */
  changingInterval?: Duration;
  /**
   * Time between two checks of an instance that is unhealthy. From 10 ms to 1 day.
   * @default the interval
   */
  downInterval?: Duration;
  /**
   * Time between two checks of a healthy instance that this process does not call, give or take half of the interval.
   * Has no effect unless longer than the interval. From 10 ms to 1 day.
   * @default the interval
   */
  idleInterval?: Duration;
  /**
   * Fraction of the interval by which each check is moved earlier or later to spread checks out. From 0 to 0.5.
   * @default 0.1
   */
  jitter: number;
  /**
   * Timeout of one check, from DNS lookup to the end of the body. From 1 ms to 1 hour. Capped at the shortest
   * configured interval, since checks of one instance never overlap.
   * @default 10 s
   */
  timeout: Duration;
  /**
   * Consecutive successes that make an unhealthy instance healthy. An integer from 1 to 255. The first result of an
   * instance always counts at once, either way.
   * @default 2
   */
  rise: number;
  /**
   * Consecutive failures that make a healthy instance unhealthy, except for kinds with a threshold of their own. An
   * integer from 1 to 255.
   * @default 3
   */
  fall: number;
  /**
   * Threshold for unhealthy HTTP and gRPC responses, counted separately when set. An integer from 0 (ignored) to 255.
   * Kong's `http_failures`.
   * @default they count towards `fall`
   */
  httpFailures?: number;
  /**
   * Threshold for connections that fail or break. An integer from 0 (ignored) to 255. Kong's `tcp_failures`.
   * @default they count towards `fall`
   */
  tcpFailures?: number;
  /**
   * Threshold for checks that time out. An integer from 0 (ignored) to 255. Kong's `timeouts`.
   * @default they count towards `fall`
   */
  timeouts?: number;
  /**
   * When an instance counts as flapping and what it then takes to become healthy; false disables flap detection.
   * @default see {@link FlappingOptions}
   */
  flapping: Partial<FlappingOptions> | false;
  /**
   * Maximum number of concurrent checks. An integer from 1 to 10,000.
   * @default 50
   */
  concurrency: number;
  /**
   * HTTP statuses of a healthy response. Redirects are not followed, so a 3xx status counts like any other.
   * @default 200 to 299
   */
  healthyStatuses: readonly StatusRange[];
  /**
   * HTTP statuses of an unhealthy response. A status in neither list is ignored.
   * @default all that are not healthy
   */
  unhealthyStatuses?: readonly StatusRange[];
  /**
   * Maximum size of a response body in bytes, kept as data if it is JSON. A longer body or malformed JSON is a failure.
   * An integer from 0 (ignore the body, judge by the status alone) to 1 MiB.
   * @default 64 KiB
   */
  bodyLimit: number;
  /**
   * TLS settings for checks. Fields left out are taken from `transport.tls`, which applies to calls.
   * @default as for calls
   */
  tls?: TlsOptions;
  /**
   * Settings per service name, including how the service is checked. Settings that an instance registered override
   * them.
   * @default none
   */
  services?: Readonly<Record<string, ServiceCheckOptions>>;
  /**
   * Custom checks by name, for use by registrations and `services`.
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
  flapping: FLAPPING_OPTIONS.defaults,
  concurrency: 50,
  healthyStatuses: [[200, 299]],
  bodyLimit: 65_536,
};

/** Options whose default is absent or depends on other options. */
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

/** Validated {@link HealthCheckOptions}. */
export interface ResolvedHealthCheckOptions {
  readonly enabled: boolean;
  readonly concurrency: number;
  /** Schedule of instances without settings of their own. */
  readonly schedule: CheckSchedule;
  /** Undefined: flap detection is off. */
  readonly flapping?: FlappingOptions;
  /** How instances are checked by default. */
  readonly defaults: CheckSettings;
  /** Overrides per service name. */
  readonly services: ReadonlyMap<string, CheckSettings>;
  readonly probes: ReadonlyMap<string, CustomCheck>;
  /** TLS of checks, with files read. */
  readonly tls: TlsByService;
}

/**
 * Applies defaults and validates every option.
 * @param path where the options stand, for the error: `healthCheck.interval`
 * @param callTls TLS settings of calls, the default for checks
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
  const usual = tlsOfChecks(check, callTls, ownTls);
  const defaults = { ...readSettings(check, settings), ...(cron && { cron }) };
  const { checks, tls } = readServiceChecks(check, services, named, usual);
  const resolved: ResolvedHealthCheckOptions = {
    enabled: check.boolean('enabled', enabled),
    concurrency: check.number('concurrency', concurrency, { min: 1, max: 10_000, integer: true }),
    schedule: scheduleOf(defaults),
    flapping:
      flapping === false ? undefined : check.gather(() => FLAPPING_OPTIONS.resolve(flapping, check.pathOf('flapping'))),
    defaults,
    services: checks,
    probes: named,
    tls: { all: usual.all, services: tls },
  };
  check.throwIfAny();
  return resolved;
}

function tlsOfChecks(check: OptionValidator, calls: TlsByService, given: TlsOptions | undefined): TlsByService {
  if (given === undefined) return calls;
  const own = readTls(check, 'tls', given);
  const entries = [...calls.services].map(([name, tls]) => [name, overlayTls(check, 'tls', tls, own)] as const);
  return { all: overlayTls(check, 'tls', calls.all, own), services: new Map(entries) };
}
