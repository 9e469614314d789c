import {
  OptionValidator,
  msOf,
  ResponseStatusError,
  sleep,
  systemClock,
  systemRandom,
  type Clock,
  type Duration,
  type Random,
} from '../../common/index.js';

/** The share of calls that is disturbed, and how. The rates are exclusive, so their sum is at most 1. */
export interface ChaosOptions {
  /**
   * The share of calls that fail with `fault` without being made. From 0 to 1.
   * @default 0
   */
  faultRate?: number;
  /**
   * What they fail with: an error, a function that makes one, or a status from 400 to 599 that becomes a
   * `ResponseStatusError`.
   * @default 503
   */
  fault?: Error | (() => Error) | number;
  /**
   * The share of calls that are made only after `latency`. From 0 to 1.
   * @default 0
   */
  latencyRate?: number;
  /** How long they wait: a duration up to 1 day, or the least and the most, between which all are as likely. No default. */
  latency?: Duration | readonly [Duration, Duration];
  /**
   * The share of calls that are answered with `outcome` without being made. From 0 to 1.
   * @default 0
   */
  outcomeRate?: number;
  /** What they are answered with; a function is called for each. There is no default. */
  outcome?: unknown;
  /**
   * Whether chaos is on. A function is called for each call, such as for a switch in a test.
   * @default true
   */
  enabled?: boolean | (() => boolean);
}

export const DEFAULT_CHAOS_OPTIONS = {
  faultRate: 0,
  fault: 503,
  latencyRate: 0,
  outcomeRate: 0,
  enabled: true,
} as const satisfies ChaosOptions;

/** Checked options. */
export interface ResolvedChaosOptions {
  readonly faultRate: number;
  readonly fault: Error | (() => Error) | number;
  readonly latencyRate: number;
  /** The least and the most, in milliseconds. */
  readonly latency: readonly [number, number];
  readonly outcomeRate: number;
  readonly outcome: unknown;
  readonly enabled: boolean | (() => boolean);
}

const LONGEST_LATENCY = { maxMs: 86_400_000 };
const WITHOUT_DEFAULT: readonly (keyof ChaosOptions)[] = ['latency', 'outcome'];

/**
 * Fills in the defaults and checks every option. A rate above 0 needs what it is the rate of, and the other way round.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveChaosOptions(options: ChaosOptions = {}, path = 'chaos'): ResolvedChaosOptions {
  const check = new OptionValidator(path);
  const given = check.options<ChaosOptions>('', options, DEFAULT_CHAOS_OPTIONS, WITHOUT_DEFAULT);
  const rate = (name: 'faultRate' | 'latencyRate' | 'outcomeRate'): number =>
    check.number(name, given[name], { min: 0, max: 1 });
  const resolved: ResolvedChaosOptions = {
    faultRate: rate('faultRate'),
    fault: checkFault(check, given.fault),
    latencyRate: rate('latencyRate'),
    latency: given.latency === undefined ? [0, 0] : checkLatency(check, given.latency),
    outcomeRate: rate('outcomeRate'),
    outcome: given.outcome,
    enabled: typeof given.enabled === 'function' ? given.enabled : check.boolean('enabled', given.enabled),
  };
  const { faultRate, latencyRate, outcomeRate } = resolved;
  const sum = faultRate + latencyRate + outcomeRate;
  // Tolerance for binary fractions.
  if (sum > 1 + 1e-9) {
    check.problem('faultRate + latencyRate + outcomeRate', sum, 'rates that exclude each other, so 1 or less in sum');
  }
  for (const name of ['latency', 'outcome'] as const) {
    if (resolved[`${name}Rate`] > 0 && given[name] === undefined) {
      check.problem(name, undefined, `to be given, since ${name}Rate is above 0`);
    }
  }
  const said = Object(options) as ChaosOptions;
  for (const name of ['fault', 'latency', 'outcome'] as const) {
    // Alone it would silently do nothing. A rate of 0 that is set is intended.
    if (said[name] !== undefined && said[`${name}Rate`] === undefined) {
      check.problem(`${name}Rate`, undefined, `to be given beside ${name}: the share of calls that it is for`);
    }
  }
  check.throwIfAny();
  return check.checked(resolved);
}

function checkFault(check: OptionValidator, fault: unknown): Error | (() => Error) | number {
  const isStatus = Number.isInteger(fault) && (fault as number) >= 400 && (fault as number) <= 599;
  if (!isStatus && typeof fault !== 'function' && !(fault instanceof Error)) {
    check.problem('fault', fault, 'an error, a function that makes one, or a status from 400 to 599');
  }
  return fault as Error | (() => Error) | number;
}

function checkLatency(check: OptionValidator, latency: Duration | readonly Duration[]): readonly [number, number] {
  if (!Array.isArray(latency)) {
    const ms = check.duration('latency', latency, { ...LONGEST_LATENCY, usuallyMs: true });
    return [ms, ms];
  }
  const [least, most] = (latency as readonly unknown[]).map(msOf);
  if (latency.length === 2 && least! <= most! && most! <= LONGEST_LATENCY.maxMs) return [least!, most!];
  check.problem('latency', latency, 'a duration, or two of them up to 1d, the first not longer than the second');
  return [Number.NaN, Number.NaN];
}

export interface ChaosPolicyDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** Decides what happens to a call. @default the runtime's generator */
  random?: Random;
  /** What is disturbed: the `service` of the errors. @default none */
  name?: string;
}

/**
 * Injects faults, latency and outcomes, so that a test shows what timeouts, retries, breakers and fallbacks do (as Polly's
 * chaos strategies). With a seeded `random` the same calls are disturbed in each run.
 */
export class ChaosPolicy {
  private readonly options: ResolvedChaosOptions;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly name: string | undefined;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: ChaosOptions, { clock = systemClock, random = systemRandom, name }: ChaosPolicyDeps = {}) {
    this.options = resolveChaosOptions(options);
    this.clock = clock;
    this.random = random;
    this.name = name;
  }

  /**
   * Calls `fn`, at once or late, or fails or answers in its place.
   * @throws the fault; the signal's reason when it aborts while the call waits; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const { enabled, faultRate, latencyRate, outcomeRate } = this.options;
    if (!(typeof enabled === 'function' ? enabled() : enabled)) return fn(signal);
    const drawn = this.random();
    if (drawn < faultRate) throw this.makeFault();
    if (drawn < faultRate + latencyRate) await sleep(this.clock, this.drawLatency(), signal);
    else if (drawn < faultRate + latencyRate + outcomeRate) return this.makeOutcome() as T;
    return fn(signal);
  }

  private makeFault(): Error {
    const { fault } = this.options;
    if (typeof fault === 'number') return new ResponseStatusError(fault, {}, null, { service: this.name });
    return typeof fault === 'function' ? fault() : fault;
  }

  private makeOutcome(): unknown {
    const { outcome } = this.options;
    return typeof outcome === 'function' ? (outcome as () => unknown)() : outcome;
  }

  private drawLatency(): number {
    const [least, most] = this.options.latency;
    return least === most ? least : least + this.random() * (most - least);
  }
}
