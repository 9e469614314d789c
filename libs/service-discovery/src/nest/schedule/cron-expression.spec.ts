import { describe, expect, it } from '@jest/globals';
import { parseCron } from './cron-expression.js';

/** In the time zone of the process. */
const at = (...time: [number, number, number, number, number, number]): number => new Date(...time).getTime();

describe('a cron expression', () => {
  it.each<[string, number, number]>([
    ['*/30 * * * * *', at(2026, 0, 1, 12, 0, 0), at(2026, 0, 1, 12, 0, 30)],
    ['*/30 * * * * *', at(2026, 0, 1, 12, 0, 29) + 999, at(2026, 0, 1, 12, 0, 30)],
    ['*/5 * * * *', at(2026, 0, 1, 12, 1, 0), at(2026, 0, 1, 12, 5, 0)],
    ['0 3 * * 1', at(2026, 0, 1, 12, 0, 0), at(2026, 0, 5, 3, 0, 0)],
  ])('%s has its next time after another one', (expression, after, next) => {
    expect(parseCron(expression).next(after)).toBe(next);
  });

  it('has the same times in whatever order it is asked', () => {
    const times = parseCron('*/10 * * * * *');
    const start = at(2026, 0, 1, 12, 0, 0);
    const asked = [0, 3_000, 9_999, 10_000, 15_000, 2_000, 25_000, 10_001];
    expect(asked.map((ms) => times.next(start + ms) - start)).toEqual([
      10_000, 10_000, 10_000, 20_000, 20_000, 10_000, 30_000, 20_000,
    ]);
  });

  it.each(['', 'often', '* * * *', '* * * * * * *', '60 * * * * *', '0 0 31 2 *'])(
    'is none where it is "%s"',
    (text) => {
      expect(() => parseCron(text)).toThrow();
    },
  );
});
