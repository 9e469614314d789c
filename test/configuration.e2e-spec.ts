import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import {
  CircuitOpenError,
  getServiceDiscoveryConfig,
  InvalidConfigurationError,
  MemoryRegistryStore,
  type ResolvedServiceDiscoveryOptions,
  SERVICE_DISCOVERY_OPTIONS,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { type TlsOptions } from 'nest-service-discovery/core';
import { Redis } from 'ioredis';
import { FakeTransport } from 'nest-service-discovery/testing';
import { Apps, startError, urlOf } from './support/nest-app.js';

const apps = new Apps();
const PREFIX = 'SERVICE_DISCOVERY_';
let outside: NodeJS.ProcessEnv;

beforeEach(() => {
  outside = process.env;
  const own = Object.entries(outside).filter(([name]) => !name.startsWith(PREFIX));
  process.env = Object.fromEntries(own);
});
afterEach(async () => {
  await apps.close();
  process.env = outside;
});

function setEnvironment(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) process.env[PREFIX + name] = value;
}

function start(options: ServiceDiscoveryOptions = {}): Promise<INestApplication> {
  return apps.create(ServiceDiscoveryModule.forRoot(options));
}

async function optionsOf(options: ServiceDiscoveryOptions = {}): Promise<ResolvedServiceDiscoveryOptions> {
  return (await start(options)).get<ResolvedServiceDiscoveryOptions>(SERVICE_DISCOVERY_OPTIONS);
}

async function problemsOf(options: unknown = {}): Promise<Record<string, { value: unknown; expected: string }>> {
  const error = await startError(ServiceDiscoveryModule.forRoot(options as ServiceDiscoveryOptions));
  expect(error).toBeInstanceOf(InvalidConfigurationError);
  const { problems } = error as InvalidConfigurationError;
  return Object.fromEntries(problems.map(({ path, ...rest }) => [path, rest]));
}

describe('without any options', () => {
  it('the registry is local and everything has its default', async () => {
    await expect(optionsOf()).resolves.toMatchObject({
      mode: 'memory_only',
      remote: undefined,
      namespace: 'default',
      transport: 'undici',
      api: { path: 'service-discovery', healthPath: 'health', guardReads: true },
      shutdown: { drainDelayMs: 0, timeoutMs: 20_000 },
    });
  });

  it('an empty variable counts as unset', async () => {
    setEnvironment({ MODE: '', SERVICE_TTL: ' ' });
    await expect(optionsOf()).resolves.toMatchObject({ mode: 'memory_only', registry: {} });
  });
});

it('a registry cannot restrict what it follows', async () => {
  await expect(optionsOf({ follow: 'used' })).rejects.toThrow(/follow: .*"all" in the mode memory_only/);
  await expect(optionsOf({ follow: 'some' as never })).rejects.toThrow(/follow: .*one of "all", "used"/);
});

it('inheritDeadline must be true or false', async () => {
  await expect(optionsOf()).resolves.toMatchObject({ inheritDeadline: true });
  await expect(optionsOf({ inheritDeadline: 'yes' as never })).rejects.toThrow(
    /inheritDeadline: .*true, false, or a function/,
  );
});

it('a mode with Redis but no URL does not fall back to memory without saying so', async () => {
  for (const redis of [{}, { url: undefined }, { commandTimeout: '1s' }] as const) {
    await expect(optionsOf({ redis })).rejects.toThrow(/redis\.url: .*mode: 'memory_only'/);
    await expect(optionsOf({ redis, mode: 'memory_only' })).resolves.toMatchObject({ mode: 'memory_only' });
  }
  setEnvironment({ REDIS_URL: 'redis://redis:6379' });
  await expect(optionsOf({ redis: { commandTimeout: '1s' } })).resolves.toMatchObject({ mode: 'redis_backed' });
});

it('the mode remote without a URL does not fall back to memory without saying so', async () => {
  // Equal options share a module; an explicit undefined URL differs from none.
  await expect(optionsOf({})).resolves.toMatchObject({ mode: 'memory_only' });
  for (const options of [
    { registryUrl: undefined },
    { registryUrl: undefined, ...getServiceDiscoveryConfig('testing') },
  ])
    await expect(optionsOf(options)).rejects.toThrow(/registryUrl: .*mode: 'memory_only'.* but got nothing/);
  await expect(problemsOf({ registryUrl: undefined, redis: { url: undefined } })).resolves.toMatchObject({
    registryUrl: { value: undefined },
    'redis.url': { value: undefined },
  });
  const useFactory = (): ServiceDiscoveryOptions => ({ registryUrl: undefined });
  await expect(startError(ServiceDiscoveryModule.forRootAsync({ useFactory }))).resolves.toMatchObject({
    problems: [{ path: 'registryUrl' }],
  });

  await expect(optionsOf({ registryUrl: undefined, mode: 'memory_only' })).resolves.toMatchObject({
    mode: 'memory_only',
  });
  await expect(optionsOf({ registryUrl: undefined, redis: { url: 'redis://redis' } })).resolves.toMatchObject({
    mode: 'redis_backed',
  });
  setEnvironment({ REGISTRY_URL: 'http://registry:3000' });
  await expect(optionsOf({ registryUrl: undefined })).resolves.toMatchObject({ mode: 'remote' });
  setEnvironment({ MODE: 'memory_only', REGISTRY_URL: '' });
  await expect(optionsOf({ registryUrl: undefined })).resolves.toMatchObject({ mode: 'memory_only' });
});

