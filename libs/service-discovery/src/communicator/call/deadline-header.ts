import { type PreparedRequest } from '../request.js';
import { type Call } from './call.js';

/**
 * The header that tells an instance when its caller stops waiting for it, in milliseconds since the Unix epoch. It is a
 * moment and not a length of time, so that whoever calls on hands it on as it is; the clocks of machines have to be in step.
 */
export const DEADLINE_HEADER = 'x-request-deadline';

/**
 * The request of the next attempt, with the moment at which nobody waits for this attempt any more: the end of its own
 * time or of the call's. An instance that goes on after that works for nobody, also where another attempt follows.
 * @param now when it begins, by `Clock.now()`
 */
export function requestOf<T>(call: Call<T>, now: number): PreparedRequest {
  const { deps, prepared, scope, times, attempts, shared, givenDeadline: given } = call;
  const remainingMs = Math.min(scope.remainingMs(now), times.attemptTimeoutMs);
  const ownEnd = Math.round(deps.clock.epoch() + remainingMs);
  // One that was given goes on as it is, although the two clocks of a machine do not tick at once.
  const deadline = textOf(given - ownEnd <= 1 ? Math.floor(given) : ownEnd);
  if (attempts > 1 || shared) return { ...prepared, headers: { ...prepared.headers, [DEADLINE_HEADER]: deadline } };
  // It has not gone anywhere yet, so that there is no need of a copy.
  prepared.headers[DEADLINE_HEADER] = deadline;
  return prepared;
}

let lastMoment = Number.NaN;
let lastText = '';

/** Of a number so long the text costs more than to remember it, and calls within one millisecond have the same. */
function textOf(moment: number): string {
  if (moment !== lastMoment) {
    lastText = String(moment);
    lastMoment = moment;
  }
  return lastText;
}

/** What others gave the call, in milliseconds since the Unix epoch; Infinity where nobody did. */
export function givenDeadline<T>({ deps, prepared }: Pick<Call<T>, 'deps' | 'prepared'>): number {
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
