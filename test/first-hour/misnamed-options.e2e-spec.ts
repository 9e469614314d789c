import { writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SetMetadata } from '@nestjs/common';
import {
  DiscoverableService,
  InvalidConfigurationError,
  resolveServiceDiscoveryOptions,
  ServiceCommunicator,
  type ServiceCallRequest,
  type ServiceDiscoveryOptions,
  MemoryRegistryStore,
  ServiceRegistry,
} from 'nest-service-discovery';
import { FakeTransport } from 'nest-service-discovery/testing';
import { BUILD_TIMEOUT_MS, type BuiltPackage, buildPackage } from '../support/built-package.js';

const Public = () => SetMetadata('isPublic', true);

/** The problems as listed by the error, one per line, between what it is and where it is explained. */
function linesOf(check: () => unknown): string[] {
  try {
    check();
  } catch (error) {
    if (error instanceof InvalidConfigurationError) return error.message.split('\n').slice(1, -1);
    throw error;
  }
  return [];
}

describe('an option under a foreign name', () => {
  it.each<[object, string]>([
    [{ failOpen: false }, 'failOpen: expected no option of this name (did you mean "loadBalancing.failOpen"?)'],
    [{ healthCheckInterval: 5 }, '(did you mean "healthCheck.interval"?), but got 5'],
    [{ timeoutMs: 500 }, '(did you mean "timeout"?), but got 500'],
    [{ connectTimeout: '5s' }, '(did you mean "transport.connectTimeout"?), but got "5s"'],
    [{ retries: 3 }, '(did you mean "retry.maxAttempts"?), but got 3'],
    [{ retry: { attempts: 3 } }, 'retry.attempts: expected no option of this name (did you mean "maxAttempts"?)'],
    [{ retry: { initialDelay: '1s' } }, '(did you mean "baseDelay"?)'],
    [{ circuitBreaker: { errorThresholdPercentage: 50 } }, '(did you mean "failureRate"?)'],
    [{ circuitBreaker: { resetTimeout: 30_000 } }, '(did you mean "recoveryTimeout"?)'],
    [{ circuitBreaker: { halfOpenAfter: 30_000 } }, '(did you mean "recoveryTimeout"?)'],
    [{ bulkhead: { capacity: 10, maxConcurrent: 1 } }, '(did you mean "maxConcurrent"?)'],
    [{ healthCheck: { timeoutMs: 500 } }, '(did you mean "timeout"?)'],
    [
      { redis: { host: '10.0.0.1', url: 'redis://10.0.0.1' } },
      'redis.host: expected no option of this name (did you mean "url"?)',
    ],
    [
      { remote: { url: 'http://me:hush@registry:3000' } },
      "remote.url: expected no option of this name: the registry's address is registryUrl beside remote, { registryUrl: 'http://registry:3000' }, but got",
    ],
    [{ serviceName: 'users' }, "where it registers, @DiscoverableService({ name: 'user-service' }) on a provider"],
    [{ name: 'users' }, "where it registers, @DiscoverableService({ name: 'user-service' }) on a provider"],
    [{ healthCheck: { path: '/up' } }, "where it registers, @DiscoverableService({ healthCheckPath: '/health' })"],
    [{ useFactory: () => ({}) }, 'no option of this name: ServiceDiscoveryModule.forRootAsync takes it'],
    [{ isGlobal: true }, 'no option of this name: the module is global as it is'],
    [{ remote: { host: 'registry' } }, "the registry's address is registryUrl beside remote"],
    [{ strategy: 'random' }, '(did you mean "loadBalancing.strategy"?)'],
    [{ upstreams: { users: {} } }, '(did you mean "services"?), but got {"users":"***"}'],
    [{ registry: { url: 'http://me:hush@registry' } }, '(did you mean "registryUrl"?), but got {"url":"***"}'],
    [{ token: 'hush' }, '(did you mean "remote.token" or "api.token"?), but got "***"'],
    [{ retry: 3 }, '(how often is retry.maxAttempts), but got 3'],
    [{ api: { decorator: [Public()] } }, '(did you mean "decorators"?), but got ["a function"]'],
    [{ health: { decorator: Public() } }, '(did you mean "decorators"?), but got a function'],
    [{ health: { decorator: [Public(), 'hush'] } }, 'but got ["a function","***"]'],
  ])('%j is told the right name', (options, expected) => {
    const lines = linesOf(() => resolveServiceDiscoveryOptions(options));
    expect(lines).toEqual([expect.stringContaining(expected)]);
    expect(lines.join()).not.toContain('hush');
  });

  it.each([
    ['postgres', '(a registry of your own is given as store)'],
    ['redis', '(did you mean "redis_backed"?)'],
    ['in-memory', '(did you mean "memory_only"?)'],
    ['http', '(did you mean "remote"?)'],
  ])('mode %s is told the available modes', (mode, expected) => {
    const lines = linesOf(() => resolveServiceDiscoveryOptions({ mode } as unknown as ServiceDiscoveryOptions));
    expect(lines).toEqual([
      expect.stringContaining(`mode: expected memory_only, redis_backed, hybrid, or remote ${expected}`),
    ]);
  });

  it.each([
    [{ mode: 'memory', registryUrl: 'http://registry:3000' }, '(did you mean "remote", which registryUrl belongs to?)'],
    [{ mode: 'memory', redis: { url: 'redis://redis' } }, '(did you mean "redis_backed", which redis belongs to?)'],
    [{ mode: 'hybird', redis: { url: 'redis://redis' } }, '(did you mean "hybrid"?)'],
  ])('%j is told the mode that its options belong to', (options, expected) => {
    const lines = linesOf(() => resolveServiceDiscoveryOptions(options as unknown as ServiceDiscoveryOptions));
    expect(lines).toEqual([expect.stringContaining(`hybrid, or remote ${expected}`)]);
  });

  it('the error of a mode in code does not suggest the mode of a URL in the environment, which it may override on purpose', () => {
    const options = { mode: 'memory' } as unknown as ServiceDiscoveryOptions;
    const environment = { SERVICE_DISCOVERY_REGISTRY_URL: 'http://registry:3000' };
    const lines = linesOf(() => resolveServiceDiscoveryOptions(options, environment));
    expect(lines).toEqual([expect.stringContaining('(did you mean "memory_only"?)')]);
  });

  it('the error of a mode in the environment suggests the mode of a URL there', () => {
    const environment = {
      SERVICE_DISCOVERY_MODE: 'memory',
      SERVICE_DISCOVERY_REGISTRY_URL: 'http://registry:3000',
    };
    const lines = linesOf(() => resolveServiceDiscoveryOptions({}, environment));
    expect(lines).toEqual([expect.stringMatching(/SERVICE_DISCOVERY_MODE: .*\(did you mean "remote"/)]);
  });

  it('a bare number is recognized as seconds if it is too small in milliseconds', () => {
    const hint = expect.stringContaining("(300 is 300 ms: did you mean '300s'?)");
    expect(linesOf(() => resolveServiceDiscoveryOptions({ serviceTtl: 300 }))).toEqual([hint]);
    expect(linesOf(() => DiscoverableService({ name: 'users', ttl: 300 })(class Users {}))).toEqual([hint]);
    expect(linesOf(() => resolveServiceDiscoveryOptions({ serviceTtl: 2 ** 31 })).join()).not.toContain('did you mean');
  });

  it('a list of services may come from another registry, or be in snake case', () => {
    const services = [
      { service_name: 'users', targets: [{ host: '10.0.0.1', port: 80 }] },
      { name: 'orders', upstreams: [], targets: ['http://orders'], health_check_path: '/ready', address: 'orders' },
    ];
    const lines = linesOf(() =>
      resolveServiceDiscoveryOptions({ services } as unknown as ServiceDiscoveryOptions),
    ).join('\n');
    for (const [path, meant] of [
      ['services[0].service_name', 'name'],
      ['services[0].targets[0].host', 'url'],
      ['services[0].targets[0].port', 'url'],
      ['services[1].upstreams', 'targets'],
      ['services[1].health_check_path', 'healthCheckPath'],
      ['services[1].address', 'targets'],
    ]) {
      expect(lines).toContain(`${path}: expected no option of this name (did you mean "${meant}"?)`);
    }
  });

  it('a decorator explains names of health check options', () => {
    const options = { name: 'users', healthCheckInterval: 5, meta: {}, id: 'a' };
    expect(linesOf(() => DiscoverableService(options)(class Users {}))).toEqual([
      expect.stringContaining('(did you mean "healthCheck.interval"?), but got 5'),
      expect.stringContaining('(did you mean "metadata"?)'),
      expect.stringContaining('(did you mean "instanceId"?)'),
    ]);
  });
});

it.each<[object, string]>([
  [{ data: { name: 'Ada' } }, 'data: expected no option of this name (did you mean "json"?), but got {"name":"***"}'],
  [{ params: { page: 2 } }, '(did you mean "query"?)'],
  [{ searchParams: {} }, '(did you mean "query"?)'],
  [{ url: '/users' }, '(did you mean "path"?)'],
  [{ timeoutMs: 500 }, '(did you mean "timeout"?)'],
  [{ body: { name: 'Ada' } }, '(an object is sent as json, in place of body)'],
  [{ baseURL: 'http://users' }, '(the name of the service stands in its place)'],
  [{ responseType: 'json' }, '(callServiceJson reads JSON,'],
  [{ retries: 2 }, '(withOptions({ retry: { maxAttempts: 2 } })'],
  [{ version: '^1.2' }, '(did you mean "criteria.version"?)'],
  [{ fallback: () => null }, '(callServiceWithFallback takes it)'],
  [{ schema: class User {} }, '(callServiceJson takes it as its third argument)'],
])('a request with %j is told the right name', async (fields, expected) => {
  const registry = new ServiceRegistry(new MemoryRegistryStore());
  const communicator = new ServiceCommunicator({ registry, transport: new FakeTransport() });
  const request = { method: 'POST', path: '/', ...fields } as ServiceCallRequest;
  await expect(communicator.callService('users', request)).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringContaining(expected),
  });
  await registry.close();
});

