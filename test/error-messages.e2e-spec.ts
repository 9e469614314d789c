import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as core from 'nest-service-discovery/core';
import {
  type ErrorCode,
  instanceNotFound,
  invalidRequest,
  messageOf,
  type ServiceDiscoveryError,
} from '../libs/service-discovery/src/common/index.js';
import { closedError } from '../libs/service-discovery/src/communicator/call/call-dependencies.js';
import { FallbackFailedError } from '../libs/service-discovery/src/communicator/fallback-call.js';
import { unsupportedProtocol } from '../libs/service-discovery/src/communicator/unsupported-protocol.js';
import { HostNotAllowedError, toInstance } from '../libs/service-discovery/src/model/index.js';
import { CallFixture, failure } from '../libs/service-discovery/src/testing/call-fixture.js';
import { excessOf, parseJson } from '../libs/service-discovery/src/transport/body-source.js';
import { sendFailure } from '../libs/service-discovery/src/transport/index.js';
import { type Answer, type RestApp, startRestApp } from './support/rest-app.js';

const service = 'users';
const details = { service, request: 'GET /users/1' };
const source = { service, instanceId: 'a', method: 'GET', path: '/users/1?token=secret', status: 200 };
const registration = { serviceName: service, instanceId: 'a', host: '10.0.0.1', port: 8080 };
const instance = toInstance(registration, { ttlMs: 1, now: 0 });
const sending = { to: instance, sent: source, hint: '' };

/** Each code with errors as the library makes them, and what they tell to do. */
const MESSAGES: Record<ErrorCode, readonly (readonly [make: () => unknown, wayOut: string])[]> = {
  SERVICE_NOT_FOUND: [[() => new core.ServiceNotFoundError(service), 'Check the name, or start the service']],
  SERVICE_NOT_READY: [
    [() => new core.ServiceNotReadyError(1_000, [{ service, reason: 'there is none' }]), 'Start what is missing'],
  ],
  NO_AVAILABLE_INSTANCE: [
    [
      () => new core.NoAvailableInstanceError(service, 'all drain'),
      '`npx nest-service-discovery doctor users` says what to do',
    ],
  ],
  CIRCUIT_OPEN: [
    [() => circuit('open').refusal(), 'Try again in 60 s, and find out why calls fail'],
    [() => circuit('isolated').refusal(), 'Set it to automatic when calls may go there again'],
  ],
  DEADLINE_EXCEEDED: [
    [() => new core.DeadlineExceededError(50, details), 'Find out what takes so long, or raise timeout'],
    [() => new core.DeadlineExceededError(0, details, true), 'The request that it is made for has no more time'],
  ],
  ATTEMPT_TIMEOUT: [
    [() => new core.AttemptTimeoutError(50, details), 'Find out what takes so long, or raise attemptTimeout'],
  ],
  RETRY_BUDGET_EXHAUSTED: [[withoutBudget, 'raise retry.budget.minPerSecond']],
  BULKHEAD_FULL: [
    [
      () => new core.BulkheadFullError({ service, limit: 2, queue: 1 }),
      'Find out what takes so long, or raise bulkhead.maxConcurrent or bulkhead.maxQueue',
    ],
    [() => new core.BulkheadFullError({ service, limit: 2 }), 'Add instances, or raise concurrency'],
  ],
  RATE_LIMITED: [
    [
      () => new core.RateLimitedError({ service, rate: 5, perMs: 1_000, retryAfterMs: 200 }),
      'Try again in 200 ms, let calls wait (rateLimit.maxWait), or raise rateLimit.rate',
    ],
  ],
  THROTTLED: [[() => new core.ThrottledError({ service, probability: 0.5 }), 'add instances of it']],
  CONCURRENCY_LIMITED: [
    [
      () => new core.ConcurrencyLimitedError({ service, limit: 3, queue: 1 }),
      'Add instances, or let more calls wait (adaptiveConcurrency.maxQueue)',
    ],
  ],
  REGISTRY_UNAVAILABLE: [[readWithoutRegistry, 'await app.init() first']],
  LEASE_LOST: [[() => new core.LeaseLostError(service, 'a'), 'Register again']],
  INVALID_CONFIGURATION: [
    [
      () => new core.InvalidConfigurationError([{ path: 'services.users', value: 1, expected: 'a list' }]),
      'expected a list',
    ],
  ],
  INVALID_INSTANCE: [
    [() => toInstance({ ...registration, port: 0 }, { ttlMs: 1, now: 0 }), 'expected a whole number from 1 to 65535'],
  ],
  INVALID_REQUEST: [
    [() => invalidRequest([{ path: 'timeout', value: -1, expected: 'a duration' }], service), 'expected a duration'],
  ],
  UNSUPPORTED_PROTOCOL: [
    [() => unsupportedProtocol(service, [{ ...instance, protocol: 'redis' }]), "use discoverService('users')"],
    [() => unsupportedProtocol(service, [instance]), 'register it with https'],
  ],
  INSTANCE_NOT_FOUND: [[() => instanceNotFound(service, 'a'), 'Look up its id']],
  HOST_NOT_ALLOWED: [
    [
      () => new HostNotAllowedError('169.254.0.1', 'a link-local address', undefined, service),
      'Register the address that callers use',
    ],
    [() => new core.HostPolicy([]).findRefusal('10.0.0.1', undefined, service), 'List it in the option allowedHosts'],
    [
      () => sendFailure({ ...sending, error: new core.HostPolicy([]).findRefusal('10.0.0.1'), neverSent: true }),
      'List it in the option allowedHosts',
    ],
  ],
  FALLBACK_FAILED: [
    [
      () => new FallbackFailedError({ primaryService: service, fallbackService: 'backup' }, new Error(), new Error()),
      'Find out why by primaryError and fallbackError',
    ],
  ],
  RESPONSE_STATUS: [
    [() => new core.ResponseStatusError(404, {}, undefined, details), 'Handle its status, or use callService'],
  ],
  RESPONSE_BODY: [[() => parseJson('<html>', source), 'Ask it for JSON, or read the body as text']],
  RESPONSE_INVALID: [
    [
      () => new core.ResponseInvalidError([{ path: 'id', message: 'must be a number' }], details),
      'Correct the schema, or what the service answers',
    ],
  ],
  RESPONSE_TOO_LARGE: [
    [() => excessOf({ ...source, maxBytes: 1 }, 2), 'Read it as a stream, or raise transport.maxResponseSize'],
  ],
  TRANSPORT_FAILURE: [
    [
      () => sendFailure({ ...sending, error: new Error('connect ECONNREFUSED'), neverSent: true }),
      'Check that it runs, and that this address is its own and can be reached from here',
    ],
    [
      () => sendFailure({ ...sending, error: new Error('socket hang up'), neverSent: false }),
      'Look in its log for why the connection broke',
    ],
  ],
  CERTIFICATE_REJECTED: [
    [
      () => sendFailure({ ...sending, error: codeOnly('CERT_HAS_EXPIRED'), neverSent: true }),
      'Renew the certificate, or correct what is expected of it (tls)',
    ],
  ],
  ABORTED: [[() => closedError(service), 'Make no calls after that']],
};

