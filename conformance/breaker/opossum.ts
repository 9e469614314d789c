import OpossumBreaker from 'opossum';
import { MockedTime } from '../support/mocked-time.js';
import { FAILURES_TO_OPEN, type BreakerPart, type BreakerSettings } from './breaker-part.js';

/** It only supports rates: three failures open it if they are the entire minimum volume. */
export function opossumBreaker({ rate, recoveryMs, concurrency, isFault }: BreakerSettings): BreakerPart {
  const time = new MockedTime();
  const breaker = new OpossumBreaker((fn: () => Promise<unknown>) => fn(), {
    errorThresholdPercentage: (rate?.share ?? 0.5) * 100,
    volumeThreshold: rate?.minimumCalls ?? FAILURES_TO_OPEN,
    ...(rate && { rollingCountTimeout: rate.windowMs }),
    resetTimeout: recoveryMs,
    errorFilter: (error: Error) => !isFault(error),
    ...(concurrency !== undefined && { capacity: concurrency }),
  });
  let timesOpened = 0;
  breaker.on('open', () => timesOpened++);
  return {
    get state() {
      if (breaker.halfOpen) return 'half_open';
      return breaker.opened ? 'open' : 'closed';
    },
    get timesOpened() {
      return timesOpened;
    },
    call: <T>(fn: () => Promise<T>) => breaker.fire(fn) as Promise<T>,
    advance: (ms) => time.advance(ms),
    close() {
      breaker.shutdown();
      time.release();
    },
  };
}
