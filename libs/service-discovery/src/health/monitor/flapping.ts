import { OptionValidator } from '../../common/index.js';

/**
 * When an instance flaps: when so large a share of its last results differ from the one before (Nagios, "Detection and
 * Handling of State Flapping", with results in place of states, all of the same weight). Two thresholds keep the mark
 * itself from flapping.
 */
export interface FlappingOptions {
  /**
   * How many results are looked back at. A whole number from 5 to 32.
   * @default 21, between which are 20 changes at most, as with Nagios
   */
  results: number;
  /**
   * The share of changes from which on an instance flaps. Above 0, to 1.
   * @default 0.3: three outages within 21 checks
   */
  start: number;
  /**
   * The share of changes below which it flaps no more. Above 0, no more than `start`.
   * @default 0.15
   */
  stop: number;
  /**
   * How many times as many successes as `rise` says make an instance healthy while it flaps. From 1, where the mark is
   * all there is, to 100.
   * @default 3
   */
  riseFactor: number;
}

export const DEFAULT_FLAPPING_OPTIONS: Readonly<FlappingOptions> = {
  results: 21,
  start: 0.3,
  stop: 0.15,
  riseFactor: 3,
};

/**
 * Fills in the defaults.
 * @param options false: nothing ever flaps
 * @param path what stands before an option's name in a problem
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveFlappingOptions(
  options?: Partial<FlappingOptions> | false,
  path = 'flapping',
): FlappingOptions | undefined {
  if (options === false) return undefined;
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_FLAPPING_OPTIONS);
  const start = check.number('start', given.start, { min: 0.01, max: 1 });
  const resolved = {
    results: check.number('results', given.results, { min: 5, max: 32, integer: true }),
    start,
    stop: check.number('stop', given.stop, { min: 0.01, max: Number.isNaN(start) ? 1 : start }),
    riseFactor: check.number('riseFactor', given.riseFactor, { min: 1, max: 100, integer: true }),
  };
  check.throwIfAny();
  return resolved;
}

/** The last results of one instance, a bit each. */
export class ResultHistory {
  /** The latest is the lowest bit: 1 where it passed. */
  private bits = 0;
  /** How many results there were, counted up to 32. */
  private known = 0;

  /** @param isFlapping whether somebody found so before: then it goes on from there, as if it had just begun */
  constructor(
    public isFlapping: boolean,
    rule: FlappingOptions | undefined,
  ) {
    if (!rule) this.isFlapping = false;
    if (!this.isFlapping || !rule) return;
    // A change with each result, as many as it takes.
    this.known = Math.min(rule.results, Math.ceil(rule.start * (rule.results - 1)) + 1);
    this.bits = 0xaaaaaaaa >>> (32 - this.known);
  }

  note(passed: boolean, { results, start, stop }: FlappingOptions): void {
    this.bits = (this.bits << 1) | Number(passed);
    this.known = Math.min(this.known + 1, 32);
    const share = this.changes(results) / (results - 1);
    this.isFlapping = share >= (this.isFlapping ? stop : start);
  }

  /** How often one of the last results differs from the one before it. */
  private changes(results: number): number {
    const pairs = Math.min(results, this.known) - 1;
    return pairs < 1 ? 0 : onesIn((this.bits ^ (this.bits >>> 1)) & (0xffffffff >>> (32 - pairs)));
  }
}

/** Counted side by side in ever wider fields (Warren, "Hacker's Delight", 5-1). */
function onesIn(bits: number): number {
  let sums = bits - ((bits >>> 1) & 0x55555555);
  sums = (sums & 0x33333333) + ((sums >>> 2) & 0x33333333);
  sums = (sums + (sums >>> 4)) & 0x0f0f0f0f;
  return Math.imul(sums, 0x01010101) >>> 24;
}
