import { types } from 'node:util';
import { messageOf, oneLine, tlsFailure, unansweredHint } from '../../common/index.js';
import { HostNotAllowedError, type ServiceInstance } from '../../model/index.js';

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

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name could not be looked up',
  ERR_HTTP2_ERROR: 'the answer is not HTTP/2',
  HPE_HEADER_OVERFLOW: 'headers too large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'chunk extensions too large',
  HPE_INVALID_CONSTANT: 'the answer is not HTTP',
  HPE_INVALID_VERSION: 'the answer is not HTTP',
};

const LONGEST_REASON = 200;

/**
 * The result of a check whose connection failed.
 * @param signal the probe's; if aborted, the check timed out
 * @param isSilent whether the probe speaks TLS and received nothing
 */
export function connectionFailure(thrown: unknown, signal: AbortSignal, isSilent = false): ProbeResult {
  const isTimeout = signal.aborted || (types.isNativeError(thrown) && 'code' in thrown && thrown.code === 'ETIMEDOUT');
  return { passed: false, kind: isTimeout ? 'timeout' : 'tcp', reason: failureReason(thrown, signal, isSilent) };
}

/**
 * Describes in a short phrase why a probe failed.
 * @param signal the probe's; if aborted, its reason is used
 * @param isSilent whether the probe speaks TLS and received nothing
 */
export function failureReason(thrown: unknown, signal?: AbortSignal, isSilent = false): string {
  const error: unknown = signal?.aborted ? signal.reason : thrown;
  return shortReason(describe(error) + (isSilent ? unansweredHint(error) : ''));
}

/**
 * Cuts a reason to one short line. Every store, watcher and log line carries it, and instances influence it by their
 * responses and registrations.
 */
export function shortReason(reason: string): string {
  return oneLine(reason).slice(0, LONGEST_REASON);
}

function describe(error: unknown): string {
  // `instanceof Error` fails across realms: a test runner's sandbox and Node's sockets have different classes.
  if (!types.isNativeError(error)) return messageOf(error);
  if (error instanceof HostNotAllowedError) return messageOf(error);
  // If several addresses were tried, use the error of the first.
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0) return describe(error.errors[0]);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // Node's client uses this code both for a reset and for a connection that ended too early.
  if (code === 'ECONNRESET' && !('syscall' in error)) return 'connection closed before the answer was complete';
  if (code in REASONS) return REASONS[code]!;
  if (code.startsWith('HPE_')) return 'the answer is not valid HTTP';
  return tlsFailure(error) ?? messageOf(error);
}
