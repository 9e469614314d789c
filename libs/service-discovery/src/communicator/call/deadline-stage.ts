import { DeadlineExceededError } from '../../common/index.js';
import { CancelScope } from '../../resilience/index.js';
import { type CallTimes } from '../options/index.js';
import { type Call } from './call.js';
import { givenDeadline } from './deadline-header.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/**
 * Limits the whole call. The time is the shortest of the call's timeout, of what is
 * left to the work that this call is part of, and of the header that the caller gave itself.
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

  async run<T>(call: Call<T>): Promise<T> {
    // Those who share a call have each their own limit.
    if (call.shared) return this.next.run(call);
    const scope = openDeadline(call);
    call.scope = scope;
    try {
      return await this.next.run(call);
    } finally {
      scope.dispose();
    }
  }
}

/**
 * The limit of time of whoever makes the call, which begins now.
 * @throws DeadlineExceededError where the time is over already
 */
export function openDeadline<T>(call: Call<T>): CancelScope {
  const { clock } = call.deps;
  call.givenDeadline = givenDeadline(call);
  const timeoutMs = Math.min(call.times.timeoutMs, call.givenDeadline - clock.epoch());
  const error = (): DeadlineExceededError =>
    new DeadlineExceededError(Math.max(0, timeoutMs), {
      service: call.service,
      attempts: call.attempts,
      cause: call.last?.error,
    });
  if (timeoutMs <= 0) throw error();
  return new CancelScope(clock, call.request.signal, { ms: timeoutMs, error });
}
