import { type ServiceInstance } from '../../model/index.js';

/** What failed: the response (also over gRPC), the connection, or the timeout. */
export type FailureKind = 'http' | 'tcp' | 'timeout';

/** The result of one probe. */
export interface ProbeResult {
  readonly passed: boolean;
  /** The result is inconclusive and not counted, whatever `passed` is. */
  readonly skipped?: true;
  /** Of a skipped probe: a setting has to be changed before it can be conclusive. */
  readonly misconfigured?: true;
  /** Kind of failure. @default unclassified */
  readonly kind?: FailureKind;
  /** Why it failed or was skipped, as a short phrase; for a pass, what was unusual about the response. */
  readonly reason?: string;
  /** The HTTP status, if there was a response. */
  readonly statusCode?: number;
  /** The JSON body of the response. */
  readonly data?: unknown;
}

/**
 * Checks an instance. A failure is a result; an error that it throws counts as a failure with the error's message. When
 * `signal` aborts, the result is no longer awaited and the probe should release its resources.
 */
export interface Probe {
  check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult>;
}
