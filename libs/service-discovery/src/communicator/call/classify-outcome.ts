import { type Outcome, type OutcomeClass } from '../../common/index.js';
import {
  classifyError,
  classifyStatus,
  DEFAULT_RETRYABLE_STATUSES,
  type ResolvedRetryOptions,
} from '../../resilience/index.js';

/** What an attempt's outcome says of the instance, by the statuses that the retry options call retryable. */
export function classifyOutcome(outcome: Outcome, retry: ResolvedRetryOptions | null): OutcomeClass {
  const statuses = retry?.retryableStatuses ?? DEFAULT_RETRYABLE_STATUSES;
  if (outcome.kind === 'response') return classifyStatus(outcome.status, statuses);
  return outcome.abandoned ? 'ignored' : classifyError(outcome.error, statuses);
}