describe('an empty URL variable', () => {
  it.each([
    ['REGISTRY_URL', 'the URL of a registry, such as "http://registry:3000"'],
    ['REDIS_URL', 'the URL of a Redis, such as "redis://redis:6379", or a client'],
  ])('stops the start unless something else locates the registry (%s)', async (name, expected) => {
    setEnvironment({ [name]: ' ' });
    await expect(problemsOf({})).resolves.toEqual({
      [PREFIX + name]: {
        value: '',
        expected: `${expected}, or mode: 'memory_only' (SERVICE_DISCOVERY_MODE=memory_only) to do without`,
      },
    });
    await expect(optionsOf({ mode: 'memory_only' })).resolves.toMatchObject({ mode: 'memory_only' });
    await expect(optionsOf({ registryUrl: 'http://registry:3000' })).resolves.toMatchObject({ mode: 'remote' });
    await expect(optionsOf({ store: new MemoryRegistryStore() })).resolves.toMatchObject({ mode: undefined });
    setEnvironment({ MODE: 'memory_only' });
    await expect(optionsOf()).resolves.toMatchObject({ mode: 'memory_only' });
  });

  it('is accepted if the other variable has a value', async () => {
    setEnvironment({ REGISTRY_URL: '', REDIS_URL: 'redis://redis' });
    await expect(optionsOf()).resolves.toMatchObject({ mode: 'redis_backed' });
    setEnvironment({ REGISTRY_URL: 'http://registry:3000', REDIS_URL: '' });
    await expect(optionsOf()).resolves.toMatchObject({ mode: 'remote' });
  });
});

describe('the mode memory_only', () => {
  const expected = expect.stringMatching(/^nothing beside the mode memory_only/) as unknown;

  it('contradicts a registry address next to it, in options and environment', async () => {
    await expect(problemsOf({ mode: 'memory_only', registryUrl: 'http://:hush@registry:3000' })).resolves.toEqual({
      registryUrl: { value: 'http://***@registry:3000', expected },
    });
    await expect(problemsOf({ mode: 'memory_only', redis: { url: 'redis://:hush@redis' } })).resolves.toEqual({
      'redis.url': { value: 'redis://***@redis', expected },
    });
    await expect(problemsOf({ mode: 'memory_only', redis: { client: {} } })).resolves.toMatchObject({
      'redis.client': { value: '***', expected },
    });
    setEnvironment({ MODE: 'memory_only', REGISTRY_URL: 'http://:hush@registry:3000', REDIS_URL: 'redis://redis' });
    await expect(problemsOf()).resolves.toEqual({
      SERVICE_DISCOVERY_REGISTRY_URL: { value: 'http://***@registry:3000', expected },
      SERVICE_DISCOVERY_REDIS_URL: { value: 'redis://redis', expected },
    });
  });

  it('overrides the address of the environment, and in a test that of the options', async () => {
    setEnvironment({ REGISTRY_URL: 'http://registry:3000', REDIS_URL: 'redis://redis' });
    await expect(optionsOf({ mode: 'memory_only' })).resolves.toMatchObject({ mode: 'memory_only' });
    delete process.env.SERVICE_DISCOVERY_REGISTRY_URL;
    setEnvironment({ MODE: 'memory_only' });
    delete process.env.SERVICE_DISCOVERY_REDIS_URL;
    for (const options of [{ registryUrl: 'http://registry:3000' }, { redis: { url: 'redis://redis' } }]) {
      await expect(optionsOf(options)).resolves.toMatchObject({ mode: 'memory_only' });
    }
  });
});

describe('a custom store', () => {
  it('replaces a mode, even one from the environment', async () => {
    const store = new MemoryRegistryStore();
    const none = { mode: undefined, store, remote: undefined, redis: undefined, shutdown: { drainDelayMs: 300 } };
    await expect(optionsOf({ store })).resolves.toMatchObject(none);
    setEnvironment({ MODE: 'redis_backed', REDIS_URL: 'redis://redis:6379', REGISTRY_URL: 'http://registry:3000' });
    await expect(optionsOf({ store, follow: 'used' })).resolves.toMatchObject(none);
  });

  it('is rejected next to an option that names another registry, and if it is not a store', async () => {
    const store = new MemoryRegistryStore();
    const beside = {
      mode: 'hybrid',
      registryUrl: 'http://:hush@r',
      remote: { token: 'hush' },
      redis: { url: 'redis://:hush@r' },
      selfPreservation: false,
      maxOfflineWrites: 10,
    };
    const problems = await problemsOf({ store, ...beside });
    expect(Object.keys(problems).sort()).toEqual(Object.keys(beside).sort());
    expect(inspect(problems)).not.toContain('hush');
    for (const wrong of [{}, null, 'redis', MemoryRegistryStore]) {
      await expect(problemsOf({ store: wrong })).resolves.toEqual({
        store: {
          value: expect.anything() as unknown,
          expected: expect.stringMatching(/^an object with put\(\)/) as unknown,
        },
      });
    }
  });
});

describe('custom strategies', () => {
  class First {
    choose<C>(candidates: readonly C[]): C {
      return candidates[0]!;
    }
  }

  it('can be named like built-in ones: in options, environment and discovery', async () => {
    setEnvironment({ DEFAULT_LOAD_BALANCING: 'first' });
    const module = ServiceDiscoveryModule.forRoot({
      strategies: { first: First },
      patterns: { web: { loadBalancing: 'first' as never } },
      // Nothing listens at these ports, and an instance found unhealthy would not come first.
      healthCheck: false,
    });
    const app = await apps.listen(module);
    const discovery = app.get(ServiceDiscovery);
    for (const port of [1, 2]) await discovery.registerService({ serviceName: 'users', host: 'localhost', port });
    const found = async (): Promise<number | undefined> =>
      (await discovery.discoverService('users', { strategy: 'first' as never }))?.instance.port;
    expect([await found(), await found()]).toEqual([1, 1]);
    expect(app.get(ServiceCommunicator).explain('users').strategy).toBe('first');
    const answer = await fetch(`${urlOf(app)}/service-discovery/discover/users?strategy=first`);
    expect(await answer.json()).toMatchObject({ port: 1 });
    const refused = await fetch(`${urlOf(app)}/service-discovery/discover/users?strategy=last`);
    expect([refused.status, await refused.text()]).toEqual([
      400,
      expect.stringMatching(/one of round_robin,.*, first/),
    ]);
  });

  it('must be functions by name', async () => {
    await expect(optionsOf({ strategies: { first: 'x' } as never })).rejects.toThrow(/strategies\.first: .*class/);
    await expect(optionsOf({ strategies: [First] as never })).rejects.toThrow(/strategies: .*by name/);
    await expect(optionsOf({ strategies: null as never, loadBalancing: 'first' as never })).rejects.toThrow(
      /strategies: .*by name.*\n.*loadBalancing: /,
    );
    await expect(optionsOf({ strategies: { first: First }, loadBalancing: 'frist' as never })).rejects.toThrow(/first/);
  });
});

