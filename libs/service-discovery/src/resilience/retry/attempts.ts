import { type Cancellation } from '../../common/index.js';
import { type CallContext } from '../pipeline/call-context.js';
import { type FailedAttempt, type NoRetryReason, type Repeatability } from './retry-state.js';

/** What retries and hedges need to know about a call. */
export interface RetriedContext<Attempt> extends CallContext {
  readonly repeatability: Repeatability;
  /** Attempts that have begun, hedges included. */
  readonly attemptsBegun: number;
  retried: boolean;
  /** Takes note of an attempt that has ended and was not outrun by a hedge. */
  note(attempt: Attempt): void;
  /** @throws the error that ends the call, when no further attempt may begin */
  throwIfOver(): void;
  /** @throws the error that ends the call during the wait */
  pause(delayMs: number): Promise<void>;
}

/** One attempt that has ended. */
export interface EndedAttempt {
  /** Whether another attempt may do better. */
  readonly failed: boolean;
  /** Whether a hedge beside it has become pointless: it succeeded, or the callee would give the same error again. */
  readonly isAnswer: boolean;
  readonly error: unknown;
  /** For events: an error's code, a status. */
  readonly reason: string;
  /** @throws the error that it ended with */
  result(): unknown;
  /** Releases what it holds, since its result is not wanted. */
  discard(): void;
}

/** Makes the attempts of calls: by calling a function, or by sending a request to an instance. */
export interface AttemptDriver<Context, Attempt extends EndedAttempt> {
  /**
   * @param parent ends the attempt; the call's scope, unless another attempt runs beside it
   * @throws the error that ends the call without an attempt, such as that no instance is available
   */
  run(call: Context, parent?: Cancellation, isHedge?: boolean): Promise<Attempt>;
  /** The facts that decide whether a retry follows. */
  failureOf(call: Context, attempt: Attempt): FailedAttempt;
  /**
   * The result of a failed attempt that no retry follows.
   * @throws the error of the call
   */
  accept(call: Context, attempt: Attempt, why: NoRetryReason): Promise<unknown>;
  /** Whether a hedge has an instance to go to. */
  canHedge(call: Context): boolean;
  /** The call was aborted while several attempts were running. */
  noteAbort?(call: Context, error: unknown): void;
}
