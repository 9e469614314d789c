import { createServer } from 'node:http';
import { type INestApplication, Module } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DiscoveryMetrics,
  EventBus,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, inRegistry, urlOf } from './support/nest-app.js';
import { closeServers, listen } from './support/probed-server.js';
import { send } from './support/rest-app.js';

const CALLS = 500;
const SERVICE = 'slow-health';

describe('three instances whose health endpoint hangs while they answer calls', () => {
  const apps = new Apps();
  let app: INestApplication;
  let communicator: ServiceCommunicator;
  const events: string[] = [];

  beforeEach(async () => {
    @Module({
      imports: [
        ServiceDiscoveryModule.forRoot({ healthCheck: { interval: '100ms', timeout: '50ms' }, logging: false }),
      ],
    })
    class AppModule {}
    app = await apps.listen(AppModule);
    communicator = app.get(ServiceCommunicator);
    events.length = 0;
    app.get(EventBus).onAny(({ type }) => void (type.startsWith('balancing.') && events.push(type)));
    for (let instance = 0; instance < 3; instance++) {
      const backend = createServer(({ url }, response) => {
        if (url !== '/health') response.end('{"from":"an instance"}');
      });
      const port = await listen(backend);
      await app.get(ServiceDiscovery).registerService({ serviceName: SERVICE, host: '127.0.0.1', port });
    }
    await inRegistry(app, ({ services }) => {
      const instances = services.get(SERVICE) ?? [];
      return instances.every(({ status }) => status === 'unhealthy') ? instances : undefined;
    });
  });
  afterEach(async () => {
    await apps.close();
    await closeServers();
  });

  /** How calls ended: the count per status or code. */
  async function outcomesOf(caller: ServiceCommunicator): Promise<Record<string, number>> {
    const outcomes: Record<string, number> = {};
    const call = async (): Promise<void> => {
      const outcome = await caller.callService(SERVICE, { path: '/' }).then(
        async ({ status, body }) => {
          await body.text();
          return String(status);
        },
        ({ code }: { code: string }) => code,
      );
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    };
    const caller20 = async (): Promise<void> => {
      for (let count = 0; count < CALLS / 20; count++) await call();
    };
    await Promise.all(Array.from({ length: 20 }, caller20));
    return outcomes;
  }

  it('receive all calls, as an event, a counter and the explanation show', async () => {
    expect(await outcomesOf(communicator)).toEqual({ 200: CALLS });
    expect(events).toEqual(['balancing.fail_open']);
    expect(await app.get(DiscoveryMetrics).metrics()).toContain(
      `service_discovery_fail_open_picks_total{service="${SERVICE}"} ${CALLS}`,
    );
    expect(communicator.explain(SERVICE)).toMatchObject({ failOpen: true, healthyShare: 0, unavailable: undefined });
  });

  it('receive none with failOpen: false', async () => {
    const strict = communicator.withOptions({ loadBalancing: { failOpen: false } });
    expect(await outcomesOf(strict)).toEqual({ NO_AVAILABLE_INSTANCE: CALLS });
    expect(strict.explain(SERVICE)).toMatchObject({ failOpen: false, unavailable: 'none_healthy' });
  });

  it('are not returned by discovery', async () => {
    const discovery = app.get(ServiceDiscovery);
    const none = { code: 'NO_AVAILABLE_INSTANCE' };
    await expect(discovery.discoverService(SERVICE)).rejects.toMatchObject(none);
    expect(await discovery.discoverInstances(SERVICE)).toEqual([]);
    const { status, body } = await send(`${urlOf(app)}/service-discovery/discover/${SERVICE}`, 'GET');
    expect([status, body.error]).toMatchObject([503, none]);
  });

  it('receive calls instead of a draining instance', async () => {
    const [first, ...others] = app.get(ServiceRegistry).getInstances(SERVICE);
    await app.get(ServiceRegistry).setStatus(first!, 'draining');
    expect(await outcomesOf(communicator)).toEqual({ 200: CALLS });
    expect(communicator.explain(SERVICE).instances.filter(({ taken }) => taken)).toHaveLength(others.length);
  });
});
