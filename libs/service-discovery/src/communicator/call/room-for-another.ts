import { type AttemptTimeoutError } from '../../common/index.js';
import { isRetryableError, type RetryableErrors } from '../../resilience/index.js';
import { type Call } from './call.js';
import { pickContextOf } from './pick-context.js';

/**
 * Timeout of an attempt that leaves time for another instance, in milliseconds: half of what is left of the call, if
 * that is at most the default attempt timeout. Undefined if the attempt has its whole time, since `attemptTimeout` was
 * set or no other attempt may follow. Runs at every attempt, so it looks at no instances.
 * @param now when the attempt begins, by `Clock.now()`
 */
export function halfTimeOf<T>(call: Call<T>, now: number): number | undefined {
  const { times, scope, view } = call;
  if (!times.leavesRoom) return undefined;
  const leftMs = scope.remainingMs(now);
  if (leftMs > times.attemptTimeoutMs || view.channel.instances.length < 2 || !mayFollow(call)) return undefined;
  return Math.ceil(leftMs / 2);
}

/** Whether an attempt at another instance would follow immediately if this one timed out now. */
export function anotherCanBeTried<T>(call: Call<T>, ended: AttemptTimeoutError): boolean {
  const { view, request, prepared, deps } = call;
  if (deps.closing.aborted || !mayFollow(call) || view.limits.budget?.available === 0) return false;
  const { retryableErrors } = view.settings.retry ?? {};
  if (retryableErrors && !isWorthAnother(ended, retryableErrors)) return false;
  return view.hasUntried(pickContextOf(view, request, prepared, call.idsTried(), view.refusal));
}

function isWorthAnother(ended: AttemptTimeoutError, retryableErrors: RetryableErrors): boolean {
  try {
    return isRetryableError(ended, retryableErrors);
  } catch {
    // The user's function threw. The retry stage calls it again, and its error then reaches the caller.
    return true;
  }
}

function mayFollow<T>({ prepared, attempts, view }: Call<T>): boolean {
  const { retry } = view.settings;
  return retry !== null && prepared.idempotent && prepared.replayable && attempts < retry.maxAttempts;
}
