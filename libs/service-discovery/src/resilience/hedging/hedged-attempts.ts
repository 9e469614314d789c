import { AttemptTimeoutError, SignalCancellation, type Clock } from '../../common/index.js';
import { type StageDescription } from '../pipeline/stage.js';
import { type AttemptDriver, type EndedAttempt, type RetriedContext } from '../retry/attempts.js';
import { type RetryBudget } from '../retry/retry-budget.js';
import { hedge, mayHedge } from './hedge.js';
import { type HedgeDelay } from './hedge-delay.js';
import { type ResolvedHedgingOptions } from './hedge-options.js';

export interface HedgedAttemptsDeps {
  readonly clock: Clock;
  /** Shared by all pipelines with the same settings for it. */
  readonly delay: HedgeDelay;
  /** Undefined: hedges are not limited. */
  readonly budget: RetryBudget | undefined;
  /** Of a call, retries and hedges included. */
  readonly maxAttempts: number;
}

/** Sends another attempt beside one that takes long. The first answer wins, and the attempts that it outran are aborted. */
export class HedgedAttempts<Context extends RetriedContext<Attempt>, Attempt extends EndedAttempt> {
  constructor(
    private readonly options: ResolvedHedgingOptions,
    private readonly driver: AttemptDriver<Context, Attempt>,
    private readonly deps: HedgedAttemptsDeps,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'hedging',
      purpose:
        'Sends another attempt beside one that takes long. Inside of the retry, so that a retry follows only when all of ' +
        'them have failed; outside of everything that belongs to a single attempt.',
      options: { ...this.options },
    };
  }

  async run(call: Context): Promise<Attempt> {
    const { driver, options } = this;
    const { idempotent, replayable } = call.repeatability;
    if (!idempotent || !replayable) return driver.run(call);
    const { clock, delay } = this.deps;
    const { signal } = call.scope;
    let began = clock.now();
    const attempt = async (own: AbortSignal, number: number): Promise<Attempt> => {
      const running = driver.run(call, new SignalCancellation(own), number > 0);
      const now = clock.now();
      if (number > 0) {
        const { service, attemptsBegun } = call;
        call.events.emit('call.hedged', { service, attempt: attemptsBegun, afterMs: now - began });
      }
      began = now;
      const ended = await running;
      if (number === 0 && ended.error instanceof AttemptTimeoutError) delay.record(clock.now() - now);
      return ended;
    };
    try {
      return await hedge(attempt, {
        clock,
        signal,
        delay,
        maxHedges: options.maxHedges,
        mayHedge: () => this.mayHedge(call),
        isWorthy: ({ isAnswer }) => isAnswer,
        discard: (ended) => ended.discard(),
      });
    } catch (error) {
      if (signal.aborted) driver.noteAbort?.(call, error);
      throw error;
    }
  }

  private mayHedge(call: Context): boolean {
    const { maxAttempts, budget } = this.deps;
    const { repeatability, attemptsBegun: attempts } = call;
    return mayHedge({
      call: repeatability,
      attempts,
      maxAttempts,
      anotherInstance: this.driver.canHedge(call),
      budget,
    });
  }
}
