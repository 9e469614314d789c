import { describe, expect, it } from '@jest/globals';
import { AttemptTimeoutError, TransportError } from '../../common/index.js';
import { isRetryableError } from './retryable-errors.js';

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
