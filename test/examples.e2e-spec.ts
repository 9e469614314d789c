import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Inject,
  type INestApplication,
  Module,
  type ModuleMetadata,
  Param,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type TestingModule } from '@nestjs/testing';
import {
  EventBus,
  HealthAggregator,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceInstance,
  ServiceReadiness,
  ServiceRegistry,
} from 'nest-service-discovery';
import { freePort } from '../bench/support/free-port.js';
import { buildPackage, type BuiltPackage, BUILD_TIMEOUT_MS, compileSources } from './support/built-package.js';
import { readPages } from './support/pages.js';
import { RedisServer } from './support/redis-server.js';
import { type Identity, TestAuthority } from './support/test-authority.js';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '..');
const pages = await readPages();

/** The token of an example, which reads it when it is imported. */
const ORDERS_TOKEN = (process.env.ORDERS_TOKEN = 'orders-secret');
/** The registry's port on the pages. */
const PAGE_PORT = '3000';
/** The port of the service in another language that the pages register. */
const PAGE_LEGACY_PORT = '9000';
/** The port of Redis on the pages. */
const PAGE_REDIS_PORT = '6379';
/** The certificate directory on the pages. */
const PAGE_CERTIFICATES = '/run/secrets/tls';

/** Every TypeScript block on the pages. */
const blocks = [...pages].flatMap(([path, page]) =>
  [...page.matchAll(/```ts\n(?:\/\/ (\S+\.ts)\n)?(.*?)```/gs)].map(([, file, source]) => ({
    path,
    file,
    source: source!,
  })),
);
/** Examples: blocks that are whole files, by the file name in their first line. */
const sources = new Map(blocks.flatMap(({ file, source }) => (file === undefined ? [] : [[file, source] as const])));
/**
 * Commands for a running gateway, with continuation lines joined: those of the quick start, then those of the REST API.
 */
const commands = ['README.md', 'docs/reference/rest.md']
  .flatMap((path) => [...pages.get(path)!.matchAll(/```sh\n(.*?)```/gs)])
  .flatMap(([, block]) => block!.replaceAll(/\\\n\s*/g, '').split('\n'))
  .filter((line) => line.startsWith('curl '));

let built: BuiltPackage;
let port: number;
let redis: RedisServer;
let authority: TestAuthority;
let payments: Identity;

beforeAll(async () => {
  built = await buildPackage({ name: 'reader', type: 'module' });
  port = await freePort();
  redis = await RedisServer.start();
  authority = await TestAuthority.create();
  await authority.issue('order-service');
  const names = 'DNS:payments.internal,URI:spiffe://corp.example/ns/shop/sa/payment-service';
  payments = await authority.issue('payment-service', { names });
  for (const [file, source] of sources) {
    await writeFile(
      join(built.consumer, file),
      source
        .replaceAll(PAGE_PORT, String(port))
        .replaceAll(PAGE_REDIS_PORT, String(redis.port))
        .replaceAll(PAGE_CERTIFICATES, authority.directory),
    );
  }
  await compileSources(built, ['*.ts']);
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  await redis.stop();
  await authority.remove();
  await built.remove();
});

/** The promise of each single-feature example: it runs in an app, with services behind it. */
function register(app: INestApplication, host: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${urlOf(app)}/service-discovery/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ service_name: 'a', host, port: 1 }),
  });
}

