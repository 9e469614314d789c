import { types } from 'node:util';
import { messageOf, oneLine, tlsFailure, unansweredHint } from '../../common/index.js';
import { HostNotAllowedError } from '../../model/index.js';
import { type ProbeResult } from './probe.js';

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
 * What becomes of a check whose connection failed.
 * @param signal the probe's own: once it has aborted, the time was over
 * @param isSilent whether TLS is spoken, and nothing was answered
 */
export function connectionFailure(thrown: unknown, signal: AbortSignal, isSilent = false): ProbeResult {
  const isTimeout = signal.aborted || (types.isNativeError(thrown) && 'code' in thrown && thrown.code === 'ETIMEDOUT');
  return { passed: false, kind: isTimeout ? 'timeout' : 'tcp', reason: failureReason(thrown, signal, isSilent) };
}

/**
 * Why a probe failed, in a few words, from whatever was thrown.
 * @param signal the probe's own: once it has aborted, its reason is the reason
 * @param isSilent whether TLS is spoken, and nothing was answered
 */
export function failureReason(thrown: unknown, signal?: AbortSignal, isSilent = false): string {
  const error: unknown = signal?.aborted ? signal.reason : thrown;
  return shortReason(describe(error) + (isSilent ? unansweredHint(error) : ''));
}

/**
 * A reason as it is kept: every store, watcher and log line carries it, and an instance has a say in it by what it answers
 * and what it registered. So it is one short line.
 */
export function shortReason(reason: string): string {
  return oneLine(reason).slice(0, LONGEST_REASON);
}

function describe(error: unknown): string {
  // Whatever realm it was made in: a test runner's sandbox and Node's own sockets have different classes.
  if (!types.isNativeError(error)) return messageOf(error);
  if (error instanceof HostNotAllowedError) return error.message;
  // With several addresses tried, each has an error of its own; the first one speaks for them.
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0) return describe(error.errors[0]);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // Node's client has one code for a connection that was reset and for one that ended too early.
  if (code === 'ECONNRESET' && !('syscall' in error)) return 'connection closed before the answer was complete';
  if (code in REASONS) return REASONS[code]!;
  if (code.startsWith('HPE_')) return 'the answer is not valid HTTP';
  return tlsFailure(error) ?? messageOf(error);
}
