import { type Outcome } from '../../common/index.js';

/** What an outcome means for an instance's latency. */
export type LoadSignal =
  /** The instance answered; the latency is a sample. */
  | 'answered'
  /** The instance failed; failing fast must not count as being fast. */
  | 'failed'
  /** The caller stopped waiting; the response would have taken longer. */
  | 'given_up'
  /** This process rejected the attempt before it reached the instance. */
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

/** Errors are classified by their properties rather than by `instanceof`, since an attempt may end with any error. */
export function loadSignalOf(outcome: Outcome): LoadSignal {
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
