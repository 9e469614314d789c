import { joinSignals, sleep } from '../../common/index.js';
import { type ResolvedRetryOptions, type RetryDecision, RetryState } from '../../resilience/index.js';
import { type AttemptFailure, type Attempts } from './attempt.js';
import { type Call } from './call.js';
import { closedError } from './closed-error.js';
import { type CallStage, type CallStageDescription } from './stage.js';

const NO_RETRY: RetryDecision = { retry: false, why: 'attempts_used' };

/**
 * Makes attempts until one gives the caller what it wants, or none may follow. Each attempt picks an instance anew,
 * because another instance is the best cure for a failure.
 */
export class RetryStage implements CallStage {
  constructor(
    private readonly retry: ResolvedRetryOptions | null,
    private readonly attempts: Attempts,
  ) {}

  describe(): CallStageDescription[] {
    const inner = this.attempts.describe();
    if (!this.retry) return inner;
    const purpose =
      'Repeats failed attempts, within a budget for all calls. Around the pick, because another instance is the best cure.';
    return [{ stage: 'retry', per: 'service', purpose, options: { ...this.retry } }, ...inner];
  }

  async run<T>(call: Call<T>): Promise<T> {
    call.view.budget?.recordCall();
    const { signal } = call.scope;
    for (;;) {
      if (signal.aborted) throw signal.reason;
      const result = await this.attempts.run(call, decideOnRetry);
      if ('value' in result) return result.value;
      if (result.retryInMs > 0) await backOff(call, result.retryInMs);
    }
  }
}

function decideOnRetry<T>(call: Call<T>, failed: AttemptFailure): RetryDecision {
  const { view, prepared, request, scope } = call;
  const { retry } = view.settings;
  if (!retry) return NO_RETRY;
  call.retryState ??= new RetryState(retry, prepared, { random: call.deps.random, budget: view.budget });
  const decision = call.retryState.afterFailure({
    attempts: call.attempts,
    outcome: call.verdict,
    error: failed.error,
    notSent: failed.neverSent,
    retryAfterMs: failed.retryAfterMs,
    pushbackMs: failed.pushbackMs,
    aborted: scope.signal.aborted,
    remainingMs: scope.remainingMs(),
    // Both look through all instances, which is of use only where nothing else speaks against a retry.
    get anotherInstance() {
      return view.hasUntried(call.tried, request.criteria);
    },
    get circuitWaitMs() {
      return view.circuitWaitMs(request.criteria);
    },
  });
  if (decision.retry) {
    const { service, attempts } = call;
    const { delayMs } = decision;
    call.deps.events.emit('call.retried', { service, attempt: attempts + 1, delayMs, reason: failed.reason });
  }
  return decision;
}

/** @throws the signal's reason; an error when no further attempt may be made */
async function backOff<T>(call: Call<T>, delayMs: number): Promise<void> {
  const { clock, closing } = call.deps;
  const { signal } = call.scope;
  const either = joinSignals([signal, closing]);
  try {
    await sleep(clock, delayMs, either.signal);
  } catch (error) {
    throw signal.aborted ? error : closedError(call.service, call.last?.error);
  } finally {
    either.release();
  }
}
