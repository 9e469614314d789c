import { type Clock, SignalCancellation } from '../../common/index.js';
import { Coalescer } from '../../resilience/index.js';
import { buffer, type BufferedResponse, keyOfRequest, replay } from './buffered-response.js';
import { Call, type CallScope } from './call.js';
import { openDeadline } from './deadline-stage.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/** How a shared call ended; an error comes as a result, so that all who share it are told what was done for them. */
type Landing = { readonly call: Call<BufferedResponse> } & (
  { readonly response: BufferedResponse } | { readonly error: unknown }
);

interface SharedCall {
  readonly call: Call<BufferedResponse>;
  readonly scope: SharedScope;
}

/** The calls of one service that are under way and may be shared. */
export class Flights {
  readonly coalescer = new Coalescer();
  /** By the keys of their requests. */
  readonly calls = new Map<string, SharedCall>();
}

/**
 * Makes one call of those with equal requests that overlap. Each caller has its own limit of time and its own signal, and
 * leaves without ending the call for the others; the call's time is that of the most patient of them.
 */
export class CoalescingStage implements CallStage {
  /** @param flights shared by those whose calls are made in the same way */
  constructor(
    private readonly flights: Flights,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Makes one call of equal GETs that overlap. Outside of the limits and the retry, since those who wait take up nothing.';
    return [{ stage: 'coalescing', per: 'service', purpose, options: {} }, ...this.next.describe()];
  }

  async run<T>(call: Call<T>): Promise<T> {
    const request = keyOfRequest(call.request, call.prepared);
    if (request === undefined) return this.next.run(call);
    // How long the call as a whole may take is for each caller to say, but attempts are made for all of them.
    const { attemptTimeoutMs, leavesRoom } = call.times;
    const key = `${attemptTimeoutMs} ${leavesRoom} ${request}`;
    const own = openDeadline(call);
    const { calls, coalescer } = this.flights;
    calls.get(key)?.scope.extendTo(own);
    try {
      const landing = await coalescer.execute(key, (signal) => this.fly(call, key, own, signal), own.signal);
      call.adopt(landing.call);
      if ('error' in landing) throw landing.error;
      return await call.consume(replay(landing.response), call.prepared);
    } catch (error) {
      // Whoever leaves before the end knows of what was done until then.
      const shared = own.signal.aborted ? calls.get(key) : undefined;
      if (shared) call.adopt(shared.call);
      throw error;
    } finally {
      own.dispose();
    }
  }

  private async fly<T>(first: Call<T>, key: string, own: CallScope, signal: AbortSignal): Promise<Landing> {
    const request = { ...first.request, signal, cancellation: undefined };
    const call = new Call(first.view, request, first.prepared, first.times, buffer, first.deps, true);
    const scope = new SharedScope(signal, call.deps.clock, own.remainingMs());
    call.scope = scope;
    const { calls } = this.flights;
    calls.set(key, { call, scope });
    try {
      return { call, response: await this.next.run(call) };
    } catch (error) {
      return { call, error };
    } finally {
      // Another call may have begun under the key, where everybody left this one.
      if (calls.get(key)?.call === call) calls.delete(key);
    }
  }
}

/**
 * The time of a shared call: that of the caller who waits longest. It has no timer, since each of them has one, and when
 * the last one leaves the call ends.
 */
class SharedScope extends SignalCancellation implements CallScope {
  private until: number;

  constructor(
    signal: AbortSignal,
    private readonly clock: Clock,
    remainingMs: number,
  ) {
    super(signal);
    this.until = clock.now() + remainingMs;
  }

  remainingMs(): number {
    return Math.max(0, this.until - this.clock.now());
  }

  extendTo(caller: CallScope): void {
    this.until = Math.max(this.until, this.clock.now() + caller.remainingMs());
  }
}
