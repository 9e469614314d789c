import { type OptionValidator, type TlsSettings, withoutUndefined } from '../common/index.js';
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
 * How instances are checked, as far as somebody has said, durations in milliseconds. There are three who may: the process
 * for all, the process for a service, and the instance; what one says goes before what those before it said.
 */
export interface CheckSettings extends Omit<HealthCheckSpec, 'body' | 'probe'> {
  readonly body?: BodyCondition | BodyPredicate;
  readonly probe?: string | CustomCheck;
  readonly bodyLimit?: number;
  readonly tls?: TlsSettings;
  /** In place of an interval; only of the process for all. */
  readonly cron?: CronTimes;
}

/** What the process that checks may ask of itself. */
const CHECKER_BOUNDS: HealthCheckBounds = {
  intervalMs: { minMs: 10, maxMs: 86_400_000 },
  timeoutMs: { minMs: 1, maxMs: 3_600_000 },
  methods: [...SAFE_METHODS, 'POST', 'PUT'],
  functions: true,
};

/**
 * What of the options of a process is right; all else becomes a problem.
 * @param given with the names of a {@link HealthCheckSpec}, and `bodyLimit`; `tls` is read by itself
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

/** The settings of all three, the later ones on top. An interval of a later one takes the place of cron times. */
export function overlay(all: CheckSettings, ...own: readonly (CheckSettings | undefined)[]): CheckSettings {
  const layers = [all, ...own];
  const cron = own.some((settings) => settings?.interval !== undefined) ? undefined : all.cron;
  const tls = Object.assign({}, ...layers.map((settings) => settings?.tls)) as TlsSettings;
  return { ...(Object.assign({}, ...layers) as CheckSettings), tls, cron };
}

/** A changing interval that is not set is this share of the interval, and not below the shortest. */
const CHANGING_SHARE = 0.1;
const SHORTEST_CHANGING_MS = 1_000;

/** @param settings complete: the defaults are in them */
export function scheduleOf(settings: CheckSettings): CheckSchedule {
  const { cron } = settings;
  const intervalMs = cron ? shortestGap(cron) : (settings.interval as number);
  const { downInterval = intervalMs, idleInterval = intervalMs } = settings;
  const usualChangingMs = cron ? intervalMs : Math.max(CHANGING_SHARE * intervalMs, SHORTEST_CHANGING_MS);
  const { changingInterval = Math.min(usualChangingMs, intervalMs) } = settings;
  // A changing interval that nobody set does not shorten the timeout: a check that takes longer is followed by the next one.
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
