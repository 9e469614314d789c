import {
  type Clock,
  duration,
  number,
  OptionGroup,
  type OptionsOf,
  type ResolvedOf,
  systemClock,
} from '../../common/index.js';
import { SlicedCounts } from '../sliced-counts.js';

/** How many retries and hedges are allowed in proportion to the calls, so that they cannot multiply an overload. */
export const RETRY_BUDGET_OPTIONS = new OptionGroup('budget', {
  /**
   * Retries per call within the window: 0.2 allows one retry for every five calls. From 0 to 10.
   * @default 0.2
   */
  ratio: number({ default: 0.2, min: 0, max: 10 }),
  /**
   * Retries per second that are allowed regardless of the calls, so that a rarely used client may retry too. From 0 to 10,000.
   * @default 10
   */
  minPerSecond: number({ default: 10, min: 0, max: 10_000 }),
  /**
   * How long calls and retries count. From 1 s to 10 min.
   * @default 10 s
   */
  window: duration({ default: 10_000, minMs: 1_000, maxMs: 600_000 }),
});

export interface RetryBudgetOptions extends OptionsOf<typeof RETRY_BUDGET_OPTIONS> {}
export interface ResolvedRetryBudgetOptions extends ResolvedOf<typeof RETRY_BUDGET_OPTIONS> {}

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
    this.options = RETRY_BUDGET_OPTIONS.resolve(options);
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

  /** The share of the retries allowed in the present window that is left: 0 to 1. */
  get left(): number {
    const { available } = this;
    const used = this.counted.totals[RETRIES]!;
    return available + used === 0 ? 0 : available / (available + used);
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