describe('the environment', () => {
  it('supplies the strategy to load balancing options without one', async () => {
    setEnvironment({ DEFAULT_LOAD_BALANCING: 'maglev' });
    const loadBalancingOf = async (options: ServiceDiscoveryOptions): Promise<unknown> =>
      (await optionsOf(options)).communicator.loadBalancing;
    expect(await loadBalancingOf({ loadBalancing: { panicThreshold: 0.5 } })).toEqual({
      strategy: 'maglev',
      panicThreshold: 0.5,
    });
    expect(await loadBalancingOf({ loadBalancing: { strategy: 'random' } })).toEqual({ strategy: 'random' });
    expect(await loadBalancingOf({ loadBalancing: 'random' })).toBe('random');
    setEnvironment({ DEFAULT_LOAD_BALANCING: 'ring' });
    await expect(optionsOf({ loadBalancing: { panicThreshold: 0.5 } })).rejects.toThrow(
      /SERVICE_DISCOVERY_DEFAULT_LOAD_BALANCING: .*one of round_robin/,
    );
  });

  it('sets everything that has a variable, in seconds', async () => {
    setEnvironment({
      MODE: 'remote',
      REGISTRY_URL: 'http://registry:3000',
      TOKEN: 'new,old',
      REDIS_URL: 'redis://redis:6379',
      NAMESPACE: 'shop',
      HOST: '10.0.0.7',
      PORT: '8080',
      SERVICE_TTL: '60',
      HEALTH_CHECK_INTERVAL: '15',
      HEALTH_CHECK_TIMEOUT: '2.5',
      CIRCUIT_BREAKER_FAILURE_THRESHOLD: '7',
      CIRCUIT_BREAKER_RECOVERY_TIMEOUT: '45',
      RETRY_MAX_ATTEMPTS: '4',
      RETRY_BASE_DELAY: '0.5',
      RETRY_MAX_DELAY: '20.0',
      DEFAULT_LOAD_BALANCING: 'least_connections',
    });
    await expect(optionsOf()).resolves.toMatchObject({
      mode: 'remote',
      remote: { url: 'http://registry:3000', token: 'new,old' },
      api: { token: 'new,old' },
      redis: undefined,
      namespace: 'shop',
      advertise: { host: '10.0.0.7', port: 8_080 },
      registry: { serviceTtl: '60s' },
      healthCheck: { interval: '15s', timeout: '2.5s' },
      communicator: {
        circuitBreaker: { failureThreshold: 7, recoveryTimeout: '45s' },
        retry: { maxAttempts: 4, baseDelay: '0.5s', maxDelay: '20s' },
        loadBalancing: 'least_connections',
      },
      shutdown: { drainDelayMs: 300 },
    });
  });

  it('refuses thousands of seconds without a unit, which were probably meant in milliseconds', async () => {
    setEnvironment({ HEALTH_CHECK_INTERVAL: '30000', RETRY_BASE_DELAY: '+1000', SERVICE_TTL: '3600' });
    const rule = 'a unit, since a number is in seconds here: write';
    await expect(problemsOf()).resolves.toEqual({
      SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL: { value: '30000', expected: `${rule} '30s' or '30000s'` },
      SERVICE_DISCOVERY_RETRY_BASE_DELAY: { value: '+1000', expected: `${rule} '1s' or '1000s'` },
    });
    setEnvironment({ HEALTH_CHECK_INTERVAL: '30000s', RETRY_BASE_DELAY: '1s' });
    await expect(optionsOf()).resolves.toMatchObject({ healthCheck: { interval: '30000s' } });
    setEnvironment({ HEALTH_CHECK_INTERVAL: '30000' });
    await expect(optionsOf({ healthCheck: { interval: '5s' } })).resolves.toMatchObject({
      healthCheck: { interval: '5s' },
    });
  });

  it('accepts values with a unit', async () => {
    setEnvironment({ SERVICE_TTL: '2m' });
    await expect(optionsOf()).resolves.toMatchObject({ registry: { serviceTtl: '2m' } });
  });

  it('implies the mode remote by a registry URL alone', async () => {
    setEnvironment({ REGISTRY_URL: 'http://registry:3000' });
    await expect(optionsOf()).resolves.toMatchObject({ mode: 'remote', remote: { url: 'http://registry:3000' } });
    await expect(optionsOf({ mode: 'memory_only' })).resolves.toMatchObject({ mode: 'memory_only', remote: undefined });
  });

  it('implies the mode redis_backed by a Redis URL alone', async () => {
    setEnvironment({ REDIS_URL: 'redis://redis:6379', NAMESPACE: 'shop' });
    await expect(optionsOf()).resolves.toMatchObject({
      mode: 'redis_backed',
      redis: { url: 'redis://redis:6379', namespace: 'shop' },
      shutdown: { drainDelayMs: 300 },
    });
    await expect(optionsOf({ mode: 'memory_only' })).resolves.toMatchObject({ mode: 'memory_only', redis: undefined });
    await expect(optionsOf({ registryUrl: 'http://registry' })).resolves.toMatchObject({ mode: 'remote' });
  });

  it('sets the secret that signs registrations, beside what the options say about signing', async () => {
    const key = 'k'.repeat(32);
    setEnvironment({ REDIS_URL: 'redis://redis:6379', REDIS_SIGNING_KEY: key });
    await expect(optionsOf()).resolves.toMatchObject({ redis: { url: 'redis://redis:6379', signing: { key } } });
    await expect(optionsOf({ redis: { signing: { required: false } } })).resolves.toMatchObject({
      redis: { url: 'redis://redis:6379', signing: { key, required: false } },
    });
    const own = { key: 'o'.repeat(32) };
    await expect(optionsOf({ redis: { signing: own } })).resolves.toMatchObject({ redis: { signing: own } });
    setEnvironment({ REDIS_URL: 'redis://redis:6379', REDIS_SIGNING_KEY: 'short-secret' });
    await expect(problemsOf({})).resolves.toEqual({
      SERVICE_DISCOVERY_REDIS_SIGNING_KEY: { value: '***', expected: expect.stringMatching(/^a secret of 32 to 512/) },
    });
  });

  it.each(['redis_backed', 'hybrid'])('assumes a local Redis with the mode %s alone', async (mode) => {
    setEnvironment({ MODE: mode });
    await expect(optionsOf()).resolves.toMatchObject({ mode, redis: { url: 'redis://127.0.0.1:6379' } });
    await expect(optionsOf({ redis: { commandTimeout: '1s' } })).resolves.toMatchObject({
      redis: { url: 'redis://127.0.0.1:6379', commandTimeout: '1s' },
    });
    setEnvironment({ REDIS_URL: 'redis://redis:6379' });
    await expect(optionsOf()).resolves.toMatchObject({ mode, redis: { url: 'redis://redis:6379' } });
  });

  it('starts an app in hybrid mode without Redis, with one warning that names the variable for its URL', async () => {
    setEnvironment({ MODE: 'hybrid' });
    const warnings: string[] = [];
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation((text) => void warnings.push(String(text)));
    const app = await start({ startTimeout: '1s' });
    await app.init();
    // A developer's machine may run one at this address.
    const isThere = app.get(ServiceRegistry).snapshot.connected;
    warn.mockRestore();
    expect(warnings).toEqual(isThere ? [] : [expect.stringContaining('SERVICE_DISCOVERY_REDIS_URL')]);
  });

  it("is overridden by the app's own Redis client", async () => {
    setEnvironment({ REDIS_URL: 'redis://redis:6379' });
    const client = new Redis({ lazyConnect: true });
    const { mode, redis } = await optionsOf({ redis: { client, commandTimeout: '1s' } });
    expect(mode).toBe('redis_backed');
    expect(redis).toEqual({ client, commandTimeout: '1s', namespace: undefined });
    client.disconnect();
  });

  it('is overridden by options, value by value', async () => {
    setEnvironment({ RETRY_MAX_ATTEMPTS: '4', RETRY_BASE_DELAY: '2' });
    await expect(optionsOf({ retry: { maxAttempts: 2 } })).resolves.toMatchObject({
      communicator: { retry: { maxAttempts: 2, baseDelay: '2s' } },
    });
  });

  it('does not re-enable what an option has disabled', async () => {
    setEnvironment({ RETRY_MAX_ATTEMPTS: '4', HEALTH_CHECK_INTERVAL: '1' });
    await expect(optionsOf({ retry: false, healthCheck: false })).resolves.toMatchObject({
      communicator: { retry: false },
      healthCheck: { enabled: false },
    });
  });

  it('sets no token if the API is disabled, and is overridden by tokens in the options', async () => {
    setEnvironment({ TOKEN: 'environment', REGISTRY_URL: 'http://registry' });
    await expect(optionsOf({ api: false })).resolves.toMatchObject({ api: false, remote: { token: 'environment' } });
    await expect(optionsOf({ api: { token: 'own' }, remote: { token: 'other' } })).resolves.toMatchObject({
      api: { token: 'own' },
      remote: { token: 'other' },
    });
  });

  it('names a wrong token once, by its variable and without its value', async () => {
    setEnvironment({ TOKEN: 'hush hush', REGISTRY_URL: 'http://registry' });
    const error = (await startError(ServiceDiscoveryModule.forRoot())) as InvalidConfigurationError;
    expect(error.problems).toEqual([
      { path: 'SERVICE_DISCOVERY_TOKEN', value: '***', expected: expect.stringMatching(/^a token, or several/) },
    ]);
    expect(inspect(error)).not.toContain('hush');
  });
});

