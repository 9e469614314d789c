import { describe, expect, it } from '@jest/globals';
import { InvalidInstanceError, type Problem } from '../common/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { PROTOCOLS } from './protocol.js';
import {
  DEPENDENCY_LIMIT,
  findRegistrationProblems,
  METADATA_LIMIT_BYTES,
  METADATA_LIMIT_LEVELS,
  TAG_LIMIT,
  toInstance,
  type ServiceRegistration,
} from './registration.js';

const GOOD: ServiceRegistration = { serviceName: 'user-service', host: 'localhost', port: 8080 };
const DEFAULTS = { ttlMs: 300_000, now: 1_767_225_600_000 };

const made = (more: Partial<ServiceRegistration> = {}) => toInstance({ ...GOOD, ...more }, DEFAULTS);
const pathsOf = (problems: readonly Problem[]): string[] => problems.map(({ path }) => path);
const problemsWith = (more: Record<string, unknown>): Problem[] => findRegistrationProblems({ ...GOOD, ...more });

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = { in: value };
  return value;
}
const circular: Record<string, unknown> = {};
circular.self = circular;

describe('a registration', () => {
  it('needs only name, host and port', () => {
    expect(made()).toEqual({
      serviceName: 'user-service',
      instanceId: 'localhost:8080',
      host: 'localhost',
      port: 8080,
      protocol: 'http',
      path: '',
      healthCheckPath: '/health',
      metadata: {},
      tags: [],
      version: undefined,
      weight: 100,
      zone: undefined,
      tier: undefined,
      status: 'unknown',
      operatorStatus: 'up',
      healthStatus: 'unknown',
      generation: 0,
      ttlMs: 300_000,
      lease: 'heartbeat',
      registeredAt: DEFAULTS.now,
      lastHeartbeat: DEFAULTS.now,
    });
  });

  const good: Record<string, readonly unknown[]> = {
    serviceName: ['a', 'A1', 'user-service', 'user_service.v2', '9', 'x'.repeat(128)],
    host: [
      'localhost',
      'users.internal',
      'my_host',
      '10.0.0.7',
      '::1',
      '[2001:db8::1]',
      '::ffff:10.0.0.7',
      'a.b.',
      'x1',
    ],
    port: [1, 80, 65_535],
    protocol: PROTOCOLS,
    path: ['', '/', '/api', '/api/v1/', '/a..b', '/a%20b', '/~x;y=1'],
    healthCheckPath: [null, '/', '/health/ready'],
    healthCheck: [{}, { interval: '5s' }, { type: 'tcp', port: 9_000 }],
    metadata: [{}, { team: 'x', nested: { list: [1, null] } }, nested(METADATA_LIMIT_LEVELS)],
    tags: [
      [],
      new Set(),
      new Set(['api', 'user']),
      ['api', 'größe', 'a:b'],
      Array.from({ length: TAG_LIMIT }, (_, index) => `tag-${index}`),
    ],
    version: ['1.2.3', '1.0.0-beta.1+build', 'v2.0.0'],
    weight: [0, 1, 100, 65_535],
    zone: ['eu-west-1a', 'x'.repeat(128)],
    tier: ['web', 'app', 'data', 'ml', 'monitoring', 'Web', 'batch'],
    dependencies: [[], ['order-service', 'mail'], Array.from({ length: DEPENDENCY_LIMIT }, (_, index) => `s${index}`)],
    instanceId: ['a', 'pod-7_x@node:8080', 'x'.repeat(256), '_a_'],
    ttl: [1_000, '30s', '1d', 86_400_000],
  };
  const bad: Record<string, readonly unknown[]> = {
    serviceName: [
      undefined,
      null,
      '',
      ' ',
      'user service',
      'user/service',
      '../etc',
      '-users',
      'users-',
      '.users',
      'users\n',
      'üsers',
      'x'.repeat(129),
      7,
      {},
      ['users'],
    ],
    host: [
      undefined,
      null,
      '',
      ' ',
      'http://localhost',
      'localhost/path',
      'localhost:80',
      'user:pw@localhost',
      'user@localhost',
      'a b',
      'a\nb',
      'a..b',
      '-a',
      'a?b',
      'a#b',
      '[127.0.0.1]',
      '[localhost]',
      '::1::',
      'fe80::1%eth0',
      '999.1.1.1',
      '1.2.3.4.5',
      'x'.repeat(254),
      `${'x'.repeat(64)}.com`,
      127,
      ['localhost'],
    ],
    port: [undefined, null, 0, -1, 65_536, 80.5, '80', '80a', Number.NaN, Number.POSITIVE_INFINITY, [80]],
    protocol: [null, '', 'ftp', 'HTTP', 'http:', 'rediss', 1, 'toString'],
    path: [
      null,
      'api',
      '//evil.example',
      '/a b',
      '/a?x=1',
      '/a#x',
      '/..',
      '/a/../b',
      '/%2E%2e/x',
      '/a\\b',
      '/a\r\nx',
      '/käse',
      `/${'x'.repeat(1_024)}`,
      7,
    ],
    healthCheckPath: ['', 'health', 'http://169.254.169.254/', '//evil.example', '/a/../b', '/h?x', false, 0],
    healthCheck: [null, '/ready', 7, [], true],
    metadata: [
      null,
      'x',
      7,
      [],
      [{ a: 1 }],
      new Map(),
      new Date(0),
      { big: 'x'.repeat(1_048_576) },
      { limit: 'x'.repeat(METADATA_LIMIT_BYTES) },
      { count: 1n },
      circular,
      nested(METADATA_LIMIT_LEVELS + 1),
      nested(100_000),
      { toJSON: () => 'text' },
    ],
    tags: [
      null,
      'api',
      { 0: 'api' },
      [7],
      [null],
      [''],
      ['a b'],
      ['a/b'],
      ['x'.repeat(129)],
      ['a\u0000'],
      new Set(['a b']),
      new Set([1]),
      new Map([['api', 1]]),
      new Set(Array.from({ length: TAG_LIMIT + 1 }, (_, index) => `tag-${index}`)),
      Array.from({ length: TAG_LIMIT + 1 }, (_, index) => `tag-${index}`),
    ],
    version: [null, '', '1', '1.2', 'latest', '1.2.3.4', '^1.2.3', `1.2.3-${'x'.repeat(200)}`, 1, {}],
    weight: [null, -1, 65_536, 1.5, '100', Number.NaN],
    zone: [null, '', 'a b', 'a/b', 'x'.repeat(129), 7],
    tier: [null, '', 'a b', 'a/b', 'x'.repeat(129), 7],
    dependencies: [
      null,
      'orders',
      { 0: 'orders' },
      Array.from({ length: DEPENDENCY_LIMIT + 1 }, (_, index) => `s${index}`),
    ],
    instanceId: [null, '', 'a b', 'a/b', '../a', '-a', 'a-', '.', '..', 'x'.repeat(257), 'ä', 7],
    ttl: [null, 0, 999, 86_400_001, '999ms', '2d', 'soon', '', Number.NaN, {}],
  };

  describe.each(Object.entries(good))('of %s', (field, values) => {
    it.each(values.map((value) => [value]))('accepts %p', (value) => {
      expect(problemsWith({ [field]: value })).toEqual([]);
    });
  });

  describe.each(Object.entries(bad))('of %s', (field, values) => {
    it.each(
      values.map((value, index) => [`${index}: ${String(JSON.stringify(plain(value))).slice(0, 40)}`, value] as const),
    )('rejects value %s', (_name, value) => {
      const problems = problemsWith({ [field]: value });
      expect(pathsOf(problems)).toEqual([field]);
      expect(problems[0]).toMatchObject({ expected: expect.stringMatching(/^(a|an|one|")/) });
      expect(problems[0]?.value).toBe(value);
    });
  });

  it('is rejected for each dependency that is not a service name, by its index', () => {
    const wrong = ['', 'orders', 'a b', 7, 'a/b'];
    expect(problemsWith({ dependencies: wrong })).toEqual(
      [0, 2, 3, 4].map((index) => ({
        path: `dependencies[${index}]`,
        value: wrong[index],
        expected: 'a name of 1 to 128 letters, digits, ".", "_" or "-" that starts and ends with a letter or digit',
      })),
    );
    // A hole in the list is not a name.
    const holes: unknown[] = [];
    holes[1] = 'orders';
    expect(pathsOf(problemsWith({ dependencies: holes }))).toEqual(['dependencies[0]']);
  });

  it('is rejected for an unknown field, with a suggestion', () => {
    expect(problemsWith({ healthPath: '/x', healthcheck: { type: 'tcp' }, colour: undefined })).toEqual([
      { path: 'healthPath', value: '/x', expected: expect.stringMatching(/did you mean "healthCheck/) },
      { path: 'healthcheck', value: { type: '***' }, expected: 'no option of this name (did you mean "healthCheck"?)' },
    ]);
  });

  it('may be an instance, whose state starts over', () => {
    const given = { ...fakeInstance({ healthStatus: 'unhealthy', operatorStatus: 'maintenance' }), weight: 7 };
    expect(toInstance(given, { ttlMs: 1_000, now: 5 })).toMatchObject({
      weight: 7,
      healthStatus: 'unknown',
      operatorStatus: 'up',
      generation: 0,
      ttlMs: 1_000,
      registeredAt: 5,
    });
  });

  it('is rejected with one error for all problems', () => {
    const wrong = {
      serviceName: 'a b',
      host: 'http://x',
      port: '80a',
      protocol: 'ftp',
      tags: 'api',
      weight: -1,
      ttl: 0,
    };
    expect(() => toInstance(wrong as never, DEFAULTS)).toThrow(InvalidInstanceError);
    expect(pathsOf(findRegistrationProblems(wrong as never))).toEqual(Object.keys(wrong));
    expect(() => toInstance(wrong as never, DEFAULTS)).toThrow(
      /port: expected a whole number from 1 to 65535, but got "80a"/,
    );
  });

  it.each([undefined, null, 'users', 7, []])('cannot be %p', (value) => {
    expect(() => toInstance(value as never, DEFAULTS)).toThrow(InvalidInstanceError);
  });

  it("is validated under the caller's spelling of the fields", () => {
    const nameOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const problems = findRegistrationProblems({ ...GOOD, serviceName: '', instanceId: '' }, nameOf);
    expect(pathsOf(problems)).toEqual(['service_name', 'instance_id']);
    const [unknown] = findRegistrationProblems({ ...GOOD, nonsense: 1 } as never, nameOf);
    expect(unknown?.expected).toMatch(/known are service_name, host, .*health_check_path/);
  });

  it("keeps a huge value out of the error's message", () => {
    let message = '';
    try {
      made({ metadata: { big: 'x'.repeat(1_048_576) } });
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toMatch(/metadata: expected a JSON object of at most 16384 bytes and 32 levels/);
    expect(message.length).toBeLessThan(300);
  });

  it('normalizes trailing slashes, brackets, duplicate tags and a leading v of the version', () => {
    const instance = made({ path: '/api//', host: '[::1]', tags: ['b', 'a', 'b'], version: 'v1.2.3' });
    expect(instance).toMatchObject({ path: '/api', host: '::1', tags: ['b', 'a'], version: '1.2.3' });
    expect(made({ path: '/' }).path).toBe('');
  });

  it('stores tags as a list, even if given as a Set', () => {
    expect(made({ tags: new Set(['b', 'a']) }).tags).toEqual(['b', 'a']);
    expect(() => made({ tags: new Set(['a b']) })).toThrow(/tags: expected a list .* but got \["a b"\]/);
  });

  it.each([
    ['1.0.0', undefined, '1.0.0'],
    ['v1.0.0', undefined, '1.0.0'],
    ['1.0.0', '2.0.0', '2.0.0'],
    ['1.0', undefined, undefined],
    ['latest', undefined, undefined],
    [1, undefined, undefined],
  ])('with %p in metadata.version and version %p has version %p', (inMetadata, version, expected) => {
    const instance = made({ metadata: { version: inMetadata, team: 'x' }, version });
    expect(instance.version).toBe(expected);
    expect(instance.metadata).toEqual({ version: inMetadata, team: 'x' });
  });

  it('lists each dependency once, and none if none is given', () => {
    expect(made({ dependencies: ['b', 'a', 'b'] }).dependencies).toEqual(['b', 'a']);
    expect(made({ dependencies: [] }).dependencies).toBeUndefined();
  });

  it('has a default health check path only with HTTP', () => {
    const pathOf = (more: Partial<ServiceRegistration>): string | null => made(more).healthCheckPath;
    expect(pathOf({ protocol: 'https' })).toBe('/health');
    for (const protocol of PROTOCOLS.slice(2)) {
      expect([protocol, pathOf({ protocol })]).toEqual([protocol, null]);
      expect([protocol, pathOf({ protocol, healthCheckPath: '/live' })]).toEqual([protocol, '/live']);
    }
  });

  it('keeps null for checks without HTTP', () => {
    expect(made({ healthCheckPath: null }).healthCheckPath).toBeNull();
  });

  it('has its own ttl', () => {
    expect(made({ ttl: '90s' }).ttlMs).toBe(90_000);
    expect(made({ ttl: 5_000 }).ttlMs).toBe(5_000);
  });

  it("stores metadata as JSON, unaffected by later changes of the caller's object", () => {
    const metadata: Record<string, unknown> = { at: new Date(0), nothing: undefined, run: () => 1, nested: { a: 1 } };
    const instance = made({ metadata });
    (metadata.nested as { a: number }).a = 2;
    expect(instance.metadata).toEqual({ at: '1970-01-01T00:00:00.000Z', nested: { a: 1 } });
  });

  it('cannot pollute a prototype through its metadata', () => {
    const metadata = JSON.parse('{"__proto__":{"polluted":true}}') as Record<string, unknown>;
    expect(made({ metadata }).metadata.polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  describe('without an id', () => {
    it.each([
      ['localhost', 'localhost:8080'],
      ['10.0.0.7', '10.0.0.7:8080'],
      ['2001:db8::1', '2001-db8--1:8080'],
      ['::1', '0--1:8080'],
      ['[::1]', '0--1:8080'],
    ])('at %s is %s', (host, id) => {
      expect(made({ host }).instanceId).toBe(id);
    });

    it('is deterministic, even at the longest host', () => {
      const host = `${'x'.repeat(63)}.${'x'.repeat(63)}.${'x'.repeat(63)}.${'x'.repeat(61)}`;
      const { instanceId } = made({ host });
      expect(made({ host }).instanceId).toBe(instanceId);
      expect(made({ host, port: 8081 }).instanceId).not.toBe(instanceId);
      expect(problemsWith({ instanceId })).toEqual([]);
    });
  });
});

/** A value in a form that fits the name of a test. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.slice(0, 40);
  return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value);
}
