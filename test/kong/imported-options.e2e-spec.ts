import { type INestApplication } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ServiceCommunicator, ServiceDiscoveryModule, type ServiceDiscoveryOptions } from 'nest-service-discovery';
import { KongImporter } from 'nest-service-discovery/kong';
import { Apps, inRegistry } from '../support/nest-app.js';
import { closeServers, overHttp } from '../support/probed-server.js';
import { kongOptions as dump } from './golden/db-export.js';
import { kongOptions as format1 } from './golden/format-1.1.js';
import { kongOptions as format2 } from './golden/format-2.1.js';
import { kongOptions as format3 } from './golden/format-3.0.js';

const apps = new Apps();
afterEach(async () => {
  await apps.close();
  await closeServers();
});

const start = (options: ServiceDiscoveryOptions): Promise<INestApplication> =>
  apps.listen(ServiceDiscoveryModule.forRoot({ ...options, logging: false, startTimeout: 0 }));
const imported = (configuration: object): ServiceDiscoveryOptions =>
  new KongImporter({ env: {} }).importSources([
    { file: 'kong.json', text: JSON.stringify({ _format_version: '3.0', ...configuration }) },
  ]).options;

/** A target of Kong on a real socket. */
class Target {
  port = 0;
  calls = 0;
  checks = 0;
  status = 200;

  async listen(): Promise<this> {
    this.port = await overHttp((request, response) => {
      if (request.url === '/status') this.checks++;
      else this.calls++;
      response.statusCode = this.status;
      response.end('{}');
    });
    return this;
  }
}

const targets = (count: number): Promise<Target[]> =>
  Promise.all(Array.from({ length: count }, () => new Target().listen()));
const upstreamOf = (all: readonly Target[], settings: object = {}, weights: readonly number[] = []): object => ({
  services: [{ name: 'users', host: 'users.upstream', path: '/v1' }],
  upstreams: [
    {
      name: 'users.upstream',
      ...settings,
      targets: all.map(({ port }, index) => ({ target: `127.0.0.1:${port}`, weight: weights[index] ?? 100 })),
    },
  ],
});
const call = async (app: INestApplication, headers: Record<string, string> = {}): Promise<number> => {
  const { instance, body, status } = await app.get(ServiceCommunicator).callService('users', { path: '/1', headers });
  await body.dump();
  expect(status).toBe(200);
  return instance.port;
};
const becomes = (app: INestApplication, target: Target, status: string): Promise<true> =>
  inRegistry(app, ({ services }) => {
    const instance = services.get('users')?.find(({ port }) => port === target.port);
    return instance?.status === status ? true : undefined;
  });

describe('the options of an import', () => {
  it.each([
    ['1.1', format1],
    ['2.1', format2],
    ['3.0', format3],
    ['3.0 as a dump', dump],
  ])('start an app, of format %s', async (_, options: ServiceDiscoveryOptions) => {
    const app = await start({ ...options, healthCheck: { ...options.healthCheck, enabled: false } });
    const names = options.services!.map(({ name }) => name);
    await inRegistry(app, ({ services }) => names.every((name) => services.has(name)) || undefined);
  });

  it('spread calls by the weights of the targets', async () => {
    const [one, two, none] = (await targets(3)) as [Target, Target, Target];
    const app = await start(imported(upstreamOf([one, two, none], {}, [100, 50, 0])));
    await Promise.all([one, two, none].map((target) => becomes(app, target, 'healthy')));
    for (let index = 0; index < 150; index++) await call(app);
    expect([one.calls, two.calls, none.calls]).toEqual([100, 50, 0]);
  });

  it('take a target out after as many failed checks as Kong would, and back after as many that pass', async () => {
    const [one, other] = (await targets(2)) as [Target, Target];
    const active = {
      http_path: '/status',
      healthy: { interval: 0.05, successes: 3 },
      unhealthy: { interval: 0.05, http_failures: 2, http_statuses: [500] },
    };
    const app = await start(imported(upstreamOf([one, other], { healthchecks: { active } })));
    await Promise.all([becomes(app, one, 'healthy'), becomes(app, other, 'healthy')]);

    one.checks = 0;
    one.status = 500;
    await becomes(app, one, 'unhealthy');
    expect(one.checks).toBe(2);
    other.calls = 0;
    for (let index = 0; index < 10; index++) await call(app);
    expect([one.calls, other.calls]).toEqual([0, 10]);

    one.checks = 0;
    one.status = 200;
    await becomes(app, one, 'healthy');
    expect(one.checks).toBe(3);
    for (let index = 0; index < 10; index++) await call(app);
    expect(one.calls).toBe(5);
  });

  it('send no more calls to a target after as many failed calls as its passive checks say', async () => {
    const [one, other] = (await targets(2)) as [Target, Target];
    one.status = 503;
    const passive = { unhealthy: { http_failures: 3, http_statuses: [503] } };
    const app = await start(imported(upstreamOf([one, other], { healthchecks: { passive } })));
    await Promise.all([becomes(app, one, 'healthy'), becomes(app, other, 'healthy')]);
    for (let index = 0; index < 20; index++) await call(app);
    expect([one.calls, other.calls]).toEqual([3, 20]);
  });

  it('send the calls with one key to one target, and those of another target alone elsewhere when it is gone', async () => {
    const all = await targets(4);
    const active = {
      http_path: '/status',
      healthy: { interval: 0.05, successes: 1 },
      unhealthy: { interval: 0.05, http_failures: 1 },
    };
    const settings = {
      algorithm: 'consistent-hashing',
      hash_on: 'header',
      hash_on_header: 'x-user',
      healthchecks: { active },
    };
    const app = await start(imported(upstreamOf(all, settings)));
    await Promise.all(all.map((target) => becomes(app, target, 'healthy')));
    const users = Array.from({ length: 40 }, (_, index) => ({ 'x-user': `user-${index}` }));
    const places = (): Promise<number[]> => Promise.all(users.map((headers) => call(app, headers)));

    const before = await places();
    expect(new Set(before).size).toBe(4);
    expect(await places()).toEqual(before);

    const gone = all[0]!;
    gone.status = 500;
    await becomes(app, gone, 'unhealthy');
    const lost = gone.port;
    const after = await places();
    expect(after).not.toContain(lost);
    expect(after.filter((place, index) => before[index] !== lost && place !== before[index])).toEqual([]);
  });
});