describe('a preset', () => {
  it('reduces the attempt timeout to a shorter call timeout, unless both are given', async () => {
    const { communicator } = await optionsOf({ preset: 'production', timeout: '1s' });
    expect(communicator).toMatchObject({ timeout: '1s' });
    await expect(optionsOf({ preset: 'production', timeout: '5s' })).resolves.toMatchObject({
      communicator: { timeout: '5s', attemptTimeout: '5s' },
    });
    const both = { preset: 'production', timeout: '1s', attemptTimeout: '2s' };
    await expect(problemsOf(both)).resolves.toMatchObject({ attemptTimeout: { value: '2s' } });
  });

  it('adapts its own values that contradict a variable', async () => {
    setEnvironment({ RETRY_BASE_DELAY: '20' });
    await expect(optionsOf({ preset: 'production' })).resolves.toMatchObject({
      communicator: { retry: { baseDelay: '20s', maxDelay: '20s' } },
    });
  });

  it('overrides the defaults and is overridden by the environment', async () => {
    setEnvironment({ HEALTH_CHECK_INTERVAL: '7' });
    await expect(optionsOf(getServiceDiscoveryConfig('production'))).resolves.toMatchObject({
      registry: { serviceTtl: '60s' },
      healthCheck: { interval: '7s', timeout: '3s' },
    });
  });

  it('can be selected by name instead of its values', async () => {
    await expect(optionsOf({ preset: 'production' })).resolves.toEqual(
      await optionsOf(getServiceDiscoveryConfig('production')),
    );
  });

  it('overrides the environment where a copy of it was changed', async () => {
    setEnvironment({ SERVICE_TTL: '10', RETRY_BASE_DELAY: '3' });
    const changed = { ...getServiceDiscoveryConfig('production'), serviceTtl: '90s' } as const;
    await expect(optionsOf(changed)).resolves.toMatchObject({
      registry: { serviceTtl: '90s' },
      communicator: { retry: { baseDelay: '3s', maxDelay: '10s' } },
    });
  });

  it.each(['development', 'testing', 'staging', 'production'] as const)('%s starts', async (name) => {
    await expect(optionsOf(getServiceDiscoveryConfig(name))).resolves.toMatchObject({ preset: name });
  });

  it('is rejected if it does not exist', () => {
    expect(() => getServiceDiscoveryConfig('prod' as never)).toThrow(
      'one of development, testing, staging, production',
    );
  });
});

