import { describe, expect, it } from '@jest/globals';
import { type Problem } from '../../common/index.js';
import { toInstance } from '../registration.js';
import {
  CODE_FORM,
  findHealthCheckProblems,
  type HealthCheckForm,
  recallHealthCheck,
  WIRE_FORM,
  writeHealthCheck,
} from './index.js';

const problemsOf = (given: unknown, form: HealthCheckForm = CODE_FORM): Problem[] =>
  findHealthCheckProblems(given, 'healthCheck', 'users', form);

const FULL = {
  type: 'http',
  interval: '5s',
  changingInterval: '1s',
  downInterval: '1m',
  idleInterval: '1d',
  jitter: 0.5,
  timeout: 250,
  rise: 1,
  fall: 255,
  httpFailures: 0,
  tcpFailures: 1,
  timeouts: 255,
  port: 9_000,
  protocol: 'https',
  tls: { rejectUnauthorized: false, servername: 'users.internal' },
  path: '/ready',
  method: 'OPTIONS',
  headers: { 'X-Team': 'a b', authorization: 'Bearer s3cr3t', 'x-empty': '' },
  host: 'users.internal:8080',
  healthyStatuses: [200, [202, 204]],
  unhealthyStatuses: [[500, 599], 201],
  body: { path: 'checks.0.db', equals: ['up', 1, true, null] },
} as const;

