import { joinSignals, sleep } from '../../common/index.js';
import { backoffDelay } from '../../resilience/index.js';
import { type AttemptFailure, type Attempts, type RetryDecision } from './attempt.js';
import { type Call } from './call.js';
import { closedError } from './closed-error.js';
import { type CallStage } from './stage.js';

/**
 * Makes attempts until one gives the caller what it wants, or none may follow. Each attempt picks an instance anew,
 * because another instance is the best cure for a failure.
 */
export class RetryStage implements CallStage {
  constructor(private readonly attempts: Attempts) {}

  async run<T>(call: Call<T>): Promise<T> {
    const { retry } = call.settings;
    if (retry) call.channel.budget(retry)?.recordCall();
    const { signal } = call.scope;
    for (;;) {
      if (signal.aborted) throw signal.reason;
      const result = await this.attempts.run(call, decideOnRetry);
      if ('value' in result) return result.value;
      if (result.retryInMs > 0) await backOff(call, result.retryInMs);
    }
  }
}

function decideOnRetry<T>(call: Call<T>, { reason, neverSent, retryAfterMs = 0 }: AttemptFailure): RetryDecision {
  const { channel, settings, prepared, request, deps } = call;
  const { retry } = settings;
  if (!retry || call.attempts >= retry.maxAttempts) return 'none';
  if (!prepared.replayable || !(prepared.idempotent || neverSent)) return 'none';
  const delayMs = channel.hasUntried(call.tried, settings, request.criteria)
    ? 0
    : Math.max(
        backoffDelay(call.attempts, retry, deps.random),
        retryAfterMs,
        channel.circuitWaitMs(settings, request.criteria),
      );
  if (delayMs > retry.maxDelay || delayMs >= call.scope.remainingMs()) return 'none';
  if (channel.budget(retry)?.tryRetry() === false) return 'budget_exhausted';
  deps.events.emit('call.retried', { service: call.service, attempt: call.attempts + 1, delayMs, reason });
  return delayMs;
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
