import { type Clock } from '../../common/index.js';
import { type EventSink } from '../../model/index.js';
import { classifyError, type ErrorClassifier } from '../classify.js';
import { hedge, mayHedge } from './hedge.js';
import { HedgeDelay } from './hedge-delay.js';
import { type ResolvedHedgingOptions } from './hedge-options.js';
import { type RetryBudget } from '../retry/retry-budget.js';
import { type ResolvedRetryOptions } from '../retry/retry-options.js';
import { REPEATABLE } from '../retry/retry-stage.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** What the hedging stage works with. */
export interface HedgingStageDeps {
  readonly clock: Clock;
  readonly events: EventSink;
  /** The `service` of its events. */
  readonly name: string;
  /** Undefined: hedges are not limited. */
  readonly budget: RetryBudget | undefined;
  /** Undefined where the policy does not retry: then this stage is the one that tells the budget of calls. */
  readonly retry: Pick<ResolvedRetryOptions, 'maxAttempts'> | undefined;
  /** The user's own. @default classifyError */
  readonly classify: ErrorClassifier | undefined;
}

/** Sends another attempt beside one that takes long. */
export class HedgingStage implements Stage {
  readonly description: StageDescription;
  private readonly delay: HedgeDelay;

  constructor(
    private readonly options: ResolvedHedgingOptions,
    private readonly deps: HedgingStageDeps,
  ) {
    this.delay = new HedgeDelay(options, deps.clock);
    this.description = {
      stage: 'hedging',
      purpose:
        'Sends another attempt beside one that takes long. Inside of retry, so that a retry follows only when all of ' +
        'them failed, and outside of the circuit breaker, so that it counts each attempt by itself.',
      options: { ...options },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { clock, events, name: service, budget, retry, classify = classifyError } = this.deps;
    const { progress, signal } = call;
    if (!retry) budget?.recordCall();
    const maxAttempts = retry?.maxAttempts ?? Infinity;
    const { attempts: before } = progress;
    // Those that chaos delays have begun too, though the function was not called yet.
    let begun = 0;
    let began = clock.now();
    const attempt = (own: AbortSignal, number: number): Promise<T> => {
      begun++;
      if (number > 0) {
        progress.hedges++;
        events.emit('call.hedged', { service, attempt: before + begun, afterMs: clock.now() - began });
        began = clock.now();
      }
      return next({ ...call, signal: own });
    };
    return hedge(attempt, {
      clock,
      signal,
      delay: this.delay,
      maxHedges: this.options.maxHedges,
      mayHedge: () =>
        mayHedge({ call: REPEATABLE, attempts: before + begun, maxAttempts, anotherInstance: true, budget }),
      // Such as a 404: the other side has answered, and would answer the same once more.
      isFinal: (error) => classify(error) === 'success',
    });
  }
}