describe('a process with wrong options', () => {
  let built: BuiltPackage;

  beforeAll(async () => {
    built = await buildPackage({ name: 'misnamed-options', type: 'module' });
  }, BUILD_TIMEOUT_MS);
  afterAll(() => built.remove());

  it.each([
    ['forRoot', (options: string): string => `forRoot(${options})`],
    ['forRootAsync', (options: string): string => `forRootAsync({ useFactory: async () => (${options}) })`],
  ])('prints them once, as a list without a stack: %s', async (_name, module) => {
    const file = join(built.consumer, 'main.js');
    await writeFile(
      file,
      `
        import { NestFactory } from '@nestjs/core';
        import { ServiceDiscoveryModule } from 'nest-service-discovery';
        const imports = [ServiceDiscoveryModule.${module("{ mode: 'postgres', timeout: 5, retry: { attempts: 3 } }")}];
        await NestFactory.create({ module: class App {}, imports });
      `,
    );
    const env = { ...process.env, NO_COLOR: '1' };
    const failed = await promisify(execFile)(process.execPath, [file], { cwd: built.consumer, env }).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    const [first, ...list] = failed.stderr.trim().split('\n');
    expect(first).toMatch(/ERROR \[ExceptionHandler\] InvalidConfigurationError: Invalid configuration:$/);
    expect(list.map((line) => line.split(': ')[0])).toEqual([
      '  - mode',
      '  - timeout',
      '  - retry.attempts',
      '  See nest-service-discovery/docs/reference/errors.md#INVALID_CONFIGURATION',
    ]);
    expect(failed.stdout).not.toContain('Invalid configuration');
  });
});
