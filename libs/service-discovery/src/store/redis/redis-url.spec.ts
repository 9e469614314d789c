import { describe, expect, it } from '@jest/globals';
import { withoutPassword } from '../../common/index.js';
import { parseRedisUrl, type RedisAddress } from './redis-url.js';

const single: RedisAddress = {
  topology: 'single',
  tls: false,
  username: undefined,
  password: undefined,
  nodes: [{ host: 'redis', port: 6_379 }],
  masterName: undefined,
  database: 0,
};

describe('parseRedisUrl', () => {
  it.each<[string, Partial<RedisAddress>]>([
    ['redis://redis', {}],
    ['redis://redis:6379/', {}],
    ['rediss://redis/2', { tls: true, database: 2 }],
    ['redis://redis:7000', { nodes: [{ host: 'redis', port: 7_000 }] }],
    ['redis://[::1]:7000', { nodes: [{ host: '::1', port: 7_000 }] }],
    ['redis://user:p%40ss%2Fword@redis', { username: 'user', password: 'p@ss/word' }],
    ['redis://:secret@redis', { password: 'secret' }],
    ['redis://user@redis', { username: 'user' }],
    ['redis://:a@b:c@redis', { password: 'a@b:c' }],
    [
      'redis-sentinel://user:secret@one,two:7000/main',
      {
        topology: 'sentinel',
        username: 'user',
        password: 'secret',
        masterName: 'main',
        nodes: [
          { host: 'one', port: 26_379 },
          { host: 'two', port: 7_000 },
        ],
      },
    ],
    [
      'rediss-sentinel://one/main/3',
      { topology: 'sentinel', tls: true, masterName: 'main', database: 3, nodes: [{ host: 'one', port: 26_379 }] },
    ],
    [
      'redis-cluster://one,two',
      {
        topology: 'cluster',
        nodes: [
          { host: 'one', port: 6_379 },
          { host: 'two', port: 6_379 },
        ],
      },
    ],
    ['rediss-cluster://one:1/0', { topology: 'cluster', tls: true, nodes: [{ host: 'one', port: 1 }] }],
  ])('parses %s', (url, expected) => {
    expect(parseRedisUrl(url)).toEqual({ ...single, ...expected });
  });

  it.each([
    [undefined, /a URL such as/],
    ['', /a URL such as/],
    ['http://redis', /a URL such as/],
    ['redis:redis', /a URL such as/],
    ['redis://', /hosts as/],
    ['redis://user:secret@', /hosts as/],
    ['redis://redis:0', /hosts as/],
    ['redis://redis:70000', /hosts as/],
    ['redis://redis:port', /hosts as/],
    ['redis://::1', /hosts as/],
    ['redis-cluster://one,,two', /hosts as/],
    ['redis://one,two', /one host/],
    ['redis://user:%zz@redis', /percent-encoded/],
    ['redis://redis/main', /number of a database/],
    ['redis://redis/0/1', /number of a database/],
    ['redis://redis/0?password=secret', /such settings are options/],
    ['redis-sentinel://one:26379', /name of the primary/],
    ['redis-sentinel://one/main/x', /number of a database/],
    ['redis-cluster://one/1', /database 0/],
  ])('rejects %j without showing a password', (url, expected) => {
    const problem = parseRedisUrl(url);
    expect(problem).toEqual({ expected: expect.stringMatching(expected) });
    expect(JSON.stringify([problem, withoutPassword(url)])).not.toMatch(/secret/);
  });
});
