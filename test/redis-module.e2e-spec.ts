import { createServer } from 'node:http';
import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { type INestApplication } from '@nestjs/common';
import {
  DiscoveryMetrics,
  EventBus,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, inRegistry } from './support/nest-app.js';
import { RedisServer } from './support/redis-server.js';

const apps = new Apps();
let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterEach(async () => {
  await apps.close();
  await redis.flush();
});
afterAll(() => redis.stop());

function listen(interval = '400ms'): Promise<INestApplication> {
  return apps.listen(
    ServiceDiscoveryModule.forRoot({
      redis: { url: redis.url },
      healthCheck: { interval, timeout: '200ms' },
      serviceTtl: '30s',
      logging: false,
    }),
  );
}

it('what one app registers, another one discovers and calls, also while Redis is away', async () => {
  const backend = createServer((_request, response) => response.end('{"name":"Ada"}')).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  const [one, two] = [await listen(), await listen()];
  await one.get(ServiceDiscovery).registerService({ serviceName: 'users', host: '127.0.0.1', port });
  await inRegistry(two, ({ services }) => services.get('users'));
  const call = (): Promise<unknown> => two.get(ServiceCommunicator).callServiceJson('users', { path: '/' });
  expect(await call()).toEqual({ name: 'Ada' });
  const lost = new Promise((resolve) => two.get(EventBus).on('registry.unavailable', resolve));
  await redis.kill();
  await lost;
  expect(await call()).toEqual({ name: 'Ada' });
  await redis.startAgain();
  backend.close();
  backend.closeAllConnections();
});

it('what an app finds wrong in Redis is an event, and counted in its metrics', async () => {
  const [one, two] = [await listen(), await listen()];
  const trouble = new Promise((resolve) => two.get(EventBus).on('registry.trouble', resolve));
  await one
    .get(ServiceDiscovery)
    .registerService({ serviceName: 'users', instanceId: 'a', host: '127.0.0.1', port: 9 });
  await inRegistry(two, ({ services }) => services.get('users'));
  await redis.client().hset('sd:{default:users}:records', 'a', '{"v":2}');
  // Whoever watches anew, and has missed changes that are gone, reads what is there.
  await redis.client().del('sd:{default:users}:changes');
  await redis.client().hincrby('sd:{default:users}:meta', 'sequence', 5);
  await redis.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  expect(await trouble).toMatchObject({ kind: 'bad_record', service: 'users', instanceId: 'a' });
  const metrics = await two.get(DiscoveryMetrics).metrics();
  expect(metrics).toContain('service_discovery_registry_troubles_total{kind="bad_record"} 1');
});

it('apps share the health checks: each instance is checked by one, and taken over when that one leaves', async () => {
  const running = [await listen(), await listen(), await listen()];
  const checkedBy = new Map<string, Set<number>>();
  let news: () => void = () => undefined;
  running.forEach((app, index) => {
    app.get(EventBus).on('health.checked', ({ key }) => {
      const checkers = checkedBy.get(key.instanceId) ?? new Set();
      checkedBy.set(key.instanceId, checkers.add(index));
      news();
    });
  });
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      news = () => {
        if (holds()) resolve();
      };
      news();
    });
  const ids = Array.from({ length: 30 }, (_, index) => `i${index}`);
  const registry = running[0]!.get(ServiceRegistry);
  for (const instanceId of ids) {
    // Nothing listens there: an instance that fails its checks is checked all the same.
    await registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 9, healthCheckPath: null });
  }
  const everyOne = (): boolean => ids.every((id) => (checkedBy.get(id)?.size ?? 0) > 0);
  /** Who checked each instance, from now until each was checked. */
  const round = async (): Promise<Map<string, number[]>> => {
    checkedBy.clear();
    await until(everyOne);
    return new Map(ids.map((id) => [id, [...checkedBy.get(id)!]]));
  };
  /** Until all have heard of each other, two may check an instance. */
  const settled = async (): Promise<Map<string, number>> => {
    for (;;) {
      const owners = await round();
      if ([...owners.values()].every(({ length }) => length === 1)) {
        return new Map([...owners].map(([id, [owner]]) => [id, owner!]));
      }
    }
  };
  await until(everyOne);
  let owners = await settled();
  while (new Set(owners.values()).size < 3) owners = await settled();
  expect(await round()).toEqual(new Map([...owners].map(([id, owner]) => [id, [owner]])));

  await running[2]!.close();
  const after = await settled();
  expect([...after.values()]).not.toContain(2);
  for (const [id, owner] of owners) if (owner !== 2) expect(after.get(id)).toBe(owner);
});
