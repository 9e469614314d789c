import { asCancellation, type Clock, DeadlineExceededError, nameOfRequest } from '../../common/index.js';
import { CancelScope, type TimeLimit } from '../../resilience/index.js';
import { type CallTimes } from '../options/index.js';
import { type Call } from './call.js';
import { givenDeadline } from './deadline-header.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/**
 * Limits the whole call. The time is the shortest of the call's timeout, of what is left to the work that this call is
 * part of, and of the header that the caller gave itself.
 */
export class DeadlineStage implements CallStage {
  constructor(
    private readonly times: CallTimes,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Limits the whole call. Outside of everything that waits or repeats, because it bounds ' +
      'waits and attempts together.';
    const { timeoutMs } = this.times;
    return [{ stage: 'deadline', per: 'service', purpose, options: { timeoutMs } }, ...this.next.describe()];
  }

  run<T>(call: Call<T>): Promise<T> {
    // Those who share a call have each their own limit.
    if (!call.shared) call.scope = openDeadline(call);
    return this.next.run(call);
  }
}

/**
 * The limit of time of whoever makes the call, which began with the call.
 * @throws DeadlineExceededError where the time is over already
 */
export function openDeadline<T>(call: Call<T>): CancelScope {
  const { clock, timers } = call.deps;
  call.givenDeadline = givenDeadline(call);
  const limit = new CallLimit(call, timeLeft(call, clock));
  if (limit.ms <= 0) throw limit.timeoutError();
  return new CancelScope(timers, call.caller && asCancellation(call.caller), limit, call.began);
}

/** Milliseconds from the beginning of the call. */
function timeLeft<T>({ times, givenDeadline, waitedMs }: Call<T>, clock: Clock): number {
  if (givenDeadline === Number.POSITIVE_INFINITY) return times.timeoutMs;
  return Math.min(times.timeoutMs, givenDeadline - clock.epoch() + waitedMs);
}

class CallLimit<T> implements TimeLimit {
  constructor(
    private readonly call: Call<T>,
    readonly ms: number,
  ) {}

  timeoutError(): DeadlineExceededError {
    const { service, prepared, attempts, last } = this.call;
    const request = nameOfRequest(prepared);
    return new DeadlineExceededError(Math.max(0, this.ms), { service, request, attempts, cause: last?.error });
  }
}
