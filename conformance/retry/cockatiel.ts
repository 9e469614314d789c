import { ConstantBackoff, handleAll, retry } from 'cockatiel';
import { MockedTime } from '../support/mocked-time.js';
import { type RetryParts } from './retry-part.js';

const SLOW_MS = 60_000;

export const cockatielRetry: RetryParts = {
  retry: async ({ attempts }, pace) => {
    const time = new MockedTime();
    const delayMs = pace === 'slow' ? SLOW_MS : 0;
    const policy = retry(handleAll, { maxAttempts: attempts - 1, backoff: new ConstantBackoff(delayMs) });
    return {
      delayMs,
      call: (fn, signal) => policy.execute(fn, signal),
      advance: (ms) => time.advance(ms),
      close: async () => time.release(),
    };
  },
};
