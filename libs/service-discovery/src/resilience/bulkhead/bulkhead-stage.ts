import { Bulkhead, type BulkheadDeps, type ResolvedBulkheadOptions } from './bulkhead.js';
import { runGuarded, type GuardDeps } from '../pipeline/guard.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** Lets only so many calls run at once. */
export class BulkheadStage implements Stage {
  readonly description: StageDescription;
  private readonly bulkhead: Bulkhead;

  constructor(
    options: ResolvedBulkheadOptions,
    private readonly deps: BulkheadDeps & GuardDeps,
  ) {
    this.bulkhead = new Bulkhead(options, deps);
    this.description = {
      stage: 'bulkhead',
      purpose:
        'Limits the calls that run at once. Outside of retry, so that a call keeps its slot over all its attempts ' +
        'and a refusal is neither retried nor counted by the circuit breaker.',
      options: { ...options },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const guard = (enter: () => Promise<T>): Promise<T> => this.bulkhead.execute(enter, call.signal);
    return runGuarded({ stage: 'bulkhead', code: 'BULKHEAD_FULL' }, guard, call, next, this.deps);
  }
}
