import { type LoadSignal } from '../load-signal.js';
import { type CallContext } from '../pipeline/call-context.js';
import { refused } from '../pipeline/refused.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { type ResolvedAdaptiveLimitOptions } from './adaptive-limit-options.js';
import { type AdaptiveLimit, type ConcurrencyPermit } from './adaptive-limit.js';

/** Limits the concurrent calls to what the callee turns out to handle. */
export class AdaptiveConcurrencyStage<Context extends CallContext> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedAdaptiveLimitOptions,
    private readonly limit: AdaptiveLimit,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'adaptive_concurrency',
      purpose:
        'Limits the concurrent calls to what the callee turns out to handle. Outside of the retry, so that a refusal is ' +
        'neither retried nor counted by a circuit breaker.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { scope } = call;
    let permit: ConcurrencyPermit;
    try {
      // Only a call that has to wait needs a signal.
      permit = (scope.aborted ? null : this.limit.tryAcquire()) ?? (await this.limit.acquire(scope.signal));
    } catch (error) {
      throw refused(call, 'adaptive_concurrency', error);
    }
    try {
      const value = await next.run(call);
      permit.settle(asSample(call.loadSignal(), call));
      return value;
    } catch (error) {
      permit.settle(asSample(call.loadSignal({ error }), call));
      throw error;
    }
  }
}

/** The time of a call that was retried includes failed attempts and waits, so it is no sample of the callee's latency. */
function asSample(load: LoadSignal, { retried }: CallContext): LoadSignal {
  return load === 'answered' && retried ? 'failed' : load;
}
