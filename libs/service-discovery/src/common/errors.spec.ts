import { inspect } from 'node:util';
import { connect } from 'node:net';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import * as common from './index.js';

const {
  describeProblem,
  describeValue,
  ERROR_CODES,
  InvalidConfigurationError,
  InvalidInstanceError,
  messageOf,
  ServiceDiscoveryError,
} = common;

/** One of each class, under its name. */
const SAMPLES: Record<string, common.ServiceDiscoveryError> = {
  InvalidConfigurationError: new InvalidConfigurationError([]),
  InvalidInstanceError: new InvalidInstanceError([]),
  ServiceNotFoundError: new common.ServiceNotFoundError('users'),
  NoAvailableInstanceError: new common.NoAvailableInstanceError('users', 'all drain'),
  CircuitOpenError: new common.CircuitOpenError('open'),
  DeadlineExceededError: new common.DeadlineExceededError(5),
  AttemptTimeoutError: new common.AttemptTimeoutError(5),
  BulkheadFullError: new common.BulkheadFullError({ limit: 1, queue: 2 }),
  RateLimitedError: new common.RateLimitedError({ rate: 5, perMs: 1_000 }),
  ThrottledError: new common.ThrottledError({ probability: 0.5 }),
  ConcurrencyLimitedError: new common.ConcurrencyLimitedError({ limit: 3, queue: 1 }),
  RegistryUnavailableError: new common.RegistryUnavailableError('away'),
  ServiceNotReadyError: new common.ServiceNotReadyError(1_000, [{ service: 'users', reason: 'there is none' }]),
  LeaseLostError: new common.LeaseLostError('users', 'a'),
  TransportError: new common.TransportError('refused', true),
  ResponseInvalidError: new common.ResponseInvalidError([{ path: 'id', message: 'must be a number' }]),
  ResponseStatusError: new common.ResponseStatusError(500, {}, undefined),
};

describe('error codes', () => {
  it('have one distinct description each', () => {
    const meanings = Object.values(ERROR_CODES);
    expect(new Set(meanings).size).toBe(meanings.length);
    for (const meaning of meanings) expect(meaning).toMatch(/^\S.{10,}[^.]$/);
    for (const code of Object.keys(ERROR_CODES)) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
  });

  it('belong to one class each', () => {
    const codes = Object.values(SAMPLES).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(Object.keys(ERROR_CODES)).toContain(code);
  });

  it('are covered here for every class', () => {
    const classes = Object.entries(common as Record<string, unknown>)
      .filter(([, value]) => typeof value === 'function' && value.prototype instanceof ServiceDiscoveryError)
      .map(([name]) => name);
    expect(classes.sort()).toEqual(Object.keys(SAMPLES).sort());
  });
});

describe('ServiceDiscoveryError', () => {
  it.each(Object.entries(SAMPLES))('is the base of %s, which has its own name', (name, error) => {
    expect(error).toBeInstanceOf(ServiceDiscoveryError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(String(error)).toBe(`${name}: ${error.message}`);
  });

  it('carries its details', () => {
    const cause = new Error('refused');
    const details = { service: 'users', instanceId: 'a', attempts: 3, retryAfterMs: 500, cause };
    const message = 'open. See nest-service-discovery/docs/reference/errors.md#CIRCUIT_OPEN';
    expect(new ServiceDiscoveryError('CIRCUIT_OPEN', 'open', details)).toMatchObject({ ...details, message });
    expect('cause' in new ServiceDiscoveryError('CIRCUIT_OPEN', 'open')).toBe(false);
  });
});

describe('a problem', () => {
  it('is described with path, what is allowed, and the value', () => {
    expect(describeProblem({ path: 'retry.maxAttempts', value: 0, expected: 'a whole number from 1 to 20' })).toBe(
      'retry.maxAttempts: expected a whole number from 1 to 20, but got 0',
    );
  });

  it('appears in the message with all the others', () => {
    const problems = [
      { path: 'port', value: '80a', expected: 'a whole number from 1 to 65535' },
      { path: 'host', value: undefined, expected: 'a host name' },
    ];
    expect(new InvalidConfigurationError(problems).message).toBe(
      'Invalid configuration:\n' +
        '  - port: expected a whole number from 1 to 65535, but got "80a"\n' +
        '  - host: expected a host name, but got nothing\n' +
        '  See nest-service-discovery/docs/reference/errors.md#INVALID_CONFIGURATION',
    );
    expect(new InvalidInstanceError(problems)).toMatchObject({ code: 'INVALID_INSTANCE', problems });
  });
});

describe('describeValue', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const throwing = {
    toJSON: () => {
      throw new Error('no');
    },
  };

  it.each([
    [undefined, 'nothing'],
    [null, 'null'],
    ['a "b"', '"a \\"b\\""'],
    [Number.NaN, 'NaN'],
    [10n, '10'],
    [{ a: [1] }, '{"a":[1]}'],
    [() => 1, 'a function'],
    [[() => 1, 2], '["a function",2]'],
    [Symbol('x'), '[object Symbol]'],
    [circular, '[object Object]'],
    [throwing, '[object Object]'],
  ])('describes value %#', (value, text) => {
    expect(describeValue(value)).toBe(text);
  });

  it('truncates long values', () => {
    expect(describeValue('x'.repeat(1_000_000))).toHaveLength(80);
  });
});