describe('wrong options', () => {
  it('are all named in one error, those of the environment by variable and original text', async () => {
    setEnvironment({
      SERVICE_TTL: 'soon',
      RETRY_MAX_ATTEMPTS: '0',
      CIRCUIT_BREAKER_RECOVERY_TIMEOUT: '-1',
      HEALTH_CHECK_INTERVALL: '5',
      DEFAULT_LOAD_BALANCING: 'round_robbin',
      PORT: '65536',
    });
    const problems = await problemsOf({
      mode: 'memry_only',
      healthCheck: { timeout: '-1s', rise: 0 },
      timeout: 0,
      patterns: { web: { timeout: 'x' }, batch: { hedging: { dely: 1 } }, 'a b': {} },
      pattern: 'bach',
      transport: 'fetch',
      api: { path: '/slashes/' },
      advertise: { host: 'http://me', when: 'soon' as never },
      shutdown: { drainDelay: '1d' },
      logging: { repeatWindow: '1ms' },
      metrics: { prefix: '1' },
      heartbeat: '1s',
      retry: { maxAtempts: 2 },
    });
    expect(Object.keys(problems).sort()).toEqual([
      'SERVICE_DISCOVERY_CIRCUIT_BREAKER_RECOVERY_TIMEOUT',
      'SERVICE_DISCOVERY_DEFAULT_LOAD_BALANCING',
      'SERVICE_DISCOVERY_HEALTH_CHECK_INTERVALL',
      'SERVICE_DISCOVERY_PORT',
      'SERVICE_DISCOVERY_RETRY_MAX_ATTEMPTS',
      'SERVICE_DISCOVERY_SERVICE_TTL',
      'advertise.host',
      'advertise.when',
      'api.path',
      'healthCheck.rise',
      'healthCheck.timeout',
      'heartbeat',
      'logging.repeatWindow',
      'metrics.prefix',
      'mode',
      'pattern',
      'patterns.a b',
      'patterns.batch.hedging.dely',
      'patterns.web.timeout',
      'retry.maxAtempts',
      'shutdown.drainDelay',
      'timeout',
      'transport',
    ]);
    expect(problems.SERVICE_DISCOVERY_RETRY_MAX_ATTEMPTS).toEqual({
      value: '0',
      expected: 'a whole number from 1 to 20',
    });
    expect(problems.SERVICE_DISCOVERY_SERVICE_TTL).toEqual({
      value: 'soon',
      expected: "a duration from 1s to 1d, in seconds or as a text such as '30s'",
    });
  });

  it('include bare numbers that were probably meant in seconds, for every option usually in seconds', async () => {
    const problems = await problemsOf({
      serviceTtl: 60,
      heartbeatInterval: 10,
      startTimeout: 5,
      maxSnapshotAge: 60,
      healthCheck: { interval: 30, downInterval: 5, timeout: 10, services: { users: { interval: 30 } } },
      timeout: 15,
      attemptTimeout: 5,
      retry: { baseDelay: 1, maxDelay: 60, budget: { window: 10 } },
      circuitBreaker: { recoveryTimeout: 30, maxRecoveryTimeout: 60, window: 10, ramp: 5 },
      serviceCircuitBreaker: { recoveryTimeout: 30, window: { calls: 10, maxAge: 60 } },
      outlierDetection: { interval: 10, ejectionTime: 30, maxEjectionTime: 60 },
      hedging: { delay: { window: 60 } },
      rateLimit: { rate: 5, per: 1 },
      throttling: { window: 60 },
      lastGood: { maxAge: 60 },
      loadBalancing: { slowStart: { window: 30 } },
      patterns: { batch: { timeout: 90 } },
      redis: { url: 'redis://redis', commandTimeout: 2 },
      transport: { connectTimeout: 5, keepAliveTimeout: 4, bodyTimeout: 60 },
      shutdown: { drainDelay: 5, timeout: 20 },
      logging: { repeatWindow: 60 },
    });
    const seconds = Object.entries(problems).filter(([, { expected }]) => expected.includes(" ms; write '"));
    expect(Object.fromEntries(seconds.map(([path, { value }]) => [path, value]))).toEqual({
      serviceTtl: 60,
      heartbeatInterval: 10,
      startTimeout: 5,
      maxSnapshotAge: 60,
      'healthCheck.interval': 30,
      'healthCheck.downInterval': 5,
      'healthCheck.timeout': 10,
      'healthCheck.services.users.interval': 30,
      timeout: 15,
      attemptTimeout: 5,
      'retry.baseDelay': 1,
      'retry.maxDelay': 60,
      'retry.budget.window': 10,
      'circuitBreaker.recoveryTimeout': 30,
      'circuitBreaker.maxRecoveryTimeout': 60,
      'circuitBreaker.window': 10,
      'circuitBreaker.ramp': 5,
      'serviceCircuitBreaker.recoveryTimeout': 30,
      'serviceCircuitBreaker.window.maxAge': 60,
      'outlierDetection.interval': 10,
      'outlierDetection.ejectionTime': 30,
      'outlierDetection.maxEjectionTime': 60,
      'hedging.delay.window': 60,
      'rateLimit.per': 1,
      'throttling.window': 60,
      'lastGood.maxAge': 60,
      'loadBalancing.slowStart.window': 30,
      'patterns.batch.timeout': 90,
      'redis.commandTimeout': 2,
      'transport.connectTimeout': 5,
      'transport.keepAliveTimeout': 4,
      'transport.bodyTimeout': 60,
      'shutdown.drainDelay': 5,
      'shutdown.timeout': 20,
      'logging.repeatWindow': 60,
    });
    expect(problems['retry.baseDelay']?.expected).toBe("a unit: 1 is 1 ms; write '1ms' or '1s'");
  });

  it('do not include numbers where milliseconds are usual, 0, and seconds in the environment', async () => {
    setEnvironment({ RETRY_BASE_DELAY: '0.05', HEALTH_CHECK_TIMEOUT: '0.05' });
    const few = {
      hedging: { delay: 50 },
      bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: 50 },
      adaptiveConcurrency: { window: 50, maxWait: 50 },
      rateLimit: { rate: 1, maxWait: 50 },
      circuitBreaker: { slowCallRate: 0.5, slowCallDuration: 50 },
      outlierDetection: { latency: { margin: 5 } },
      startTimeout: 0,
      shutdown: { drainDelay: 0 },
      timeout: '90ms',
    } as const;
    const communicator = (await start(few)).get(ServiceCommunicator);
    // Values that were already validated are not treated as bare numbers.
    const stages = communicator.withOptions({ circuitBreaker: { recoveryTimeout: '50ms' } }).describePipeline('users');
    expect(stages.find(({ stage }) => stage === 'circuit_breaker')?.options).toMatchObject({ recoveryTimeout: 50 });
    expect(() => communicator.withOptions({ timeout: 50 })).toThrow(
      "timeout: expected a unit: 50 is 50 ms; write '50ms'",
    );
    await expect(communicator.callService('users', { path: '/', timeout: 3 })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining("timeout: expected a unit: 3 is 3 ms; write '3ms' or '3s'") as unknown,
    });
  });

  it('come with the name that was probably meant', async () => {
    setEnvironment({ SERVICE_TLL: '60' });
    const problems = await problemsOf({
      mode: 'memry_only',
      retry: { maxAtempts: 2 },
      beat: '1s',
      retries: 3,
      patterns: { batch: {} },
      pattern: 'bach',
    });
    const suggestions = Object.fromEntries(Object.entries(problems).map(([path, { expected }]) => [path, expected]));
    expect(suggestions).toEqual({
      mode: 'memory_only, redis_backed, hybrid, or remote (did you mean "memory_only"?)',
      'retry.maxAtempts': 'no option of this name (did you mean "maxAttempts"?)',
      pattern: 'one of "web", "app", "data", "ml", "monitoring", "batch" (did you mean "batch"?)',
      beat: expect.stringMatching(/^no option of this name: known are .*heartbeatInterval/) as unknown as string,
      retries: 'no option of this name (did you mean "retry.maxAttempts"?)',
      SERVICE_DISCOVERY_SERVICE_TLL: 'no variable of this name (did you mean "SERVICE_DISCOVERY_SERVICE_TTL"?)',
    });
  });

  it('do not include Kubernetes variables of a service called service-discovery', async () => {
    setEnvironment({
      SERVICE_HOST: '10.96.0.12',
      SERVICE_PORT: '3000',
      SERVICE_PORT_HTTP: '3000',
      PORT: 'tcp://10.96.0.12:3000',
      PORT_3000_TCP: 'tcp://10.96.0.12:3000',
      PORT_3000_TCP_PROTO: 'tcp',
      PORT_3000_TCP_PORT: '3000',
      PORT_3000_TCP_ADDR: '10.96.0.12',
    });
    expect((await optionsOf()).advertise).toEqual({});
  });

  it('include options of the hybrid mode, also those set in another mode', async () => {
    const problems = await problemsOf({ mode: 'hybrid', maxOfflineWrites: 0, maxSnapshotAge: '31d' });
    expect(Object.keys(problems).sort()).toEqual(['maxOfflineWrites', 'maxSnapshotAge']);
    await expect(problemsOf({ mode: 'memory_only', maxOfflineWrites: 10 })).resolves.toMatchObject({
      maxOfflineWrites: { value: 10, expected: 'nothing in the mode memory_only: it belongs to hybrid' },
    });
  });

  it('include wrong Redis options', async () => {
    await expect(problemsOf({ mode: 'redis_backed', redis: { tls: {} } })).resolves.toHaveProperty(['redis.url']);
    const wrong = { client: {}, commandTimeout: '1h', changesKept: 1, keyPrefix: 'x' };
    const problems = await problemsOf({ mode: 'redis_backed', namespace: 'a b', redis: wrong });
    expect(Object.keys(problems).sort()).toEqual([
      'namespace',
      'redis.changesKept',
      'redis.client',
      'redis.commandTimeout',
      'redis.keyPrefix',
    ]);
  });

  it("name the URL variable required by the environment's mode, unless an option names it", async () => {
    setEnvironment({ MODE: 'remote' });
    await expect(problemsOf()).resolves.toHaveProperty('SERVICE_DISCOVERY_REGISTRY_URL');
    await expect(problemsOf({ registryUrl: undefined })).resolves.toHaveProperty('registryUrl');
    setEnvironment({ MODE: 'hybrid' });
    await expect(problemsOf({ redis: { tls: {} } })).resolves.toHaveProperty('SERVICE_DISCOVERY_REDIS_URL');
    await expect(problemsOf({ redis: { tls: { ca: 'a' }, url: undefined } })).resolves.toHaveProperty(['redis.url']);
  });

  it('name one of two contradicting variables; an option overrides a variable', async () => {
    setEnvironment({ RETRY_BASE_DELAY: '5', RETRY_MAX_DELAY: '1' });
    await expect(problemsOf()).resolves.toEqual({
      SERVICE_DISCOVERY_RETRY_MAX_DELAY: {
        value: '1',
        expected: 'a duration not shorter than baseDelay, which is 5000ms',
      },
    });
    await expect(optionsOf({ retry: { maxDelay: '10s' } })).resolves.toMatchObject({
      communicator: { retry: { baseDelay: '5s', maxDelay: '10s' } },
    });
  });

  it('show a Redis URL without its password', async () => {
    setEnvironment({ MODE: 'redis_backed', REDIS_URL: 'http://:hush@redis:6379' });
    const error = await startError(ServiceDiscoveryModule.forRoot());
    expect((error as Error).message).toMatch(/SERVICE_DISCOVERY_REDIS_URL: expected .* got "http:\/\/redis:6379"/);
    expect((error as Error).message).not.toContain('hush');
  });

  it.each([['http://user:hush@registry:3000'], ['http://registry?token=hush'], [new URL('http://:hush@registry')]])(
    'show the URL %s of a registry without its password',
    async (registryUrl) => {
      const error = await startError(ServiceDiscoveryModule.forRoot({ registryUrl: registryUrl as string }));
      expect((error as Error).message).toMatch(/registryUrl: expected .* got "http:\/\/(\*\*\*@|registry\/?\?\*\*\*)/);
      expect((error as Error).message).not.toContain('hush');
    },
  );

  it.each<ServiceDiscoveryOptions>([
    { registryUrl: undefined },
    { registryUrl: '' },
    { mode: 'remote' },
    { mode: 'remote', registryUrl: undefined },
    { mode: 'remote', registryUrl: '' },
  ])('say of a registry that has no URL, %j, how to give one and how to do without', async (options) => {
    const expected =
      'the URL of a registry, such as "http://registry:3000", or ' +
      "mode: 'memory_only' (SERVICE_DISCOVERY_MODE=memory_only) to do without";
    await expect(problemsOf(options)).resolves.toEqual({ registryUrl: { value: options.registryUrl, expected } });
  });

  it.each<ServiceDiscoveryOptions>([{ redis: { url: '' } }, { mode: 'hybrid', redis: { url: '' } }])(
    'say of a Redis that has no URL, %j, how to give one and how to do without',
    async (options) => {
      const expected =
        'the URL of a Redis, such as "redis://redis:6379", or a client, or ' +
        "mode: 'memory_only' (SERVICE_DISCOVERY_MODE=memory_only) to do without";
      await expect(problemsOf(options)).resolves.toEqual({ 'redis.url': { value: '', expected } });
    },
  );

  it.each(['registry:3000', 'ftp://registry', 'http://user:secret@registry:3000', 'http://registry?x=1'])(
    'include the registry URL %s',
    async (registryUrl) => {
      await expect(problemsOf({ registryUrl })).resolves.toHaveProperty('registryUrl');
    },
  );

  it('include the axios transport in an app without HttpModule', async () => {
    const problems = await problemsOf({ transport: 'axios' });
    expect(problems).toEqual({
      transport: { value: 'axios', expected: '"undici", or an app that imports HttpModule of @nestjs/axios' },
    });
  });

  it.each([
    ['a group that is no object', { retry: 5 }, 'retry'],
    ['a share in percent', { selfPreservation: { share: 15 } }, 'selfPreservation.share'],
    ['self-preservation that is no group', { selfPreservation: 'off' as never }, 'selfPreservation'],
    ['a heartbeat that is slower than the lease', { serviceTtl: '10s', heartbeatInterval: '10s' }, 'heartbeatInterval'],
    ['an attempt that takes longer than the call', { timeout: '1s', attemptTimeout: '2s' }, 'attemptTimeout'],
    ['a guard that is none', { api: { guard: {} } }, 'api.guard'],
    [
      'a level that is none',
      { logging: { levels: { 'instance.expired': 'info' } } },
      'logging.levels.instance.expired',
    ],
    ['a registry of metrics that is none', { metrics: { registry: {} } }, 'metrics.registry'],
    ['buckets that are no list', { metrics: { durationBuckets: '1' } }, 'metrics.durationBuckets'],
    ['hosts that are none', { allowedHosts: ['10.0.0.0/8', 'http://x'] }, 'allowedHosts[1]'],
    ['hosts that are no list', { allowedHosts: '10.0.0.0/8' as never }, 'allowedHosts'],
    ['hosts that are none, in their former place', { api: { allowedHosts: ['http://x'] } }, 'api.allowedHosts[0]'],
    ['hosts in both places', { allowedHosts: ['a'], api: { allowedHosts: ['b'] } }, 'api.allowedHosts'],
    ['headers in a Map', { registryUrl: 'http://r', remote: { headers: new Map() } }, 'remote.headers'],
    ['a header that is no text', { registryUrl: 'http://r', remote: { headers: { a: 1 } } }, 'remote.headers'],
  ])('include %s', async (_what, options, path) => {
    await expect(problemsOf(options)).resolves.toHaveProperty([path]);
  });

  it.each([[null], ['production'], [[]], [Promise.resolve({})]])('include %p in place of options', (wrong) => {
    expect(() => ServiceDiscoveryModule.forRoot(wrong as never)).toThrow(InvalidConfigurationError);
    expect(() => ServiceDiscoveryModule.forRoot(wrong as never)).toThrow(
      /ServiceDiscoveryModule\.forRoot: expected an object of options \(forRootAsync /,
    );
  });

  it.each([['api'], ['patterns'], ['advertise']])('include null for %s', async (name) => {
    await expect(problemsOf({ [name]: null })).resolves.toEqual({
      [name]: { value: null, expected: expect.stringMatching(/^an object of options/) as unknown },
    });
  });

  it.each([[null], [undefined], ['production']])('include %p returned by a factory', async (made) => {
    const error = await startError(ServiceDiscoveryModule.forRootAsync({ useFactory: () => made as never }));
    const problem = { path: 'ServiceDiscoveryModule.forRootAsync useFactory', value: made };
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION', problems: [problem] });
  });

  it.each([[null], [{}]])('include %j in place of a factory', (wrong) => {
    expect(() => ServiceDiscoveryModule.forRootAsync(wrong as never)).toThrow(InvalidConfigurationError);
  });

  it('include an invalid group returned by a factory, among others', async () => {
    const useFactory = (): object => ({ remote: 'http://registry:3000' });
    const error = await startError(ServiceDiscoveryModule.forRootAsync({ useFactory, api: null as never }));
    const { problems } = error as InvalidConfigurationError;
    expect(problems.map(({ path }) => path).sort()).toEqual(['api', 'remote']);
  });

  it('are listed in the message, one per line', async () => {
    const error = await startError(ServiceDiscoveryModule.forRoot({ serviceTtl: 500, timeout: 0 }));
    expect((error as Error).message.split('\n')).toEqual([
      'Invalid configuration:',
      expect.stringMatching(
        /^ {2}- serviceTtl: expected a duration from 1s to 1d, .*, but got 500$/,
      ) as unknown as string,
      expect.stringMatching(/^ {2}- timeout: expected .*, but got 0$/) as unknown as string,
      '  See nest-service-discovery/docs/reference/errors.md#INVALID_CONFIGURATION',
    ]);
  });
});