const examples: Record<string, (example: Example) => Promise<void>> = {
  'registration.ts': async ({ provider }) => {
    const { app, instance } = await provider('Billing');
    expect(await instance.announce()).toMatchObject({ serviceName: 'billing', port: 8080, tags: ['api', 'money'] });
    const discovery = app.get(ServiceDiscovery);
    expect(await discovery.discoverService('billing', { version: '^2' })).toMatchObject({
      baseUrl: 'http://localhost:8080',
    });
    await instance.retire('localhost:8080');
    expect(await discovery.discoverService('billing')).toBeNull();
  },
  'listed-services.ts': async ({ standalone }) => {
    const app = await standalone('RegistryModule');
    const discovery = app.get(ServiceDiscovery);
    expect(await discovery.discoverService('billing', { tags: ['money', 'canary'] })).toMatchObject({
      baseUrl: 'http://10.0.0.6:8080/api',
      instance: { weight: 50, zone: 'eu-2' },
    });
    expect(await discovery.discoverService('cache')).toMatchObject({
      baseUrl: expect.stringMatching(/^redis:\/\/10\.0\.0\.9:\d+$/),
    });
  },
  'discovery.ts': async ({ provider, services }) => {
    const { instance } = await provider('Locator');
    expect(await instance.users()).toBe(services.url);
    expect(await instance.everyone()).toEqual([{ instanceId: 'users-1', status: 'unknown', zone: 'eu-1' }]);
  },
  'health-checks.ts': async ({ standalone, services }) => {
    const app = await standalone('AppModule');
    const discovery = app.get(ServiceDiscovery);
    const summary = (): object => app.get(HealthAggregator).getSummary();
    expect(summary()).toMatchObject({ overallStatus: 'unhealthy', missingServices: ['user-service'] });
    // An alias that is checked before its target is known is skipped until its next turn.
    for (const name of ['user-service', 'public-api']) {
      await services.registerAs(discovery, name, [name]);
      await discovery.waitForService(name);
    }
    expect(summary()).toMatchObject({ overallStatus: 'healthy', missingServices: [] });
    expect(services.requests).toEqual(['GET /ready']);
  },
  'health.ts': async ({ provider }) => {
    const { instance } = await provider('StatusPage');
    expect(await instance.summary()).toMatch(/^unknown: 0 of \d+ services are healthy$/);
  },
  'startup.ts': async ({ provider }) => {
    const { app } = await provider('Startup');
    const readiness = app.get(ServiceReadiness);
    expect(readiness.holdReasons).toEqual(['waits for user-service']);
    const released = new Promise<void>((resolve) => readiness.onChange(resolve));
    await app.get(ServiceRegistry).setStatus({ serviceName: 'user-service', instanceId: 'users-1' }, 'healthy');
    await released;
    expect(readiness.holdReasons).toEqual([]);
  },
  'terminus.ts': async ({ module, get }) => {
    const app = await module('OwnHealthModule');
    expect(await get(app, '/health')).toMatchObject({
      status: 'ok',
      details: { services: { total_services: 8 } },
      service_discovery: { total_services: 8 },
    });
  },
  'load-balancing.ts': async ({ provider, services }) => {
    const { app, instance } = await provider('Search');
    const strategies = new Set<string>();
    app.get(EventBus).on('call.picked', ({ strategy }) => strategies.add(strategy));
    expect(await instance.find('lamp')).toEqual({ path: '/search?text=lamp' });
    expect([...strategies]).toEqual(['p2c_ewma']);
    expect(services.requests).toContain('GET /search?text=lamp');
  },
  'hashing.ts': async ({ provider, services }) => {
    const { app, instance } = await provider('Carts');
    await services.registerAs(app.get(ServiceDiscovery), 'cart-service', ['a', 'b', 'c']);
    const taken: string[] = [];
    app.get(EventBus).on('call.picked', ({ instanceId }) => taken.push(instanceId));
    for (let call = 0; call < 4; call++) expect(await instance.of('ada')).toEqual({ path: '/cart' });
    expect(new Set(taken).size).toBe(1);
  },
  'protection.ts': async ({ provider, services }) => {
    const { app, instance } = await provider('Quotes');
    await services.registerAs(app.get(ServiceDiscovery), 'quote-service', ['a', 'b']);
    expect(await Promise.all([instance.rate('X'), instance.rate('X')])).toEqual([
      { path: '/quotes/X' },
      { path: '/quotes/X' },
    ]);
    expect(services.requests).toEqual(['GET /quotes/X']);
    services.answer('/quotes/X', 500);
    expect(await instance.rate('X')).toEqual({ path: '/quotes/X' });
  },
  'explanation.ts': async ({ provider }) => {
    const { instance } = await provider('Support');
    expect(instance.why('user-service')).toEqual([{ instanceId: 'users-1', taken: true, reason: undefined }]);
    expect(instance.stages('user-service')).toEqual([
      'deadline',
      'retry',
      'load_balancing',
      'circuit_breaker',
      'attempt_timeout',
    ]);
  },
  'failing-services.ts': async ({ serve, call }) => {
    const app = await serve({});
    const names = app
      .get(ServiceRegistry)
      .listServices()
      .map(({ serviceName }) => serviceName);
    // None has been checked yet.
    expect(await call('failing', urlOf(app))).toEqual([...names].sort());
  },
  'dashboard.ts': async ({ standalone }) => {
    const answer = await fetch(`${urlOf(await standalone('AppModule'))}/service-discovery/ui`);
    expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  },
  'circuit-breakers.ts': async ({ provider, services }) => {
    const { instance } = await provider('Prices');
    services.answer('/prices/7', 503);
    for (let failure = 0; failure < 3; failure++) await expect(instance.price('7')).rejects.toThrow('503');
    expect(await instance.price('7')).toMatch(/^again in (29\d{3}|30000)(\.\d+)? ms$/);
    expect(instance.states()).toEqual([{ service: 'price-service', instanceId: 'prices-1', state: 'open' }]);
  },
  'retries.ts': async ({ provider, services }) => {
    const { instance } = await provider('Orders');
    services.answer('/orders', 503, 1);
    expect(await instance.place({ sku: 'anvil' }, 'key-1')).toEqual({ path: '/orders' });
    expect(services.requests.filter((request) => request === 'POST /orders')).toHaveLength(2);
  },
  'patterns.ts': async ({ provider }) => {
    const { instance } = await provider('Forecasts');
    expect(await instance.forecast('Oslo')).toEqual({ path: '/forecast?city=Oslo' });
    expect(Object.keys(instance.patterns() as object)).toEqual(['web', 'app', 'data', 'ml', 'monitoring']);
  },
  'parallel-calls.ts': async ({ provider, services }) => {
    const { instance } = await provider('Dashboard');
    services.answer('/users/1', 404);
    expect(await instance.load('1')).toEqual({ user: null, orders: { path: '/orders?userId=1' } });
  },
  'fallback.ts': async ({ provider, services }) => {
    const { instance } = await provider('Recommendations');
    expect(await instance.of('1')).toEqual({ items: { path: '/recommendations/1' }, personal: true });
    services.answer('/recommendations/1', 500);
    expect(await instance.of('1')).toEqual({ items: { path: '/bestsellers' }, personal: false });
  },
  'calls.ts': async ({ provider, services }) => {
    const { instance } = await provider('Files');
    const { status, type, stream } = (await instance.download('a b')) as {
      status: number;
      type: string;
      stream: Readable;
    };
    expect({ status, type, body: await text(stream) }).toEqual({
      status: 200,
      type: 'application/json',
      body: '{"path":"/files/a%20b"}',
    });
    expect(await instance.rename('a', 'b')).toBe('renamed');
    services.answer('/files/a/name', 409);
    expect(await instance.rename('a', 'b')).toBe('taken');
  },
  'authorization.ts': async ({ exported, serve, services }) => {
    const app = await serve({ controllers: [exported('OrdersController')] });
    const get = async (headers: Record<string, string>): Promise<unknown> =>
      (await fetch(`${urlOf(app)}/orders/7`, { headers })).json();
    expect(await get({ authorization: 'Bearer ada' })).toEqual({ path: '/orders/7' });
    expect(await get({})).toEqual({ path: '/orders/7' });
    expect(services.authorizations).toEqual(['Bearer ada', undefined]);
  },
  'clients.ts': async ({ module, exported }) => {
    const app = await module('GreeterModule');
    const greeter = app.get<{ greet(id: string): Promise<string> }>(exported('Greeter'));
    expect(await greeter.greet('7')).toBe('Hello /users/7');
  },
  'resilient-call.ts': async ({ provider }) => {
    const { instance } = await provider('Rates');
    expect(await instance.rate('EUR')).toBe(1);
  },
  'events.ts': async ({ provider }) => {
    const { app, instance } = await provider('Pager');
    const opened = {
      service: 'user-service',
      instanceId: 'users-1',
      failures: 5,
      reason: 'consecutive_failures',
    } as const;
    app.get(EventBus).emit('circuit.opened', opened);
    expect(instance.alarms).toEqual(['user-service/users-1 was cut off after 5 failures']);
  },
  'request-ids.ts': async ({ standalone, get }) => {
    const app = await standalone('AppModule');
    expect(await get(app, '/orders')).toEqual({ requestId: expect.stringMatching(/^[\da-f-]{36}$/) });
  },
  'upstream-errors.ts': async ({ exported, serve, get, services }) => {
    @Controller()
    class Front {
      constructor(@Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator) {}
      @Get(':service')
      ask(@Param('service') service: string): Promise<unknown> {
        return this.communicator.callServiceJson(service, { path: '/users/1' });
      }
    }
    const app = await serve({ imports: [exported('ErrorsModule')], controllers: [Front] });
    services.answer('/users/1', 404, 1);
    expect(await get(app, '/user-service')).toEqual({ fault: 404 });
    expect(await get(app, '/unknown')).toMatchObject({ statusCode: 503, code: 'SERVICE_NOT_FOUND' });
  },
  'guard.ts': async ({ standalone }) => {
    process.env.SERVICE_DISCOVERY_TOKEN = 'shared';
    const app = await standalone('RegistryModule');
    delete process.env.SERVICE_DISCOVERY_TOKEN;
    expect((await register(app, '127.0.0.1')).status).toBe(403);
    expect((await register(app, '127.0.0.1', { authorization: 'Bearer shared' })).status).toBe(201);
  },
  'access.ts': async ({ standalone }) => {
    const app = await standalone('RegistryModule');
    const authorization = `Bearer ${ORDERS_TOKEN}`;
    const join = async (service_name: string, headers: Record<string, string>): Promise<number> => {
      const body = JSON.stringify({ service_name, host: '127.0.0.1', port: 9_000 });
      const url = `${urlOf(app)}/service-discovery/register`;
      return (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }))
        .status;
    };
    expect(await join('orders-eu', { authorization })).toBe(201);
    expect(await join('billing', { authorization })).toBe(403);
    expect(await join('orders-eu', {})).toBe(401);
  },
  'hosts.ts': async ({ standalone }) => {
    const app = await standalone('HostsModule');
    for (const host of ['10.9.8.7', 'users.shop.svc.cluster.local']) {
      expect([host, (await register(app, host)).status]).toEqual([host, 201]);
    }
    for (const host of ['192.0.2.7', '127.0.0.1', 'svc.cluster.local', '169.254.169.254']) {
      expect([host, (await register(app, host)).status]).toEqual([host, 400]);
    }
  },
  'mounted.ts': async ({ standalone }) => {
    const app = await standalone('MountedModule');
    const statusOf = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
      (await fetch(urlOf(app) + path, { headers })).status;
    expect(await statusOf('/internal/registry/services')).toBe(403);
    expect(await statusOf('/internal/registry/services', { 'x-role': 'operator' })).toBe(200);
    expect(await statusOf('/health')).toBe(200);
    expect(await statusOf('/service-discovery/services')).toBe(404);
  },
  'without-nest.ts': async ({ call, services }) => {
    const { hostname, port } = new URL(services.url);
    expect(await call('userOf', hostname, Number(port), '1')).toEqual(answerAt('/users/1'));
  },
  'configuration.ts': async ({ standalone }) => {
    const app = await standalone('ConfiguredModule');
    const answer = await fetch(`${urlOf(app)}/service-discovery/services`);
    expect(answer.status).toBe(200);
  },
  'over-redis.ts': async ({ standalone, get }) => {
    const [one, two] = [await standalone('StockModule'), await standalone('StockModule')];
    const [, second] = await Promise.all([one, two].map((app) => registeredAs(app, 'stock-service', 2)));
    expect(second).toHaveLength(2);
    // Calls prefer the instance found healthy while the other is unchecked.
    await one.get(ServiceDiscovery).waitForService('stock-service', { minInstances: 2 });
    const addresses = new Set<string>();
    one.get(EventBus).on('call.picked', ({ instanceId }) => addresses.add(instanceId));
    // After the first call, the second goes to the instance without a known latency.
    expect(await get(one, '/stock/ask/anvil')).toEqual({ sku: 'anvil', servedBy: process.pid });
    await get(one, '/stock/ask/anvil');
    expect(addresses.size).toBe(2);
  },
  'identity.ts': async ({ standalone }) => {
    const { server, port: at } = await servePayments();
    const app = await standalone('OrderModule');
    const address = { host: '127.0.0.1', port: at, protocol: 'https' } as const;
    for (const serviceName of ['payment-service', 'cart-service']) {
      await app.get(ServiceDiscovery).registerService({ serviceName, ...address });
    }
    const pay = (name: string): Promise<unknown> =>
      app.get(ServiceCommunicator).callServiceJson(name, { path: '/payments/1' });
    expect(await pay('payment-service')).toEqual({ paid: true });
    await expect(pay('cart-service')).rejects.toThrow(
      'the certificate is of "DNS:payments.internal, URI:spiffe://corp.example/ns/shop/sa/payment-service", ' +
        'and not of spiffe://corp.example/ns/*/sa/cart-service',
    );
    server.closeAllConnections();
    server.close();
  },
  'tls.ts': async ({ standalone }) => {
    const callers: string[] = [];
    const { server, port: at } = await servePayments((caller) => callers.push(caller));
    const app = await standalone('OrderModule');
    const address = { host: '127.0.0.1', port: at, protocol: 'https' } as const;
    await app.get(ServiceDiscovery).registerService({ serviceName: 'payment-service', ...address });
    await app.get(ServiceDiscovery).waitForService('payment-service');
    const request = { path: '/payments/1' };
    expect(await app.get(ServiceCommunicator).callServiceJson('payment-service', request)).toEqual({ paid: true });
    // The check, and the call.
    expect(callers).toEqual(['order-service', 'order-service']);
    server.closeAllConnections();
    server.close();
  },
  'validated.ts': async ({ provider }) => {
    const { instance } = await provider('ValidatedOrders');
    const order = (await instance.find('1')) as object;
    expect([order.constructor.name, { ...order }]).toEqual(['OrderDto', { path: '/orders/1' }]);
  },
  'testing.ts': async ({ call }) => {
    const greeter = await call<{ greet(id: string): Promise<string> }>('makeGreeter');
    expect(await greeter.greet('1')).toBe('Hello Grace');
    await expect(greeter.greet('2')).rejects.toMatchObject({ status: 404, body: { message: 'no such user' } });

    const library = ServiceDiscoveryModule.forRoot({ registryUrl: 'http://127.0.0.1:1', logging: false });
    class AppModule {}
    Module({ imports: [library] })(AppModule);
    const whole = await call<TestingModule>('compileApp', AppModule);
    await whole.init();
    const user = await whole.get(ServiceCommunicator).callServiceJson('user-service', { path: '/users/1' });
    expect(user).toEqual({ id: '1', name: 'Grace' });
    await whole.close();
  },
};

