import { describe, expect, it } from '@jest/globals';
import { type HealthDetail } from '../model/index.js';
import { isHealthNews } from './registry-store.js';

const seen: HealthDetail = { checkedAt: 1_000, latencyMs: 5, statusCode: 200, data: { db: { up: true } } };

describe('isHealthNews', () => {
  it.each<[what: string, news: boolean, announced: HealthDetail | undefined, detail: HealthDetail | undefined]>([
    ['a first detail', true, undefined, seen],
    ['a removed detail', true, seen, undefined],
    ['no detail, as before', false, undefined, undefined],
    ['another time and latency only', false, seen, { ...seen, checkedAt: 60_999, latencyMs: 90 }],
    ['an equal response in another object', false, seen, { ...seen, data: { db: { up: true } } }],
    ['a time a minute later', true, seen, { ...seen, checkedAt: 61_000 }],
    ['another response', true, seen, { ...seen, data: { db: { up: false } } }],
    ['another status code', true, seen, { ...seen, statusCode: 204 }],
    ['the start of flapping', true, seen, { ...seen, flapping: true }],
    ['the end of flapping', true, { ...seen, flapping: true }, seen],
    ['a new reason', true, seen, { ...seen, reason: 'slow' }],
  ])('for %s is %p', (_what, news, announced, detail) => {
    expect(isHealthNews(announced, detail)).toBe(news);
  });
});
