import { nameOfRequest, ResponseStatusError } from '../../common/index.js';
import {
  classifyError,
  isWorthLastGood,
  type LastGoodCache,
  reasonOf,
  type ResolvedLastGoodOptions,
} from '../../resilience/index.js';
import { buffer, type BufferedResponse, keyOfRequest, replay } from './buffered-response.js';
import { type Call } from './call.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/** Answers a GET that failed with the last good answer to the same request, also where it failed with a status. */
export class LastGoodStage implements CallStage {
  constructor(
    private readonly options: ResolvedLastGoodOptions,
    private readonly cache: LastGoodCache<BufferedResponse>,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose = 'Answers a failed GET with its last good answer. Outside of whatever may fail or refuse.';
    return [{ stage: 'last_good', per: 'service', purpose, options: { ...this.options } }, ...this.next.describe()];
  }

  async run<T>(call: Call<T>): Promise<T> {
    const key = keyOfRequest(call.request, call.prepared);
    if (key === undefined) return this.next.run(call);
    const inner = call.forUse(buffer);
    let answer: { readonly value: T } | undefined;
    let failure: unknown;
    try {
      const response = await this.next.run(inner);
      answer = { value: await call.consume(replay(response), call.prepared) };
      if (response.status < 400) {
        this.cache.remember(key, response);
        return answer.value;
      }
      failure = new ResponseStatusError(response.status, {}, undefined, {
        service: call.service,
        request: nameOfRequest(call.prepared),
      });
    } catch (error) {
      failure = error;
    } finally {
      inner.end();
      call.adopt(inner);
    }
    const stale = call.caller?.aborted ? undefined : this.recall(key, failure);
    if (stale) {
      const { service, deps } = call;
      call.concealed = failure;
      deps.events.emit('call.answered_stale', { service, ageMs: stale.ageMs, reason: reasonOf(failure) });
      return call.consume({ ...replay(stale.value), staleMs: stale.ageMs }, call.prepared);
    }
    if (answer) return answer.value;
    throw failure;
  }

  private recall(key: string, failure: unknown): ReturnType<LastGoodCache<BufferedResponse>['recall']> {
    // Such as 404: the service answered, and what it said before holds no more.
    if (classifyError(failure) === 'success') this.cache.forget(key);
    return isWorthLastGood(failure) ? this.cache.recall(key) : undefined;
  }
}
