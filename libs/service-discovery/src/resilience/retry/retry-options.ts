import { OptionValidator, type Duration } from '../../common/index.js';
import { type StatusRange } from '../../model/index.js';
import { DEFAULT_RETRYABLE_STATUSES } from '../classify.js';
import { resolveRetryBudgetOptions, type ResolvedRetryBudgetOptions, type RetryBudgetOptions } from './retry-budget.js';
import { checkRetryableErrors, type RetryableErrors } from './retryable-errors.js';
import { ERROR_STATUSES_EXPECTED, isErrorStatusList } from '../status-list.js';

/**
 * How a wait is drawn, where `d` starts at `baseDelay` and doubles with each wait:
 * - `full`: from `[0, d)`, which best spreads clients that failed together;
 * - `equal`: from the upper half of it;
 * - `decorrelated`: from `baseDelay` to three times the previous wait;
 * - `none`: always `d`, for tests and for a single client.
 */
export type Jitter = (typeof JITTERS)[number];
const JITTERS = ['full', 'equal', 'decorrelated', 'none'] as const;

/** Whether, when and how often a failed attempt is repeated. */
export interface RetryOptions {
  /**
   * All attempts of a call, the first one included: 1 means no retry. A whole number from 1 to 20.
   * @default 3
   */
  maxAttempts: number;
  /**
   * The greatest delay of the first wait; it doubles with each further one. From 0 to 1 h.
   * @default 1 s
   */
  baseDelay: Duration;
  /**
   * The greatest delay before any retry, at least `baseDelay`. A server that asks for a longer pause is not asked
   * again. From 0 to 1 h.
   * @default 60 s
   */
  maxDelay: Duration;
  /** @default 'full' */
  jitter: Jitter;
  /**
   * The statuses that are retried, each from 400 to 599, and `[from, to]` ranges of them.
   * @default [429, 500, [502, 504], [506, 599]]: 429 and every 5xx but 501 and 505
   */
  retryableStatuses: readonly StatusRange[];
  /**
   * The errors that are worth another attempt, where no status arrived: a list of codes (`'ECONNRESET'`,
   * `'ATTEMPT_TIMEOUT'`), names and classes of errors, or a function. What a caller aborted and what is wrong on the
   * calling side is never repeated.
   * @default all that say that the other side did not do its part
   */
  retryableErrors?: RetryableErrors;
  /**
   * How many retries are allowed beside how many calls; false for no such limit.
   * @default {} (20% of the calls and 10 a second)
   */
  budget: Partial<RetryBudgetOptions> | false;
}

export const DEFAULT_RETRY_OPTIONS: Readonly<RetryOptions> = {
  maxAttempts: 3,
  baseDelay: 1_000,
  maxDelay: 60_000,
  jitter: 'full',
  retryableStatuses: DEFAULT_RETRYABLE_STATUSES,
  retryableErrors: undefined,
  budget: {},
};

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedRetryOptions extends Readonly<RetryOptions> {
  readonly baseDelay: number;
  readonly maxDelay: number;
  readonly budget: ResolvedRetryBudgetOptions | false;
}

const LONGEST_DELAY_MS = 3_600_000;

/**
 * Fills in the defaults and checks every option.
 * @param path where the options stand, for the error: `retry.maxAttempts`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRetryOptions(options?: Partial<RetryOptions>, path = 'retry'): ResolvedRetryOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_RETRY_OPTIONS);
  const { budget } = given;
  const maxAttempts = check.number('maxAttempts', given.maxAttempts, { min: 1, max: 20, integer: true });
  const delay = (name: 'baseDelay' | 'maxDelay'): number =>
    check.duration(name, given[name], { maxMs: LONGEST_DELAY_MS });
  const [baseDelay, maxDelay] = [delay('baseDelay'), delay('maxDelay')];
  const resolved: ResolvedRetryOptions = {
    maxAttempts,
    // A default yields to what was set; only two options that were both set can contradict each other.
    baseDelay: options?.baseDelay === undefined ? Math.min(baseDelay, maxDelay) : baseDelay,
    maxDelay: options?.maxDelay === undefined ? Math.max(baseDelay, maxDelay) : maxDelay,
    jitter: check.oneOf('jitter', given.jitter, JITTERS),
    retryableStatuses: checkStatuses(check, given.retryableStatuses),
    retryableErrors: checkRetryableErrors(check, given.retryableErrors),
    budget:
      budget !== false && (check.gather(() => resolveRetryBudgetOptions(budget, check.pathOf('budget'))) ?? false),
  };
  if (resolved.maxDelay < resolved.baseDelay) {
    check.problem(
      'maxDelay',
      given.maxDelay,
      `a duration not shorter than baseDelay, which is ${resolved.baseDelay}ms`,
    );
  }
  check.throwIfAny();
  return check.checked(resolved);
}

function checkStatuses(check: OptionValidator, statuses: unknown): readonly StatusRange[] {
  if (isErrorStatusList(statuses)) return [...statuses];
  check.problem('retryableStatuses', statuses, ERROR_STATUSES_EXPECTED);
  return [];
}

const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);

/** Whether repeating a request with this method has the effect of sending it once (RFC 9110, 9.2.2). */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method) || IDEMPOTENT_METHODS.has(method.toUpperCase());
}
