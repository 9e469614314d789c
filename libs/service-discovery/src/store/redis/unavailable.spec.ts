import { describe, expect, it } from '@jest/globals';
import { messageOf } from '../../common/index.js';
import { unavailableError, type Circumstances } from './unavailable.js';

const refusalBy = (said: string, topology: Circumstances['topology']): string =>
  messageOf(
    unavailableError(Object.assign(new Error(said), { name: 'ReplyError' }), {
      where: 'there',
      topology,
      tls: undefined,
    }),
  );

describe('the error for a server that rejects commands', () => {
  it.each<[Circumstances['topology'], string, string]>([
    ['single', 'MOVED 3808 127.0.0.1:7111', 'it is a node of a Cluster: use a redis-cluster:// URL'],
    [
      'single',
      "ERR unknown command 'evalsha', with args beginning with: 'cc8f' '1'",
      'perhaps it is a Sentinel: use a redis-sentinel:// URL',
    ],
    ['single', 'NOAUTH HELLO must be called with the client already authenticated', 'it requires a password'],
    [
      'sentinel',
      "All sentinels are unreachable. Last error: ERR unknown command 'sentinel', with args beginning with: 'get'",
      'it is not a Sentinel: use a redis:// URL',
    ],
    [
      'sentinel',
      'All sentinels are unreachable. Last error: ERR No such master with that name',
      'the path of the URL has to be the name of the primary in Sentinel',
    ],
    ['cluster', 'ERR This instance has cluster support disabled', 'it is not a Cluster: use a redis:// URL'],
  ])('with a %s URL says how to fix it: %s', (topology, said, hint) => {
    expect(refusalBy(said, topology)).toBe(`Redis at there refuses: ${said} (${hint})`);
  });

  it('gives no hint about the URL when a slot has moved in a Cluster or with a client of the user', () => {
    for (const topology of ['cluster', undefined] as const) {
      expect(refusalBy('MOVED 3808 127.0.0.1:7111', topology)).toBe(
        'Redis at there refuses: MOVED 3808 127.0.0.1:7111',
      );
    }
  });
});

const connectingSays = (code: string, message: string, tls: boolean | undefined): string =>
  messageOf(
    unavailableError(Object.assign(new Error(message), { code }), {
      where: 'redis://redis:6379',
      topology: 'single',
      tls,
    }),
  );

describe('the error for an unreachable Redis', () => {
  it.each<[string, string, boolean | undefined, RegExp]>([
    ['ETIMEDOUT', 'connect ETIMEDOUT', true, /does not speak TLS there/],
    ['', 'it did not answer within 2 s', true, /does not speak TLS there/],
    ['', 'the connection was closed', false, /requires TLS there: use a rediss:/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate', true, /set the option tls to a CA of your own/],
    ['', "NOPERM User shop has no permissions to run the 'xadd' command", undefined, /see docs.redis.md/],
  ])('names the likely cause: %s %s', (code, message, tls, expected) => {
    expect(connectingSays(code, message, tls)).toMatch(expected);
    expect(connectingSays(code, message, tls)).toContain(message);
  });

  it.each<[string, string, boolean | undefined]>([
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:6379', true],
    ['ETIMEDOUT', 'connect ETIMEDOUT', false],
    ['', 'it did not answer within 2 s', undefined],
  ])('does not guess a cause without evidence: %s %s', (code, message, tls) => {
    expect(connectingSays(code, message, tls)).toBe(
      `Redis at redis://redis:6379 cannot be reached: ${message}. Check that it runs, and that the address is right`,
    );
  });
});

it('includes the configured hint if the error itself has none', () => {
  const circumstances: Circumstances = {
    where: 'there',
    topology: 'single',
    tls: undefined,
    unreachableHint: 'try here',
  };
  const said = (error: Error): string => messageOf(unavailableError(error, circumstances));
  expect(said(new Error('connect ECONNREFUSED'))).toBe(
    'Redis at there cannot be reached: connect ECONNREFUSED (try here)',
  );
  expect(said(Object.assign(new Error('BUSY'), { name: 'ReplyError' }))).toBe('Redis at there refuses: BUSY');
});
