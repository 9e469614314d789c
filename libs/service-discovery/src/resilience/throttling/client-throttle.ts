import {
  type Clock,
  count,
  duration,
  number,
  OptionGroup,
  type OptionsOf,
  raceAbort,
  type Random,
  type ResolvedOf,
  systemClock,
  systemRandom,
  ThrottledError,
} from '../../common/index.js';
import { type LoadSignal, loadSignalOfFailure } from '../load-signal.js';
import { type CallContext, type Next, refused, type Stage, type StageDescription } from '../pipeline/stage.js';

/** When calls are dropped before they are sent, because the callee rejects too many. */
export const CLIENT_THROTTLE_OPTIONS = new OptionGroup('throttling', {
  /**
   * Calls that are made for each accepted one before any is dropped. At 2, the callee may reject half of the calls that
   * reach it; a lower value spares it more, and drops calls that it would have accepted. From 1 to 100.
   * @default 2
   */
  k: number({ default: 2, min: 1, max: 100 }),
  /**
   * How long a call counts. From 1 s to 1 h.
   * @default 2 min
   */
  window: duration({ default: 120_000, minMs: 1_000, maxMs: 3_600_000 }),
  /**
   * Calls within the window before any is dropped. A whole number from 1 to 1,000,000.
   * @default 10
   */
  minRequests: count({ default: 10, min: 1, max: 1_000_000 }),
  /**
   * The highest share of calls that is dropped: the rest find out when the callee accepts calls again. From 0.01 to 0.99.
   * @default 0.9
   */
  maxRejection: number({ default: 0.9, min: 0.01, max: 0.99 }),
});

export interface ClientThrottleOptions extends OptionsOf<typeof CLIENT_THROTTLE_OPTIONS> {}
export interface ResolvedClientThrottleOptions extends ResolvedOf<typeof CLIENT_THROTTLE_OPTIONS> {}

export interface ClientThrottleDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** Draws which calls are dropped. @default the runtime's generator */
  random?: Random;
  /** Name of the callee: `service` in errors. @default none */
  name?: string;
}

/** Permission for one call. Settle it when the call has ended, whatever the outcome. */
export interface ThrottlePermit {
  /** Records the outcome. Only the first call has an effect. */
  settle(load: LoadSignal): void;
}

/** A throttle at one moment, for dashboards. */
export interface ClientThrottleSnapshot {
  /** Calls of the window. */
  readonly requests: number;
  /** Calls that were dropped, are under way, or were accepted by the callee; it rejected the rest. */
  readonly dropped: number;
  readonly inFlight: number;
  readonly accepts: number;
  /** The share of the calls that is dropped now. */
  readonly rejection: number;
}

/** The counts of one part of the window. */
interface Slice {
  readonly index: number;
  requests: number;
  dropped: number;
  inFlight: number;
  accepts: number;
}

/** The window expires one slice at a time, without a timer. */
const SLICES = 24;
/** The newest slices, whose open calls may still be answered: 5 to 10 s by default. */
const YOUNG_SLICES = 2;

/**
 * Client-side throttling as in the chapter "Handling Overload" of Google's book on Site Reliability Engineering: a share
 * of max(0, (requests − k × accepts) / (requests + 1)) of the calls is dropped before it is sent, so that an overloaded
 * callee is not busy with rejecting calls. All clients together send it about `k` times what it accepts.
 *
 * - A call counts as a request from its beginning, even when it is dropped, so that a hanging callee shows too. Recent calls
 *   that are under way are left out, or each burst would look rejected until its first answers.
 * - Every outcome but `overloaded` and `unreachable` (see {@link LoadSignal}) counts as accepted: a 404 or a 500 costs the
 *   callee work, too. `ignored` calls do not count at all.
 */
