import { classifyError, type ErrorClassifier, reasonOf } from '../classify.js';
import { type ShareableContext } from '../pipeline/call-context.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { isWorthLastGood, type LastGood, type LastGoodCache, type ResolvedLastGoodOptions } from './last-good-cache.js';

/** Answers a failed call with the last good answer. */
export class LastGoodStage<Context extends ShareableContext<Context>> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedLastGoodOptions,
    private readonly cache: LastGoodCache,
    private readonly classify: ErrorClassifier = classifyError,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'last_good',
      purpose:
        'Answers a failed call with the last good answer. Outside of everything that may fail or refuse; inside of a ' +
        'fallback, which is a poorer answer.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { key } = call;
    if (key === undefined) return next.run(call);
    const inner = call.forKeeping();
    let answer: { readonly value: T } | undefined;
    let failure: unknown;
    try {
      const kept = await next.run(inner);
      answer = { value: await call.receive(kept) };
      failure = call.failureIn(kept);
      if (failure === undefined) {
        if (call.mayShare(kept)) this.cache.remember(key, kept);
        else this.cache.forget(key);
        return answer.value;
      }
    } catch (error) {
      failure = error;
    } finally {
      inner.end();
      call.adopt(inner);
    }
    const stale = call.isAborted ? undefined : this.recall<T>(key, failure);
    if (stale) {
      const { service, events } = call;
      call.concealed = failure;
      events.emit('call.answered_stale', { service, ageMs: stale.ageMs, reason: reasonOf(failure) });
      return call.receive(stale.value, stale.ageMs);
    }
    if (answer) return answer.value;
    throw failure;
  }

  private recall<T>(key: string, failure: unknown): LastGood<T> | undefined {
    // An answer such as 404 makes what was kept obsolete.
    if (this.classify(failure) === 'success') this.cache.forget(key);
    return isWorthLastGood(failure, this.classify) ? (this.cache.recall(key) as LastGood<T> | undefined) : undefined;
  }
}