it.each([[''], [' '], ['a b'], ['a,,b'], ['a,'], ['ü'], [5], [null], [['a']], ['x'.repeat(513)]])(
  'the token %p is refused on both sides, by name',
  async (token) => {
    const problems = await problemsOf({ registryUrl: 'http://registry', api: { token }, remote: { token } });
    expect(Object.keys(problems)).toEqual(['remote.token', 'api.token']);
    expect(Object.values(problems).map(({ value }) => value)).toEqual(['***', '***']);
  },
);

describe('TLS options of Redis', () => {
  it.each<[url: string, tls: unknown, path: string, expected: string]>([
    ['rediss://redis', { ca: '/none.pem' }, 'redis.tls.ca', 'there is no such file'],
    ['rediss://redis', { key: 'x' }, 'redis.tls.cert', 'cert and key belong together'],
    ['rediss://redis', { services: {} }, 'redis.tls.services', 'no option of this name'],
    ['redis://redis', { servername: 'redis.internal' }, 'redis.tls', 'a rediss URL'],
  ])('are validated with %s: %j is rejected at %s', async (url, tls, path, expected) => {
    const problems = await problemsOf({ redis: { url, tls: tls as TlsOptions } });
    expect(Object.keys(problems)).toEqual([path]);
    expect(problems[path]?.expected).toContain(expected);
  });
});

