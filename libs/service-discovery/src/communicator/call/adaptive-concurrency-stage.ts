import {
  type AdaptiveLimit,
  type ConcurrencyPermit,
  type LoadSignal,
  type ResolvedAdaptiveLimitOptions,
} from '../../resilience/index.js';
import { type Call } from './call.js';
import { loadSignalOfCall } from './load-signal-of-call.js';
import { refused } from './refused.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/** Lets only as many calls run at once as the service is found to handle. */
export class AdaptiveConcurrencyStage implements CallStage {
  constructor(
    private readonly options: ResolvedAdaptiveLimitOptions,
    private readonly limit: AdaptiveLimit,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Limits the calls that run at once to what the service is found to handle. Outside of the retry, so that a refusal ' +
      'is neither retried nor counted by a circuit breaker.';
    const own = { stage: 'adaptive_concurrency', per: 'service', purpose, options: { ...this.options } } as const;
    return [own, ...this.next.describe()];
  }

  async run<T>(call: Call<T>): Promise<T> {
    const { scope } = call;
    let permit: ConcurrencyPermit;
    try {
      // A signal is made only for who has to wait.
      permit = (scope.aborted ? null : this.limit.tryAcquire()) ?? (await this.limit.acquire(scope.signal));
    } catch (error) {
      throw refused(call, 'adaptive_concurrency', error);
    }
    try {
      const value = await this.next.run(call);
      permit.settle(asMeasured(loadSignalOfCall(call), call));
      return value;
    } catch (error) {
      permit.settle(asMeasured(loadSignalOfCall(call, error), call));
      throw error;
    }
  }
}

/** A call that failed at first took the time of that attempt and of waits, which says nothing of how fast the service is. */
function asMeasured<T>(load: LoadSignal, { retryState }: Call<T>): LoadSignal {
  return load === 'answered' && retryState !== undefined ? 'failed' : load;
}
