import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module } from '@nestjs/common';
import {
  DiscoverableService,
  EventBus,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { type Change } from 'nest-service-discovery/core';
import { type AppProcess, AppProcesses, SLOW_CONTROLLER } from './support/app-processes.js';
import { type BuiltPackage, buildPackage, BUILD_TIMEOUT_MS } from './support/built-package.js';
import { Apps, inRegistry, PLATFORMS, portOf, registered, urlOf } from './support/nest-app.js';

/**
 * Anything that could keep a process alive after its end would last for minutes or forever, so a process that exits
 * within the test's timeout was not kept alive.
 */
const LASTING: ServiceDiscoveryOptions = {
  serviceTtl: '1h',
  timeout: '5m',
  attemptTimeout: '5m',
  transport: { keepAliveTimeout: '5m' },
  shutdown: { timeout: '5m' },
};

/**
 * An app in plain JavaScript in a process of its own. Its parent receives `{ url }` when it is registered, `'called'`
 * when a call of /slow arrives, and `'closed'` when `app.close()` has resolved.
 */
const SERVICE = `
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ScheduleModule } from '@nestjs/schedule';
import { DiscoverableService, ServiceCommunicator, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';

const { SETTINGS = '{}', FAULT, PLATFORM, LISTEN_PORT = '0' } = process.env;
${SLOW_CONTROLLER}
class FaultModule {
  onModuleInit() {
    if (FAULT === 'init') throw new Error('this module cannot start');
  }
}
Module({})(FaultModule);

class AppModule {}
Module({
  imports: [FaultModule, ScheduleModule.forRoot(), ServiceDiscoveryModule.forRoot(JSON.parse(SETTINGS))],
  controllers: [SlowController],
})(AppModule);
DiscoverableService({ name: 'slow-service' })(AppModule);

const adapter = PLATFORM === 'Fastify' ? [new FastifyAdapter()] : [];
const app = await NestFactory.create(AppModule, ...adapter, { logger: ['error', 'fatal'] });
app.enableShutdownHooks();
await app.listen(Number(LISTEN_PORT), '127.0.0.1');
app.getHttpServer().keepAliveTimeout = 300_000;
await new Promise((resolve) => {
  const registry = app.get(ServiceRegistry);
  const check = () => registry.getInstances('slow-service').length > 0 && resolve();
  registry.onChange(check);
  check();
});
process.send({ url: await app.getUrl() });

await command('close');
await app.get(ServiceCommunicator).callServiceJson('slow-service', { path: '/quick' });
await app.close();
process.send('closed');
`;

const apps = new Apps();
const processes = new AppProcesses();
let built: BuiltPackage;

beforeAll(async () => {
  built = await buildPackage({ name: 'lifecycle', type: 'module' });
  await writeFile(join(built.consumer, 'service.js'), SERVICE);
}, BUILD_TIMEOUT_MS);
afterAll(() => built.remove());
afterEach(async () => {
  processes.kill();
  await apps.close();
});

const startService = (env: Readonly<Record<string, string>> = {}): AppProcess =>
  processes.start(join(built.consumer, 'service.js'), env);

async function untilRegistered(service: AppProcess): Promise<string> {
  return ((await service.message()) as { url: string }).url;
}

function remoteSettings(registry: INestApplication, options: ServiceDiscoveryOptions = {}): Record<string, string> {
  return { SETTINGS: JSON.stringify({ registryUrl: urlOf(registry), ...options }) };
}

const startRegistry = (): Promise<INestApplication> =>
  apps.listen(
    ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, healthCheck: { interval: '200ms' } }),
  );

describe.each(['Express', 'Fastify'])('a process on %s', (PLATFORM) => {
  it.each([
    [
      'whose registry is its own',
      async () => ({ SETTINGS: JSON.stringify({ ...LASTING, healthCheck: { interval: '50ms' } }) }),
    ],
    ['whose registry is another one', async () => remoteSettings(await startRegistry(), LASTING)],
  ])('%s exits by itself after app.close()', async (_what, settings) => {
    const service = startService({ PLATFORM, ...(await settings()) });
    await untilRegistered(service);
    service.child.send('close');
    await expect(service.message()).resolves.toBe('closed');
    await expect(service.ended).resolves.toEqual({ code: 0, signal: null });
  });

  it('drains on SIGTERM, deregisters, finishes the call in flight, and exits', async () => {
    const registry = await startRegistry();
    const service = startService({ PLATFORM, ...remoteSettings(registry, LASTING) });
    const url = await untilRegistered(service);
    await registered(registry, 'slow-service');
    const stop = new AbortController();
    const changes = registry.get(ServiceRegistry).watch({}, stop.signal);

    // Clients keep connections open, which must not keep the process alive.
    const agent = new Agent({ keepAlive: true });
    let answered = false;
    const answer = request(`${url}/slow`, agent).finally(() => (answered = true));
    await expect(service.message()).resolves.toBe('called');
    service.child.kill('SIGTERM');

    const seen: string[] = [];
    for await (const change of changes) {
      const step = stepOf(change);
      if (step && seen.at(-1) !== step) seen.push(step);
      if (step === 'deregistered') break;
    }
    expect(seen.filter((step) => step !== 'up')).toEqual(['draining', 'deregistered']);
    expect(answered).toBe(false);
    // A second signal has no effect.
    service.child.kill('SIGTERM');

    service.child.send('finish');
    await expect(answer).resolves.toEqual({ slow: true });
    await expect(service.ended).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    agent.destroy();
    stop.abort();
  });
});

