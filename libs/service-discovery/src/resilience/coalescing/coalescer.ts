import { onAbort, raceAbort } from '../../common/index.js';
import { type Next, type ShareableContext, type Stage, type StageDescription } from '../pipeline/stage.js';

/** A call that is under way, and its callers. */
interface Flight {
  readonly answer: Promise<unknown>;
  readonly controller: AbortController;
  callers: number;
}

/**
 * Single flight: overlapping calls with equal keys make one call and share its result. It prevents a stampede when a
 * popular cache entry expires (Go's `singleflight`, nginx's `proxy_cache_lock`).
 *
 * Nothing is kept when a call is over: the next one with its key starts a new call. All callers get the same object, so one
 * that modifies it modifies it for all.
 */
export class Coalescer {
  private readonly flights = new Map<string, Flight>();

  /** How many calls are under way. */
  get inFlight(): number {
    return this.flights.size;
  }

  /**
   * The answer of the call with this key that is under way, or of `fn` when there is none.
   *
   * A caller that aborts leaves the call to the others. When the last one has left, the signal of the call aborts with its
   * reason, and the next caller starts another call.
   * @param fn must not ask for the same key itself, or it waits for itself for ever
   * @throws what `fn` throws; the signal's reason when it aborts
   */
  async execute<T>(key: string, fn: (signal: AbortSignal) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.flights.get(key) ?? this.start(key, fn);
    const answer = flight.answer as Promise<T>;
    flight.callers++;
    if (!signal) return answer;
    const stopFollowing = onAbort(signal, () => this.leave(key, flight, signal.reason));
    try {
      return await raceAbort(answer, signal);
    } finally {
      stopFollowing();
    }
  }

  private start(key: string, fn: (signal: AbortSignal) => unknown): Flight {
    const controller = new AbortController();
    const land = (): void => this.forget(key, flight);
    const answer = (async () => fn(controller.signal))();
    const flight: Flight = { answer, controller, callers: 0 };
    this.flights.set(key, flight);
    // Runs before the callers continue, so that one that asks again at once starts a new call.
    answer.then(land, land);
    return flight;
  }

  private leave(key: string, flight: Flight, reason: unknown): void {
    if (--flight.callers > 0) return;
    this.forget(key, flight);
    flight.controller.abort(reason);
  }

  /** Another call may have begun under the key. */
  private forget(key: string, flight: Flight): void {
    if (this.flights.get(key) === flight) this.flights.delete(key);
  }
}

/** How a shared call ended; an error is a result, so that all who share it learn of its attempts. */
type Landing<Context, T> = { readonly call: Context } & ({ readonly value: T } | { readonly error: unknown });

/** The shared calls that are under way. */
export class Flights<Context> {
  readonly coalescer = new Coalescer();
  readonly calls = new Map<string, Context>();
}

/**
 * Makes one call for callers that ask for the same at the same time. Each of them can abort and leave without ending
 * the call for the others.
 */
export class CoalescingStage<Context extends ShareableContext<Context>> implements Stage<Context> {
  readonly description: StageDescription = {
    stage: 'coalescing',
    purpose:
      'Makes one call for callers that ask for the same at the same time. Outside of the limits and the retry, since ' +
      'those who wait take up no capacity; inside of the last good answer, which each of them may fall back to.',
    options: {},
  };

  /** @param flights shared by pipelines whose calls are interchangeable */
  constructor(private readonly flights: Flights<Context>) {}

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { flightKey } = call;
    if (flightKey === undefined) return next.run(call);
    call.startWaiting();
    const { calls, coalescer } = this.flights;
    calls.get(flightKey)?.extendFor(call);
    let isFirst = false;
    const fly = (signal: AbortSignal): Promise<Landing<Context, T>> => {
      isFirst = true;
      return this.fly(call.forSharing(signal), flightKey, next);
    };
    try {
      const landing = await coalescer.execute(flightKey, fly, call.scope.signal);
      // The answer is the first caller's alone: the others make calls of their own.
      if (!isFirst && 'value' in landing && !call.mayShare(landing.value)) return await next.run(call);
      call.adopt(landing.call);
      if ('error' in landing) throw landing.error;
      return await call.receive(landing.value);
    } catch (error) {
      // A caller who leaves early still reports the attempts made so far.
      const shared = call.scope.aborted ? calls.get(flightKey) : undefined;
      if (shared) call.adopt(shared);
      throw error;
    }
  }

  private async fly<T>(call: Context, key: string, next: Next<Context, T>): Promise<Landing<Context, T>> {
    const { calls } = this.flights;
    calls.set(key, call);
    try {
      return { call, value: await next.run(call) };
    } catch (error) {
      return { call, error };
    } finally {
      call.end();
      // When everyone has left this call, another one may have begun under its key.
      if (calls.get(key) === call) calls.delete(key);
    }
  }
}
