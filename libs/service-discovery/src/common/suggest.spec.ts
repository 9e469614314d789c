import { describe, expect, it } from '@jest/globals';
import { FOREIGN_NAMES } from './foreign-names.js';
import { suggest, suggestOption } from './suggest.js';

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
  ])('finds for %s what stands beside it: %s', (name, meant) => {
    expect(suggestOption(name, OPTIONS, IN_GROUPS)).toBe(` (did you mean "${meant}"?)`);
  });

  it.each([
    ['interval', '"healthCheck.interval"'],
    ['healthCheckInterval', '"healthCheck.interval"'],
    ['health_check_interval', '"healthCheck.interval"'],
    ['intervalMs', '"healthCheck.interval"'],
    ['retries', '"retry.maxAttempts"'],
    ['token', '"remote.token" or "api.token"'],
  ])('finds for %s what stands in a group: %s', (name, meant) => {
    expect(suggestOption(name, OPTIONS, IN_GROUPS)).toBe(` (did you mean ${meant}?)`);
  });

  it('goes by the meaning before the looks, where the name that is meant exists', () => {
    expect(suggestOption('data', ['path', 'json'])).toBe(' (did you mean "json"?)');
    expect(suggestOption('params', ['params', 'query'])).toBe(' (did you mean "params"?)');
    expect(suggestOption('params', ['path', 'query'])).toBe(' (did you mean "query"?)');
    expect(suggestOption('data', ['date'])).toBe(' (did you mean "date"?)');
  });

  it('lists what there is for a name that nothing comes near', () => {
    expect(suggestOption('colour', ['retry', 'timeout'], IN_GROUPS)).toBe(': known are retry, timeout');
    expect(suggestOption('constructor', ['retry'])).toBe(': known are retry');
  });

  it('knows foreign names in the spelling that they are looked up by', () => {
    expect(Object.keys(FOREIGN_NAMES).filter((name) => !/^[a-z]+$/.test(name))).toEqual([]);
  });
});

describe('suggest', () => {
  it('goes by the looks alone, since the names of services have no meaning here', () => {
    expect(suggest('data', ['json', 'dates'])).toBe(' (did you mean "dates"?)');
  });
});
