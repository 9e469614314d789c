import { type CallContext } from '../pipeline/call-context.js';
import { refused } from '../pipeline/refused.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { type Bulkhead, type Release, type ResolvedBulkheadOptions } from './bulkhead.js';

/** Limits the concurrent calls. */
export class BulkheadStage<Context extends CallContext> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedBulkheadOptions,
    private readonly bulkhead: Bulkhead,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'bulkhead',
      purpose:
        'Limits the concurrent calls. Outside of the retry, so that a call keeps its slot over all its attempts and a ' +
        'refusal is neither retried nor counted by a circuit breaker.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { scope } = call;
    let release: Release;
    try {
      // Only a call that has to wait needs a signal.
      release = (scope.aborted ? null : this.bulkhead.tryAcquire()) ?? (await this.bulkhead.acquire(scope.signal));
    } catch (error) {
      throw refused(call, 'bulkhead', error);
    }
    try {
      return await next.run(call);
    } finally {
      release();
    }
  }
}
