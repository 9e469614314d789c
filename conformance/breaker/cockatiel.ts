import {
  bulkhead,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
  SamplingBreaker,
  wrap,
} from 'cockatiel';
import { MockedTime } from '../support/mocked-time.js';
import { FAILURES_TO_OPEN, type BreakerPart, type BreakerSettings } from './breaker-part.js';

/** The bulkhead is outermost, so that its refusals do not reach the breaker. */
export function cockatielBreaker({ rate, recoveryMs, concurrency, isFault }: BreakerSettings): BreakerPart {
  const time = new MockedTime();
  const breaker = circuitBreaker(handleWhen(isFault), {
    halfOpenAfter: recoveryMs,
    breaker: rate
      ? new SamplingBreaker({
          threshold: rate.share,
          duration: rate.windowMs,
          minimumRps: (rate.minimumCalls * 1_000) / rate.windowMs,
        })
      : new ConsecutiveBreaker(FAILURES_TO_OPEN),
  });
  let timesOpened = 0;
  breaker.onBreak(() => timesOpened++);
  const policy = concurrency === undefined ? breaker : wrap(bulkhead(concurrency), breaker);
  return {
    get state() {
      if (breaker.state === CircuitState.HalfOpen) return 'half_open';
      return breaker.state === CircuitState.Closed ? 'closed' : 'open';
    },
    get timesOpened() {
      return timesOpened;
    },
    call: (fn, signal) => policy.execute(fn, signal),
    isolate: () => void breaker.isolate(),
    advance: (ms) => time.advance(ms),
    close: () => time.release(),
  };
}
