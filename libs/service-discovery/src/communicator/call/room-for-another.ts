import { type AttemptTimeoutError } from '../../common/index.js';
import { isRetryableError, type RetryableErrors } from '../../resilience/index.js';
import { type Call } from './call.js';
import { pickContextOf } from './pick-context.js';

/**
 * How long an attempt may take before another instance gets its chance, in milliseconds: half of what is left of a call
 * that is no longer than the default of an attempt. Undefined where the attempt has its whole time, since
 * `attemptTimeout` was set or no other attempt may follow. Looks at no instance, as it is asked at every attempt.
 * @param now when the attempt begins, by `Clock.now()`
 */
export function halfTimeOf<T>(call: Call<T>, now: number): number | undefined {
  const { times, scope, view } = call;
  if (!times.leavesRoom) return undefined;
  const leftMs = scope.remainingMs(now);
  if (leftMs > times.attemptTimeoutMs || view.channel.instances.length < 2 || !mayFollow(call)) return undefined;
  return Math.ceil(leftMs / 2);
}

/** Whether another attempt would follow at once, at another instance, if this one ended now for its time. */
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
    // The user's function threw: the retry calls it again, and then its error reaches the caller.
    return true;
  }
}

function mayFollow<T>({ prepared, attempts, view }: Call<T>): boolean {
  const { retry } = view.settings;
  return retry !== null && prepared.idempotent && prepared.replayable && attempts < retry.maxAttempts;
}
