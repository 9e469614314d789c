import { type Outcome, type OutcomeClass } from '../../common/index.js';
import {
  classifyError,
  classifyStatus,
  DEFAULT_RETRYABLE_STATUSES,
  type ResolvedRetryOptions,
} from '../../resilience/index.js';

/** Classifies the outcome of an attempt, using the retryable statuses of the retry options. */
export function classifyOutcome(outcome: Outcome, retry: ResolvedRetryOptions | null): OutcomeClass {
  const statuses = retry?.retryableStatuses ?? DEFAULT_RETRYABLE_STATUSES;
  if (outcome.kind === 'response') return classifyStatus(outcome.status, statuses);
  return outcome.abandoned ? 'ignored' : classifyError(outcome.error, statuses);
}
