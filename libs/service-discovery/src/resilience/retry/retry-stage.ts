import { type Random } from '../../common/index.js';
import { type HedgedAttempts } from '../hedging/hedge.js';
import { type Next, type StageDescription } from '../pipeline/stage.js';
import { type RetryBudget } from './retry-budget.js';
import { type ResolvedRetryOptions } from './retry-options.js';
import {
  type AttemptDriver,
  type EndedAttempt,
  type RetriedContext,
  type RetryDecision,
  RetryState,
} from './retry-state.js';

export interface RetryStageDeps<Context extends RetriedContext<Attempt>, Attempt extends EndedAttempt> {
  /** Undefined: attempts are made one after the other. */
  readonly hedged: HedgedAttempts<Context, Attempt> | undefined;
  /** For retries and hedges alike; undefined: neither is limited. */
  readonly budget: RetryBudget | undefined;
  readonly random: Random;
}

/**
 * Makes attempts until one succeeds or no other may follow: the innermost part of each pipeline.
 *
 * A failed attempt that no retry follows ends the call at once. That includes a retry whose delay would end after the
 * deadline, since waiting for a certain failure is useless.
 */
export class RetryStage<Context extends RetriedContext<Attempt>, Attempt extends EndedAttempt> implements Next<
  Context,
  unknown
> {
  private readonly budget: RetryBudget | undefined;
  private readonly attempts: Pick<AttemptDriver<Context, Attempt>, 'run'>;

  /** @param options undefined: each call gets one attempt, and its hedges */
  constructor(
    private readonly options: ResolvedRetryOptions | undefined,
    private readonly driver: AttemptDriver<Context, Attempt>,
    private readonly deps: RetryStageDeps<Context, Attempt>,
  ) {
    this.budget = deps.budget;
    this.attempts = deps.hedged ?? driver;
  }

  /** Describes the retry stage, if it retries, and the hedging stage, if there is one. */
  describe(): StageDescription[] {
    const purpose =
      'Repeats failed attempts, within a budget for all calls. Inside of the deadline and the limits, so that no retry ' +
      'escapes them.';
    const { options, deps } = this;
    const own: StageDescription[] = options ? [{ stage: 'retry', purpose, options: { ...options } }] : [];
    return deps.hedged ? [...own, deps.hedged.description] : own;
  }

  async run(call: Context): Promise<unknown> {
    const { driver, attempts } = this;
    this.budget?.recordCall();
    let state: RetryState | undefined;
    for (;;) {
      call.throwIfOver();
      const ended = await attempts.run(call);
      call.note(ended);
      if (!ended.failed) return ended.result();
      if (!this.options) return await driver.accept(call, ended, 'attempts_used');
      state ??= new RetryState(this.options, call.repeatability, this.deps);
      const decision = this.decide(call, ended, state);
      if (!decision.retry) return await driver.accept(call, ended, decision.why);
      ended.discard();
      if (decision.delayMs > 0) await call.pause(decision.delayMs);
    }
  }

  private decide(call: Context, ended: Attempt, state: RetryState): RetryDecision {
    const failure = this.driver.failureOf(call, ended);
    const decision = state.afterFailure(failure);
    const { service, events } = call;
    if (decision.retry) {
      const { delayMs } = decision;
      call.retried = true;
      events.emit('call.retried', { service, attempt: failure.attempts + 1, delayMs, reason: ended.reason });
    } else if (decision.why === 'budget_exhausted') {
      events.emit('call.retry_budget_exhausted', { service, attempts: failure.attempts, reason: ended.reason });
    }
    return decision;
  }
}