describe('health check settings of an instance', () => {
  it('are stored with durations in milliseconds and lower-case header names', () => {
    expect(problemsOf(FULL)).toEqual([]);
    const kept = toInstance(
      { serviceName: 'users', host: '10.0.0.1', port: 1, healthCheck: FULL },
      { ttlMs: 1_000, now: 0 },
    ).healthCheck;
    expect(kept).toEqual({
      ...FULL,
      interval: 5_000,
      changingInterval: 1_000,
      downInterval: 60_000,
      idleInterval: 86_400_000,
      headers: { 'x-team': 'a b', authorization: 'Bearer s3cr3t', 'x-empty': '' },
    });
  });

  it('are absent if none are given', () => {
    expect(
      toInstance({ serviceName: 'users', host: 'a', port: 1 }, { ttlMs: 1_000, now: 0 }).healthCheck,
    ).toBeUndefined();
    expect(problemsOf({})).toEqual([]);
  });

  it('survive a round trip through the wire format, with durations in seconds', () => {
    const kept = recallHealthCheck(FULL);
    const wire = JSON.parse(JSON.stringify(writeHealthCheck(kept, WIRE_FORM))) as Record<string, unknown>;
    expect(wire).toMatchObject({
      interval: 5,
      changing_interval: 1,
      timeout: 0.25,
      http_failures: 0,
      tcp_failures: 1,
      timeouts: 255,
      tls: { reject_unauthorized: false, servername: 'users.internal' },
      healthy_statuses: [200, [202, 204]],
    });
    expect(problemsOf(wire, WIRE_FORM)).toEqual([]);
    expect(recallHealthCheck(wire, WIRE_FORM)).toEqual(kept);
  });

  it('are read as far as understood if a newer version wrote them', () => {
    expect(recallHealthCheck({ path: '/ready', rise: 'often', type: 'quantum', more: 1 })).toEqual({ path: '/ready' });
    expect(recallHealthCheck('nonsense')).toEqual({});
  });

  it.each<[Record<string, unknown>]>([
    [{ type: 'tcp', port: 1 }],
    [{ type: 'grpc', grpcService: '' }],
    [{ type: 'grpc', grpcService: 'shop.v1.Users', protocol: 'https' }],
    [{ type: 'alias', aliasOf: 'orders' }],
    [{ type: 'custom', probe: 'redis-ping' }],
    [{ host: '[::1]:65535' }],
    [{ host: '10.0.0.1' }],
    [{ method: 'HEAD' }],
    [{ body: { contains: 'ok' } }],
    [{ headers: {} }],
    [{ interval: 1_000, timeout: '10ms' }],
  ])('may be %j', (given) => {
    expect(problemsOf(given)).toEqual([]);
  });

  it.each<[field: string, given: Record<string, unknown>]>([
    ['type', { type: 'udp' }],
    ['type', { type: 'toString' }],
    ['interval', { interval: 999 }],
    ['interval', { interval: '2d' }],
    ['changingInterval', { changingInterval: 'soon' }],
    ['downInterval', { downInterval: 0 }],
    ['idleInterval', { idleInterval: null }],
    ['jitter', { jitter: 0.51 }],
    ['jitter', { jitter: -0.1 }],
    ['timeout', { timeout: '9ms' }],
    ['timeout', { timeout: '61s' }],
    ['rise', { rise: 0 }],
    ['fall', { fall: 256 }],
    ['fall', { fall: 1.5 }],
    ['httpFailures', { httpFailures: -1 }],
    ['tcpFailures', { tcpFailures: 256 }],
    ['timeouts', { timeouts: '3' }],
    ['timeouts', { timeouts: null }],
    ['port', { port: 0 }],
    ['port', { port: '80' }],
    ['protocol', { protocol: 'ftp' }],
    ['tls', { tls: true }],
    ['tls.rejectUnauthorized', { tls: { rejectUnauthorized: 'no' } }],
    ['tls.servername', { tls: { servername: '10.0.0.1' } }],
    ['tls.servername', { tls: { servername: 'a b' } }],
    ['tls.ca', { tls: { ca: 'x' } }],
    ['path', { path: 'ready' }],
    ['path', { path: '//evil.example' }],
    ['path', { path: '/../etc' }],
    ['path', { path: '/a?b' }],
    ['path', { path: '/a b' }],
    ['path', { path: '/a\r\nx: y' }],
    ['method', { method: 'POST' }],
    ['method', { method: 'get' }],
    ['host', { host: 'a/b' }],
    ['host', { host: 'user@a' }],
    ['host', { host: 'a:0' }],
    ['host', { host: 'a:65536' }],
    ['host', { host: 'a\r\nx: y' }],
    ['host', { host: '' }],
    ['host', { host: 'metadata.google.internal' }],
    ['host', { host: '169.254.169.254:80' }],
    ['host', { host: '::1' }],
    ['healthyStatuses', { healthyStatuses: [] }],
    ['healthyStatuses', { healthyStatuses: 200 }],
    ['healthyStatuses', { healthyStatuses: Array.from({ length: 65 }, () => 200) }],
    ['healthyStatuses[1]', { healthyStatuses: [200, 199] }],
    ['healthyStatuses[0]', { healthyStatuses: [[204, 200]] }],
    ['unhealthyStatuses[0]', { unhealthyStatuses: [[500, 600]] }],
    ['unhealthyStatuses[0]', { unhealthyStatuses: [[500, 501, 502]] }],
    ['unhealthyStatuses', { healthyStatuses: [[200, 299]], unhealthyStatuses: [500, [299, 301]] }],
    ['body', { body: 'ok' }],
    ['body', { body: {} }],
    ['body', { body: { contains: 'a', path: 'b', equals: 1 } }],
    ['body', { body: { path: 'b' } }],
    ['body', { body: () => true }],
    ['body.contains', { body: { contains: '' } }],
    ['body.contains', { body: { contains: 'x'.repeat(1_025) } }],
    ['body.path', { body: { path: 7, equals: 1 } }],
    ['body.equals', { body: { path: 'a', equals: {} } }],
    ['body.equals', { body: { path: 'a', equals: [] } }],
    ['body.equals', { body: { path: 'a', equals: [[1]] } }],
    ['body.equals', { body: { path: 'a', equals: Number.NaN } }],
    ['body', { method: 'HEAD', body: { contains: 'a' } }],
    ['grpcService', { type: 'grpc', grpcService: 'a b' }],
    ['grpcService', { type: 'grpc', grpcService: 'x'.repeat(257) }],
    ['grpcService', { grpcService: 'a' }],
    ['aliasOf', { type: 'alias' }],
    ['aliasOf', { type: 'alias', aliasOf: 'a b' }],
    ['aliasOf', { type: 'alias', aliasOf: 'users' }],
    ['aliasOf', { type: 'http', aliasOf: 'orders' }],
    ['probe', { type: 'custom' }],
    ['probe', { type: 'custom', probe: 'a b' }],
    ['probe', { type: 'custom', probe: () => true }],
    ['path', { type: 'tcp', path: '/ready' }],
    ['headers', { type: 'grpc', headers: { a: 'b' } }],
    ['pat', { pat: '/ready' }],
  ])('are rejected naming %s: %j', (field, given) => {
    const problems = problemsOf(given);
    expect(problems.map(({ path }) => path)).toEqual([`healthCheck.${field}`]);
    expect(problems[0]!.expected).not.toBe('');
  });

  it.each([
    ['Host', 'a'],
    ['Connection', 'close'],
    ['Transfer-Encoding', 'chunked'],
    ['Content-Length', '5'],
    ['TE', 'trailers'],
    ['Upgrade', 'h2c'],
    ['Proxy-Authorization', 'Basic x'],
    ['Expect', '100-continue'],
    ['Accept-Encoding', 'gzip'],
    ['a b', 'c'],
    ['a:b', 'c'],
    ['', 'c'],
    ['a\r\nb', 'c'],
    ['x'.repeat(65), 'c'],
    ['a', 'b\r\nhost: c'],
    ['a', 'b\nc'],
    ['a', 'b\0'],
    ['a', 'ä'],
    ['a', 'x'.repeat(1_025)],
    ['a', 7],
    ['a', null],
    ['a', ['b']],
  ])('are rejected with a header %j: %j, without showing its value', (name, value) => {
    const problems = problemsOf({ headers: { [name]: value } });
    expect(problems).toEqual([{ path: `healthCheck.headers.${name}`, value: '***', expected: expect.any(String) }]);
  });

  it('are rejected with a duplicate header, and with too many of them', () => {
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`x-${index}`, 'a']));
    const long = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`x-${index}`, 'a'.repeat(1_000)]));
    expect(problemsOf({ headers: { 'x-a': '1', 'X-A': '2' } }).map(({ path }) => path)).toEqual([
      'healthCheck.headers.X-A',
    ]);
    expect(problemsOf({ headers: many })).toMatchObject([{ path: 'healthCheck.headers', value: '***' }]);
    expect(problemsOf({ headers: long })).toMatchObject([{ path: 'healthCheck.headers', value: '***' }]);
    expect(problemsOf({ headers: 'x: y' })).toMatchObject([{ path: 'healthCheck.headers', value: '***' }]);
  });

  it('do not pollute the prototype of their headers', () => {
    const given = JSON.parse('{"headers":{"__proto__":"a"}}') as object;
    expect(problemsOf(given)).toEqual([]);
    const { headers } = recallHealthCheck(given);
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
    expect(Object.keys(headers!)).toEqual(['__proto__']);
  });

  it('are reported over REST in the spelling of REST', () => {
    const given = {
      interval: 0.5,
      http_failures: 1.5,
      down_interval: '5s',
      changingInterval: 1,
      tls: { rejectUnauthorized: true },
    };
    expect(problemsOf(given, WIRE_FORM)).toMatchObject([
      { path: 'healthCheck.changingInterval', expected: expect.stringContaining('changing_interval') },
      { path: 'healthCheck.interval', value: 0.5, expected: 'a number of seconds from 1 to 86400' },
      { path: 'healthCheck.down_interval', value: '5s', expected: 'a number of seconds from 1 to 86400' },
      { path: 'healthCheck.http_failures', value: 1.5, expected: 'a whole number from 0 to 255' },
      { path: 'healthCheck.tls.rejectUnauthorized', expected: expect.stringContaining('reject_unauthorized') },
    ]);
  });
});
