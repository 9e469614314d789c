import { type INestApplication, Module } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import {
  CLOCK,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { TransportError } from 'nest-service-discovery/core';
import { FakeTransport, ManualClock } from 'nest-service-discovery/testing';
import { HttpInstance } from '../support/http-instance.js';
import { Apps, inRegistry, urlOf } from '../support/nest-app.js';

const SERVICE = 'users';
const apps = new Apps();
let instances: [HttpInstance, HttpInstance];
let manual: INestApplication | undefined;

beforeEach(async () => {
  instances = [new HttpInstance('a'), new HttpInstance('b')];
  await Promise.all(instances.map((instance) => instance.start()));
});

afterEach(async () => {
  await Promise.all(instances.map((instance) => instance.kill()));
  await Promise.all([apps.close(), manual?.close()]);
  manual = undefined;
});

interface ServiceBody {
  readonly base_url: string;
  readonly instances: readonly {
    readonly instance_id: string;
    readonly status: string;
    readonly reasons: readonly { readonly source: string; readonly reason: string | null }[];
  }[];
}

/** An app that is the registry, after both instances were found healthy. */
async function registryWith(healthCheck: ServiceDiscoveryOptions['healthCheck']): Promise<INestApplication> {
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', healthCheck, logging: false })] })
  class AppModule {}
  const app = await apps.listen(AppModule);
  for (const { name, port } of instances) {
    await app
      .get(ServiceDiscovery)
      .registerService({ serviceName: SERVICE, instanceId: name, host: '127.0.0.1', port, healthCheckPath: '/' });
  }
  await statusIs(app, 'a', 'healthy');
  await statusIs(app, 'b', 'healthy');
  return app;
}

function statusIs(app: INestApplication, id: string, status: string): Promise<true> {
  return inRegistry(app, ({ services }) => {
    const instance = services.get(SERVICE)?.find(({ instanceId }) => instanceId === id);
    return instance?.status === status || undefined;
  });
}

function checkFailed(app: INestApplication, id: string): Promise<true> {
  return inRegistry(app, ({ services }) => {
    const instance = services.get(SERVICE)?.find(({ instanceId }) => instanceId === id);
    return instance?.health?.reason !== undefined || undefined;
  });
}

async function look(app: INestApplication, path: string): Promise<ServiceBody> {
  const response = await fetch(`${urlOf(app)}/service-discovery/${path}`);
  return (await response.json()) as ServiceBody;
}

/** An app with a manual clock, whose calls to the instance `a` are refused. */
async function refusedAt(id: string): Promise<INestApplication> {
  const transport = new FakeTransport(({ instanceId }) => {
    if (instanceId === id) throw new TransportError('connect ECONNREFUSED', true);
    return { body: { from: instanceId } };
  });
  const options = { mode: 'memory_only', transport, healthCheck: false, logging: false } as const;
  const builder = Test.createTestingModule({ imports: [ServiceDiscoveryModule.forRoot(options)] });
  const module = await builder.overrideProvider(CLOCK).useValue(new ManualClock()).compile();
  const app = module.createNestApplication({ logger: false });
  manual = app;
  await app.init();
  for (const { name, port } of instances) {
    await app
      .get(ServiceDiscovery)
      .registerService({ serviceName: SERVICE, instanceId: name, host: '127.0.0.1', port, ttl: '1h' });
  }
  return app;
}

const baseUrlOf = ({ port }: HttpInstance): string => `http://127.0.0.1:${port}`;

describe('after kill -9 of an instance', () => {
  it('traffic moves to the other one at the first failed check, and it is unhealthy two checks later', async () => {
    const app = await registryWith({ interval: '2s' });
    const [first, second] = instances;
    expect((await look(app, `services/${SERVICE}`)).base_url).toBe(baseUrlOf(first));
    await first.kill();
    await checkFailed(app, 'a');
    const seen = await look(app, `services/${SERVICE}`);
    expect(seen.base_url).toBe(baseUrlOf(second));
    await statusIs(app, 'a', 'unhealthy');
    const [gone] = (await look(app, `services/${SERVICE}`)).instances;
    expect(gone).toMatchObject({ status: 'unhealthy', reasons: [{ source: 'active', reason: 'connection refused' }] });
  });

  it('a refused connection triggers a check at once, long before its turn', async () => {
    const app = await registryWith({ interval: '1h', changingInterval: '1s' });
    const [first, second] = instances;
    await first.kill();
    const communicator = app.get(ServiceCommunicator);
    // Round robin: one of the two goes to the dead instance first, and then to the other one.
    for (let n = 0; n < 2; n++) {
      expect(await communicator.callServiceJson(SERVICE, { path: '/' })).toEqual({ from: 'b' });
    }
    const seen = await look(app, `services/${SERVICE}`);
    expect(seen.base_url).toBe(baseUrlOf(second));
    const passive = seen.instances[0]!.reasons.find(({ source }) => source === 'passive');
    expect(passive?.reason).toMatch(/^calls could not connect to it: connect ECONNREFUSED/);
    await statusIs(app, 'a', 'unhealthy');
  });

  it('discovery skips an instance that a call could not connect to while calls avoid it', async () => {
    const app = await refusedAt('a');
    const discovery = app.get(ServiceDiscovery);
    const lookUp = async (): Promise<string | undefined> =>
      (await discovery.discoverService(SERVICE))?.instance.instanceId;
    expect([await lookUp(), await lookUp()].sort()).toEqual(['a', 'b']);
    for (let n = 0; n < 2; n++) await app.get(ServiceCommunicator).callServiceJson(SERVICE, { path: '/' });
    for (let n = 0; n < 4; n++) expect(await lookUp()).toBe('b');
    await app.get<ManualClock>(CLOCK).advanceAsync(2_000);
    expect([await lookUp(), await lookUp()].sort()).toEqual(['a', 'b']);
  });
});
