import { describe, expect, it } from '@jest/globals';
import { type HedgePercentile, HEDGING_OPTIONS, shortestHedgeDelay } from './hedge-options.js';

const p95 = { percentile: 95, minimum: 1, maximum: 10_000, minimumCalls: 20, window: 60_000 };

describe('HEDGING_OPTIONS', () => {
  it('fills in the defaults: one hedge after the 95th percentile', () => {
    expect(HEDGING_OPTIONS.resolve()).toEqual({ delay: p95, maxHedges: 1 });
    expect(HEDGING_OPTIONS.resolve({ delay: 'p95' })).toEqual({ delay: p95, maxHedges: 1 });
    expect(HEDGING_OPTIONS.resolve({ delay: {} })).toEqual({ delay: p95, maxHedges: 1 });
  });

  it('takes a percentile, with as many calls as it needs', () => {
    const callsFor = (delay: HedgePercentile): unknown => HEDGING_OPTIONS.resolve({ delay }).delay;
    expect(callsFor('p50')).toEqual({ ...p95, percentile: 50 });
    expect(callsFor(' p99 ' as HedgePercentile)).toEqual({ ...p95, percentile: 99, minimumCalls: 100 });
    expect(callsFor('p97.5')).toEqual({ ...p95, percentile: 97.5, minimumCalls: 40 });
    expect(callsFor('p99.9')).toEqual({ ...p95, percentile: 99.9, minimumCalls: 1_000 });
  });

  it('takes settings of the percentile, or a fixed delay', () => {
    const delay = { percentile: 99, minimum: '5ms', maximum: '2s', minimumCalls: 500, window: '5m' } as const;
    expect(HEDGING_OPTIONS.resolve({ delay, maxHedges: 2 })).toEqual({
      delay: { percentile: 99, minimum: 5, maximum: 2_000, minimumCalls: 500, window: 300_000 },
      maxHedges: 2,
    });
    expect(HEDGING_OPTIONS.resolve({ delay: '50ms' }).delay).toBe(50);
    expect(HEDGING_OPTIONS.resolve({ delay: 0 }).delay).toBe(0);
  });

  it('accepts its own result', () => {
    for (const options of [{}, { delay: 20 }, { delay: 'p99', maxHedges: 3 }] as const) {
      const resolved = HEDGING_OPTIONS.resolve(options);
      expect(HEDGING_OPTIONS.resolve(resolved)).toEqual(resolved);
    }
  });

  it.each<[object, string]>([
    [{ delay: 'p49' }, `hedging.delay: expected a percentile from 'p50' to 'p99.9', but got "p49"`],
    [{ delay: 'p100' }, `hedging.delay: expected a percentile from 'p50' to 'p99.9', but got "p100"`],
    [{ delay: 'soon' }, 'hedging.delay: expected a duration from 0ms to 1h'],
    [{ delay: -1 }, 'hedging.delay: expected a duration from 0ms to 1h'],
    [{ delay: Number.NaN }, 'hedging.delay: expected a duration from 0ms to 1h'],
    [{ delay: '2h' }, 'hedging.delay: expected a duration from 0ms to 1h'],
    [{ delay: null }, 'hedging.delay: expected an object of options, but got null'],
    [{ delay: true }, 'hedging.delay: expected a duration'],
    [{ delay: { percentile: 100 } }, 'hedging.delay.percentile: expected a number from 50 to 99.9, but got 100'],
    [{ delay: { percentile: Number.NaN } }, 'hedging.delay.percentile: expected a number from 50 to 99.9, but got NaN'],
    [{ delay: { minimum: -1 } }, 'hedging.delay.minimum: expected a duration from 0ms to 1h'],
    [{ delay: { maximum: '2h' } }, 'hedging.delay.maximum: expected a duration from 0ms to 1h'],
    [{ delay: { minimumCalls: 1 } }, 'hedging.delay.minimumCalls: expected a whole number from 2 to 100000'],
    [{ delay: { window: '5ms' } }, 'hedging.delay.window: expected a duration from 1s to 1h'],
    [{ delay: { percent: 95 } }, 'hedging.delay.percent: expected no option of this name'],
    [{ delay: { percentile: 99, minimumCalls: 99 } }, 'hedging.delay.minimumCalls: expected at least 100, so that'],
    [
      { delay: { minimum: '5s', maximum: '1s' } },
      'hedging.delay.maximum: expected a duration not shorter than minimum',
    ],
    [{ maxHedges: 0 }, 'hedging.maxHedges: expected a whole number from 1 to 5, but got 0'],
    [{ maxHedges: 1.5 }, 'hedging.maxHedges: expected a whole number from 1 to 5, but got 1.5'],
    [{ hedges: 1 }, 'hedging.hedges: expected no option of this name'],
  ])('refuses %j', (options, message) => {
    expect(() => HEDGING_OPTIONS.resolve(options)).toThrow(message);
  });

  it('names every wrong option in one error', () => {
    const wrong = { maxHedges: 9, delay: { percentile: 1, minimum: 'x' as never, window: 0 } };
    expect(() => HEDGING_OPTIONS.resolve(wrong, 'users.hedging')).toThrow(
      /users\.hedging\.delay\.percentile.*\n.*delay\.minimum.*\n.*delay\.window.*\n.*users\.hedging\.maxHedges/,
    );
  });
});

describe('shortestHedgeDelay', () => {
  it('is the fixed delay, or the shortest that the percentile may come to', () => {
    expect(shortestHedgeDelay(HEDGING_OPTIONS.resolve({ delay: 30 }))).toBe(30);
    expect(shortestHedgeDelay(HEDGING_OPTIONS.resolve({ delay: { minimum: 7 } }))).toBe(7);
  });
});
