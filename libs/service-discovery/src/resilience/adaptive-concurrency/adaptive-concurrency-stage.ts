import { type Clock } from '../../common/index.js';
import { type ResolvedAdaptiveLimitOptions } from './adaptive-limit-options.js';
import { AdaptiveLimit } from './adaptive-limit.js';
import { loadSignalOfFailure, type LoadSignal } from '../load-signal.js';
import { runGuarded, type GuardDeps } from '../pipeline/guard.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** Lets only as many calls run at once as the callee is found to handle. */
export class AdaptiveConcurrencyStage implements Stage {
  readonly description: StageDescription;
  private readonly limit: AdaptiveLimit;

  constructor(
    options: ResolvedAdaptiveLimitOptions,
    private readonly deps: GuardDeps & { readonly clock: Clock },
  ) {
    this.limit = new AdaptiveLimit(options, deps);
    this.description = {
      stage: 'adaptive_concurrency',
      purpose:
        'Limits the calls that run at once to what the callee is found to handle. Outside of retry, so that a refusal is ' +
        'neither retried nor counted by the circuit breaker.',
      options: { ...options },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const guard = async (enter: () => Promise<T>): Promise<T> => {
      const permit = await this.limit.acquire(call.signal);
      const end = (load: LoadSignal): void => permit.settle(asMeasured(load, call));
      try {
        call.signal.throwIfAborted();
        const result = await enter();
        end('answered');
        return result;
      } catch (error) {
        end(loadSignalOfFailure(error, call.signal));
        throw error;
      }
    };
    return runGuarded({ stage: 'adaptive_concurrency', code: 'CONCURRENCY_LIMITED' }, guard, call, next, this.deps);
  }
}

/** A call that was retried took the time of failed attempts and of waits, which says nothing of how fast the callee is. */
function asMeasured(load: LoadSignal, { progress }: PolicyCall): LoadSignal {
  return load === 'answered' && progress.lastError !== undefined ? 'failed' : load;
}
