import { joinSignals, sleep } from '../../common/index.js';
import {
  parsePushback,
  parseRetryAfter,
  type ResolvedRetryOptions,
  type RetryDecision,
  RetryState,
} from '../../resilience/index.js';
import { type Attempt, budgetExhausted } from './attempt.js';
import { type Attempts } from './attempts.js';
import { type Call } from './call.js';
import { closedError } from './closed-error.js';
import { pickContextOf } from './pick-context.js';
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
    call.view.limits.budget?.recordCall();
    const { scope } = call;
    for (;;) {
      if (scope.aborted) throw scope.reason;
      if (call.deps.closing.aborted) throw closedError(call.service, call.last?.error);
      const attempt = await this.attempts.run(call);
      call.note(attempt);
      if (!attempt.failed) return attempt.result();
      const decision = decideOnRetry(call, attempt);
      if (!decision.retry) {
        if (decision.why === 'budget_exhausted' && !attempt.response) throw budgetExhausted(call, attempt);
        return await attempt.accept();
      }
      attempt.discard();
      if (decision.delayMs > 0) await backOff(call, decision.delayMs);
    }
  }
}

function decideOnRetry<T>(call: Call<T>, failed: Attempt<T>): RetryDecision {
  const { view, prepared, request, scope } = call;
  const { retry } = view.settings;
  if (!retry) return NO_RETRY;
  call.retryState ??= new RetryState(retry, prepared, { random: call.deps.random, budget: view.limits.budget });
  const headers = failed.error === undefined ? failed.response?.headers : undefined;
  const decision = call.retryState.afterFailure({
    attempts: call.attempts,
    outcome: failed.verdict,
    error: failed.error,
    notSent: failed.neverSent,
    retryAfterMs: parseRetryAfter(headers?.['retry-after'], call.deps.clock.epoch()),
    pushbackMs: parsePushback(headers?.['grpc-retry-pushback-ms']),
    aborted: scope.aborted,
    remainingMs: scope.remainingMs(),
    // Both look through all instances, which is of use only where nothing else speaks against a retry.
    get anotherInstance() {
      return view.hasUntried(pickContextOf(view, request, prepared, call.idsTried(), view.refusal));
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