describe('the message of an error', () => {
  it.each(Object.entries(MESSAGES))('of %s names the service, the way out and the page', async (code, errors) => {
    for (const [make, wayOut] of errors) {
      const error = await made(make);
      expect(error.code).toBe(code);
      expect(error.message).toContain(service);
      expect(error.message).toContain(wayOut);
      expect(error.message).toMatch(
        new RegExp(`[^.\\s](?:\\. |\\n {2})See nest-service-discovery/docs/reference/errors\\.md#${code}$`),
      );
      expect(error.message).not.toMatch(/undefined|null|NaN|\[object|secret|See .*See /);
      expect(messageOf(error)).not.toContain('See ');
    }
  });
});

describe('the answer ACCESS_DENIED', () => {
  let rest: RestApp;

  beforeAll(async () => {
    rest = await startRestApp('express', {
      api: {
        access: [
          { token: 'stranger', name: 'stranger', may: ['read', 'register'], services: ['orders', 'users'] },
          { token: 'owner', may: ['read', 'register'], services: ['users'] },
        ],
        authorize: ({ serviceName }) => serviceName !== 'orders',
      },
    });
    expect((await register('users', 'owner')).status).toBe(201);
  });
  afterAll(() => rest.close());

  const register = (name: string, token = 'stranger'): Promise<Answer> =>
    rest.send('POST', '/register', {
      headers: { authorization: `Bearer ${token}` },
      json: { service_name: name, instance_id: 'a', host: '10.0.0.1', port: 8080 },
    });

  it.each([
    [
      'billing',
      "token:stranger may not register billing. A rule of the registry's `api.access` that names this caller has to have `may: ['register']` for that service.",
    ],
    [
      'users',
      "token:stranger may not change users/a, since another caller registered it. Take another instance id, or have a caller do it whose rule in `api.access` has `may: ['operate']` for users.",
    ],
    ['orders', 'token:stranger may not register orders/a: the function `api.authorize` of the registry refuses it.'],
  ])(
    'to the registration of %s by another caller names the caller, the service and the way out',
    async (name, message) => {
      const { status, body } = await register(name);
      expect(status).toBe(403);
      expect(body.error).toMatchObject({
        code: 'ACCESS_DENIED',
        message,
        page: 'nest-service-discovery/docs/reference/errors.md#ACCESS_DENIED',
        service: name,
      });
    },
  );
});

/** What is thrown or returned. */
async function made(make: () => unknown): Promise<ServiceDiscoveryError> {
  try {
    return (await make()) as ServiceDiscoveryError;
  } catch (error) {
    return error as ServiceDiscoveryError;
  }
}

function circuit(state: 'open' | 'isolated'): core.CircuitBreaker {
  const breaker = new core.CircuitBreaker({ failureThreshold: 1 }, { name: service });
  if (state === 'isolated') breaker.isolate();
  else breaker.tryAcquire()?.settle('failure');
  return breaker;
}

async function withoutBudget(): Promise<unknown> {
  const stage = await CallFixture.open();
  await stage.register('a');
  stage.failOn('a');
  const budget = { ratio: 0, minPerSecond: 0.1, window: '10s' } as const;
  const communicator = stage.communicatorWith({ retry: { maxAttempts: 2, budget }, circuitBreaker: false });
  // The first call takes the only retry.
  const call = (): Promise<ServiceDiscoveryError> => failure(communicator.callService(service, { path: '/' }));
  const first = call();
  await stage.clock.advanceAsync(1_000);
  await first;
  const error = await call();
  await stage.close();
  return error;
}

async function readWithoutRegistry(): Promise<unknown> {
  return new core.ServiceRegistry(new core.MemoryRegistryStore()).servedInstances(service);
}

function codeOnly(code: string): Error {
  return Object.assign(new Error('certificate has expired'), { code });
}