/** Examples that are processes of their own; the quick start below runs them. */
const PROCESSES = ['user-service.ts', 'gateway.ts'];
/** Tests that a user writes, and what they import: Jest runs them. */
const TESTS = ['failover.spec.ts', 'matchers.ts'];

describe('the pages', () => {
  it('name a file in every TypeScript block with imports', () => {
    const unnamed = blocks.filter(({ file, source }) => file === undefined && source.includes('import '));
    expect(unnamed).toEqual([]);
  });

  // The ESLint of `nest new` refuses them.
  it('have no empty interface in a TypeScript block', () => {
    expect(blocks.filter(({ source }) => /\binterface [^{}]+\{\s*\}/.test(source))).toEqual([]);
  });

  it('have no TypeScript block in the README that is not run', () => {
    expect(blocks.filter(({ path, file }) => path === 'README.md' && file === undefined)).toEqual([]);
  });

  it('use each file name once, and every such file is run', () => {
    const files = blocks.flatMap(({ file }) => file ?? []);
    expect(files.sort()).toEqual([...Object.keys(examples), ...PROCESSES, ...TESTS].sort());
  });
});

describe('an example', () => {
  const running: { close(): Promise<unknown> }[] = [];
  afterAll(() => Promise.all(running.map((one) => one.close())));

  it.each([...sources.keys()].filter((file) => ![...PROCESSES, ...TESTS].includes(file)))(
    '%s does what it says',
    async (file) => {
      const example = new Example(file, running);
      await example.open();
      await examples[file]!(example);
    },
  );
});

