import { describe, expect, it } from '@jest/globals';
import { AttemptTimeoutError, InvalidConfigurationError, type Problem, TransportError } from '../../common/index.js';
import { isIdempotentMethod, isRetryableError, RETRY_OPTIONS } from './retry-options.js';

describe('RETRY_OPTIONS', () => {
  it('fills in the defaults: three attempts, full jitter, a budget', () => {
    expect(RETRY_OPTIONS.resolve()).toEqual({
      maxAttempts: 3,
      baseDelay: 1_000,
      maxDelay: 60_000,
      jitter: 'full',
      retryableStatuses: [429, 500, [502, 504], [506, 599]],
      budget: { ratio: 0.2, minPerSecond: 10, window: 10_000 },
    });
  });

  it('accepts its own result', () => {
    const resolved = RETRY_OPTIONS.resolve({ baseDelay: '2s', budget: false, retryableStatuses: [409, [500, 503]] });
    expect(RETRY_OPTIONS.resolve(resolved)).toEqual(resolved);
  });

  it('takes codes, classes or a function for the errors that are worth another attempt', () => {
    const list = ['ECONNRESET', TypeError];
    const word = (): boolean => true;
    expect(RETRY_OPTIONS.resolve({ retryableErrors: list }).retryableErrors).toEqual(list);
    expect(RETRY_OPTIONS.resolve({ retryableErrors: [] }).retryableErrors).toEqual([]);
    expect(RETRY_OPTIONS.resolve({ retryableErrors: word }).retryableErrors).toBe(word);
    for (const wrong of ['ECONNRESET', [''], [503], [word], TypeError, Error, null, true]) {
      expect(() => RETRY_OPTIONS.resolve({ retryableErrors: wrong as never })).toThrow(
        'retry.retryableErrors: expected a list of error codes and classes of errors, or a function',
      );
    }
  });

  it('lets the default of one delay give way to the other', () => {
    expect(RETRY_OPTIONS.resolve({ baseDelay: '2m' })).toMatchObject({ baseDelay: 120_000, maxDelay: 120_000 });
    expect(RETRY_OPTIONS.resolve({ maxDelay: '200ms' })).toMatchObject({ baseDelay: 200, maxDelay: 200 });
  });

  it('names every wrong option in one error, including those of the budget', () => {
    const problemsOf = (options: object): readonly Problem[] => {
      try {
        RETRY_OPTIONS.resolve(options, 'clients.users.retry');
      } catch (error) {
        if (error instanceof InvalidConfigurationError) return error.problems;
      }
      return [];
    };
    const wrong = {
      maxAttempts: 21,
      baseDelay: -5,
      maxDelay: 'long',
      jitter: 'some',
      retryableStatuses: [200],
      budget: { ratio: 11 },
    };
    expect(problemsOf(wrong).map(({ path }) => path)).toEqual([
      'clients.users.retry.maxAttempts',
      'clients.users.retry.baseDelay',
      'clients.users.retry.maxDelay',
      'clients.users.retry.jitter',
      'clients.users.retry.retryableStatuses',
      'clients.users.retry.budget.ratio',
    ]);
    expect(problemsOf({ baseDelay: '2m', maxDelay: '1m' })).toEqual([
      {
        path: 'clients.users.retry.maxDelay',
        value: '1m',
        expected: 'a duration not shorter than baseDelay, which is 120000ms',
      },
    ]);
    for (const wrong of [503, [399], [600], ['503'], [503.5], [[500]], [[503, 500]], [[500, 600]], [[500, 502, 504]]]) {
      expect(problemsOf({ retryableStatuses: wrong })).toMatchObject([
        { path: 'clients.users.retry.retryableStatuses', value: wrong },
      ]);
    }
  });
});

describe('isIdempotentMethod', () => {
  it('knows the methods that may be sent twice, in any case of letters', () => {
    const idempotent = ['GET', 'head', 'Put', 'DELETE', 'OPTIONS', 'TRACE'];
    const not = ['POST', 'patch', 'CONNECT', 'PROPFIND', ''];
    expect([...idempotent, ...not].filter(isIdempotentMethod)).toEqual(idempotent);
  });
});

const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
const lost = new TransportError('The connection broke', false, { cause: reset });

describe('isRetryableError', () => {
  it('matches the code or the name of an error and of its causes', () => {
    expect(isRetryableError(reset, ['EPIPE', 'ECONNRESET'])).toBe(true);
    expect(isRetryableError(lost, ['ECONNRESET'])).toBe(true);
    expect(isRetryableError(lost, ['TRANSPORT_FAILURE'])).toBe(true);
    expect(isRetryableError(lost, ['TransportError'])).toBe(true);
    expect(isRetryableError(lost, ['EPIPE', 'ATTEMPT_TIMEOUT'])).toBe(false);
  });

  it('matches the class of an error and of its causes', () => {
    expect(isRetryableError(lost, [AttemptTimeoutError, TransportError])).toBe(true);
    expect(isRetryableError(new Error('around', { cause: lost }), [TransportError])).toBe(true);
    expect(isRetryableError(lost, [AttemptTimeoutError, TypeError])).toBe(false);
  });

  it('uses the result of a function', () => {
    expect(isRetryableError(lost, (error) => error === lost)).toBe(true);
    expect(isRetryableError(reset, (error) => error === lost)).toBe(false);
  });

  it('matches nothing with an empty list, and no value that is not an error', () => {
    expect(isRetryableError(reset, [])).toBe(false);
    for (const thrown of [undefined, null, 'ECONNRESET', 7])
      expect(isRetryableError(thrown, ['ECONNRESET'])).toBe(false);
  });

  it('stops at circular causes', () => {
    const circular = new Error('round');
    circular.cause = new Error('and round', { cause: circular });
    expect(isRetryableError(circular, ['ECONNRESET'])).toBe(false);
  });
});
