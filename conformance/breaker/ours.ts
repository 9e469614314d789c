import { Bulkhead, CircuitBreaker } from 'nest-service-discovery/core';
import { ManualClock } from 'nest-service-discovery/testing';
import { FAILURES_TO_OPEN, type BreakerPart, type BreakerSettings } from './breaker-part.js';

export function ourBreaker({ rate, recoveryMs, permits, concurrency, isFault }: BreakerSettings): BreakerPart {
  const clock = new ManualClock();
  let timesOpened = 0;
  const breaker = new CircuitBreaker(
    {
      failureThreshold: rate ? false : FAILURES_TO_OPEN,
      ...(rate && { failureRate: rate.share, minimumCalls: rate.minimumCalls, window: rate.windowMs }),
      recoveryTimeout: recoveryMs,
      halfOpenPermits: permits,
    },
    {
      clock,
      onStateChange: ({ to }) => {
        if (to === 'open' || to === 'isolated') timesOpened++;
      },
      classify: (error) => (isFault(error as Error) ? 'failure' : 'ignored'),
    },
  );
  const bulkhead = concurrency === undefined ? undefined : new Bulkhead({ maxConcurrent: concurrency });
  return {
    get state() {
      return breaker.state === 'isolated' ? 'open' : breaker.state;
    },
    get timesOpened() {
      return timesOpened;
    },
    call: (fn, signal) =>
      bulkhead ? bulkhead.execute(() => breaker.execute(fn, signal), signal) : breaker.execute(fn, signal),
    isolate: () => breaker.isolate(),
    advance: (ms) => clock.advanceAsync(ms),
    close: () => undefined,
  };
}
