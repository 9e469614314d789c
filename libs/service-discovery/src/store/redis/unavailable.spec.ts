import { describe, expect, it } from '@jest/globals';
import { unavailableError } from './unavailable.js';

const messageOf = (code: string, message: string, tls: boolean | undefined): string =>
  unavailableError(Object.assign(new Error(message), { code }), { where: 'redis://redis:6379', tls }).message;

describe('what is said of a Redis that cannot be used', () => {
  it.each<[string, string, boolean | undefined, RegExp]>([
    ['ETIMEDOUT', 'connect ETIMEDOUT', true, /does not speak TLS there/],
    ['', 'it did not answer within 2000 ms', true, /does not speak TLS there/],
    ['', 'the connection was closed', false, /speaks TLS there: then the URL begins with rediss/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate', true, /the option tls takes a CA of your own/],
    ['', "NOPERM User shop has no permissions to run the 'xadd' command", undefined, /the README lists them/],
  ])('names the likely cause: %s %s', (code, message, tls, expected) => {
    expect(messageOf(code, message, tls)).toMatch(expected);
    expect(messageOf(code, message, tls)).toContain(message);
  });

  it.each<[string, string, boolean | undefined]>([
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:6379', true],
    ['ETIMEDOUT', 'connect ETIMEDOUT', false],
    ['', 'it did not answer within 2000 ms', undefined],
  ])('guesses nothing where nothing speaks for it: %s %s', (code, message, tls) => {
    expect(messageOf(code, message, tls)).toBe(`Redis at redis://redis:6379 cannot be reached: ${message}`);
  });
});
