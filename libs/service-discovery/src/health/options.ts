import { OptionValidator, type Duration } from '../common/index.js';
import { type StatusRange } from '../model/index.js';
import { type CheckSchedule } from './check-plan.js';
import { DEFAULT_FLAPPING_OPTIONS, resolveFlappingOptions, type FlappingOptions } from './monitor/flapping.js';
import { type StatusRanges } from './probes/statuses.js';

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
   * Time between two checks while results count towards a change of status, such as after a first failure. From 10 ms
   * to 1 day.
   * @default the interval
   */
  changingInterval?: Duration;
  /**
   * Time between two checks of an instance that is unhealthy. From 10 ms to 1 day.
   * @default the interval
   */
  downInterval?: Duration;
  /**
   * Time between two checks of an instance that nobody calls from here. From 10 ms to 1 day.
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
   * 1 hour; one that is longer than an interval is cut to it, since checks of an instance never overlap.
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
   * Failures in a row that make a healthy instance unhealthy. A whole number from 1 to 255.
   * @default 3
   */
  fall: number;
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

/** The options of which the default depends on others. */
export const HEALTH_CHECK_OPTIONS_WITHOUT_DEFAULT = [
  'changingInterval',
  'downInterval',
  'idleInterval',
  'unhealthyStatuses',
] as const;

/** Checked {@link HealthCheckOptions}, durations in milliseconds. */
export interface ResolvedHealthCheckOptions {
  readonly enabled: boolean;
  /** When instances are checked of which nothing else is said. */
  readonly schedule: CheckSchedule;
  /** Undefined: nothing ever flaps. */
  readonly flapping?: FlappingOptions;
  readonly concurrency: number;
  readonly healthyStatuses: StatusRanges;
  /** Undefined: all that are not healthy. */
  readonly unhealthyStatuses?: StatusRanges;
  readonly bodyLimit: number;
}

/**
 * Fills in the defaults and checks every option.
 * @param path where the options stand, for the error: `healthCheck.interval`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveHealthCheckOptions(
  options?: Partial<HealthCheckOptions>,
  path = 'healthCheck',
): ResolvedHealthCheckOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_HEALTH_CHECK_OPTIONS, HEALTH_CHECK_OPTIONS_WITHOUT_DEFAULT);
  const resolved: ResolvedHealthCheckOptions = {
    enabled: check.boolean('enabled', given.enabled),
    schedule: resolveSchedule(check, given),
    flapping: check.gather(() => resolveFlappingOptions(given.flapping, check.pathOf('flapping'))),
    concurrency: check.number('concurrency', given.concurrency, { min: 1, max: 10_000, integer: true }),
    ...resolveStatusLists(check, given),
    bodyLimit: check.number('bodyLimit', given.bodyLimit, { min: 0, max: 1_048_576, integer: true }),
  };
  check.throwIfAny();
  return resolved;
}

function resolveSchedule(check: OptionValidator, given: HealthCheckOptions): CheckSchedule {
  const interval = (name: 'interval' | 'changingInterval' | 'downInterval' | 'idleInterval'): number =>
    check.duration(name, given[name], { minMs: 10, maxMs: 86_400_000 });
  const count = (name: 'rise' | 'fall'): number => check.number(name, given[name], { min: 1, max: 255, integer: true });
  const intervalMs = interval('interval');
  const intervals = {
    intervalMs,
    changingIntervalMs: given.changingInterval === undefined ? intervalMs : interval('changingInterval'),
    downIntervalMs: given.downInterval === undefined ? intervalMs : interval('downInterval'),
    idleIntervalMs: given.idleInterval === undefined ? intervalMs : interval('idleInterval'),
  };
  const timeoutMs = check.duration('timeout', given.timeout, { minMs: 1, maxMs: 3_600_000 });
  return {
    ...intervals,
    jitter: check.number('jitter', given.jitter, { min: 0, max: 0.5 }),
    timeoutMs: Math.min(timeoutMs, ...Object.values(intervals)),
    rise: count('rise'),
    fall: count('fall'),
  };
}

function resolveStatusLists(
  check: OptionValidator,
  { healthyStatuses, unhealthyStatuses }: HealthCheckOptions,
): Pick<ResolvedHealthCheckOptions, 'healthyStatuses' | 'unhealthyStatuses'> {
  const healthy = resolveStatuses(check, 'healthyStatuses', healthyStatuses);
  if (unhealthyStatuses === undefined) return { healthyStatuses: healthy };
  const unhealthy = resolveStatuses(check, 'unhealthyStatuses', unhealthyStatuses);
  const both = unhealthy.find(([from, to]) => healthy.some(([first, last]) => from <= last && first <= to));
  if (both) check.problem('unhealthyStatuses', unhealthyStatuses, 'statuses that are not among the healthy ones');
  return { healthyStatuses: healthy, unhealthyStatuses: unhealthy };
}

function resolveStatuses(check: OptionValidator, path: string, given: unknown): [number, number][] {
  if (!Array.isArray(given) || given.length === 0) {
    check.problem(path, given, 'a list of status codes and [from, to] ranges');
    return [];
  }
  const isStatus = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599;
  return (given as unknown[]).flatMap((entry, index) => {
    const [from, to, ...rest] = Array.isArray(entry) ? (entry as unknown[]) : [entry, entry];
    if (isStatus(from) && isStatus(to) && from <= to && rest.length === 0) return [[from, to] as [number, number]];
    check.problem(`${path}[${index}]`, entry, 'a status from 200 to 599, or a range [from, to] of them');
    return [];
  });
}
