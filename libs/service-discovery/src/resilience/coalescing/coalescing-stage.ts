import { type ShareableContext } from '../pipeline/call-context.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { Coalescer } from './coalescer.js';

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
