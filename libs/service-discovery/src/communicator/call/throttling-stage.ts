import { type ClientThrottle, type ResolvedClientThrottleOptions } from '../../resilience/index.js';
import { type Call } from './call.js';
import { loadSignalOfCall } from './load-signal-of-call.js';
import { refused } from './refused.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/** Drops a share of the calls while the service refuses too many. */
export class ThrottlingStage implements CallStage {
  constructor(
    private readonly options: ResolvedClientThrottleOptions,
    private readonly throttle: ClientThrottle,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Drops a share of the calls while the service refuses too many. Outside of the bulkhead, so that no call waits for a ' +
      'slot to be dropped then; outside of the retry, so that it goes by what calls come to in the end.';
    return [{ stage: 'throttling', per: 'service', purpose, options: { ...this.options } }, ...this.next.describe()];
  }

  async run<T>(call: Call<T>): Promise<T> {
    const permit = this.throttle.tryAcquire();
    if (!permit) throw refused(call, 'throttling', this.throttle.refusal());
    try {
      const value = await this.next.run(call);
      permit.settle(loadSignalOfCall(call));
      return value;
    } catch (error) {
      permit.settle(loadSignalOfCall(call, error));
      throw error;
    }
  }
}
