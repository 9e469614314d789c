import {
  boolean,
  count,
  custom,
  duration,
  fromEnv,
  group,
  number,
  type Option,
  optional,
  OptionGroup,
  type OptionsOf,
  OptionValidator,
  orFalse,
  overlayTls,
  readTls,
  type TlsByService,
  type TlsOptions,
  unchecked,
  USUAL_TLS,
} from '../common/index.js';
import { CHECK_RANGES, overlap, readStatuses, type StatusRange } from '../model/index.js';
import { type CheckSchedule, type CronTimes } from './check-plan.js';
import { FLAPPING_OPTIONS, type FlappingOptions } from './monitor/status-thresholds.js';
import { type CustomCheck } from './probes/custom-probe.js';
import {
  BODY_LIMIT,
  CHECKER_BOUNDS,
  type CheckSettings,
  readProbes,
  readServiceChecks,
  scheduleOf,
  type ServiceCheckOptions,
} from './service-checks.js';

const { intervalMs: INTERVAL, timeoutMs: TIMEOUT } = CHECKER_BOUNDS;
const FLAPPING: Option<Partial<FlappingOptions> | false, FlappingOptions | false, 'default'> = orFalse(
  group(FLAPPING_OPTIONS),
  { default: FLAPPING_OPTIONS.defaults },
);
const STATUSES = { range: 'statuses and ranges', read: readStatuses };

