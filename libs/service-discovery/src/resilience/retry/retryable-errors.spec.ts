import { describe, expect, it } from '@jest/globals';
import { AttemptTimeoutError, TransportError } from '../../common/index.js';
import { isRetryableError } from './retryable-errors.js';

const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
const lost = new TransportError('The connection broke', false, { cause: reset });

describe('isRetryableError', () => {
  it('goes by the code or the name of an error, and of what caused it', () => {
    expect(isRetryableError(reset, ['EPIPE', 'ECONNRESET'])).toBe(true);
    expect(isRetryableError(lost, ['ECONNRESET'])).toBe(true);
    expect(isRetryableError(lost, ['TRANSPORT_FAILURE'])).toBe(true);
    expect(isRetryableError(lost, ['TransportError'])).toBe(true);
    expect(isRetryableError(lost, ['EPIPE', 'ATTEMPT_TIMEOUT'])).toBe(false);
  });

  it('goes by the class of an error, and of what caused it', () => {
    expect(isRetryableError(lost, [AttemptTimeoutError, TransportError])).toBe(true);
    expect(isRetryableError(new Error('around', { cause: lost }), [TransportError])).toBe(true);
    expect(isRetryableError(lost, [AttemptTimeoutError, TypeError])).toBe(false);
  });

  it('goes by what a function says', () => {
    expect(isRetryableError(lost, (error) => error === lost)).toBe(true);
    expect(isRetryableError(reset, (error) => error === lost)).toBe(false);
  });

  it('finds no error worth it in an empty list, nor in what is no error', () => {
    expect(isRetryableError(reset, [])).toBe(false);
    for (const thrown of [undefined, null, 'ECONNRESET', 7])
      expect(isRetryableError(thrown, ['ECONNRESET'])).toBe(false);
  });

  it('comes to an end where causes go in a circle', () => {
    const circular = new Error('round');
    circular.cause = new Error('and round', { cause: circular });
    expect(isRetryableError(circular, ['ECONNRESET'])).toBe(false);
  });
});
