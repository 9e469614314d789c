import { createServer } from 'node:http';
import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import {
  DiscoveryMetrics,
  EventBus,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { Apps, inRegistry } from './support/nest-app.js';
import { Relay } from './support/relay.js';
import { RedisServer } from './support/redis-server.js';

/** How late a timer may fire on a busy machine. */
const NOISE_MS = 250;

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

function listen(options: ServiceDiscoveryOptions = {}): Promise<INestApplication> {
  return apps.listen(
    ServiceDiscoveryModule.forRoot({
      redis: { url: redis.url },
      healthCheck: { interval: '400ms', timeout: '200ms' },
      serviceTtl: '30s',
      logging: false,
      ...options,
    }),
  );
}

it('an instance that one app registers is discovered and called by another, also while Redis is unreachable', async () => {
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

it('an app with follow "used" subscribes only to used services, from its first call on', async () => {
  const backend = createServer((_request, response) => response.end('{"name":"Ada"}')).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  const [one, two] = [await listen(), await listen({ follow: 'used' })];
  for (const serviceName of ['users', 'orders', 'carts']) {
    await one.get(ServiceDiscovery).registerService({ serviceName, host: '127.0.0.1', port });
  }
  const registry = two.get(ServiceRegistry);
  expect(registry.listServices()).toEqual([]);
  expect(await two.get(ServiceCommunicator).callServiceJson('users', { path: '/' })).toEqual({ name: 'Ada' });
  expect(await two.get(ServiceDiscovery).discoverService('orders')).toMatchObject({ serviceName: 'orders' });
  expect([...registry.snapshot.services.keys()].sort()).toEqual(['orders', 'users']);
  const channels = (await redis.client().pubsub('CHANNELS', 'sd:{default:*:changes')) as string[];
  expect(channels.sort()).toEqual(['sd:{default:orders}:changes', 'sd:{default:users}:changes']);
  await one.get(ServiceDiscovery).deregisterService('users');
  await inRegistry(two, ({ services }) => !services.has('users'));
  backend.close();
  backend.closeAllConnections();
});

it('an app with follow "used" warns that it runs no checks, unless they were turned off', async () => {
  const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
  const warnings = (): string[] =>
    warn.mock.calls.map(([text]) => String(text)).filter((text) => text.includes('health checks'));
  await listen({ follow: 'used', healthCheck: false, logging: {} });
  await listen({ follow: 'used' });
  await listen({ logging: {} });
  expect(warnings()).toEqual([]);
  await listen({ follow: 'used', logging: {} });
  expect(warnings()).toEqual([expect.stringMatching(/follow: 'all', and set healthCheck: false here$/)]);
  warn.mockRestore();
});

it('an app emits an event for a problem in Redis, and counts it in its metrics', async () => {
  const [one, two] = [await listen(), await listen()];
  const trouble = new Promise((resolve) => two.get(EventBus).on('registry.trouble', resolve));
  await one
    .get(ServiceDiscovery)
    .registerService({ serviceName: 'users', instanceId: 'a', host: '127.0.0.1', port: 9 });
  await inRegistry(two, ({ services }) => services.get('users'));
  await redis.client().hset('sd:{default:users}:records', 'a', '{"v":2}');
  // A new watch that has missed changes no longer kept reads the whole service.
  await redis.client().del('sd:{default:users}:changes');
  await redis.client().hincrby('sd:{default:users}:meta', 'sequence', 5);
  await redis.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  expect(await trouble).toMatchObject({ kind: 'bad_record', service: 'users', instanceId: 'a' });
  const metrics = await two.get(DiscoveryMetrics).metrics();
  expect(metrics).toContain('service_discovery_registry_troubles_total{kind="bad_record"} 1');
});

/** Which app checks which instance, according to the apps. */
class Checks {
  /** For each instance, the indices of the apps that checked it since {@link forget}. */
  readonly by = new Map<string, Set<number>>();
  private news: () => void = () => undefined;

  private constructor(private readonly ids: readonly string[]) {}

  /** Registers instances with the first app. They do not listen: an instance is checked even if its checks fail. */
  static async begin(running: readonly INestApplication[]): Promise<Checks> {
    const checks = new Checks(Array.from({ length: 30 }, (_, index) => `i${index}`));
    running.forEach((app, index) => {
      app.get(EventBus).on('health.checked', ({ key: { instanceId } }) => {
        checks.by.set(instanceId, (checks.by.get(instanceId) ?? new Set()).add(index));
        checks.news();
      });
    });
    for (const instanceId of checks.ids) {
      const instance = { serviceName: 'users', instanceId, host: '127.0.0.1', port: 9, healthCheckPath: null };
      await running[0]!.get(ServiceRegistry).register(instance);
    }
    return checks;
  }

  forget(): void {
    this.by.clear();
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.news = () => {
        if (holds()) resolve();
      };
      this.news();
    });
  }

  /** The apps that check each instance, from now until each was checked. */
  async round(): Promise<Map<string, number[]>> {
    this.forget();
    await this.until(() => this.ids.every((id) => this.by.has(id)));
    return new Map(this.ids.map((id) => [id, [...this.by.get(id)!]]));
  }

  /** The owner of each instance. Until the apps know each other, two may check the same instance. */
  async settled(checkers: number): Promise<Map<string, number>> {
    for (;;) {
      const owners = await this.round();
      const isShared = new Set([...owners.values()].flat()).size === checkers;
      if (isShared && [...owners.values()].every(({ length }) => length === 1)) {
        return new Map([...owners].map(([id, [owner]]) => [id, owner!]));
      }
    }
  }
}

it('apps share the health checks: one app checks each instance, and another takes over when it leaves', async () => {
  const running = [await listen(), await listen(), await listen()];
  const checks = await Checks.begin(running);
  const owners = await checks.settled(3);
  expect(await checks.round()).toEqual(new Map([...owners].map(([id, owner]) => [id, [owner]])));

  await running[2]!.close();
  const after = await checks.settled(2);
  expect([...after.values()]).not.toContain(2);
  for (const [id, owner] of owners) if (owner !== 2) expect(after.get(id)).toBe(owner);
});

it('the checks of an app that crashed are taken over within two intervals', async () => {
  const intervalMs = 1_000;
  const relay = await Relay.to(redis.port);
  const healthCheck = { interval: `${intervalMs}ms`, timeout: '200ms' } as const;
  const running = [
    await listen({ healthCheck }),
    await listen({ healthCheck }),
    await listen({ healthCheck, redis: { url: `redis://127.0.0.1:${relay.port}` } }),
  ];
  const checks = await Checks.begin(running);
  const orphans = [...(await checks.settled(3))].flatMap(([id, owner]) => (owner === 2 ? [id] : []));
  await relay.cut();
  checks.forget();
  const start = systemClock.now();
  const isTakenOver = (id: string): boolean => [...(checks.by.get(id) ?? [])].some((app) => app !== 2);
  await checks.until(() => orphans.every(isTakenOver));
  const tookMs = Math.round(systemClock.now() - start);
  process.stdout.write(`A checker is gone: ${orphans.length} instances taken over after ${tookMs} ms, interval 1 s\n`);
  expect(tookMs).toBeLessThanOrEqual(2 * intervalMs + NOISE_MS);
});
