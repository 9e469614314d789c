import { OptionValidator, type Duration } from '../common/index.js';

/** A status code, or the first and the last one of a range. */
export type StatusRange = number | readonly [from: number, to: number];

/** Who is checked how often, and what counts as healthy. */
export interface HealthCheckOptions {
  /**
   * Whether this process checks instances at all. One checker a registry is enough.
   * @default true
   */
  enabled: boolean;
  /**
   * Time between two checks of an instance, give or take a tenth, so that checks spread out. From 10 ms to 1 day.
   * @default 30 s
   */
  interval: Duration;
  /**
   * How long one check may take, with everything from the look-up of the name to the end of the body. From 1 ms to
   * 1 hour; one that is longer than the interval is cut to it, since checks of an instance never overlap.
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
   * How many bytes of an answer's body are read and kept as data where they are JSON. A whole number from 0 (the body
   * is not read) to 1 MiB. A longer body is no failure; it is not kept.
   * @default 64 KiB
   */
  bodyLimit: number;
}

export const DEFAULT_HEALTH_CHECK_OPTIONS: Readonly<HealthCheckOptions> = {
  enabled: true,
  interval: 30_000,
  timeout: 10_000,
  rise: 2,
  fall: 3,
  concurrency: 50,
  healthyStatuses: [[200, 299]],
  bodyLimit: 65_536,
};

/** Checked {@link HealthCheckOptions}, durations in milliseconds. */
export interface ResolvedHealthCheckOptions {
  readonly enabled: boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  readonly concurrency: number;
  readonly healthyStatuses: readonly (readonly [from: number, to: number])[];
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
  const given = check.options('', options, DEFAULT_HEALTH_CHECK_OPTIONS);
  const count = (name: 'rise' | 'fall' | 'concurrency', max: number): number =>
    check.number(name, given[name], { min: 1, max, integer: true });
  const intervalMs = check.duration('interval', given.interval, { minMs: 10, maxMs: 86_400_000 });
  const timeoutMs = check.duration('timeout', given.timeout, { minMs: 1, maxMs: 3_600_000 });
  const resolved: ResolvedHealthCheckOptions = {
    enabled: check.boolean('enabled', given.enabled),
    intervalMs,
    timeoutMs: Math.min(timeoutMs, intervalMs),
    rise: count('rise', 255),
    fall: count('fall', 255),
    concurrency: count('concurrency', 10_000),
    healthyStatuses: resolveStatuses(check, given.healthyStatuses),
    bodyLimit: check.number('bodyLimit', given.bodyLimit, { min: 0, max: 1_048_576, integer: true }),
  };
  check.throwIfAny();
  return resolved;
}

/** Whether a status is in one of the ranges. */
export function isHealthyStatus(status: number, ranges: ResolvedHealthCheckOptions['healthyStatuses']): boolean {
  return ranges.some(([from, to]) => status >= from && status <= to);
}

function resolveStatuses(check: OptionValidator, given: unknown): [number, number][] {
  if (!Array.isArray(given) || given.length === 0) {
    check.problem('healthyStatuses', given, 'a list of status codes and [from, to] ranges');
    return [];
  }
  const isStatus = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599;
  return (given as unknown[]).flatMap((entry, index) => {
    const [from, to, ...rest] = Array.isArray(entry) ? (entry as unknown[]) : [entry, entry];
    if (isStatus(from) && isStatus(to) && from <= to && rest.length === 0) return [[from, to] as [number, number]];
    check.problem(`healthyStatuses[${index}]`, entry, 'a status from 200 to 599, or a range [from, to] of them');
    return [];
  });
}
