import { classifyAbort, classifyError, statusOf } from './classify.js';

/**
 * What the outcome of a call says about the callee's load:
 * - `answered`: it did its work, or said why not, so its latency is a sample; every status but those below;
 * - `failed`: it failed for a reason other than load, so its latency is no sample: 500 and other 5xx, broken responses,
 *   errors of a function;
 * - `overloaded`: it said so (429, 503), or it or a service behind it took too long (504, timeouts);
 * - `unreachable`: no connection was made (refused, unknown host), or a proxy in front of it made none (502);
 * - `ignored`: nothing. The caller aborted, or our own side refused the call.
 */
export type LoadSignal = 'answered' | 'failed' | 'overloaded' | 'unreachable' | 'ignored';

const TIMED_OUT: ReadonlySet<unknown> = new Set([
  'ATTEMPT_TIMEOUT',
  'DEADLINE_EXCEEDED',
  'ECONNABORTED',
  'ESOCKETTIMEDOUT',
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
]);
const NOT_CONNECTED: ReadonlySet<unknown> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** Besides what `classifyError` ignores: the callee was not asked. */
const NOT_ASKED: ReadonlySet<unknown> = new Set([
  'CIRCUIT_OPEN',
  'NO_AVAILABLE_INSTANCE',
  'REGISTRY_UNAVAILABLE',
  'SERVICE_NOT_FOUND',
]);
/** Deeper than real chains of causes; one may be circular. */
const DEEPEST_CAUSE = 8;

/** What a response's status says about the load of its sender. */
export function loadSignalOfStatus(status: number): LoadSignal {
  if (status === 429 || status === 503 || status === 504) return 'overloaded';
  if (status === 502) return 'unreachable';
  return status < 500 ? 'answered' : 'failed';
}

/** What an error, or else its causes, says about the callee's load. Judges errors by their shape, as `classifyError` does. */
export function loadSignalOf(error: unknown): LoadSignal {
  let cause = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && typeof cause === 'object' && cause !== null; depth++) {
    const signal = ownSignalOf(cause);
    if (signal) return signal;
    cause = (cause as { cause?: unknown }).cause;
  }
  return 'failed';
}

/** The same for a call that could be aborted: a caller that leaves says nothing about load, a timeout does. */
export function loadSignalOfFailure(
  error: unknown,
  signal: Pick<AbortSignal, 'aborted' | 'reason'> | undefined,
): LoadSignal {
  if (!signal?.aborted || error !== signal.reason) return loadSignalOf(error);
  return classifyAbort(error) === 'failure' ? 'overloaded' : 'ignored';
}

function ownSignalOf(error: object): LoadSignal | undefined {
  const { code, name, neverSent } = error as { code?: unknown; name?: unknown; neverSent?: unknown };
  if (NOT_ASKED.has(code) || classifyError(error) === 'ignored') return 'ignored';
  if (TIMED_OUT.has(code) || name === 'TimeoutError') return 'overloaded';
  if (NOT_CONNECTED.has(code) || neverSent === true) return 'unreachable';
  const status = statusOf(error);
  return status === undefined ? undefined : loadSignalOfStatus(status);
}
