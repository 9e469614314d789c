import { onAbort, raceAbort } from '../../common/index.js';

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
