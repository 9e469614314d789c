import { describe, expect, it } from '@jest/globals';
import { routedVersion } from './preferences.js';

describe('routedVersion', () => {
  const routes = [
    { header: 'x-canary', value: 'always', version: '2.x' },
    { header: 'x-user', pattern: /^test-/, version: '3.x' },
    { header: 'x-next', version: '4.x' },
  ];

  it.each<[Record<string, unknown>, string | undefined]>([
    [{ 'x-canary': 'always' }, '2.x'],
    [{ 'X-Canary': 'always' }, '2.x'],
    [{ 'x-canary': 'never' }, undefined],
    [{ 'x-user': 'test-7' }, '3.x'],
    [{ 'x-user': 'a test-7' }, undefined],
    [{ 'x-next': '' }, '4.x'],
    [{ 'x-next': undefined }, undefined],
    [{ 'x-next': 1, 'x-canary': 'always' }, '2.x'],
    [{ 'x-next': 1, 'x-canary': 'never' }, '4.x'],
    [{}, undefined],
  ])('sends a request with %p to %p', (headers, version) => {
    expect(routedVersion({ headers }, routes)).toBe(version);
  });

  it('sends a request without headers nowhere', () => {
    expect(routedVersion({}, routes)).toBeUndefined();
  });
});
