import { describe, expect, it } from '@jest/globals';
import {
  ConcurrencyLimitedError,
  messageOf,
  RateLimitedError,
  ServiceDiscoveryError,
  ThrottledError,
} from '../../common/index.js';
import { toErrorBody } from './rest-error.js';

describe('toErrorBody', () => {
  it.each([
    [429, new RateLimitedError({ rate: 1, perMs: 1_000, retryAfterMs: 250, service: 'users' })],
    [503, new ThrottledError({ probability: 0.5, service: 'users' })],
    [503, new ConcurrencyLimitedError({ limit: 1, queue: 0, service: 'users' })],
  ])('answers %i where a limit of our own refused a call', (status, error) => {
    const { code, page, retryAfterMs } = error;
    expect(toErrorBody(error)).toMatchObject({
      status_code: status,
      error: { code, message: messageOf(error), page, service: 'users', retry_after_ms: retryAfterMs },
    });
  });

  it('says nothing of what a client cannot mend', () => {
    expect(toErrorBody(new ServiceDiscoveryError('INVALID_CONFIGURATION', 'wrong'))).toBeUndefined();
    expect(toErrorBody(new Error('wrong'))).toBeUndefined();
  });
});