describe('a process that fails at startup', () => {
  it('because of its options prints the reason and exits', async () => {
    const service = startService({ SERVICE_DISCOVERY_SERVICE_TTL: 'soon', SERVICE_DISCOVERY_MODE: 'memory' });
    await expect(service.ended).resolves.toMatchObject({ code: expect.any(Number) });
    const output = await service.output;
    expect(output).toContain('SERVICE_DISCOVERY_SERVICE_TTL: expected a duration');
    expect(output).toContain('SERVICE_DISCOVERY_MODE: expected memory_only, redis_backed, hybrid, or remote');
  });

  it('because of its own module exits without having registered', async () => {
    const registry = await startRegistry();
    const service = startService({ FAULT: 'init', ...remoteSettings(registry) });
    const { code } = await service.ended;
    expect(code).not.toBe(0);
    await expect(service.output).resolves.toContain('this module cannot start');
    expect(registry.get(ServiceRegistry).listServices()).toEqual([]);
  });

  it('because of a port in use exits without having registered', async () => {
    const registry = await startRegistry();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const service = startService({ LISTEN_PORT: String(port), ...remoteSettings(registry) });
    const { code } = await service.ended;
    expect(code).not.toBe(0);
    await expect(service.output).resolves.toContain('EADDRINUSE');
    expect(registry.get(ServiceRegistry).listServices()).toEqual([]);
    taken.close();
  });
});

describe('an app whose registry is unreachable', () => {
  /** The registry's address: refuses connections, or forwards them to the registry. */
  let door: Server;
  let port: number;
  let registryPort: number | undefined;

  @DiscoverableService({ name: 'user-service' })
  @Module({})
  class AppModule {}

  beforeEach(async () => {
    registryPort = undefined;
    door = createServer((socket) => {
      if (registryPort === undefined) socket.destroy();
      else pipeline(socket, connect(registryPort, '127.0.0.1'), socket, () => undefined);
    }).listen(0, '127.0.0.1');
    await once(door, 'listening');
    ({ port } = door.address() as AddressInfo);
  });
  afterEach(() => void door.close());

  const appOf = (options: ServiceDiscoveryOptions) => ({
    module: AppModule,
    imports: [
      ServiceDiscoveryModule.forRoot({
        registryUrl: `http://127.0.0.1:${port}`,
        logging: false,
        startTimeout: '50ms',
        ...options,
      }),
    ],
  });

  it('starts without it, and registers when it is reachable', async () => {
    await apps.listen(appOf({}));
    const registry = await apps.listen(ServiceDiscoveryModule.forRoot({ logging: false }));
    registryPort = portOf(registry);
    await expect(registered(registry, 'user-service')).resolves.toMatchObject({ host: '127.0.0.1' });
  });

  it('still closes, in bounded time', async () => {
    const app = await apps.listen(appOf({ shutdown: { timeout: '100ms' } }));
    const began = performance.now();
    await app.close();
    expect(performance.now() - began).toBeLessThan(1_500);
  });
});

describe('an app that closes', () => {
  it('also removes manual registrations, and keeps those of others', async () => {
    const registry = await startRegistry();
    await registry.get(ServiceRegistry).register({ serviceName: 'legacy', host: '127.0.0.1', port: 1 });
    const app = await apps.listen(
      ServiceDiscoveryModule.forRoot({ registryUrl: urlOf(registry), logging: false, shutdown: { drainDelay: 0 } }),
    );
    await app.get(ServiceRegistry).register({ serviceName: 'worker', host: '127.0.0.1', port: 2 });
    await app.close();
    await inRegistry(registry, ({ services }) => (services.has('worker') ? undefined : true));
    expect([...registry.get(ServiceRegistry).snapshot.services.keys()]).toEqual(['legacy']);
  });
});

describe.each(PLATFORMS)('an app that closes on %s', (_name, adapter) => {
  /** More than the buffers of a connection hold. */
  const report = 'x'.repeat(32 * 1_048_576);

  @Controller('report')
  class ReportController {
    @Get()
    read(): string {
      return report;
    }
  }
  @DiscoverableService({ name: 'report-service' })
  @Module({
    imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false })],
    controllers: [ReportController],
  })
  class AppModule {}

  it.each([true, false])(
    'delivers what it has answered to a reader that is slow (keep-alive: %s)',
    async (keepAlive) => {
      const app = await apps.listen(AppModule, adapter);
      const agent = new Agent({ keepAlive });
      const [response] = (await once(get(`${urlOf(app)}/report`, { agent }), 'response')) as [IncomingMessage];
      const closed = app.close();
      expect((await text(response)).length).toBe(report.length);
      await closed;
      agent.destroy();
    },
  );

  it('does so once, however often it is called', async () => {
    const app = await apps.listen(AppModule, adapter);
    await registered(app, 'report-service');
    const steps: string[] = [];
    app.get(EventBus).onAny(({ type }) => steps.push(type));
    await Promise.all([app.close(), app.close()]);
    await app.close();
    expect(steps.filter((type) => type === 'instance.deregistered')).toHaveLength(1);
  });
});

function stepOf(change: Change): string | undefined {
  if (change.type === 'remove') return change.reason;
  return change.type === 'put' ? change.instance.operatorStatus : undefined;
}

function request(url: string, agent: Agent): Promise<unknown> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => resolve(json(response))).once('error', reject);
  });
}
