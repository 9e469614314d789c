import { describe, expect, it } from '@jest/globals';
import {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  DeadlineExceededError,
  NoAvailableInstanceError,
  ResponseStatusError,
  ServiceDiscoveryError,
  ServiceNotFoundError,
  TransportError,
} from '../common/index.js';
import { loadSignalOf, loadSignalOfFailure, loadSignalOfStatus, type LoadSignal } from './load-signal.js';

const withCode = (code: string, cause?: unknown): Error => Object.assign(new Error(code, { cause }), { code });
const answered = (status: number): ResponseStatusError => new ResponseStatusError(status, {}, undefined);

describe('loadSignalOfStatus', () => {
  it.each<[number, LoadSignal]>([
    [200, 'answered'],
    [302, 'answered'],
    [404, 'answered'],
    [408, 'answered'],
    [429, 'overloaded'],
    [500, 'failed'],
    [501, 'failed'],
    [502, 'unreachable'],
    [503, 'overloaded'],
    [504, 'overloaded'],
  ])('takes %i for %s', (status, signal) => {
    expect(loadSignalOfStatus(status)).toBe(signal);
    if (status >= 400) expect(loadSignalOf(answered(status))).toBe(signal);
  });
});

describe('loadSignalOf', () => {
  it.each<[LoadSignal, string, unknown]>([
    ['overloaded', 'an attempt that took too long', new AttemptTimeoutError(5)],
    [
      'overloaded',
      'a call that took too long, whatever failed before',
      new DeadlineExceededError(5, { cause: answered(500) }),
    ],
    ['overloaded', "a function's own time limit", new DOMException('late', 'TimeoutError')],
    [
      'overloaded',
      'a time limit of undici',
      new TransportError('late', false, { cause: withCode('UND_ERR_HEADERS_TIMEOUT') }),
    ],
    ['overloaded', 'a time limit of axios', withCode('ECONNABORTED')],
    [
      'overloaded',
      'a budget that ran out after a 503',
      new ServiceDiscoveryError('RETRY_BUDGET_EXHAUSTED', 'no', { cause: answered(503) }),
    ],
    ['unreachable', 'a request that never left', new TransportError('refused', true)],
    ['unreachable', 'a refused connection', withCode('ECONNREFUSED')],
    ['unreachable', 'a failed fetch', new TypeError('fetch failed', { cause: withCode('ENOTFOUND') })],
    ['failed', 'a response that broke off', new TransportError('reset', false, { cause: withCode('ECONNRESET') })],
    ['failed', 'an error that says nothing', new Error('?')],
    ['failed', 'a thrown text', 'oops'],
    ['failed', 'nothing', undefined],
    ['ignored', 'an abort', new DOMException('gone', 'AbortError')],
    ['ignored', 'a refusal of our own', new BulkheadFullError({ limit: 1, queue: 0 })],
    ['ignored', 'an open circuit', new CircuitOpenError('open', { cause: answered(503) })],
    ['ignored', 'a service without instances', new NoAvailableInstanceError('users', 'all drain')],
    ['ignored', 'an unknown service', new ServiceNotFoundError('users')],
  ])('is %s for %s', (signal, _what, error) => {
    expect(loadSignalOf(error)).toBe(signal);
  });

  it('stops at circular causes', () => {
    const error = new Error('?');
    error.cause = error;
    expect(loadSignalOf(error)).toBe('failed');
  });
});

describe('loadSignalOfFailure', () => {
  it("ignores a caller's abort, whatever its reason", () => {
    const reason = answered(503);
    expect(loadSignalOfFailure(reason, AbortSignal.abort(reason))).toBe('ignored');
    expect(loadSignalOfFailure(reason, AbortSignal.abort(new Error('another')))).toBe('overloaded');
    expect(loadSignalOfFailure(reason, new AbortController().signal)).toBe('overloaded');
    expect(loadSignalOfFailure(reason, undefined)).toBe('overloaded');
  });

  it('takes a timeout for overload of the callee', () => {
    const reason = new DeadlineExceededError(5);
    expect(loadSignalOfFailure(reason, AbortSignal.abort(reason))).toBe('overloaded');
  });
});
