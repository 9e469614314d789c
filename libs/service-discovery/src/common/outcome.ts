/** How an attempt ended, as seen by the caller. */
export type Outcome =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** From sending to the response headers. */
      readonly latencyMs: number;
    }
  | {
      readonly kind: 'error';
      readonly error: unknown;
      readonly latencyMs: number;
      /** True only if the server certainly did not receive the request. */
      readonly neverSent: boolean;
      /** True if the caller stopped waiting: the error then says nothing about the instance. */
      readonly abandoned?: boolean;
    };

/**
 * What an outcome says about the instance:
 * - `success`: it answered properly, including a 4xx caused by the caller;
 * - `retryable`: it failed in a way that another instance may not;
 * - `failure`: it failed in a way that a retry would not fix;
 * - `ignored`: nothing (the caller aborted, a bulkhead refused).
 */
export type OutcomeClass = 'success' | 'retryable' | 'failure' | 'ignored';

/** Decides what an outcome counts as for breakers, retries and outlier detection. */
export type Classifier = (outcome: Outcome) => OutcomeClass;
