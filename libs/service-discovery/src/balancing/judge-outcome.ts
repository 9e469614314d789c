import { type Outcome } from '../common/index.js';

/** What an outcome says of an instance's speed. */
export type LoadVerdict =
  /** It answered; its latency is a sample. */
  | 'answered'
  /** It did not do its work; how fast it failed to is no merit. */
  | 'failed'
  /** The caller stopped waiting: the answer would have taken longer. */
  | 'given_up'
  /** Something on our side refused the attempt: the instance had no part in it. */
  | 'not_sent';

const REFUSED_CODES: ReadonlySet<unknown> = new Set([
  'BULKHEAD_FULL',
  'CIRCUIT_OPEN',
  'CONCURRENCY_LIMITED',
  'INVALID_REQUEST',
  'RATE_LIMITED',
  'THROTTLED',
]);
const TOO_MANY_REQUESTS = 429;

/** Looks at the shape of errors rather than at their classes, since an attempt may end with any error. */
export function judge(outcome: Outcome): LoadVerdict {
  if (outcome.kind === 'response') {
    return outcome.status >= 500 || outcome.status === TOO_MANY_REQUESTS ? 'failed' : 'answered';
  }
  if (outcome.abandoned) return 'given_up';
  const { error } = outcome;
  if (typeof error !== 'object' || error === null) return 'failed';
  if ('name' in error && error.name === 'AbortError') return 'given_up';
  if (!('code' in error)) return 'failed';
  if (error.code === 'ABORTED') return 'given_up';
  return REFUSED_CODES.has(error.code) ? 'not_sent' : 'failed';
}
