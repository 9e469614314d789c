import { type CommunicatorOptions, type ServiceCommunicator } from 'nest-service-discovery/core';

/** Short recovery, so that circuits open and close many times instead of staying open for most of a soak. */
const SHORT_OUTAGES: CommunicatorOptions = {
  circuitBreaker: { failureThreshold: 5, recoveryTimeout: '5ms' },
  retry: { baseDelay: '1ms', maxDelay: '10ms' },
};

/** Together, these use every stage. */
const VARIANTS: Readonly<Record<string, CommunicatorOptions>> = {
  plain: { timeout: '200ms', attemptTimeout: '50ms' },
  impatient: { timeout: '20ms', attemptTimeout: '5ms' },
  hedged: { hedging: { delay: '3ms' }, timeout: '200ms', attemptTimeout: '100ms' },
  guarded: {
    loadBalancing: { strategy: 'p2c_ewma', slowStart: { window: '1s' }, panicThreshold: 0.5 },
    outlierDetection: { consecutiveFailures: 3, interval: '100ms', ejectionTime: '50ms' },
    serviceCircuitBreaker: { failureRate: 0.5, minimumCalls: 50, window: '1s', recoveryTimeout: '20ms' },
    timeout: '200ms',
    attemptTimeout: '30ms',
  },
  limited: {
    bulkhead: { maxConcurrent: 8, maxQueue: 4, maxWait: '20ms' },
    rateLimit: { rate: 200, burst: 20, maxWait: '5ms' },
    concurrency: 4,
    timeout: '100ms',
    attemptTimeout: '30ms',
  },
  adaptive: { adaptiveConcurrency: {}, throttling: {}, timeout: '100ms', attemptTimeout: '30ms' },
  shared: { coalescing: true, lastGood: {}, hedging: { delay: '3ms' }, timeout: '100ms', attemptTimeout: '50ms' },
  chaotic: {
    chaos: { faultRate: 0.1, latencyRate: 0.1, latency: [0, 5] },
    loadBalancing: { strategy: 'consistent_hash', hash: { boundedLoad: 1.25 } },
    timeout: '100ms',
    attemptTimeout: '20ms',
  },
};

/** Communicators that share connections, breakers and statistics, but enable different stages. */
export function variantsOf(communicator: ServiceCommunicator): readonly ServiceCommunicator[] {
  const base = communicator.withOptions(SHORT_OUTAGES);
  return Object.values(VARIANTS).map((options) => base.withOptions(options));
}
