import { describe, expect, it } from '@jest/globals';
import {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  ConcurrencyLimitedError,
  DeadlineExceededError,
  InvalidConfigurationError,
  NoAvailableInstanceError,
  RateLimitedError,
  ResponseStatusError,
  ServiceDiscoveryError,
  ThrottledError,
  TransportError,
} from '../common/index.js';
import {
  classifyAbort,
  classifyError,
  classifyStatus,
  DEFAULT_RETRYABLE_STATUSES,
  reasonOf,
  statusOf,
} from './classify.js';

const withCode = (code: string): Error => Object.assign(new Error(code), { code });
const httpException = (status: number): Error => Object.assign(new Error('nest'), { getStatus: () => status });
const axiosError = (status: number): Error => Object.assign(new Error('axios'), { response: { status } });

describe('classifyError', () => {
  it.each([
    ['an abort', new DOMException('aborted', 'AbortError')],
    ['a cancelled axios request', Object.assign(withCode('ERR_CANCELED'), { name: 'CanceledError' })],
    ['an abort of undici', withCode('UND_ERR_ABORTED')],
    ['an abort of Node', withCode('ABORT_ERR')],
    ['a communicator that closed', new ServiceDiscoveryError('ABORTED', 'closed')],
    ['a full bulkhead', new BulkheadFullError({ limit: 1, queue: 0 })],
    ['a used up rate limit', new RateLimitedError({ rate: 5, perMs: 1_000 })],
    ['a call that was throttled', new ThrottledError({ probability: 0.5 })],
    ['a limit of concurrency that is reached', new ConcurrencyLimitedError({ limit: 1, queue: 0 })],
    ['a wrong request', new ServiceDiscoveryError('INVALID_REQUEST', 'bad path')],
    ['a wrong registration', new ServiceDiscoveryError('INVALID_INSTANCE', 'bad port')],
    ['a host that is not allowed', new ServiceDiscoveryError('HOST_NOT_ALLOWED', 'metadata address')],
    ['a wrong configuration', new InvalidConfigurationError([])],
    ['an argument that Node refuses', withCode('ERR_INVALID_ARG_TYPE')],
  ])('says nothing about the callee at %s', (_what, error) => {
    expect(classifyError(error)).toBe('ignored');
  });

  it.each([
    ['a refused connection', withCode('ECONNREFUSED')],
    ['a broken transport', new TransportError('reset', false)],
    ['an instance at a host that is not allowed', new TransportError('link-local', true, {}, 'HOST_NOT_ALLOWED')],
    ['an attempt that timed out', new AttemptTimeoutError(100)],
    ["a function's own time limit", new DOMException('late', 'TimeoutError')],
    ['an open circuit', new CircuitOpenError('open')],
    ['a service without an available instance', new NoAvailableInstanceError('users', 'all drain')],
    ['an error that says nothing', new Error('?')],
    ['a thrown text', 'oops'],
    ['nothing', undefined],
  ])('finds another attempt worth it at %s', (_what, error) => {
    expect(classifyError(error)).toBe('retryable');
  });

  it.each([
    ['a deadline', new DeadlineExceededError(100)],
    ['a used up retry budget', new ServiceDiscoveryError('RETRY_BUDGET_EXHAUSTED', 'too many')],
    ['a fallback that failed', new ServiceDiscoveryError('FALLBACK_FAILED', 'both')],
    ['a status 501', new ResponseStatusError(501, {}, null)],
  ])('finds a fault that a retry does not mend at %s', (_what, error) => {
    expect(classifyError(error)).toBe('failure');
  });

  it.each([
    ['of this library', (status: number) => new ResponseStatusError(status, {}, null)],
    ['of Nest', httpException],
    ['of axios', axiosError],
    ['with a status', (status: number) => Object.assign(new Error(), { status })],
    ['with a statusCode', (status: number) => Object.assign(new Error(), { statusCode: status })],
  ])('goes by the status of an error %s', (_whose, make) => {
    const verdicts = [404, 429, 501, 503].map((status) => classifyError(make(status)));
    expect(verdicts).toEqual(['success', 'retryable', 'failure', 'retryable']);
    expect(classifyError(make(501), [501])).toBe('retryable');
  });
});

describe('classifyStatus', () => {
  it.each([
    ['success', [200, 204, 301, 400, 401, 403, 404, 409, 422, 499]],
    ['retryable', [429, 500, 502, 503, 504, 506, 520, 599]],
    ['failure', [408, 501, 505]],
  ])('finds %s in %p', (expected, statuses) => {
    for (const status of statuses) expect(classifyStatus(status, DEFAULT_RETRYABLE_STATUSES)).toBe(expected);
  });

  it('takes a 429 that is not retryable for a failure', () => {
    expect(classifyStatus(429, [503])).toBe('failure');
  });

  it('takes ranges of statuses, both ends included', () => {
    const verdicts = [499, 500, 502, 503].map((status) => classifyStatus(status, [[500, 502]]));
    expect(verdicts).toEqual(['success', 'retryable', 'retryable', 'failure']);
  });
});

describe('classifyAbort', () => {
  it('blames the callee for a timeout, and ignores any other abort', () => {
    const reasons = [new DeadlineExceededError(1), new AttemptTimeoutError(1), new Error('the user left'), undefined];
    expect(reasons.map(classifyAbort)).toEqual(['failure', 'failure', 'ignored', 'ignored']);
  });
});

describe('statusOf', () => {
  it('finds the status of an error, if it has one', () => {
    expect([httpException(404), axiosError(503)].map(statusOf)).toEqual([404, 503]);
    const none = [
      undefined,
      'text',
      new Error(),
      { status: 200 },
      { status: '404' },
      { status: 600 },
      { response: null },
    ];
    expect(none.map(statusOf)).toEqual(none.map(() => undefined));
  });
});

describe('reasonOf', () => {
  it.each([
    ['CIRCUIT_OPEN', new CircuitOpenError('open')],
    ['status 503', new ResponseStatusError(503, {}, null)],
    ['status 404', httpException(404)],
    ['ECONNRESET', withCode('ECONNRESET')],
    ['broken', new Error('broken')],
    ['TypeError', new TypeError()],
    ['a text', 'a text'],
    ['{"odd":true}', { odd: true }],
  ])('is %p', (expected, error) => {
    expect(reasonOf(error)).toBe(expected);
  });
});
