import { type Bulkhead, type Release, type ResolvedBulkheadOptions } from '../../resilience/index.js';
import { type Call } from './call.js';
import { refused } from './refused.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/** Lets only so many calls run at once. */
export class BulkheadStage implements CallStage {
  constructor(
    private readonly options: ResolvedBulkheadOptions,
    private readonly bulkhead: Bulkhead,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Limits the calls that run at once. Outside of the retry, so that a call keeps its slot over all its attempts.';
    return [{ stage: 'bulkhead', per: 'service', purpose, options: { ...this.options } }, ...this.next.describe()];
  }

  async run<T>(call: Call<T>): Promise<T> {
    const { scope } = call;
    let release: Release;
    try {
      // A signal is made only for who has to wait.
      release = (scope.aborted ? null : this.bulkhead.tryAcquire()) ?? (await this.bulkhead.acquire(scope.signal));
    } catch (error) {
      throw refused(call, 'bulkhead', error);
    }
    try {
      return await this.next.run(call);
    } finally {
      release();
    }
  }
}
