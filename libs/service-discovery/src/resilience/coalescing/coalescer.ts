import { onAbort, raceAbort } from '../../common/index.js';

/** A call that is under way, and those who wait for its answer. */
interface Flight {
  readonly answer: Promise<unknown>;
  readonly controller: AbortController;
  callers: number;
}

/**
 * Single flight: of calls with equal keys that overlap, one is made, and all who asked share its answer or its error.
 * It keeps a popular answer that ran out from being fetched once by everybody at the same moment (Go's `singleflight`,
 * nginx's `proxy_cache_lock`).
 *
 * Nothing is kept when a call is over: the next one with its key is made anew. What is shared is one and the same object,
 * so whoever changes it changes it for all.
 */
export class Coalescer {
  private readonly flights = new Map<string, Flight>();

  /** How many calls are under way. */
  get inFlight(): number {
    return this.flights.size;
  }

  /**
   * The answer of the call with this key that is under way, or of `fn` where there is none.
   *
   * The call belongs to all who wait for it: one who aborts leaves it to the others. When the last one has left, its own
   * signal aborts with that one's reason, and the next who asks begins another call.
   * @param fn must not ask for the same key itself: it would wait for its own end
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
    // Ahead of those who wait, so that one who asks again on hearing the answer is not given the same one.
    answer.then(land, land);
    return flight;
  }

  private leave(key: string, flight: Flight, reason: unknown): void {
    if (--flight.callers > 0) return;
    this.forget(key, flight);
    flight.controller.abort(reason);
  }

  /** Another call may have begun under the key meanwhile. */
  private forget(key: string, flight: Flight): void {
    if (this.flights.get(key) === flight) this.flights.delete(key);
  }
}
