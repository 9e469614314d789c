import { describe, expect, it } from '@jest/globals';
import { type HealthDetail } from '../model/index.js';
import { isHealthNews } from './health-news.js';

const seen: HealthDetail = { checkedAt: 1_000, latencyMs: 5, statusCode: 200, data: { db: { up: true } } };

describe('isHealthNews', () => {
  it.each<[string, HealthDetail | undefined, HealthDetail | undefined, boolean]>([
    ['a first detail', undefined, seen, true],
    ['a detail that is gone', seen, undefined, true],
    ['none, as before', undefined, undefined, false],
    ['another time and latency', seen, { ...seen, checkedAt: 60_999, latencyMs: 90 }, false],
    ['an equal answer in another object', seen, { ...seen, data: { db: { up: true } } }, false],
    ['a time that is a minute later', seen, { ...seen, checkedAt: 61_000 }, true],
    ['another answer', seen, { ...seen, data: { db: { up: false } } }, true],
    ['another status code', seen, { ...seen, statusCode: 204 }, true],
    ['that it flaps', seen, { ...seen, flapping: true }, true],
    ['that it flaps no more', { ...seen, flapping: true }, seen, true],
    ['a reason', seen, { ...seen, reason: 'slow' }, true],
  ])('of %s is answered as expected', (_what, announced, detail, news) => {
    expect(isHealthNews(announced, detail)).toBe(news);
  });
});
