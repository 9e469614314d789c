import { describe, expect, it } from '@jest/globals';
import { withQuery } from './query.js';

describe('withQuery', () => {
  it.each([
    ['/a', undefined, '/a'],
    ['/a', {}, '/a'],
    ['/a', { x: null, y: undefined, z: [] }, '/a'],
    ['/a', { x: 1 }, '/a?x=1'],
    ['/a?', { x: 1 }, '/a?x=1'],
    ['/a?b', { x: 1 }, '/a?b&x=1'],
    ['/a?b&', { x: 1 }, '/a?b&x=1'],
    ['/a', { x: ['1', null, 2, false] }, '/a?x=1&x=2&x=false'],
    ['/a', { 'a&b': 'c=d#e?f' }, '/a?a%26b=c%3Dd%23e%3Ff'],
  ])('turns %s and %j into the path %s', (path, query, expected) => {
    expect(withQuery(path, query)).toBe(expected);
  });

  it('rejects half of a surrogate pair, naming it', () => {
    expect(() => withQuery('/a', { x: '\ud800' })).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
  });
});