describe('messageOf', () => {
  it.each([
    [new Error('broken'), 'broken'],
    [new TypeError(''), 'TypeError'],
    [Object.assign(new Error(''), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    [new DOMException('This operation was aborted', 'AbortError'), 'This operation was aborted'],
    ['plain text', 'plain text'],
    [undefined, 'nothing'],
    [{ reason: 'odd' }, '{"reason":"odd"}'],
  ])('describes error %#', (error, message) => {
    expect(messageOf(error)).toBe(message);
  });

  it("understands Node's own errors under a test runner's realm", async () => {
    expect(messageOf(await readFile('/no/such/file').catch((error: unknown) => error))).toMatch(/^ENOENT: /);
    const socket = connect({ port: 1, host: '127.0.0.1' });
    const [error] = (await once(socket, 'error')) as [unknown];
    expect(messageOf(error)).toMatch(/^connect ECONNREFUSED /);
  });

  it('is printed with its details, without headers and body of a response', () => {
    const headers = { 'set-cookie': 'session=s3cret' };
    const error = new common.ResponseStatusError(404, headers, { email: 'ada@example.com' }, { service: 'users' });
    expect(error).toMatchObject({ status: 404, headers, body: { email: 'ada@example.com' } });
    const printed = inspect(error);
    expect(printed).toContain("service: 'users'");
    expect(printed).not.toMatch(/s3cret|ada@|undefined/);
  });

  it('leaves out the address of a page, where the text becomes a part of another one', () => {
    const problems = [{ path: 'port', value: 0, expected: 'a port' }];
    const configuration = new InvalidConfigurationError(problems);
    expect(messageOf(configuration)).toBe('Invalid configuration:\n  - port: expected a port, but got 0');
    const message = `It failed: ${messageOf(new common.CircuitOpenError('The circuit is open'))}`;
    const error = new ServiceDiscoveryError('ABORTED', message, { hint: 'perhaps' });
    expect(error.message).toBe(`It failed: The circuit is open (perhaps). See ${error.page}`);
    expect(messageOf(error)).toBe('It failed: The circuit is open (perhaps)');
  });

  it('is in the stack with the address of its page, as loggers print it', () => {
    const error = new ServiceDiscoveryError('CIRCUIT_OPEN', 'The circuit is open');
    expect(error.page).toBe('nest-service-discovery/docs/reference/errors.md#CIRCUIT_OPEN');
    for (const printed of [error.stack, inspect(error)]) {
      expect(printed).toMatch(/Error: The circuit is open\. See \S+#CIRCUIT_OPEN\n {4}at /);
    }
  });

  it('includes its message in JSON, without stack and cause', () => {
    const cause = new Error('refused');
    const error = new common.TransportError('No connection', true, { service: 'users', attempts: 3, cause });
    expect(JSON.parse(JSON.stringify({ error }))).toEqual({
      error: {
        name: 'TransportError',
        code: 'TRANSPORT_FAILURE',
        message: 'No connection. See nest-service-discovery/docs/reference/errors.md#TRANSPORT_FAILURE',
        service: 'users',
        attempts: 3,
        neverSent: true,
      },
    });
  });

  it('of a configuration is printed as one list, and has its problems in JSON', () => {
    const problems = [{ path: 'timeout', value: 'soon', expected: 'a duration' }];
    const error = new InvalidConfigurationError(problems);
    expect(inspect(error)).toBe(error.stack);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ message: error.message, problems });
  });
});
