import { describe, expect, it } from '@jest/globals';
import { type Duration, type Random } from '../../common/index.js';
import { Backoff } from './retry-backoff.js';
import { type Jitter, RETRY_OPTIONS } from './retry-options.js';

const ALMOST_ONE = 1 - Number.EPSILON;
const backoff = (jitter: Jitter, random: Random, maxDelay: Duration = '1s'): Backoff =>
  new Backoff(RETRY_OPTIONS.resolve({ baseDelay: '100ms', maxDelay, jitter }), random);
const take = (source: Backoff, waits: number): number[] => Array.from({ length: waits }, () => source.next());

describe('Backoff', () => {
  it('doubles with each wait, up to the greatest delay', () => {
    const waits = take(backoff('none', Math.random), 20);
    expect(waits.slice(0, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(waits.at(-1)).toBe(1_000);
  });

  it('draws from all of [0, d) with full jitter', () => {
    const second = (random: number): number | undefined =>
      take(
        backoff('full', () => random),
        2,
      ).at(-1);
    expect([second(0), second(0.5)]).toEqual([0, 100]);
    expect(second(ALMOST_ONE)).toBeLessThan(200);
    expect(second(ALMOST_ONE)).toBeCloseTo(200);
  });

  it('draws from the upper half of [0, d) with equal jitter', () => {
    const second = (random: number): number | undefined =>
      take(
        backoff('equal', () => random),
        2,
      ).at(-1);
    expect([second(0), second(0.5)]).toEqual([100, 150]);
    expect(second(ALMOST_ONE)).toBeLessThan(200);
  });

  it('draws between the base and three times the wait before with decorrelated jitter', () => {
    expect(
      take(
        backoff('decorrelated', () => 0),
        3,
      ),
    ).toEqual([100, 100, 100]);
    expect(
      take(
        backoff('decorrelated', () => 0.5, '1m'),
        3,
      ),
    ).toEqual([200, 350, 575]);
    const highest = take(
      backoff('decorrelated', () => ALMOST_ONE),
      4,
    );
    expect(highest.map(Math.round)).toEqual([300, 900, 1_000, 1_000]);
    expect(highest[0]).toBeLessThan(300);
  });

  it.each(['none', 'decorrelated'] as const)(
    'starts over with the shortest wait after a reset, jitter %s',
    (jitter) => {
      const source = backoff(jitter, () => 0.5);
      const first = take(source, 3);
      source.reset();
      expect(take(source, 3)).toEqual(first);
    },
  );

  it('does not wait when baseDelay is 0', () => {
    for (const jitter of ['full', 'equal', 'decorrelated', 'none'] as const) {
      const source = new Backoff(RETRY_OPTIONS.resolve({ baseDelay: 0, jitter }), () => 0.5);
      expect(take(source, 3)).toEqual([0, 0, 0]);
    }
  });
});
