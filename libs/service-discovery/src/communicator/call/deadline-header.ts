import { DEADLINE_KEY_HEADER } from '../deadline-key.js';
import { type CallTimes } from '../options/index.js';
import { type PreparedRequest } from '../request.js';
import { type CallDependencies } from './call-dependencies.js';
import { type CallScope } from './call-scope.js';

/**
 * The header that tells an instance when its caller stops waiting, in milliseconds since the Unix epoch. It is a point in
 * time, not a duration, so that a service passes it on unchanged to the services that it calls; the machines' clocks have
 * to be in sync.
 */
export const DEADLINE_HEADER = 'x-request-deadline';

interface CallWithDeadline {
  readonly deps: Pick<CallDependencies, 'clock' | 'deadlineKey'>;
  readonly prepared: PreparedRequest;
  readonly scope: CallScope;
  readonly times: CallTimes;
  readonly attempts: number;
  readonly shared: boolean;
  readonly givenDeadline: number;
}

/**
 * The request of the next attempt, with the deadline of this attempt: the end of its own time or of the call's. An
 * instance that works on after that does so in vain, even if another attempt follows.
 * @param now when it begins, by `Clock.now()`
 */
export function requestOf(call: CallWithDeadline, now: number): PreparedRequest {
  const { deps, prepared, scope, times, attempts, shared, givenDeadline: given } = call;
  const remainingMs = Math.min(scope.remainingMs(now), times.attemptTimeoutMs);
  const ownEnd = Math.round(deps.clock.epoch() + remainingMs);
  // A given deadline is passed on unchanged; the rounding allows for the two clocks of a machine, which do not tick at once.
  const deadline = textOf(given - ownEnd <= 1 ? Math.floor(given) : ownEnd);
  // A request that has not been sent yet needs no copy.
  const request = attempts > 1 || shared ? { ...prepared, headers: { ...prepared.headers } } : prepared;
  request.headers[DEADLINE_HEADER] = deadline;
  if (deps.deadlineKey !== undefined) request.headers[DEADLINE_KEY_HEADER] = deps.deadlineKey;
  return request;
}

let lastMoment = Number.NaN;
let lastText = '';

/** Caches the last text: making it costs more, and calls within one millisecond share it. */
function textOf(moment: number): string {
  if (moment !== lastMoment) {
    lastText = String(moment);
    lastMoment = moment;
  }
  return lastText;
}

/** The deadline that the caller works under or has set in the header, in milliseconds since the Unix epoch; Infinity: none. */
export function givenDeadline({
  deps,
  prepared,
}: {
  readonly deps: Pick<CallDependencies, 'ambientDeadline'>;
  readonly prepared: PreparedRequest;
}): number {
  const ambient = deps.ambientDeadline?.();
  const own = prepared.headers[DEADLINE_HEADER];
  if (ambient === undefined && own === undefined) return Number.POSITIVE_INFINITY;
  return Math.min(asDeadline(ambient), asDeadline(own));
}

/** A malformed deadline is ignored instead of refused: the header may have come from outside, and is replaced. */
function asDeadline(value: unknown): number {
  const isDeadline = typeof value === 'number' || (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value));
  const deadline = isDeadline ? Number(value) : Number.NaN;
  return Number.isNaN(deadline) ? Number.POSITIVE_INFINITY : deadline;
}
