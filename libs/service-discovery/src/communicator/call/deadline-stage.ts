import { DeadlineExceededError } from '../../common/index.js';
import { CancelScope } from '../../resilience/index.js';
import { type CallTimes } from '../options/index.js';
import { type Call } from './call.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/**
 * The header that tells an instance when its caller stops waiting, in milliseconds since the Unix epoch. It is a moment
 * and not a length of time, so that whoever calls on hands it on as it is; the clocks of machines have to be in step.
 */
export const DEADLINE_HEADER = 'x-request-deadline';

/**
 * Limits the whole call, and tells the instances how long. The time is the shortest of the call's timeout, of what is
 * left to the work that this call is part of, and of the header that the caller gave itself.
 */
export class DeadlineStage implements CallStage {
  constructor(
    private readonly times: CallTimes,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Limits the whole call, and goes with each attempt. Outside of everything that waits or repeats, because it bounds ' +
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
 * The limit of time of whoever makes the call, which begins now. Writes it into the header, too.
 * @throws DeadlineExceededError where the time is over already
 */
export function openDeadline<T>(call: Call<T>): CancelScope {
  const { clock } = call.deps;
  const epoch = clock.epoch();
  const timeoutMs = Math.min(call.times.timeoutMs, givenDeadline(call) - epoch);
  const error = (): DeadlineExceededError =>
    new DeadlineExceededError(Math.max(0, timeoutMs), {
      service: call.service,
      attempts: call.attempts,
      cause: call.last?.error,
    });
  if (timeoutMs <= 0) throw error();
  call.prepared.headers[DEADLINE_HEADER] = headerFor(epoch, timeoutMs);
  return new CancelScope(clock, call.request.signal, { ms: timeoutMs, error });
}

/** The header's value for what ends in so many milliseconds. */
export function headerFor(epoch: number, remainingMs: number): string {
  return String(Math.round(epoch + remainingMs));
}

/** What others gave the call, in milliseconds since the Unix epoch; Infinity where nobody did. */
function givenDeadline<T>({ deps, prepared }: Call<T>): number {
  const ambient = deps.ambientDeadline?.();
  const own = prepared.headers[DEADLINE_HEADER];
  if (ambient === undefined && own === undefined) return Number.POSITIVE_INFINITY;
  return Math.min(asDeadline(ambient), asDeadline(own));
}

/** What makes no sense is no reason to refuse the call: the header may have come from outside, and is replaced. */
function asDeadline(value: unknown): number {
  const isDeadline = typeof value === 'number' || (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value));
  const deadline = isDeadline ? Number(value) : Number.NaN;
  return Number.isNaN(deadline) ? Number.POSITIVE_INFINITY : deadline;
}
