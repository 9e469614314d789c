import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type INestApplication } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidConfigurationError,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, inRegistry, startError, urlOf } from './support/nest-app.js';
import { closeServers, listen, overHttp } from './support/probed-server.js';
import { RedisServer } from './support/redis-server.js';

const VARIABLE = 'SERVICE_DISCOVERY_SERVICES';

const apps = new Apps();
let redis: RedisServer;
let directory: string;
let port: number;
let cachePort: number;
beforeAll(async () => {
  redis = await RedisServer.start();
  directory = await mkdtemp(join(tmpdir(), 'listed-services-'));
});
beforeEach(async () => {
  port = await overHttp(({ url }, response) => response.end(JSON.stringify({ url })));
  cachePort = await listen(createTcpServer());
});
afterEach(async () => {
  Reflect.deleteProperty(process.env, VARIABLE);
  await apps.close();
  await closeServers();
  await redis.flush();
});
afterAll(async () => {
  await redis.stop();
  await rm(directory, { recursive: true });
});

/** Instances that do not know of any registry. */
const services = (): NonNullable<ServiceDiscoveryOptions['services']> => [
  {
    name: 'user-service',
    targets: [`http://127.0.0.1:${port}/api`, { url: `http://localhost:${port}/api`, weight: 50, tags: ['second'] }],
    healthCheckPath: '/health',
    version: '1.2.0',
    tags: ['legacy'],
  },
  { name: 'cache', targets: [`redis://127.0.0.1:${cachePort}`] },
];
const USUAL: ServiceDiscoveryOptions = { healthCheck: { interval: '200ms' }, logging: false };
const appWith = (options: ServiceDiscoveryOptions): Promise<INestApplication> =>
  apps.listen(ServiceDiscoveryModule.forRoot({ ...USUAL, ...options }));
const file = async (name: string, content: string): Promise<string> => {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
};
const allHealthy = (app: INestApplication): Promise<number> =>
  inRegistry(app, (snapshot) => {
    const instances = [...snapshot.services.values()].flat();
    return instances.length === 3 && instances.every(({ status }) => status === 'healthy') ? 3 : undefined;
  });
const namesIn = (app: INestApplication): string[] => [...app.get(ServiceRegistry).snapshot.services.keys()];
const generationsOf = (app: INestApplication): number[] =>
  app
    .get(ServiceRegistry)
    .getInstances('user-service')
    .map(({ generation }) => generation);

describe.each<[string, () => Promise<readonly [listing: INestApplication, asking: INestApplication]>]>([
  [
    'in memory',
    async () => {
      const app = await appWith({ mode: 'memory_only', services: services() });
      return [app, app];
    },
  ],
  [
    'over Redis',
    async () => [
      await appWith({ redis: { url: redis.url }, services: services() }),
      await appWith({ redis: { url: redis.url } }),
    ],
  ],
  [
    'at another process',
    async () => {
      const registry = await appWith({ mode: 'memory_only' });
      return [await appWith({ registryUrl: urlOf(registry), services: services() }), registry];
    },
  ],
])('listed services, with the registry %s', (_where, start) => {
  it('are registered before the app listens, checked, discovered and called', async () => {
    const [listing, asking] = await start();
    expect(namesIn(listing).sort()).toEqual(['cache', 'user-service']);
    await allHealthy(asking);
    const discovery = asking.get(ServiceDiscovery);
    expect(await discovery.discoverService('cache')).toMatchObject({ baseUrl: `redis://127.0.0.1:${cachePort}` });
    expect(await discovery.discoverService('user-service', { version: '^1.2', tags: ['second'] })).toMatchObject({
      baseUrl: `http://localhost:${port}/api`,
      instance: { weight: 50, tags: ['legacy', 'second'], healthCheckPath: '/health' },
    });
    const called = await asking.get(ServiceCommunicator).callServiceJson('user-service', { path: '/users/1' });
    expect(called).toEqual({ url: '/api/users/1' });
  });
});

it('exist once in Redis if several processes list them, and stay when one of these leaves', async () => {
  const watching = await appWith({ redis: { url: redis.url } });
  const listers = [];
  for (let count = 0; count < 3; count++)
    listers.push(await appWith({ redis: { url: redis.url }, services: services() }));
  await allHealthy(watching);
  const before = generationsOf(watching);
  for (const app of listers.slice(0, 2)) {
    await app.close();
    await allHealthy(watching);
    expect(generationsOf(watching)).toEqual(before);
  }
});

it('leave Redis with the last process that lists them', async () => {
  const watching = await appWith({ redis: { url: redis.url } });
  const listing = await appWith({ redis: { url: redis.url }, services: services() });
  await allHealthy(watching);
  const gone = inRegistry(watching, (snapshot) => (snapshot.services.size === 0 ? true : undefined));
  await listing.close();
  expect(await gone).toBe(true);
});

it('are kept by readers while the registry restarts, since it lists them at once', async () => {
  const registry = await appWith({ mode: 'memory_only', services: services() });
  const reading = await appWith({ registryUrl: urlOf(registry) });
  await allHealthy(reading);
  await registry.close();
  expect(await reading.get(ServiceCommunicator).callServiceJson('user-service', { path: '/x' })).toEqual({
    url: '/api/x',
  });
});

describe(VARIABLE, () => {
  it('names a JSON file with the same list', async () => {
    process.env[VARIABLE] = await file('services.json', JSON.stringify(services()));
    const app = await appWith({ mode: 'memory_only' });
    await allHealthy(app);
    expect(app.get(ServiceRegistry).getInstances('cache')).toMatchObject([{ protocol: 'redis', port: cachePort }]);
  });

  it('is overridden by the option, and then not read', async () => {
    process.env[VARIABLE] = join(directory, 'nowhere.json');
    const app = await appWith({ mode: 'memory_only', services: services().slice(1) });
    expect(namesIn(app)).toEqual(['cache']);
  });

  it.each<[what: string, content: string | undefined, path: string, expected: RegExp]>([
    ['that is not there', undefined, VARIABLE, /JSON file with a list of services \(ENOENT/],
    ['that is no JSON', '[{"name": hush', VARIABLE, /JSON file with a list of services \(its content is not JSON\)/],
    ['that holds no list', '{"name": "a"}', VARIABLE, /a list of services/],
    ['with a wrong target', '[{"name": "a", "targets": ["x"]}]', `${VARIABLE}[0].targets[0]`, /the URL of an instance/],
    [
      'with a misspelled name',
      '[{"name": "a", "targets": ["http://a:1"], "zome": "b"}]',
      `${VARIABLE}[0].zome`,
      /did you mean "zone"/,
    ],
  ])('is named in the error for a file %s', async (_what, content, path, expected) => {
    process.env[VARIABLE] = content === undefined ? join(directory, 'nowhere.json') : await file('wrong.json', content);
    const error = (await startError(ServiceDiscoveryModule.forRoot(USUAL))) as InvalidConfigurationError;
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect(error.problems).toEqual([
      {
        path,
        value: path === VARIABLE ? process.env[VARIABLE] : expect.anything(),
        expected: expect.stringMatching(expected),
      },
    ]);
    expect(inspect(error)).not.toContain('hush');
  });
});

it('a wrong list in the options is reported with all other errors', async () => {
  const wrong = { ...USUAL, timeout: -1, services: [{ name: 'a', targets: ['a:1'] }] };
  const error = (await startError(ServiceDiscoveryModule.forRoot(wrong))) as InvalidConfigurationError;
  expect(error.problems.map(({ path }) => path).sort()).toEqual(['services[0].targets[0]', 'timeout']);
});
