import { describe, expect, it } from '@jest/globals';
import { type CommunicatorOptions } from './communicator-options.js';
import { mergeOptions } from './merge-options.js';

describe('layers of options', () => {
  it('override each other value by value, inside policies too', () => {
    expect(
      mergeOptions({ timeout: '1s', retry: { maxAttempts: 2, jitter: 'none' }, hedging: { maxHedges: 2 } }, undefined, {
        timeout: '2s',
        retry: { maxAttempts: 3 },
        bulkhead: { maxConcurrent: 1 },
      }),
    ).toEqual({
      timeout: '2s',
      retry: { maxAttempts: 3, jitter: 'none' },
      hedging: { maxHedges: 2 },
      bulkhead: { maxConcurrent: 1 },
    });
  });

  it('ignore undefined values', () => {
    const base = { timeout: '1s', retry: { maxAttempts: 2 }, loadBalancing: 'random' } as const;
    const over = { timeout: undefined, retry: { maxAttempts: undefined }, loadBalancing: undefined };
    expect(mergeOptions(base, over)).toEqual(base);
  });

  it('turn a policy off, and on again with the values given then', () => {
    expect(mergeOptions({ retry: { maxAttempts: 2 } }, { retry: false })).toEqual({ retry: false });
    expect(mergeOptions({ retry: { maxAttempts: 2 } }, { retry: false }, { retry: {} })).toEqual({ retry: {} });
  });

  it.each<[CommunicatorOptions, CommunicatorOptions, CommunicatorOptions]>([
    [{ retry: { maxDelay: '500ms' } }, { retry: { baseDelay: '1s' } }, { retry: { baseDelay: '1s', maxDelay: '1s' } }],
    [{ retry: { baseDelay: '1s' } }, { retry: { maxDelay: 100 } }, { retry: { baseDelay: 100, maxDelay: 100 } }],
    [{ retry: { baseDelay: '1s' } }, { retry: { maxDelay: '2s' } }, { retry: { baseDelay: '1s', maxDelay: '2s' } }],
    [
      { circuitBreaker: { recoveryTimeout: '10s', maxRecoveryTimeout: '20s' } },
      { circuitBreaker: { recoveryTimeout: '30s' } },
      { circuitBreaker: { recoveryTimeout: '30s', maxRecoveryTimeout: '30s' } },
    ],
    [
      { outlierDetection: { ejectionTime: '1m' } },
      { outlierDetection: { maxEjectionTime: '30s' } },
      { outlierDetection: { ejectionTime: '30s', maxEjectionTime: '30s' } },
    ],
  ])('adapt values that bound each other: %j, then %j', (below, above, merged) => {
    expect(mergeOptions(below, above)).toEqual(merged);
  });

  it('leave contradictions within one layer to validation', () => {
    const wrong = { retry: { baseDelay: '2s', maxDelay: '1s' } } as const;
    expect(mergeOptions({ retry: { maxDelay: '5s' } }, wrong)).toEqual(wrong);
  });

  it('change the strategy and keep the options beside it, or the other way round', () => {
    const merged = mergeOptions(
      { loadBalancing: { strategy: 'random', panicThreshold: 0.3 } },
      { loadBalancing: 'maglev' },
    );
    expect(merged.loadBalancing).toEqual({ strategy: 'maglev', panicThreshold: 0.3 });
    const other = mergeOptions({ loadBalancing: 'maglev' }, { loadBalancing: { panicThreshold: 0.3 } });
    expect(other.loadBalancing).toEqual({ strategy: 'maglev', panicThreshold: 0.3 });
  });
});