export class ClientThrottle {
  private readonly options: ResolvedClientThrottleOptions;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly name: string | undefined;
  /** The slices with calls, oldest first. */
  private readonly slices: Slice[] = [];

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options?: Partial<ClientThrottleOptions>, deps: ClientThrottleDeps = {}) {
    this.options = CLIENT_THROTTLE_OPTIONS.resolve(options);
    this.clock = deps.clock ?? systemClock;
    this.random = deps.random ?? systemRandom;
    this.name = deps.name;
  }

  /** The share of the calls that is dropped now, from 0 to `maxRejection`. */
  get rejection(): number {
    const current = this.forget();
    const { k, minRequests, maxRejection } = this.options;
    let requests = 0;
    let accepts = 0;
    for (const slice of this.slices) {
      const isYoung = slice.index > current - YOUNG_SLICES;
      requests += isYoung ? slice.requests - slice.inFlight : slice.requests;
      accepts += slice.accepts;
    }
    if (requests < minRequests) return 0;
    return Math.min(maxRejection, Math.max(0, (requests - k * accepts) / (requests + 1)));
  }

  snapshot(): ClientThrottleSnapshot {
    const { rejection } = this;
    const total = { requests: 0, dropped: 0, inFlight: 0, accepts: 0, rejection };
    for (const { requests, dropped, inFlight, accepts } of this.slices) {
      total.requests += requests;
      total.dropped += dropped;
      total.inFlight += inFlight;
      total.accepts += accepts;
    }
    return total;
  }

  /** A permit for one call, or null when it is dropped. It counts either way. */
  tryAcquire(): ThrottlePermit | null {
    const { rejection } = this;
    const slice = this.currentSlice();
    slice.requests++;
    if (rejection > 0 && this.random() < rejection) {
      slice.dropped++;
      return null;
    }
    slice.inFlight++;
    return createPermit(slice);
  }

  /**
   * Runs `fn` where the call is not dropped.
   * @throws ThrottledError, and `fn` is not called; the signal's reason when it aborts; what `fn` throws
   */
  async execute<T>(fn: (signal?: AbortSignal) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const permit = this.tryAcquire();
    if (!permit) throw this.refusal();
    try {
      const result = await (signal ? raceAbort(fn(signal), signal) : fn());
      permit.settle('answered');
      return result;
    } catch (error) {
      permit.settle(loadSignalOfFailure(error, signal));
      throw error;
    }
  }

  /** The error for a call that is dropped now. */
  refusal(): ThrottledError {
    return new ThrottledError({ probability: this.rejection, service: this.name });
  }

  /** Drops what is older than the window. */
  private forget(): number {
    const current = this.sliceNow();
    while (this.slices[0] && this.slices[0].index <= current - SLICES) this.slices.shift();
    return current;
  }

  private currentSlice(): Slice {
    const index = this.sliceNow();
    const last = this.slices.at(-1);
    if (last?.index === index) return last;
    const slice = { index, requests: 0, dropped: 0, inFlight: 0, accepts: 0 };
    this.slices.push(slice);
    return slice;
  }

  private sliceNow(): number {
    return Math.floor((this.clock.now() * SLICES) / this.options.window);
  }
}

/** Its outcome counts in the slice of its call; an expired slice is no longer read. */
function createPermit(slice: Slice): ThrottlePermit {
  let settled = false;
  return {
    settle: (load) => {
      if (settled) return;
      settled = true;
      slice.inFlight--;
      if (load === 'ignored') slice.requests--;
      else if (load === 'answered' || load === 'failed') slice.accepts++;
    },
  };
}

/** Drops a share of the calls while the callee rejects too many. */
export class ThrottlingStage<Context extends CallContext> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedClientThrottleOptions,
    private readonly throttle: ClientThrottle,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'throttling',
      purpose:
        'Drops a share of the calls while the callee rejects too many. Outside of the bulkhead, so that no call waits for ' +
        'a slot only to be dropped; outside of the retry, so that it counts the final outcome of each call.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    if (call.scope.aborted) throw call.scope.reason;
    const permit = this.throttle.tryAcquire();
    if (!permit) throw refused(call, 'throttling', this.throttle.refusal());
    try {
      const value = await next.run(call);
      permit.settle(call.loadSignal());
      return value;
    } catch (error) {
      permit.settle(call.loadSignal({ error }));
      throw error;
    }
  }
}
