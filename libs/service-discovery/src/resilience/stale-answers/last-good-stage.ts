import { type Clock } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { classifyError, type ErrorClassifier, reasonOf } from '../classify.js';
import { isWorthLastGood, LastGoodCache, type ResolvedLastGoodOptions } from './last-good-cache.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** What the stage of last good answers works with. */
export interface LastGoodStageDeps {
  readonly clock: Clock;
  readonly events: EventSink;
  /** The `service` of its events. */
  readonly name: string;
  /** The user's own. @default classifyError */
  readonly classify: ErrorClassifier | undefined;
}

/** Answers with what came last where a call fails now. */
export class LastGoodStage implements Stage {
  readonly description: StageDescription;
  private readonly cache: LastGoodCache;

  constructor(
    options: ResolvedLastGoodOptions,
    private readonly deps: LastGoodStageDeps,
  ) {
    this.cache = new LastGoodCache(options, deps);
    this.description = {
      stage: 'last_good',
      purpose:
        'Answers a failed call with the last good answer. Outside of whatever may fail or refuse; inside of the fallback, ' +
        'which is a poorer answer.',
      options: { ...options },
    };
  }

  async run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { key, signal } = call;
    if (key === undefined) return next(call);
    try {
      const value = await next(call);
      this.cache.remember(key, value);
      return value;
    } catch (error) {
      if (signal.aborted) throw error;
      // Such as 404: the callee answered, and what it said before holds no more.
      const { events, name: service, classify = classifyError } = this.deps;
      if (classify(error) === 'success') this.cache.forget(key);
      if (!isWorthLastGood(error, classify)) throw error;
      const lastGood = this.cache.recall(key);
      if (!lastGood) throw error;
      events.emit('call.answered_stale', { service, ageMs: lastGood.ageMs, reason: reasonOf(error) });
      return lastGood.value as T;
    }
  }
}
