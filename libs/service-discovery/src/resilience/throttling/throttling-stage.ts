import { type Clock, type Random } from '../../common/index.js';
import { type ResolvedClientThrottleOptions } from './client-throttle-options.js';
import { ClientThrottle } from './client-throttle.js';
import { loadSignalOfFailure } from '../load-signal.js';
import { runGuarded, type GuardDeps } from '../pipeline/guard.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** Drops a share of the calls while the callee refuses too many. */
export class ThrottlingStage implements Stage {
  readonly description: StageDescription;
  private readonly throttle: ClientThrottle;

  constructor(
    options: ResolvedClientThrottleOptions,
    private readonly deps: GuardDeps & { readonly clock: Clock; readonly random: Random },
  ) {
    this.throttle = new ClientThrottle(options, deps);
    this.description = {
      stage: 'throttling',
      purpose:
        'Drops a share of the calls while the callee refuses too many. Outside of the bulkhead, so that no call waits for ' +
        'a slot to be dropped then; outside of the retry, so that it goes by what calls come to in the end.',
      options: { ...options },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const guard = async (enter: () => Promise<T>): Promise<T> => {
      call.signal.throwIfAborted();
      const permit = this.throttle.tryAcquire();
      if (!permit) throw this.throttle.refusal();
      try {
        const result = await enter();
        permit.settle('answered');
        return result;
      } catch (error) {
        // Whose time ran out while it waited for a slot has asked nobody.
        permit.settle(call.progress.attempts === 0 ? 'ignored' : loadSignalOfFailure(error, call.signal));
        throw error;
      }
    };
    return runGuarded({ stage: 'throttling', code: 'THROTTLED' }, guard, call, next, this.deps);
  }
}
