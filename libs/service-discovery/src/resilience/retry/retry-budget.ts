import { OptionValidator, systemClock, type Clock, type Duration } from '../../common/index.js';
import { SlicedCounts } from '../sliced-counts.js';

/** How many retries and hedges are allowed beside how many calls, so that they cannot multiply an overload. */
export interface RetryBudgetOptions {
  /**
   * Retries per call within the window: 0.2 allows one retry for every five calls. From 0 to 10.
   * @default 0.2
   */
  ratio: number;
  /**
   * Retries per second that are allowed regardless of the calls, so that a rarely used client may retry too. From 0 to 10,000.
   * @default 10
   */
  minPerSecond: number;
  /**
   * How long calls and retries count. From 1 s to 10 min.
   * @default 10 s
   */
  window: Duration;
}

export const DEFAULT_RETRY_BUDGET_OPTIONS: Readonly<RetryBudgetOptions> = {
  ratio: 0.2,
  minPerSecond: 10,
  window: 10_000,
};

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedRetryBudgetOptions extends Readonly<RetryBudgetOptions> {
  readonly window: number;
}

/**
 * Fills in the defaults and checks every option.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRetryBudgetOptions(
  options?: Partial<RetryBudgetOptions>,
  path = 'budget',
): ResolvedRetryBudgetOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_RETRY_BUDGET_OPTIONS);
  const resolved: ResolvedRetryBudgetOptions = {
    ratio: check.number('ratio', given.ratio, { min: 0, max: 10 }),
    minPerSecond: check.number('minPerSecond', given.minPerSecond, { min: 0, max: 10_000 }),
    window: check.duration('window', given.window, { minMs: 1_000, maxMs: 600_000 }),
  };
  check.throwIfAny();
  return check.checked(resolved);
}

/** Counts expire one slice at a time, without a timer. */
const SLICES = 10;
const KINDS = 2;
const [CALLS, RETRIES] = [0, 1];
/** Compensates for binary fractions: five calls at 0.2 allow exactly one retry. */
const ROUNDING = 1e-9;

/**
 * Counts calls and retries of the last window and refuses excess retries. One budget belongs to one thing that can be
 * overloaded (a service, a method) and is shared by all calls to it.
 */
export class RetryBudget {
  private readonly options: ResolvedRetryBudgetOptions;
  private readonly clock: Clock;
  private readonly counted: SlicedCounts;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options?: Partial<RetryBudgetOptions>, deps: { clock?: Clock } = {}) {
    this.options = resolveRetryBudgetOptions(options);
    this.clock = deps.clock ?? systemClock;
    this.counted = new SlicedCounts(this.options.window, SLICES, KINDS);
  }

  /** Whole retries that are allowed at this moment. */
  get available(): number {
    this.counted.advance(this.clock.now());
    const { ratio, minPerSecond, window } = this.options;
    const { totals } = this.counted;
    const allowed = totals[CALLS]! * ratio + (minPerSecond * window) / 1_000;
    return Math.max(0, Math.floor(allowed - totals[RETRIES]! + ROUNDING));
  }

  /**
   * Call it once per call, not for its retries.
   * @param now `Clock.now()`, when the caller already has it
   */
  recordCall(now = this.clock.now()): void {
    this.counted.advance(now);
    this.counted.add(CALLS);
  }

  /** Takes one retry or hedge from the budget; false when it is exhausted. */
  tryRetry(): boolean {
    if (this.available < 1) return false;
    this.counted.add(RETRIES);
    return true;
  }
}
