import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../testing/fake-instance.js';
import { headerFault, targetOf, withQuery } from './request-target.js';

const to = fakeInstance({ path: '/base' });

describe('targetOf', () => {
  it.each([
    ['/', '/base/'],
    ['//evil.example', '/base//evil.example'],
    ['/\\evil.example', '/base/%5Cevil.example'],
    ['/a b"<>', '/base/a%20b%22%3C%3E'],
    ['/käse', '/base/k%C3%A4se'],
    ['/😀', '/base/%F0%9F%98%80'],
    ['/50%', '/base/50%'],
    ['/a%20b', '/base/a%20b'],
    ['/a#b', '/base/a%23b'],
    ['/a..b/...', '/base/a..b/...'],
    ['/find?up=../x', '/base/find?up=../x'],
  ])('turns %s into the target %s', (path, target) => {
    expect(targetOf(to, { path })).toBe(target);
  });

  it.each(['', 'a', 'http://evil.example/', '@evil.example', '*', '?q=1', undefined, null, 7])(
    'rejects %p, which does not start with a slash',
    (path) => {
      expect(() => targetOf(to, { path: path as string })).toThrow(/does not start with "\/"/);
    },
  );

  it.each(['/..', '/../x', '/x/..', '/x/../y', '/%2e%2E/x', '/.%2e/x', '/..\\x', '/..?q', '/x\\..\\y'])(
    'rejects %s, which leaves the base path',
    (path) => {
      expect(() => targetOf(to, { path })).toThrow(/leaves the base path/);
    },
  );

  it.each(['/a\r\nb', '/a\nb', '/a\0', '/a\t', '/a\u007f', '/a\u0085'])(
    'rejects the control character in %j',
    (path) => {
      expect(() => targetOf(to, { path })).toThrow(/control characters/);
    },
  );

  it('names the instance in the error', () => {
    expect(() => targetOf(to, { path: 'x' })).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', service: to.serviceName, instanceId: to.instanceId }),
    );
  });

  it('appends the query', () => {
    expect(targetOf(to, { path: '/x?a=1', query: { b: 'ü' } })).toBe('/base/x?a=1&b=%C3%BC');
  });
});

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

describe('headerFault', () => {
  it.each(['accept', 'x-Tenant_1', "!#$%&'*+.^_`|~-"])('accepts a header named %j', (name) => {
    expect([headerFault(name, 'a, b'), headerFault(name, ['a', 'b']), headerFault(name, 7)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each(['', 'two words', 'colon:', 'ümlaut', 'line\r\nbreak'])('rejects %j as a name', (name) => {
    expect(headerFault(name, 'value')).toBe('name');
  });

  it.each(['a\r\nb: c', 'a\nb', 'a\0b', ['fine', 'a\rb']])('rejects %j as a value', (value) => {
    expect(headerFault('accept', value)).toBe('line_break');
  });
});
