import dns from 'node:dns';
import { type Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, type INestApplication, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DiscoverableService,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { inRegistry, registered, urlOf } from '../support/nest-app.js';

/** A name that is not of this machine as far as the library can tell, and leads to it. */
const ELSEWHERE = 'registry.test';
const TOKEN = 'x'.repeat(32);

const apps: INestApplication[] = [];
let warn: jest.SpiedFunction<Logger['warn']>;

beforeEach(() => {
  warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  const lookup = dns.lookup as (...args: unknown[]) => void;
  jest
    .spyOn(dns, 'lookup')
    .mockImplementation((host: string, ...rest: unknown[]) => lookup(host === ELSEWHERE ? '127.0.0.1' : host, ...rest));
});
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  jest.restoreAllMocks();
});

@Controller('users')
class UserController {
  @Get('1')
  find(): object {
    return { id: '1' };
  }
}

async function start(name: string, options: ServiceDiscoveryOptions): Promise<INestApplication<Server>> {
  @DiscoverableService({ name })
  @Module({
    imports: [ServiceDiscoveryModule.forRoot({ healthCheck: false, shutdown: { drainDelay: 0 }, ...options })],
    controllers: name === 'user-service' ? [UserController] : [],
  })
  class App {}

  const app = await NestFactory.create<INestApplication<Server>>(App, { logger: ['error', 'warn'] });
  apps.push(app.enableShutdownHooks());
  await app.listen(0, '127.0.0.1');
  await registered(app, name);
  return app;
}

/** A registry that lets other machines in: the name of one of them counts as such. */
const openRegistry = (): Promise<INestApplication> =>
  start('gateway', { api: { token: TOKEN }, advertise: { host: '127.0.0.1' } });

/** What a process on another machine than the registry has for its options. */
function elsewhere(registry: INestApplication): { registryUrl: string; remote: { token: string } } {
  return { registryUrl: urlOf(registry).replace('127.0.0.1', ELSEWHERE), remote: { token: TOKEN } };
}
const warnings = (): string[] => warn.mock.calls.map(([line]) => String(line));
const warningsWith = (part: string): string[] => warnings().filter((line) => line.includes(part));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a service that listens on 127.0.0.1', () => {
  it('warns at its registration where the registry is on another machine', async () => {
    const registry = await openRegistry();
    const { registryUrl, remote } = elsewhere(registry);
    await start('user-service', { registryUrl, remote });
    expect(warningsWith('user-service registers')).toEqual([
      `user-service registers as 127.0.0.1, which every caller takes for its own machine, and the registry at ${registryUrl} ` +
        'is on another one: listen on 0.0.0.0, or set advertise.host (SERVICE_DISCOVERY_HOST) to an address that callers reach, ' +
        '127.0.0.1 itself if all of them run here',
    ]);
  });

  it('does not warn where its host was set to that on purpose', async () => {
    const registry = await openRegistry();
    await start('user-service', { ...elsewhere(registry), advertise: { host: '127.0.0.1' } });
    expect(warningsWith('registers as')).toEqual([]);
  });

  it('is warned of by its registry where a token lets other machines in', async () => {
    const registry = await openRegistry();
    const service = await start('user-service', { registryUrl: urlOf(registry) });
    await registered(registry, 'user-service');
    const { host } = new URL(urlOf(service));
    expect(warnings()).toEqual([
      `user-service/${host} is registered as 127.0.0.1, which every caller takes for its own machine, and the token lets other machines ` +
        "read this registry: unless all callers run here, give its process the registry's token, set advertise.host " +
        '(SERVICE_DISCOVERY_HOST) there, or have it listen on 0.0.0.0',
    ]);
  });

  it('and all of its callers on one machine hear nothing of it', async () => {
    const registry = await start('gateway', {});
    await start('user-service', { registryUrl: urlOf(registry) });
    const caller = await start('order-service', { registryUrl: urlOf(registry) });
    await registered(caller, 'user-service');
    const communicator = caller.get(ServiceCommunicator);
    await expect(communicator.callServiceJson('user-service', { path: '/users/1' })).resolves.toEqual({ id: '1' });
    expect(warnings()).toEqual([]);
  });
});

describe('a caller whose registry is on another machine', () => {
  const DOUBT =
    'registered as 127.0.0.1, which is this machine for its callers here: unless it runs on this machine, give its process the ' +
    "registry's token, set advertise.host (SERVICE_DISCOVERY_HOST) there, or have it listen on 0.0.0.0";
  let registry: INestApplication;
  let caller: INestApplication;

  beforeEach(async () => {
    registry = await openRegistry();
    const advertise = { host: '127.0.0.1' };
    caller = await start('order-service', { ...elsewhere(registry), advertise, retry: { maxAttempts: 1 } });
  });

  /** As another machine would register it. */
  async function registerAt(port: number): Promise<void> {
    await registry
      .get(ServiceRegistry)
      .register({ serviceName: 'user-service', host: '127.0.0.1', port }, { heartbeat: 'manual' });
    await inRegistry(caller, ({ services }) => services.get('user-service')?.find((one) => one.port === port));
  }
  const call = (): Promise<unknown> =>
    caller.get(ServiceCommunicator).callServiceJson('user-service', { path: '/users/1' });

  it('learns why an instance at 127.0.0.1 that it cannot connect to may be its own machine', async () => {
    const port = await freePort();
    await registerAt(port);
    await expect(call()).rejects.toMatchObject({
      code: 'TRANSPORT_FAILURE',
      neverSent: true,
      instanceId: `127.0.0.1:${port}`,
      message: expect.stringMatching(/^GET \/users\/1 of user-service\/.* could not be sent: .*ECONNREFUSED/),
    });
    await expect(call()).rejects.toThrow(`(the instance is ${DOUBT})`);
    expect(warningsWith('for its callers here')).toContain(`user-service/127.0.0.1:${port} is ${DOUBT}`);
  });

  it('learns why it got its own 404', async () => {
    await registerAt(Number(new URL(urlOf(caller)).port));
    await expect(call()).rejects.toMatchObject({
      code: 'RESPONSE_STATUS',
      status: 404,
      attempts: 1,
      body: { message: 'Cannot GET /users/1' },
      message: `GET /users/1 of user-service answered 404 (the instance is ${DOUBT}). See nest-service-discovery/docs/reference/errors.md#RESPONSE_STATUS`,
    });
  });

  it('reaches an instance that does run on its machine, and is warned once', async () => {
    const service = await start('user-service', { ...elsewhere(registry), advertise: { host: '127.0.0.1' } });
    await registered(caller, 'user-service');
    await expect(call()).resolves.toEqual({ id: '1' });
    await expect(call()).resolves.toEqual({ id: '1' });
    expect(warningsWith('for its callers here')).toEqual([`user-service/${new URL(urlOf(service)).host} is ${DOUBT}`]);
  });
});
