import { describe, expect, it } from '@jest/globals';
import { type InvalidConfigurationError, type Problem } from '../../common/index.js';
import { COMMUNICATOR_OPTIONS, type CommunicatorOptions } from './communicator-options.js';
import { type OptionsContext, validateCommunicatorOptions } from './validate-options.js';

const problemsOf = (options: unknown, context?: OptionsContext, path = ''): readonly Problem[] => {
  try {
    validateCommunicatorOptions(options as CommunicatorOptions, path, context);
  } catch (error) {
    return (error as InvalidConfigurationError).problems;
  }
  return [];
};

const ignore = (): void => undefined;

describe('options of calls', () => {
  it.each<[unknown, string, string]>([
    [{ timeout: 0 }, 'timeout', 'from 1ms to 1d'],
    [{ timeout: Number.NaN }, 'timeout', 'from 1ms to 1d'],
    [{ attemptTimeout: '2d' }, 'attemptTimeout', 'from 1ms to 1d'],
    [{ concurrency: 0 }, 'concurrency', 'from 1 to 1000000'],
    [{ concurrency: 1.5 }, 'concurrency', 'whole number'],
    [{ concurrency: Number.NaN }, 'concurrency', 'from 1 to 1000000'],
    [{ coalescing: 'yes' }, 'coalescing', 'true or false'],
    [{ pattern: 'mobile' }, 'pattern', '"web"'],
    [{ loadBalancing: 'fastest' }, 'loadBalancing', 'round_robin'],
    [{ loadBalancing: { strategy: 'fastest' } }, 'loadBalancing.strategy', 'round_robin'],
    [{ loadBalancing: { panicThreshold: 2 } }, 'loadBalancing.panicThreshold', 'from 0 to 1'],
    [{ loadBalancing: { slowStart: { window: 'soon' } } }, 'loadBalancing.slowStart.window', 'duration'],
    [{ circuitBreaker: { failureThreshold: Number.NaN } }, 'circuitBreaker.failureThreshold', 'from 1 to 1000'],
    [{ circuitBreaker: { slowCallRate: 0.5 } }, 'circuitBreaker.slowCallDuration', 'beside slowCallRate'],
    [
      { circuitBreaker: { failureRate: 0.5, window: { calls: 10 }, minimumCalls: 20 } },
      'circuitBreaker.window.calls',
      'at least minimumCalls',
    ],
    [{ serviceCircuitBreaker: { recoveryTimeout: 0 } }, 'serviceCircuitBreaker.recoveryTimeout', 'from 1ms to 1d'],
    [{ outlierDetection: { interval: 0 } }, 'outlierDetection.interval', 'duration'],
    [{ retry: { maxAttempts: 0 } }, 'retry.maxAttempts', 'from 1 to 20'],
    [{ retry: { jitter: 'some' } }, 'retry.jitter', '"full"'],
    [{ retry: { retryableStatuses: [200] } }, 'retry.retryableStatuses', 'from 400 to 599'],
    [{ retry: { retryableErrors: 'ECONNRESET' } }, 'retry.retryableErrors', 'list of error codes'],
    [{ retry: { budget: { ratio: -1 } } }, 'retry.budget.ratio', 'from 0 to 10'],
    [{ hedging: { maxHedges: 6 } }, 'hedging.maxHedges', 'from 1 to 5'],
    [{ hedging: { delay: 'p30' } }, 'hedging.delay', 'percentile'],
    [{ bulkhead: {} }, 'bulkhead.maxConcurrent', 'from 1 to 1000000'],
    [{ bulkhead: { maxConcurrent: 1, maxQueue: -1 } }, 'bulkhead.maxQueue', 'from 0'],
    [{ rateLimit: { per: '1s' } }, 'rateLimit.rate', 'from 0.001'],
    [{ rateLimit: { rate: Number.NaN } }, 'rateLimit.rate', 'from 0.001'],
    [{ throttling: { k: 0.5 } }, 'throttling.k', 'from 1 to 100'],
    [{ lastGood: { maxAge: '8d' } }, 'lastGood.maxAge', 'from 1ms to 7d'],
    [{ chaos: { faultRate: 2 } }, 'chaos.faultRate', 'from 0 to 1'],
    [{ chaos: null }, 'chaos', 'object of options'],
    [{ chaos: { latency: '1s' } }, 'chaos.latencyRate', 'beside latency'],
    [{ chaos: { outcomeRate: 1, outcome: 'x' } }, 'chaos.outcome', 'a response such as'],
    [{ chaos: { outcomeRate: 1, outcome: null } }, 'chaos.outcome', 'a response such as'],
    [{ chaos: { outcomeRate: 1, outcome: { sttus: 500 } } }, 'chaos.outcome.sttus', 'did you mean "status"'],
    [{ chaos: { outcomeRate: 1, outcome: { status: '500' } } }, 'chaos.outcome.status', 'from 200 to 599'],
    [{ chaos: { outcomeRate: 1, outcome: { headers: [] } } }, 'chaos.outcome.headers', 'object of headers'],
    [{ retrys: {} }, 'retrys', 'did you mean "retry"'],
    [{ retry: { maxAttempt: 3 } }, 'retry.maxAttempt', 'no option of this name'],
    [{ hedging: true }, 'hedging', 'object of options'],
    [{ retry: 3 }, 'retry', 'object of options'],
    [{ bulkhead: null }, 'bulkhead', 'object of options'],
    [5, 'options', 'object of options'],
    [null, 'options', 'object of options'],
    [[], 'options', 'object of options'],
  ])('%j are refused, naming %s and what is allowed', (options, path, expected) => {
    const problems = problemsOf(options);
    expect(problems).toContainEqual(expect.objectContaining({ path }));
    expect(problems.find((problem) => problem.path === path)?.expected).toContain(expected);
  });

  describe.each(Object.keys(COMMUNICATOR_OPTIONS.defaults))('%s', (name) => {
    const right: Readonly<Record<string, readonly unknown[]>> = {
      loadBalancing: [ignore],
      coalescing: [true],
      mesh: [true],
    };

    it.each([['x'], [-5], [true], [[]], [null], [ignore], [new Map()]])(
      'takes %p only where its type does',
      (value) => {
        const wrong = right[name]?.includes(value) ? [] : [name];
        // Also over a group of the same name, which must not absorb the wrong value.
        for (const below of [{}, { [name]: {} } as CommunicatorOptions]) {
          const paths = problemsOf({ [name]: value }, { over: [below] }).map(({ path }) => path.split('.')[0]);
          expect([...new Set(paths)]).toEqual(wrong);
        }
      },
    );
  });

  it('may be absent', () => {
    expect(problemsOf(undefined)).toEqual([]);
  });

  it.each<[CommunicatorOptions, string, string]>([
    [{ timeout: '1s', attemptTimeout: '2s' }, 'attemptTimeout', 'at most the timeout of the whole call (1s)'],
    [{ hedging: { delay: '10s' } }, 'hedging.delay', 'shorter than attemptTimeout, which is 10000ms'],
    [{ hedging: { delay: '2s' }, timeout: '1s' }, 'hedging.delay', 'shorter than timeout, which is 1000ms'],
    [{ hedging: { delay: { minimum: '3s' } }, attemptTimeout: '3s' }, 'hedging.delay', 'which is 3000ms'],
    [{ hedging: {}, retry: { maxAttempts: 1 } }, 'hedging.maxHedges', 'fewer than retry.maxAttempts, which is 1'],
    [{ hedging: { maxHedges: 3 } }, 'hedging.maxHedges', 'fewer than retry.maxAttempts, which is 3'],
    [{ rateLimit: { rate: 1, maxWait: '31s' } }, 'rateLimit.maxWait', 'which is 30000ms'],
    [
      { bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: '2s' }, timeout: '1s' },
      'bulkhead.maxWait',
      'which is 1000ms',
    ],
    [
      { circuitBreaker: { slowCallRate: 0.5, slowCallDuration: '11s' } },
      'circuitBreaker.slowCallDuration',
      'which is 10000ms',
    ],
    [
      { serviceCircuitBreaker: { slowCallRate: 0.5, slowCallDuration: '2s' }, timeout: '1s' },
      'serviceCircuitBreaker.slowCallDuration',
      'at most what a call may take, which is 1000ms',
    ],
  ])('%j contradict each other at %s', (options, path, expected) => {
    const problems = problemsOf(options);
    expect(problems.map((problem) => problem.path)).toEqual([path]);
    expect(problems[0]?.expected).toContain(expected);
  });

  it('are validated together with the layers below', () => {
    const over = [{ bulkhead: { maxConcurrent: 5 }, circuitBreaker: { slowCallDuration: '2s' } }] as const;
    const options = { bulkhead: { maxQueue: 5 }, circuitBreaker: { slowCallRate: 0.5 } };
    expect(problemsOf(options)).toHaveLength(2);
    expect(problemsOf(options, { over })).toEqual([]);
    expect(problemsOf({ hedging: { delay: '2s' } }, { over: [{ attemptTimeout: '1s' }] })).toHaveLength(1);
  });

  it('with shorter times override what was set for longer ones', () => {
    expect(problemsOf({ timeout: '1s' }, { over: [{ hedging: { delay: '2s' }, attemptTimeout: '5s' }] })).toEqual([]);
  });

  it("may name a user's strategies", () => {
    const strategies = {
      fastest: () => ({ update: () => undefined, pick: () => ({ kind: 'unavailable', reason: 'no_match' }) }),
    } as never;
    expect(problemsOf({ loadBalancing: 'fastest' }, { strategies })).toEqual([]);
  });

  it('that are wrong are all named, with their path', () => {
    const wrong = { timeout: -1, retry: { maxAttempts: 99 }, rateLimit: { rate: 0 }, hedge: {} };
    expect(
      problemsOf(wrong, undefined, 'patterns.web')
        .map(({ path }) => path)
        .sort(),
    ).toEqual([
      'patterns.web.hedge',
      'patterns.web.rateLimit.rate',
      'patterns.web.retry.maxAttempts',
      'patterns.web.timeout',
    ]);
  });
});
