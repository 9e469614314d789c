import { describe, expect, it } from '@jest/globals';
import { hashKeyOf, type HashRequest, type HashSource } from './hash-source.js';

const REQUEST: HashRequest = {
  key: 'k',
  path: '/users/7?tenant=of+path&page=2',
  query: { tenant: 'acme', page: 3, ids: ['a', 'b'], none: undefined },
  headers: { 'X-User': 'u1', 'x-list': ['a', 'b'], cookie: 'theme=dark; session="s 1"; empty=; session=second' },
  clientIp: '10.1.2.3',
};

describe('hashKeyOf', () => {
  it.each<[HashSource, string | undefined]>([
    ['key', 'k'],
    ['path', '/users/7'],
    ['ip', '10.1.2.3'],
    [{ header: 'x-USER' }, 'u1'],
    [{ header: 'x-list' }, 'a,b'],
    [{ header: 'x-other' }, undefined],
    [{ header: 'constructor' }, undefined],
    [{ cookie: 'session' }, 's 1'],
    [{ cookie: 'theme' }, 'dark'],
    [{ cookie: 'empty' }, undefined],
    [{ cookie: 'heme' }, undefined],
    [{ query: 'tenant' }, 'of path,acme'],
    [{ query: 'page' }, '2,3'],
    [{ query: 'ids' }, 'a,b'],
    [{ query: 'none' }, undefined],
    [{ query: 'toString' }, undefined],
    [({ clientIp, key }) => `${clientIp}/${key}`, '10.1.2.3/k'],
    [() => undefined, undefined],
    [() => '', undefined],
    [() => 7 as never, '7'],
  ])('from %p is %p', (source, key) => {
    expect(hashKeyOf(REQUEST, [source])).toBe(key);
  });

  it('converts numbers to texts, and rejects values that would send every call to one instance', () => {
    expect(hashKeyOf({ key: 7 as never }, ['key'])).toBe('7');
    expect(() => hashKeyOf({ key: { id: 7 } as never }, ['key'])).toThrow(/^key: expected a text/);
    expect(() => hashKeyOf({}, [(async () => 'u1') as never])).toThrow(/hash\.on gives: expected a text/);
  });

  it('is undefined if the request has none', () => {
    const sources: HashSource[] = ['key', 'path', 'ip', { header: 'a' }, { cookie: 'a' }, { query: 'a' }];
    expect(hashKeyOf({}, sources)).toBeUndefined();
    expect(hashKeyOf(REQUEST, [])).toBeUndefined();
  });

  it('reads a parameter from the path if it is not in query', () => {
    expect(hashKeyOf({ path: '/users?tenant=of+path' }, [{ query: 'tenant' }])).toBe('of path');
    expect(hashKeyOf({ path: '/users?tenant=of+path', query: { other: 1 } }, [{ query: 'tenant' }])).toBe('of path');
    expect(hashKeyOf({ path: '/users' }, [{ query: 'tenant' }])).toBeUndefined();
  });

  it.each<[HashRequest, HashRequest]>([
    [{ path: '/users?id=1&id=2' }, { path: '/users', query: { id: [1, '2'] } }],
    [{ path: '/users?id=1&id=2' }, { path: '/users?id=1', query: { id: 2 } }],
    [{ path: '/users?id=1&id=2' }, { path: '/users?id=1', query: { id: [null, 2, undefined] } }],
    [{ path: '/users?id=1' }, { path: '/users?id=1', query: { id: undefined } }],
    [{ path: '/users?id=a%20b' }, { path: '/users', query: { id: 'a b' } }],
    [{ path: '/users?id=true' }, { path: '/users', query: { id: true } }],
  ])('is the same for %j and %j, which are sent as the same query', (one, other) => {
    const key = hashKeyOf(one, [{ query: 'id' }]);
    expect(key).toBeDefined();
    expect(hashKeyOf(other, [{ query: 'id' }])).toBe(key);
  });

  it.each([
    ['/a/../b', '/b'],
    ['/./a/b/../c/.', '/a/c/'],
    ['/%2e%2E/a', '/a'],
    ['/../../a?x=/../b', '/a'],
    ['/%7Eann/%41', '/~ann/A'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/caf\u00e9', '/caf%C3%A9'],
    ['/a%2fb', '/a%2Fb'],
    ['/a%', '/a%'],
    ['//host/a/./b', '//host/a/b'],
    ['/a\\b|c^d', '/a%5Cb%7Cc%5Ed'],
    ['users/./a', 'users/./a'],
    ['/.well-known/a', '/.well-known/a'],
    ['/a/b.json', '/a/b.json'],
    ['/A/b/', '/A/b/'],
    ['', ''],
  ])('from the path %s is %s', (path, normal) => {
    expect(hashKeyOf({ path }, ['path'])).toBe(normal === '' ? undefined : normal);
  });

  it('prefers a lower-case header name, which prepared requests have', () => {
    expect(hashKeyOf({ headers: { 'X-A': '1', 'x-a': '2' } }, [{ header: 'X-A' }])).toBe('2');
  });

  it('comes from the first source that has one', () => {
    const sources: HashSource[] = [{ cookie: 'missing' }, () => '', { header: 'x-user' }, 'ip'];
    expect(hashKeyOf(REQUEST, sources)).toBe('u1');
    expect(hashKeyOf({ ...REQUEST, headers: {} }, sources)).toBe('10.1.2.3');
  });
});
