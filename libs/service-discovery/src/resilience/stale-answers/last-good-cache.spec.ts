import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  DeadlineExceededError,
  InvalidConfigurationError,
  NoAvailableInstanceError,
  ResponseStatusError,
  TransportError,
} from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { isWorthLastGood, LastGoodCache, LAST_GOOD_OPTIONS } from './last-good-cache.js';

describe('LastGoodCache', () => {
  let clock: ManualClock;

  beforeEach(() => {
    clock = new ManualClock();
  });

  it('recalls the last answer for a key, with its age', () => {
    const cache = new LastGoodCache<string>({}, { clock });
    expect(cache.recall('a')).toBeUndefined();
    cache.remember('a', 'old');
    clock.advance(1_000);
    cache.remember('a', 'new');
    cache.remember('b', 'another');
    clock.advance(250);
    expect([cache.recall('a'), cache.recall('a'), cache.size]).toEqual([
      { value: 'new', ageMs: 250 },
      { value: 'new', ageMs: 250 },
      2,
    ]);
  });

  it('drops answers older than maxAge, and a recall does not renew them', () => {
    const cache = new LastGoodCache<string>({ maxAge: '10s' }, { clock });
    cache.remember('a', 'answer');
    clock.advance(5_000);
    cache.recall('a');
    clock.advance(5_000);
    expect(cache.recall('a')).toEqual({ value: 'answer', ageMs: 10_000 });
    clock.advance(1);
    expect([cache.recall('a'), cache.size]).toEqual([undefined, 0]);
  });

  it('evicts the least recently used entry, where recalls count as use', () => {
    const cache = new LastGoodCache<number>({ maxEntries: 3 }, { clock });
    for (const [index, key] of ['a', 'b', 'c'].entries()) cache.remember(key, index);
    cache.recall('a');
    cache.remember('b', 3);
    cache.remember('d', 4);
    expect(['a', 'b', 'c', 'd'].map((key) => cache.recall(key)?.value)).toEqual([0, 3, undefined, 4]);
    expect(cache.size).toBe(3);
  });

  it('distinguishes an answer of undefined from no answer', () => {
    const cache = new LastGoodCache({}, { clock });
    cache.remember('a', undefined);
    expect(cache.recall('a')).toEqual({ value: undefined, ageMs: 0 });
  });

  it('forgets one answer, or all', () => {
    const cache = new LastGoodCache<number>({}, { clock });
    for (const key of ['a', 'b', 'c']) cache.remember(key, 1);
    cache.forget('a');
    expect([cache.recall('a'), cache.size]).toEqual([undefined, 2]);
    cache.forget();
    expect(cache.size).toBe(0);
  });

  it('lists every wrong option in one error', () => {
    const wrong = { maxEntries: 0, maxAge: '8d' } as const;
    expect(() => new LastGoodCache(wrong)).toThrow(InvalidConfigurationError);
    expect(() => LAST_GOOD_OPTIONS.resolve(wrong, 'users.lastGood')).toThrow(
      /users\.lastGood\.maxEntries: expected a whole number from 1 to 1000000, but got 0[^]*users\.lastGood\.maxAge: expected a duration from 1ms to 7d/,
    );
    expect(LAST_GOOD_OPTIONS.resolve()).toEqual({ maxEntries: 1_000, maxAge: 3_600_000 });
  });
});

describe('isWorthLastGood', () => {
  const status = (code: number): Error => new ResponseStatusError(code, {}, null);

  it.each<[string, unknown]>([
    ['an answer of 500', status(500)],
    ['an answer of 503', status(503)],
    ['an answer that asks for later', status(429)],
    ['a connection that broke', new TransportError('reset', false)],
    ['no instance that can take a call', new NoAvailableInstanceError('users', 'none is healthy')],
    ['an open circuit', new CircuitOpenError('open')],
    ['an attempt that took too long', new AttemptTimeoutError(10)],
    ['a deadline', new DeadlineExceededError(10)],
    ['a full bulkhead', new BulkheadFullError({ limit: 1, queue: 0 })],
    ['a call that was throttled', Object.assign(new Error('throttled'), { code: 'THROTTLED' })],
    ['whatever a function throws', 'no'],
  ])('holds for %s', (_what, error) => {
    expect(isWorthLastGood(error)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['what is not found', status(404)],
    ['what is forbidden', status(403)],
    ['a conflict with another change', status(409)],
    ['a caller that gave up', new DOMException('gone', 'AbortError')],
    ['a wrong option', new InvalidConfigurationError([])],
  ])('does not hold for %s', (_what, error) => {
    expect(isWorthLastGood(error)).toBe(false);
  });
});
