import { type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { RegistryModule } from '../apps/registry/registry.module.js';
import { Apps, type AppModule, portOf, registered } from './support/nest-app.js';
import { type Answer, send } from './support/rest-app.js';

/** A registration as a client in any language sends it. */
const USER_SERVICE = {
  service_name: 'user-service',
  host: 'localhost',
  port: 8080,
  protocol: 'http',
  path: '/api/v1',
  health_check_path: '/health',
  metadata: { version: '1.0.0', environment: 'production' },
  tags: ['api', 'user', 'web'],
};

/** A way to send a request from a non-loopback address. */
interface Origin {
  readonly name: string;
  /** Where to send to. */
  readonly host: string;
  /** Changes the address that the server sees. */
  readonly disguise?: (app: INestApplication) => void;
}

const OWN_ADDRESS = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
/** Not every machine has an address besides loopback. */
const ORIGINS: readonly Origin[] = [
  {
    name: 'an address that the socket is said to come from',
    host: '127.0.0.1',
    disguise: (app) =>
      (app.getHttpServer() as Server).prependListener('connection', (socket: Socket) =>
        Object.defineProperty(socket, 'remoteAddress', { value: '192.0.2.7' }),
      ),
  },
  ...(OWN_ADDRESS === undefined ? [] : [{ name: "the machine's own address", host: OWN_ADDRESS }]),
];

const apps = new Apps();
let outside: NodeJS.ProcessEnv;
beforeEach(() => {
  outside = process.env;
  process.env = { ...outside };
});
afterEach(async () => {
  await apps.close();
  process.env = outside;
});

describe.each(ORIGINS)('a registry with SERVICE_DISCOVERY_TOKEN, asked from $name', ({ host, disguise }) => {
  let url: string;
  const start = async (module: AppModule): Promise<INestApplication> => {
    const app = await apps.create(module);
    await app.listen(0, '0.0.0.0');
    disguise?.(app);
    url = `http://${host}:${portOf(app)}`;
    return app;
  };
  const register = (headers: Record<string, string>): Promise<Answer> =>
    send(`${url}/service-discovery/register`, 'POST', {
      json: USER_SERVICE,
      headers: { host: 'localhost', ...headers },
    });

  it.each<[string, () => AppModule]>([
    ['the bundled registry app', () => RegistryModule],
    ['an app with forRoot', () => ServiceDiscoveryModule.forRoot({ logging: false })],
    ['an app with forRootAsync', () => ServiceDiscoveryModule.forRootAsync({ useFactory: () => ({ logging: false }) })],
  ])(
    '%s accepts a registration with the token, answers 401 without it and 403 with a wrong one',
    async (_what, module) => {
      process.env.SERVICE_DISCOVERY_TOKEN = 'new-secret, old-secret';
      const app = await start(module());
      expect((await register({})).status).toBe(401);
      expect((await register({ authorization: 'Bearer guess' })).status).toBe(403);
      expect(app.get(ServiceRegistry).listServices()).toEqual([]);
      const { status, body } = await register({ authorization: 'Bearer old-secret' });
      expect([status, body.base_url]).toEqual([201, 'http://localhost:8080/api/v1']);
      expect(app.get(ServiceRegistry).getInstances('user-service')).toHaveLength(1);
    },
  );

  it('prefers the token of the options to that of the environment', async () => {
    process.env.SERVICE_DISCOVERY_TOKEN = 'environment';
    await start(ServiceDiscoveryModule.forRoot({ api: { token: 'option' }, logging: false }));
    expect((await register({ authorization: 'Bearer environment' })).status).toBe(403);
    expect((await register({ authorization: 'Bearer option' })).status).toBe(201);
  });

  it('accepts a service in the mode remote with the same variable', async () => {
    process.env.SERVICE_DISCOVERY_TOKEN = 'shared';
    const registry = await start(RegistryModule);
    @DiscoverableService({ name: 'order-service', host: '127.0.0.1' })
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ registryUrl: url, logging: false })] })
    class OrderModule {}
    await apps.listen(OrderModule);
    expect(await registered(registry, 'order-service')).toMatchObject({ host: '127.0.0.1' });
  });
});
