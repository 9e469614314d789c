import { type OptionValidator, withoutUndefined } from '../common/index.js';
import {
  type BodyCondition,
  CODE_FORM,
  type HealthCheckBounds,
  type HealthCheckSpec,
  readHealthCheck,
  SAFE_METHODS,
} from '../model/index.js';
import { type CheckSchedule } from './check-plan.js';
import { type CronTimes, shortestGap } from './cron-times.js';
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
const CHECKER_BOUNDS: HealthCheckBounds = {
  intervalMs: { minMs: 10, maxMs: 86_400_000 },
  timeoutMs: { minMs: 1, maxMs: 3_600_000 },
  methods: [...SAFE_METHODS, 'POST', 'PUT'],
  functions: true,
};

/**
 * The valid options of a process; everything else is reported as a problem.
 * @param given with the names of a {@link HealthCheckSpec}, and `bodyLimit`; `tls` is read separately
 */
export function readSettings(check: OptionValidator, given: unknown): CheckSettings {
  const { bodyLimit, ...others } = given as { readonly bodyLimit?: unknown };
  const settings = readHealthCheck(others, check, CODE_FORM, CHECKER_BOUNDS) as CheckSettings;
  return {
    ...settings,
    ...(bodyLimit !== undefined && {
      bodyLimit: check.number('bodyLimit', bodyLimit, { min: 0, max: 1_048_576, integer: true }),
    }),
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
