import { describe, expect, it } from '@jest/globals';
import { type InvalidConfigurationError } from '../../common/index.js';
import { type HashOptions, hashSourcesFor, HASH_OPTIONS } from './hash-options.js';

function problemsOf(options: unknown, path?: string): unknown {
  try {
    HASH_OPTIONS.resolve(options as Partial<HashOptions>, path);
  } catch (error) {
    return (error as InvalidConfigurationError).problems;
  }
  return undefined;
}

describe('HASH_OPTIONS', () => {
  it("defaults to the call's key, no bound, and p2c_ewma without a key", () => {
    expect(HASH_OPTIONS.resolve()).toEqual({ on: ['key'], fallback: 'p2c_ewma', boundedLoad: false });
  });

  it('accepts one source or several', () => {
    const byUser = (): string => 'u';
    expect(HASH_OPTIONS.resolve({ on: { header: 'x-user' } }).on).toEqual([{ header: 'x-user' }]);
    const on = ['key', 'path', 'ip', { cookie: 'a' }, { query: 'b' }, byUser] as const;
    expect(HASH_OPTIONS.resolve({ on, fallback: 'random', boundedLoad: 1.25 })).toEqual({
      on,
      fallback: 'random',
      boundedLoad: 1.25,
    });
  });

  const source = "'key', 'path', 'ip', { header }, { cookie } or { query } with a name, or a function";
  it.each<[unknown, string, string]>([
    [{ on: 'header' }, 'on', source],
    [{ on: null }, 'on', source],
    [{ on: {} }, 'on', source],
    [{ on: { header: '' } }, 'on', source],
    [{ on: { header: 5 } }, 'on', source],
    [{ on: { headers: 'x' } }, 'on', source],
    [{ on: { header: 'x', query: 'y' } }, 'on', source],
    [{ on: [] }, 'on', 'at least one source of a key'],
    [{ on: ['key', 'user'] }, 'on[1]', source],
    [{ fallback: 'maglev' }, 'fallback', ''],
    [{ fallback: 'consistent_hash' }, 'fallback', ''],
    [{ fallback: 'none' }, 'fallback', ''],
    [{ boundedLoad: 1 }, 'boundedLoad', 'a number more than 1, up to 10, or false'],
    [{ boundedLoad: 10.1 }, 'boundedLoad', 'a number more than 1, up to 10, or false'],
    [{ boundedLoad: Number.NaN }, 'boundedLoad', 'a number more than 1, up to 10, or false'],
    [{ boundedLoad: true }, 'boundedLoad', 'a number more than 1, up to 10, or false'],
    [{ boundedLoad: '1.25' }, 'boundedLoad', 'a number more than 1, up to 10, or false'],
    [{ bounded: 1.25 }, 'bounded', ''],
    ['key', '', 'an object of options'],
  ])('rejects %p', (options, option, expected) => {
    const path = ['clients.users.hash', option].filter(Boolean).join('.');
    expect(problemsOf(options, 'clients.users.hash')).toEqual([
      expect.objectContaining({ path, expected: expect.stringContaining(expected) }),
    ]);
  });

  it('reports everything that is wrong at once', () => {
    expect(problemsOf({ on: 'user', fallback: 'none', boundedLoad: 0 })).toHaveLength(3);
  });
});

describe('hashSourcesFor', () => {
  const resolved = HASH_OPTIONS.resolve({ on: { header: 'x-user' } });

  it('returns the sources of the options for strategies that use or may use a key', () => {
    for (const name of ['consistent_hash', 'maglev', 'MyStrategy']) {
      expect(hashSourcesFor(name, resolved)).toEqual([{ header: 'x-user' }]);
    }
  });

  it("returns the client's address for ip_hash, and nothing for strategies without a key", () => {
    expect(hashSourcesFor('ip_hash', resolved)).toEqual(['ip']);
    for (const name of ['round_robin', 'p2c_ewma']) expect(hashSourcesFor(name, resolved)).toEqual([]);
  });
});