/** How often instances are checked, and what counts as healthy. */
export const HEALTH_CHECK_OPTIONS = new OptionGroup(
  'healthCheck',
  {
    /**
     * Whether this process checks instances at all. One checking process per registry is enough.
     * @default true
     */
    enabled: boolean({ default: true }),
    /**
     * Time between two checks of an instance, before jitter. From 10 ms to 1 day.
     * @default 30 s
     */
    interval: fromEnv('HEALTH_CHECK_INTERVAL', duration({ default: 30_000, ...INTERVAL })),
    /**
     * Wall-clock times at which all instances are checked together, in place of an interval. Services and instances with
     * an interval of their own ignore it.
     * @default none
     */
    cron: optional(unchecked<CronTimes>({ range: 'times' })),
    /**
     * Time between two checks while results count towards a change of status, for example after a first failure. From 10
     * ms to 1 day.
     * @default a tenth of the interval, at least 1 s and at most the interval; with `cron` its times
     */
    changingInterval: optional(duration(INTERVAL)),
    /**
     * Time between two checks of an instance that is unhealthy. From 10 ms to 1 day.
     * @default the interval
     */
    downInterval: optional(duration(INTERVAL)),
    /**
     * Time between two checks of a healthy instance that this process does not call, give or take half of the interval.
     * Has no effect unless longer than the interval. From 10 ms to 1 day.
     * @default the interval
     */
    idleInterval: optional(duration(INTERVAL)),
    /**
     * Fraction of the interval by which each check is moved earlier or later to spread checks out. From 0 to 0.5.
     * @default 0.1
     */
    jitter: number({ default: 0.1, ...CHECK_RANGES.jitter }),
    /**
     * Timeout of one check, from DNS lookup to the end of the body. From 1 ms to 1 hour. Capped at the shortest
     * configured interval, since checks of one instance never overlap.
     * @default 10 s
     */
    timeout: fromEnv('HEALTH_CHECK_TIMEOUT', duration({ default: 10_000, ...TIMEOUT })),
    /**
     * Consecutive successes that make an unhealthy instance healthy. An integer from 1 to 255. The first result of an
     * instance always counts at once, either way.
     * @default 2
     */
    rise: count({ default: 2, ...CHECK_RANGES.threshold }),
    /**
     * Consecutive failures that make a healthy instance unhealthy, except for kinds with a threshold of their own. An
     * integer from 1 to 255.
     * @default 3
     */
    fall: count({ default: 3, ...CHECK_RANGES.threshold }),
    /**
     * Threshold for unhealthy HTTP and gRPC responses, counted separately when set. An integer from 0 (ignored) to 255.
     * Kong's `http_failures`.
     * @default they count towards `fall`
     */
    httpFailures: optional(count(CHECK_RANGES.thresholdOfKind)),
    /**
     * Threshold for connections that fail or break. An integer from 0 (ignored) to 255. Kong's `tcp_failures`.
     * @default they count towards `fall`
     */
    tcpFailures: optional(count(CHECK_RANGES.thresholdOfKind)),
    /**
     * Threshold for checks that time out. An integer from 0 (ignored) to 255. Kong's `timeouts`.
     * @default they count towards `fall`
     */
    timeouts: optional(count(CHECK_RANGES.thresholdOfKind)),
    /**
     * When an instance counts as flapping and what it then takes to become healthy; false disables flap detection.
     * @default { results: 21, start: 0.3, stop: 0.15, riseFactor: 3 }
     */
    flapping: FLAPPING,
    /**
     * Maximum number of concurrent checks. An integer from 1 to 10,000.
     * @default 50
     */
    concurrency: count({ default: 50, min: 1, max: 10_000 }),
    /**
     * HTTP statuses of a healthy response. Redirects are not followed, so a 3xx status counts like any other.
     * @default 200 to 299
     */
    healthyStatuses: custom<readonly StatusRange[]>({ default: [[200, 299]], ...STATUSES }),
    /**
     * HTTP statuses of an unhealthy response. A status in neither list is ignored.
     * @default all that are not healthy
     */
    unhealthyStatuses: optional(custom<readonly StatusRange[]>(STATUSES)),
    /**
     * Maximum size of a response body in bytes, kept as data if it is JSON. A longer body or malformed JSON is a failure.
     * An integer from 0 (ignore the body, judge by the status alone) to 1 MiB.
     * @default 64 KiB
     */
    bodyLimit: BODY_LIMIT,
    /**
     * TLS settings for checks. Fields left out are taken from `transport.tls`, which applies to calls.
     * @default as for calls
     */
    tls: optional(unchecked<TlsOptions>({ range: 'options of TLS' })),
    /**
     * Settings per service name, including how the service is checked. Settings that an instance registered override
     * them.
     * @default none
     */
    services: unchecked<Readonly<Record<string, ServiceCheckOptions>>>({
      default: {},
      range: 'options by service name',
    }),
    /**
     * Custom checks by name, for use by registrations and `services`.
     * @default none
     */
    probes: custom<Readonly<Record<string, CustomCheck>>, ReadonlyMap<string, CustomCheck>>({
      default: {},
      range: 'functions by name',
      read: readProbes,
    }),
  },
  ({ healthyStatuses, unhealthyStatuses }, { cron, interval }, check) => {
    if (cron !== undefined && interval !== undefined) {
      const expected = 'nothing beside healthCheck.cron: only one of them can say when to check';
      check.problem('interval', interval, expected);
    }
    // A list that is wrong is empty.
    if (unhealthyStatuses && overlap(healthyStatuses, unhealthyStatuses)) {
      check.problem('unhealthyStatuses', unhealthyStatuses, 'statuses that are not among the healthy ones');
    }
  },
);

/** How often instances are checked, and what counts as healthy. */
export interface HealthCheckOptions extends OptionsOf<typeof HEALTH_CHECK_OPTIONS> {}

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
  const read = HEALTH_CHECK_OPTIONS.read(options, check);
  const { enabled, concurrency, flapping, services, probes, tls: ownTls, ...defaults } = read;
  const usual = tlsOfChecks(check, callTls, ownTls);
  const { checks, tls } = readServiceChecks(check, services, probes, usual);
  check.throwIfAny();
  return {
    enabled,
    concurrency,
    schedule: scheduleOf(defaults),
    flapping: flapping === false ? undefined : flapping,
    defaults,
    services: checks,
    probes,
    tls: { all: usual.all, services: tls },
  };
}

function tlsOfChecks(check: OptionValidator, calls: TlsByService, given: TlsOptions | undefined): TlsByService {
  if (given === undefined) return calls;
  const own = readTls(check, 'tls', given);
  const entries = [...calls.services].map(([name, tls]) => [name, overlayTls(check, 'tls', tls, own)] as const);
  return { all: overlayTls(check, 'tls', calls.all, own), services: new Map(entries) };
}
