import { type ServiceInstance } from '../../model/index.js';

/** What went wrong: the answer itself (over gRPC, too), the connection, or nothing came in time. */
export type FailureKind = 'http' | 'tcp' | 'timeout';

/** What one probe found. */
export interface ProbeResult {
  readonly passed: boolean;
  /** The answer says nothing about the instance, so it counts neither way, whatever `passed` is. */
  readonly skipped?: true;
  /** Of one that was skipped: somebody has to change a setting before it can be otherwise. */
  readonly misconfigured?: true;
  /** Of a failure: of which kind it is. @default of none */
  readonly kind?: FailureKind;
  /** Why it failed or was skipped, in a few words; for one that passed, what was odd about the answer. */
  readonly reason?: string;
  /** The HTTP status, where there is one. */
  readonly statusCode?: number;
  /** The JSON that the instance answered. */
  readonly data?: unknown;
}

/**
 * Asks an instance how it is. A failure is a result; what a probe throws counts as a failure with the error's message.
 * When `signal` aborts, whoever asked has stopped waiting: the probe should free what it holds.
 */
export interface Probe {
  check(instance: ServiceInstance, signal: AbortSignal): Promise<ProbeResult>;
}
