import { AttemptTimeoutError, SignalCancellation } from '../../common/index.js';
import { hedge, type HedgeDelay, mayHedge, reasonOf, type ResolvedHedgingOptions } from '../../resilience/index.js';
import { type Attempt } from './attempt.js';
import { type Attempts, type SingleAttempts } from './attempts.js';
import { type Call } from './call.js';
import { classifyOutcome } from './classify-outcome.js';
import { pickContextOf } from './pick-context.js';
import { type CallStageDescription } from './stage.js';

/**
 * Attempts beside which others are sent, to other instances, where they take long. The first answer wins; those that are
 * overtaken are aborted, and say nothing of their instances.
 */
export class HedgedAttempts implements Attempts {
  /** @param delay shared by all callers with the same settings of it */
  constructor(
    private readonly options: ResolvedHedgingOptions,
    private readonly delay: HedgeDelay,
    private readonly single: SingleAttempts,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Sends another attempt beside one that takes long. Inside of the retry, so that one follows only when all of them ' +
      'failed; around the pick, because the instance that is slow is not asked twice.';
    return [{ stage: 'hedging', per: 'service', purpose, options: { ...this.options } }, ...this.single.describe()];
  }

  async run<T>(call: Call<T>): Promise<Attempt<T>> {
    if (!call.prepared.idempotent || !call.prepared.replayable) return this.single.run(call);
    const { clock } = call.deps;
    const { signal } = call.scope;
    const { delay } = this;
    let began = clock.now();
    const attempt = async (own: AbortSignal, number: number): Promise<Attempt<T>> => {
      const running = this.single.run(call, new SignalCancellation(own), number > 0);
      const afterMs = clock.now() - began;
      if (number > 0) call.deps.events.emit('call.hedged', { service: call.service, attempt: call.attempts, afterMs });
      began = clock.now();
      const ended = await running;
      if (number === 0 && ended.error instanceof AttemptTimeoutError) delay.record(ended.ms);
      return ended;
    };
    try {
      return await hedge(attempt, {
        clock,
        signal,
        delay,
        maxHedges: this.options.maxHedges,
        mayHedge: () => this.mayHedge(call),
        isWorthy: ({ failed }) => !failed,
        discard: (ended) => ended.discard(),
      });
    } catch (error) {
      if (signal.aborted) noteAbort(call, error);
      throw error;
    }
  }

  private mayHedge<T>(call: Call<T>): boolean {
    const { view, request, prepared, attempts, deps } = call;
    if (deps.closing.aborted) return false;
    return mayHedge({
      call: prepared,
      attempts,
      maxAttempts: view.settings.retry?.maxAttempts ?? Number.POSITIVE_INFINITY,
      anotherInstance: view.hasUntried(pickContextOf(view, request, prepared, call.idsTried(), view.refusal)),
      budget: view.limits.budget,
    });
  }
}

/** The call ended before any of the attempts did. */
function noteAbort<T>(call: Call<T>, error: unknown): void {
  const { picked: instance, abandoned, view } = call;
  if (!instance) return;
  const outcome = { kind: 'error', error, neverSent: false, abandoned, latencyMs: 0 } as const;
  const verdict = classifyOutcome(outcome, view.settings.retry);
  call.note({ instance, reason: reasonOf(error), status: undefined, verdict, error });
}