describe('undici options in place of a transport', () => {
  it('apply to its connections', async () => {
    const connections = new Set<Socket>();
    const server = createServer((request, response) => {
      connections.add(request.socket);
      response.end('{}');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const transport = { connections: 1, keepAliveTimeout: '60s' } as const;
    // Disabled: a check would open a connection of its own.
    const app = await start({ mode: 'memory_only', healthCheck: false, transport });
    await app.init();
    const { port } = server.address() as AddressInfo;
    await app.get(ServiceRegistry).register({ serviceName: 'users', host: '127.0.0.1', port });
    const communicator = app.get(ServiceCommunicator);
    // Sequential, since concurrent calls would open a connection each.
    await Promise.all([1, 2, 3].map(() => communicator.callServiceJson('users', { path: '/' })));
    await app.close();
    server.close();
    expect(connections.size).toBe(1);
  });

  it('may all be given, or none', async () => {
    const all = {
      connections: 8,
      warmConnections: 0,
      connectTimeout: '1s',
      keepAliveTimeout: '2s',
      bodyTimeout: 0,
    };
    for (const transport of [all, {}, structuredClone(all)])
      await expect(optionsOf({ transport })).resolves.toMatchObject({ transport });
  });

  it.each<[unknown, string, string]>([
    [{ keepAliveTimeout: 'soon' }, 'transport.keepAliveTimeout', 'a duration from 1ms to 1d'],
    [{ connections: 0 }, 'transport.connections', 'a whole number from 1 to 65535'],
    [{ keepAliveTimout: '2s' }, 'transport.keepAliveTimout', 'did you mean "keepAliveTimeout"'],
    [{ closeTimeout: '2s' }, 'transport.closeTimeout', 'nothing here: it follows from shutdown.timeout'],
    [{ type: 'fetch' }, 'transport.type', 'one of "undici", "axios"'],
    [{ type: 'axios', connections: 1 }, 'transport.connections', 'no option of this name: known are tls'],
    [{ tls: '/ca.pem' }, 'transport.tls', 'an object of options'],
    [{ tls: { ca: '/none.pem' } }, 'transport.tls.ca', 'there is no such file'],
    [{ type: 'axios', tls: { ca: '/none.pem' } }, 'transport.tls.ca', 'there is no such file'],
    [{ tls: { servername: '10.0.0.1' } }, 'transport.tls.servername', 'a host name'],
    [{ tls: { minVersion: 'SSLv3' } }, 'transport.tls.minVersion', 'one of "TLSv1.2", "TLSv1.3"'],
    [{ tls: { rejectUnauthorized: 0 } }, 'transport.tls.rejectUnauthorized', 'true or false'],
    [{ tls: { verify: false } }, 'transport.tls.verify', 'no option of this name'],
    [{ tls: { services: ['users'] } }, 'transport.tls.services', 'an object of options by the name of a service'],
    [{ tls: { services: { 'a b': {} } } }, 'transport.tls.services.a b', 'the name of a service'],
    [{ tls: { services: { users: true } } }, 'transport.tls.services.users', 'an object of options'],
    [
      { tls: { services: { users: { key: 'x' } } } },
      'transport.tls.services.users.cert',
      'cert and key belong together',
    ],
    [{ send: () => undefined }, 'transport', 'an object with send() and close()'],
    [{ close: () => undefined }, 'transport', 'an object with send() and close()'],
    [new (class Sender {})(), 'transport', 'one of undici, axios, or a plain object of options'],
  ])('are validated: %p is rejected at %s', async (transport, path, expected) => {
    const problems = await problemsOf({ transport });
    expect(Object.keys(problems)).toEqual([path]);
    expect(problems[path]?.expected).toContain(expected);
  });
});

describe('options', () => {
  it('take effect', async () => {
    const transport = new FakeTransport(() => ({ status: 503 }));
    const app = await start({
      transport,
      serviceTtl: '20s',
      retry: false,
      circuitBreaker: { failureThreshold: 1, recoveryTimeout: '1h' },
      patterns: { web: { timeout: '3s' } },
    });
    await app.init();
    const [registry, communicator] = [app.get(ServiceRegistry), app.get(ServiceCommunicator)];
    const { instance } = await registry.register({ serviceName: 'user-service', host: '127.0.0.1', port: 1 });
    expect(instance.ttlMs).toBe(20_000);
    expect(communicator.getCommunicationPatterns().web.timeout).toBe('3s');

    await (await communicator.callService('user-service', { path: '/' })).body.dump();
    await expect(communicator.callService('user-service', { path: '/' })).rejects.toBeInstanceOf(CircuitOpenError);
    expect(transport.sent).toHaveLength(1);
  });
});
