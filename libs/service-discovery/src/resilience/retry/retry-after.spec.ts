import { describe, expect, it } from '@jest/globals';
import { CircuitOpenError, ResponseStatusError } from '../../common/index.js';
import { parsePushback, parseRetryAfter, pushbackOf, retryAfterOf } from './retry-after.js';

/** Sun, 06 Nov 1994 08:49:37 GMT, the example date of RFC 9110. */
const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);

describe('parseRetryAfter', () => {
  it.each([
    ['seconds', '120', 120_000],
    ['zero seconds', '0', 0],
    ['blanks around', ' 7 ', 7_000],
    ['the first of several headers', ['3', '5'], 3_000],
    ['a date', 'Sun, 06 Nov 1994 08:50:07 GMT', 30_000],
    ['a date that is now', 'Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['a date that has passed', 'Sun, 06 Nov 1994 08:00:00 GMT', 0],
    ['a date in the form of RFC 850', 'Sunday, 06-Nov-94 08:49:47 GMT', 10_000],
    ['a date in the form of asctime', 'Sun Nov  6 08:49:57 1994', 20_000],
    ['more seconds than a number holds', '9'.repeat(400), Number.MAX_SAFE_INTEGER],
  ])('understands %s', (_what, value, expected) => {
    expect(parseRetryAfter(value, NOW)).toBe(expected);
  });

  it.each([
    ['no header', undefined],
    ['an empty one', ''],
    ['an empty list', []],
    ['a negative number', '-1'],
    ['a fraction', '1.5'],
    ['a number with an exponent', '1e3'],
    ['a hexadecimal number', '0x10'],
    ['a unit', '10s'],
    ['a word', 'soon'],
    ['an ISO date', '1994-11-06T08:50:07Z'],
    ['a date without a zone', 'Sun, 06 Nov 1994 08:50:07'],
    ['a date that does not exist', 'Sun, 06 Foo 1994 08:50:07 GMT'],
    ['an hour that does not exist', 'Sun, 06 Nov 1994 25:00:00 GMT'],
  ])('takes %s for nothing said', (_what, value) => {
    expect(parseRetryAfter(value, NOW)).toBeUndefined();
  });
});

describe('retryAfterOf', () => {
  it("reads retryAfterMs of the library's own errors", () => {
    expect(retryAfterOf(new CircuitOpenError('open', { retryAfterMs: 250 }), NOW)).toBe(250);
    expect(retryAfterOf(new CircuitOpenError('isolated'), NOW)).toBeUndefined();
  });

  it.each([
    ['of this library', new ResponseStatusError(503, { 'retry-after': '2' }, null)],
    ['of undici', Object.assign(new Error(), { statusCode: 503, headers: { 'retry-after': ['2'] } })],
    ['of axios', Object.assign(new Error(), { response: { status: 503, headers: { 'retry-after': '2' } } })],
    [
      'around a fetch response',
      Object.assign(new Error(), { response: new Response('', { headers: { 'Retry-After': '2' } }) }),
    ],
  ])('reads the header of an answer in an error %s', (_whose, error) => {
    expect(retryAfterOf(error, NOW)).toBe(2_000);
  });

  it.each([
    [undefined],
    [null],
    ['text'],
    [new Error('plain')],
    [{ headers: null }],
    [{ headers: 'x' }],
    [{ response: null }],
    [{ headers: { 'retry-after': 5 } }],
    [{ retryAfterMs: -1 }],
    [{ retryAfterMs: Number.NaN }],
  ])('finds nothing in %p', (error) => {
    expect(retryAfterOf(error, NOW)).toBeUndefined();
  });
});

describe('parsePushback', () => {
  it.each([
    ['no header', undefined, undefined],
    ['an empty list', [], undefined],
    ['milliseconds', '250', 250],
    ['at once', '0', 0],
    ['blanks around', ' 7 ', 7],
    ['the first of several headers', ['3', '5'], 3],
    ['more than a number holds', '9'.repeat(400), Number.MAX_SAFE_INTEGER],
  ])('understands %s', (_what, value, expected) => {
    expect(parsePushback(value)).toBe(expected);
  });

  it.each([['-1'], ['-0'], ['soon'], [''], ['1.5'], ['1e3'], ['10ms'], ['0x10']])(
    'takes %j for a request not to retry',
    (value) => {
      expect(parsePushback(value)).toBe(-1);
    },
  );
});

describe('pushbackOf', () => {
  it('reads the header of the answer that an error stands for', () => {
    expect(pushbackOf(new ResponseStatusError(503, { 'grpc-retry-pushback-ms': '40' }, null))).toBe(40);
    const { headers } = new Response('', { headers: { 'Grpc-Retry-Pushback-Ms': '-1' } });
    expect(pushbackOf(Object.assign(new Error(), { response: { headers } }))).toBe(-1);
  });

  it.each([[undefined], [null], ['text'], [new Error('plain')], [{ headers: 'x' }], [{ response: null }]])(
    'finds nothing in %p',
    (error) => {
      expect(pushbackOf(error)).toBeUndefined();
    },
  );
});
