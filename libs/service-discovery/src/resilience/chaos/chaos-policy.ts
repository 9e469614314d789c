import {
  type Cancellation,
  type Clock,
  custom,
  derived,
  type Duration,
  type GivenOptionsOf,
  msOf,
  number,
  optional,
  OptionGroup,
  type OptionValidator,
  type Random,
  type ResolvedOf,
  ResponseStatusError,
  sleep,
  systemClock,
  systemRandom,
} from '../../common/index.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { isErrorStatus } from '../classify.js';

const LONGEST_LATENCY_MS = 86_400_000;

/** The share of calls that is disturbed, and how. The rates are exclusive, so their sum is at most 1. */
export const CHAOS_OPTIONS = new OptionGroup(
  'chaos',
  {
    /**
     * The share of calls that fail with `fault` without being made. From 0 to 1.
     * @default 0
     */
    faultRate: number({ default: 0, min: 0, max: 1 }),
    /**
     * What those calls fail with: an error, a function that makes one, or a status from 400 to 599 that becomes a
     * `ResponseStatusError`.
     * @default 503
     */
    fault: custom<Error | (() => Error) | number>({
      default: 503,
      range: 'an error, a function that makes one, 400–599',
      read: readFault,
    }),
    /**
     * The share of calls that are made only after `latency`. From 0 to 1.
     * @default 0
     */
    latencyRate: number({ default: 0, min: 0, max: 1 }),
    /** How long they wait: a duration up to 1 day, or the least and the most, between which all are as likely. */
    latency: derived(
      custom<Duration | readonly [Duration, Duration], readonly [number, number]>({
        range: '0–1 d, or two of them',
        kind: 'duration',
        read: readLatency,
      }),
    ),
    /**
     * The share of calls that are answered with `outcome` without being made. From 0 to 1.
     * @default 0
     */
    outcomeRate: number({ default: 0, min: 0, max: 1 }),
    /** The answer of those calls; a function is called for each. */
    outcome: optional(custom<unknown>({ range: 'any', read: (value) => value })),
    /**
     * Whether chaos is on. A function is called for each call, such as for a switch in a test.
     * @default true
     */
    enabled: custom<boolean | (() => boolean)>({
      default: true,
      range: '`true`, `false`, a function',
      read: readEnabled,
    }),
  },
  (resolved, given, check) => {
    resolved.latency ??= [0, 0];
    const sum = resolved.faultRate + resolved.latencyRate + resolved.outcomeRate;
    // Tolerance for binary fractions.
    if (sum > 1 + 1e-9) {
      check.problem('faultRate + latencyRate + outcomeRate', sum, 'rates that exclude each other, so 1 or less in sum');
    }
    for (const name of ['latency', 'outcome'] as const) {
      if (resolved[`${name}Rate`] > 0 && given[name] === undefined) {
        check.problem(name, undefined, `to be given, since ${name}Rate is above 0`);
      }
    }
    for (const name of ['fault', 'latency', 'outcome'] as const) {
      // Alone it would silently do nothing. A rate of 0 that is set is intended.
      if (given[name] !== undefined && given[`${name}Rate`] === undefined) {
        check.problem(`${name}Rate`, undefined, `to be given beside ${name}: the share of calls that it is for`);
      }
    }
  },
);

export interface ChaosOptions extends GivenOptionsOf<typeof CHAOS_OPTIONS> {}
export interface ResolvedChaosOptions extends ResolvedOf<typeof CHAOS_OPTIONS> {}

function readFault(fault: unknown, path: string, check: OptionValidator): Error | (() => Error) | number {
  if (!isErrorStatus(fault) && typeof fault !== 'function' && !(fault instanceof Error)) {
    check.problem(path, fault, 'an error, a function that makes one, or a status from 400 to 599');
  }
  return fault as Error | (() => Error) | number;
}

function readLatency(latency: unknown, path: string, check: OptionValidator): readonly [number, number] {
  if (!Array.isArray(latency)) {
    const ms = check.duration(path, latency, { maxMs: LONGEST_LATENCY_MS, usuallyMs: true });
    return [ms, ms];
  }
  const [least, most] = (latency as readonly unknown[]).map(msOf);
  if (latency.length === 2 && least! <= most! && most! <= LONGEST_LATENCY_MS) return [least!, most!];
  check.problem(path, latency, 'a duration, or two of them up to 1d, the first not longer than the second');
  return [Number.NaN, Number.NaN];
}

function readEnabled(enabled: unknown, path: string, check: OptionValidator): boolean | (() => boolean) {
  return typeof enabled === 'function' ? (enabled as () => boolean) : check.boolean(path, enabled);
}

export interface ChaosPolicyDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** Decides what happens to a call. @default the runtime's generator */
  random?: Random;
  /** Name of the callee: `service` in errors. @default none */
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
    this.options = CHAOS_OPTIONS.resolve(options);
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

interface DisturbedAttempt {
  readonly scope: Cancellation;
  /** Counts an attempt that chaos answers in place of the function. */
  count(): void;
}

/** Injects faults, latency and outcomes into attempts. */
export class ChaosStage<Context extends DisturbedAttempt> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedChaosOptions,
    private readonly chaos: ChaosPolicy,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'chaos',
      purpose:
        'Injects faults, latency and outcomes. Innermost, so that to all other stages they look like those of the function.',
      options: plainOptions(this.options),
    };
  }

  async run<T>(attempt: Context, next: Next<Context, T>): Promise<T> {
    let passedOn = false;
    const passOn = (): Promise<T> => {
      passedOn = true;
      return next.run(attempt);
    };
    try {
      return await this.chaos.execute(passOn, attempt.scope.signal);
    } finally {
      if (!passedOn) attempt.count();
    }
  }
}

/** Leaves out errors, answers and functions. */
function plainOptions({
  faultRate,
  latencyRate,
  latency,
  outcomeRate,
}: ResolvedChaosOptions): StageDescription['options'] {
  return { faultRate, latencyRate, latency, outcomeRate };
}
