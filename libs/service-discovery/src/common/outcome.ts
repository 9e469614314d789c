/** How an attempt ended, as seen by the caller. */
export type Outcome =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** From sending to the response's head. */
      readonly latencyMs: number;
    }
  | {
      readonly kind: 'error';
      readonly error: unknown;
      readonly latencyMs: number;
      /** True only where it is certain that the server never saw the request. */
      readonly neverSent: boolean;
      /** True where the caller stopped waiting: then the error is its own, and says nothing about the instance. */
      readonly abandoned?: boolean;
    };

/**
 * What an outcome means for the instance:
 * - `success`: it answered as it should, also with a 4xx that is the caller's own fault;
 * - `retryable`: a fault of the instance that another instance may not have;
 * - `failure`: a fault of the instance that a retry does not mend;
 * - `ignored`: says nothing about the instance (the caller aborted, a bulkhead refused).
 */
export type OutcomeClass = 'success' | 'retryable' | 'failure' | 'ignored';

export type Classifier = (outcome: Outcome) => OutcomeClass;
