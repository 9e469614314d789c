import { describe, expect, it } from '@jest/globals';
import { snakeCaseAll } from './settings-view.js';

describe('snakeCaseAll', () => {
  it('renames what is in objects and lists, and tells of what JSON cannot express', () => {
    const byUser = (): string => 'u1';
    const settings = {
      boundedLoad: 1.25,
      hash: { on: [byUser, () => undefined] },
      routes: [{ header: 'x-canary', pattern: /^always$/i, versionRange: '2.x' }],
      nothing: null,
    };
    expect(snakeCaseAll(settings)).toEqual({
      bounded_load: 1.25,
      hash: { on: ['byUser', 'a function'] },
      routes: [{ header: 'x-canary', pattern: '/^always$/i', version_range: '2.x' }],
      nothing: null,
    });
  });
});
