import { type CallContext } from '../pipeline/call-context.js';
import { refused } from '../pipeline/refused.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { type ResolvedClientThrottleOptions } from './client-throttle-options.js';
import { type ClientThrottle } from './client-throttle.js';

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
