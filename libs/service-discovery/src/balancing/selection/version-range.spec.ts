import { describe, expect, it } from '@jest/globals';
import { rangeOf } from './version-range.js';

describe('rangeOf', () => {
  it.each([
    ['^1.2', '1.2.0', true],
    ['^1.2', '1.9.9', true],
    ['^1.2', '2.0.0', false],
    ['~1.2.3', '1.2.9', true],
    ['~1.2.3', '1.3.0', false],
    ['1.2.3', '1.2.3+build.7', true],
    ['>=1 <3', '2.5.0', true],
    ['1.x || 3.x', '2.0.0', false],
    ['1.x || 3.x', '3.1.0', true],
    ['*', '0.0.1', true],
    ['', '9.9.9', true],
    ['^1.2', '1.3.0-beta.1', false],
    ['^1.3.0-beta', '1.3.0-beta.1', true],
    ['^1.2', 'latest', false],
    ['*', '', false],
  ])('%p contains %p: %p', (range, version, expected) => {
    expect(rangeOf(range).has(version)).toBe(expected);
    // From the cache this time.
    expect(rangeOf(range).has(version)).toBe(expected);
  });

  it.each(['latest', '1.2.3.4', '^', '=>1', '1 ~ 2 -'])('throws for %p, which is not a range', (text) => {
    expect(() => rangeOf(text)).toThrow(`The version "${text}" is no semver range. Ask for one, such as "^1.2"`);
    expect(() => rangeOf(text)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
  });

  it('parses a range once, and bounds the cache of ranges', () => {
    const range = rangeOf('^7.7');
    expect(rangeOf('^7.7')).toBe(range);
    for (let major = 0; major < 1_000; major++) rangeOf(`^${major}.0`);
    expect(rangeOf('^7.7')).not.toBe(range);
    expect(rangeOf('^7.7').has('7.8.0')).toBe(true);
  });

  it('stays correct beyond the number of cached versions', () => {
    const range = rangeOf('>=500');
    const held = Array.from({ length: 1_000 }, (_, major) => range.has(`${major}.0.0`)).filter(Boolean);
    expect(held).toHaveLength(500);
  });
});
