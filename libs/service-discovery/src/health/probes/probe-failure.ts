import { types } from 'node:util';
import { errors } from 'undici';
import { messageOf } from '../../common/index.js';
import { HostNotAllowedError } from '../../model/index.js';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name could not be looked up',
  UND_ERR_SOCKET: 'connection closed before the answer was complete',
  UND_ERR_HEADERS_OVERFLOW: 'headers too large',
};

const LONGEST_REASON = 200;

/**
 * Why a probe failed, in a few words, from whatever was thrown.
 * @param signal the probe's own: once it has aborted, its reason is the reason
 */
export function failureReason(thrown: unknown, signal?: AbortSignal): string {
  return describe(signal?.aborted ? signal.reason : thrown).slice(0, LONGEST_REASON);
}

function describe(error: unknown): string {
  // Whatever realm it was made in: a test runner's sandbox and Node's own sockets have different classes.
  if (!types.isNativeError(error)) return messageOf(error);
  if (error instanceof HostNotAllowedError) return error.message;
  // With several addresses tried, each has an error of its own; the first one speaks for them.
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0) return describe(error.errors[0]);
  if (error instanceof errors.HTTPParserError) return 'the answer is not HTTP';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return REASONS[code] ?? messageOf(error);
}