describe('a test of a user', () => {
  it('passes in Jest', async () => {
    const jest = join(root, 'node_modules/jest/bin/jest.js');
    const flags = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning'];
    const { stderr } = await exec(process.execPath, [...flags, jest, '--transform={}', 'failover.spec.js'], {
      cwd: built.consumer,
    });
    expect(stderr).toContain('Tests:       1 passed, 1 total');
  });
});

describe('the quick start', () => {
  const children: ReturnType<typeof spawn>[] = [];
  const start = async (file: string): Promise<void> => {
    const child = spawn(process.execPath, [join(built.consumer, file)], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let isUp = false;
    for await (const line of createInterface({ input: child.stdout })) {
      isUp = line.includes('successfully started');
      if (isUp) break;
    }
    if (!isUp) throw new Error(`${file} ended instead of listening`);
    child.stdout.resume();
  };
  const curl = async (command: string): Promise<string> => {
    const { stdout } = await exec('sh', ['-c', `${command.replace('curl', 'curl -sSf')}`]);
    return stdout;
  };

  beforeAll(async () => {
    await start('gateway.js');
    await Promise.all([start('user-service.js'), start('user-service.js')]);
  }, 60_000);

  afterAll(async () => {
    const gone = children.filter(isRunning).map((child) => once(child, 'exit'));
    for (const child of children) child.kill();
    await Promise.all(gone);
  });

  it('spreads calls over processes that registered themselves', async () => {
    const seen = new Set<number>();
    // Processes register after listening: the services are there once both have answered.
    while (seen.size < 2) {
      const answer = await fetch(`http://127.0.0.1:${port}/users/1`);
      if (answer.ok) seen.add(((await answer.json()) as { servedBy: number }).servedBy);
    }
    expect([...seen].sort()).toEqual(
      children
        .slice(1)
        .map(({ pid }) => pid!)
        .sort(),
    );
  });

  it('answers every curl command', async () => {
    expect(commands.length).toBeGreaterThan(10);
    const legacy = new Services();
    await legacy.open();
    const legacyPort = new URL(legacy.url).port;
    for (const command of commands) {
      const asked = command.replaceAll(PAGE_PORT, String(port)).replaceAll(PAGE_LEGACY_PORT, legacyPort);
      const answer = await curl(asked);
      expect({ command, answer }).toEqual({
        command,
        answer: command.includes('-X DELETE') ? '' : expect.stringMatching(/^[{[#]/),
      });
    }
    await legacy.close();
  });

  it('fails no call when a process is killed', async () => {
    const [, victim, survivor] = children;
    victim!.kill('SIGKILL');
    await once(victim!, 'exit');
    for (let call = 0; call < 10; call++) {
      const answer = await fetch(`http://127.0.0.1:${port}/users/1`);
      expect(await answer.json()).toMatchObject({ name: 'Ada', servedBy: survivor!.pid });
    }
  });
});

/** The union of all examples' methods; the run shows which example has which. */
type Methods = Record<
  | 'announce'
  | 'download'
  | 'everyone'
  | 'find'
  | 'forecast'
  | 'load'
  | 'of'
  | 'patterns'
  | 'place'
  | 'price'
  | 'rate'
  | 'rename'
  | 'retire'
  | 'stages'
  | 'states'
  | 'summary'
  | 'users'
  | 'why',
  (...args: unknown[]) => unknown
> & { alarms: string[] };

/** The example under test, and the services that it calls. */
class Example {
  readonly services = new Services();
  private exports: Record<string, unknown> = {};

  constructor(
    private readonly file: string,
    private readonly running: { close(): Promise<unknown> }[],
  ) {}

  async open(): Promise<void> {
    await this.services.open();
    this.running.push(this.services);
    const compiled = join(built.consumer, this.file.replace(/\.ts$/, '.js'));
    this.exports = (await import(compiled)) as Record<string, unknown>;
  }

  readonly exported = (name: string): Type => this.exports[name] as Type;

  readonly call = async <T>(name: string, ...args: readonly unknown[]): Promise<T> =>
    (this.exports[name] as (...args: readonly unknown[]) => Promise<T>)(...args);

  readonly provider = async (name: string): Promise<{ app: INestApplication; instance: Methods }> => {
    const app = await this.serve({ providers: [this.exported(name)] });
    return { app, instance: app.get<Methods>(this.exported(name)) };
  };

  readonly module = (name: string): Promise<INestApplication> => this.serve({ imports: [this.exported(name)] });

  /** A module that imports the library. */
  readonly standalone = (name: string): Promise<INestApplication> => this.listen(this.exported(name));

  readonly get = async (app: INestApplication, path: string): Promise<unknown> =>
    (await fetch(`${urlOf(app)}${path}`)).json();

  readonly serve = async ({ imports = [], ...metadata }: ModuleMetadata): Promise<INestApplication> => {
    class ReaderModule {}
    const library = ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false });
    const app = await this.listen({ module: ReaderModule, imports: [library, ...imports], ...metadata });
    await this.services.registerWith(app.get(ServiceDiscovery));
    return app;
  };

  private async listen(module: Parameters<typeof NestFactory.create>[0]): Promise<INestApplication> {
    const app = await NestFactory.create(module, { logger: false });
    this.running.push(app);
    await app.listen(0, '127.0.0.1');
    return app;
  }
}

/** A server that represents every service and returns the requested path. */
class Services {
  /** Such as `GET /users/1`. */
  readonly requests: string[] = [];
  /** The `authorization` header of each request. */
  readonly authorizations: (string | undefined)[] = [];
  private readonly faults = new Map<string, { status: number; times: number }>();
  private readonly server = createServer((request, response) => {
    const path = request.url ?? '';
    this.requests.push(`${request.method} ${path}`);
    this.authorizations.push(request.headers.authorization);
    const fault = this.faults.get(path);
    const status = fault && fault.times-- > 0 ? fault.status : 200;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? answerAt(path) : { fault: status }));
  });

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async open(): Promise<void> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  answer(path: string, status: number, times = Number.POSITIVE_INFINITY): void {
    this.faults.set(path, { status, times });
  }

  async registerAs(discovery: ServiceDiscovery, serviceName: string, ids: readonly string[]): Promise<void> {
    const { port: at } = this.server.address() as AddressInfo;
    for (const instanceId of ids) {
      await discovery.registerService({ serviceName, instanceId, host: '127.0.0.1', port: at });
    }
  }

  async registerWith(discovery: ServiceDiscovery): Promise<void> {
    const ids = {
      'user-service': 'users-1',
      'search-service': 'search-1',
      'price-service': 'prices-1',
      'order-service': 'orders-1',
      'forecast-service': 'forecasts-1',
      'recommendation-service': 'recommendations-1',
      'bestseller-service': 'bestsellers-1',
      'file-service': 'files-1',
    };
    const { port: at } = this.server.address() as AddressInfo;
    for (const [serviceName, instanceId] of Object.entries(ids)) {
      const details = { version: '1.2.0', tags: ['api'], zone: 'eu-1' };
      await discovery.registerService({ serviceName, instanceId, host: '127.0.0.1', port: at, ...details });
    }
  }
}

function answerAt(path: string): object {
  if (path === '/ready') return { status: 'warn' };
  return path.startsWith('/users/7') ? { name: path } : { path };
}

/** Resolves with the instances of a service once an app sees that many. */
function registeredAs(app: INestApplication, name: string, count: number): Promise<readonly ServiceInstance[]> {
  const registry = app.get(ServiceRegistry);
  return new Promise((resolve) => {
    const check = (): void => {
      const instances = registry.getInstances(name);
      if (instances.length < count) return;
      stop();
      resolve(instances);
    };
    const stop = registry.onChange(check);
    check();
  });
}

/** The payment service of the pages, over mTLS. */
async function servePayments(onRequest: (caller: string) => void = () => undefined) {
  const { cert, key } = payments;
  const options = { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true };
  const server = createTlsServer(options, ({ socket }, response) => {
    onRequest(String((socket as TLSSocket).getPeerCertificate().subject.CN));
    response.end('{"paid":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

function isRunning({ exitCode, signalCode }: ReturnType<typeof spawn>): boolean {
  return exitCode === null && signalCode === null;
}

function urlOf(app: INestApplication): string {
  return `http://127.0.0.1:${(app.getHttpServer() as { address(): AddressInfo }).address().port}`;
}
