import { count, number, OptionGroup, type OptionsOf } from '../../common/index.js';
import { type HealthStatus } from '../../model/index.js';
import { type Thresholds } from '../check-plan.js';
import { type FailureKind, type ProbeResult } from '../probes/probe.js';

/** Threshold counts between two checks. */
export interface ThresholdState {
  readonly status: HealthStatus;
  /** Consecutive successes, capped at `rise`; 0 after a failure. */
  readonly successes: number;
  /** Consecutive failures, capped at `fall`, except kinds that are counted separately. */
  readonly failures: number;
  /** Consecutive failures of the kinds that are counted separately; undefined: none. */
  readonly failuresOf?: Readonly<Partial<Record<FailureKind, number>>>;
}

/** @param status already known, for example reported by a previous checker */
export function initialState(status: HealthStatus = 'unknown'): ThresholdState {
  return { status, successes: 0, failures: 0 };
}

/** Whether a result is conclusive and not of an ignored failure kind. */
export function isCounted({ passed, skipped, kind }: ProbeResult, { fallOf }: Thresholds): boolean {
  return !skipped && (passed || kind === undefined || fallOf[kind] !== 0);
}

/**
 * The state after one more conclusive result. The first result of an unknown instance decides at once. After that,
 * `rise` consecutive successes make it healthy, and `fall` consecutive failures (or `fallOf` for kinds counted
 * separately) make it unhealthy. A success resets all failure counts, and a failure the success count, as in Kong's
 * health checks.
 */
export function nextState(
  state: ThresholdState,
  { passed, kind }: Pick<ProbeResult, 'passed' | 'kind'>,
  { rise, fall, fallOf }: Thresholds,
): ThresholdState {
  const { status, failures, failuresOf } = state;
  if (passed) {
    const successes = Math.min(state.successes + 1, rise);
    const isHealthy = status === 'unknown' || successes >= rise;
    return { status: isHealthy ? 'healthy' : status, successes, failures: 0 };
  }
  const next = (count: number, limit: number): HealthStatus =>
    status === 'unknown' || count >= limit ? 'unhealthy' : status;
  const ownFall = kind && fallOf[kind];
  if (kind === undefined || ownFall === undefined) {
    const count = Math.min(failures + 1, fall);
    return { status: next(count, fall), successes: 0, failures: count, failuresOf };
  }
  const count = Math.min((failuresOf?.[kind] ?? 0) + 1, ownFall);
  return { status: next(count, ownFall), successes: 0, failures, failuresOf: { ...failuresOf, [kind]: count } };
}

/**
 * An instance is flapping when a large fraction of its recent results differ from the one before (Nagios, "Detection
 * and Handling of State Flapping", with unweighted results in place of states). Two thresholds give hysteresis.
 */
export const FLAPPING_OPTIONS = new OptionGroup(
  'flapping',
  {
    /**
     * How many recent results are considered. An integer from 5 to 32.
     * @default 21, which allow for 20 changes, as in Nagios
     */
    results: count({ default: 21, min: 5, max: 32 }),
    /**
     * Fraction of changes from which an instance counts as flapping. Above 0, to 1.
     * @default 0.3: three outages within 21 checks
     */
    start: number({ default: 0.3, min: 0.01, max: 1 }),
    /**
     * Fraction of changes below which flapping ends. Above 0, at most `start`.
     * @default 0.15
     */
    stop: number({ default: 0.15, min: 0.01, max: 1 }),
    /**
     * Multiplies `rise` while an instance is flapping. From 1, which only marks the instance, to 100.
     * @default 3
     */
    riseFactor: count({ default: 3, min: 1, max: 100 }),
  },
  ({ start, stop }, given, check) => {
    if (stop > start) check.problem('stop', given.stop ?? stop, `a number from 0.01 to ${start}`);
  },
);

export interface FlappingOptions extends OptionsOf<typeof FLAPPING_OPTIONS> {}

/** Recent results of one instance, one bit each. */
export class ResultHistory {
  /** The latest result is the lowest bit: 1 means passed. */
  private bits = 0;
  /** Number of results so far, capped at 32. */
  private known = 0;

  /**
   * @param isFlapping whether another process reported it as flapping; the history then starts as if flapping had just
   * begun
   */
  constructor(
    public isFlapping: boolean,
    rule: FlappingOptions | undefined,
  ) {
    if (!rule) this.isFlapping = false;
    if (!this.isFlapping || !rule) return;
    // Start with the smallest number of alternating results that counts as flapping.
    this.known = Math.min(rule.results, Math.ceil(rule.start * (rule.results - 1)) + 1);
    this.bits = 0xaaaaaaaa >>> (32 - this.known);
  }

  note(passed: boolean, { results, start, stop }: FlappingOptions): void {
    this.bits = (this.bits << 1) | Number(passed);
    this.known = Math.min(this.known + 1, 32);
    const share = this.changes(results) / (results - 1);
    this.isFlapping = share >= (this.isFlapping ? stop : start);
  }

  /** How many of the last results differ from the one before. */
  private changes(results: number): number {
    const pairs = Math.min(results, this.known) - 1;
    return pairs < 1 ? 0 : onesIn((this.bits ^ (this.bits >>> 1)) & (0xffffffff >>> (32 - pairs)));
  }
}

/** Population count in parallel (Warren, "Hacker's Delight", 5-1). */
function onesIn(bits: number): number {
  let sums = bits - ((bits >>> 1) & 0x55555555);
  sums = (sums & 0x33333333) + ((sums >>> 2) & 0x33333333);
  sums = (sums + (sums >>> 4)) & 0x0f0f0f0f;
  return Math.imul(sums, 0x01010101) >>> 24;
}
