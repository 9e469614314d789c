import { describe, expect, it } from '@jest/globals';
import { FOREIGN_NAMES, suggest, suggestOption } from './suggest.js';

const OPTIONS = ['retry', 'timeout', 'healthCheck', 'loadBalancing', 'registryUrl', 'serviceTtl'];
const IN_GROUPS = ['retry.maxAttempts', 'healthCheck.interval', 'healthCheck.timeouts', 'remote.token', 'api.token'];

describe('suggestOption', () => {
  it.each([
    ['healthcheck', 'healthCheck'],
    ['health_check', 'healthCheck'],
    ['load-balancing', 'loadBalancing'],
    ['timeoutMs', 'timeout'],
    ['timeoutInSeconds', 'timeout'],
    ['timeouts', 'timeout'],
    ['tiemout', 'timeout'],
    ['url', 'registryUrl'],
    ['ttl', 'serviceTtl'],
  ])('suggests for %s the sibling %s', (name, meant) => {
    expect(suggestOption(name, OPTIONS, IN_GROUPS)).toBe(` (did you mean "${meant}"?)`);
  });

  it.each([
    ['interval', '"healthCheck.interval"'],
    ['healthCheckInterval', '"healthCheck.interval"'],
    ['health_check_interval', '"healthCheck.interval"'],
    ['intervalMs', '"healthCheck.interval"'],
    ['retries', '"retry.maxAttempts"'],
    ['token', '"remote.token" or "api.token"'],
  ])('suggests for %s the grouped option %s', (name, meant) => {
    expect(suggestOption(name, OPTIONS, IN_GROUPS)).toBe(` (did you mean ${meant}?)`);
  });

  it('prefers a known synonym to a similar name', () => {
    expect(suggestOption('data', ['path', 'json'])).toBe(' (did you mean "json"?)');
    expect(suggestOption('params', ['params', 'query'])).toBe(' (did you mean "params"?)');
    expect(suggestOption('params', ['path', 'query'])).toBe(' (did you mean "query"?)');
    expect(suggestOption('data', ['date'])).toBe(' (did you mean "date"?)');
  });

  it('lists all names if none is similar', () => {
    expect(suggestOption('colour', ['retry', 'timeout'], IN_GROUPS)).toBe(': known are retry, timeout');
    expect(suggestOption('constructor', ['retry'])).toBe(': known are retry');
  });

  it('does not take another short word for a misspelled name', () => {
    const known = ['path', 'token', 'zone', 'url'];
    for (const name of ['data', 'ttl', 'mode', 'gate']) {
      expect([name, suggest(name, known)]).toEqual([name, ': known are path, token, zone, url']);
    }
    for (const [name, meant] of [
      ['pth', 'path'],
      ['zon', 'zone'],
      ['urls', 'url'],
      ['tokken', 'token'],
    ] as const) {
      expect(suggest(name, known)).toBe(` (did you mean "${meant}"?)`);
    }
  });

  it('has all foreign names in normalized spelling', () => {
    expect(Object.keys(FOREIGN_NAMES).filter((name) => !/^[a-z]+$/.test(name))).toEqual([]);
  });
});

describe('suggest', () => {
  it('uses similarity only, since service names have no synonyms', () => {
    expect(suggest('data', ['json', 'dates'])).toBe(' (did you mean "dates"?)');
  });
});
