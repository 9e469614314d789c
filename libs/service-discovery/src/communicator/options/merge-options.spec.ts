import { describe, expect, it } from '@jest/globals';
import { mergeOptions } from './merge-options.js';

describe('layers of options', () => {
  it('lie over each other value by value, inside of policies too', () => {
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

  it('say nothing by what is undefined', () => {
    const base = { timeout: '1s', retry: { maxAttempts: 2 }, loadBalancing: 'random' } as const;
    const over = { timeout: undefined, retry: { maxAttempts: undefined }, loadBalancing: undefined };
    expect(mergeOptions(base, over)).toEqual(base);
  });

  it('turn a policy off, and on again with what is given then', () => {
    expect(mergeOptions({ retry: { maxAttempts: 2 } }, { retry: false })).toEqual({ retry: false });
    expect(mergeOptions({ retry: { maxAttempts: 2 } }, { retry: false }, { retry: {} })).toEqual({ retry: {} });
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
