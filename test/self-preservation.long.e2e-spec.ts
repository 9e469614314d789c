import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  EventBus,
  HealthAggregator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { RedisRegistryStore } from 'nest-service-discovery/core';
import { systemClock, type Clock, type Timer } from '../libs/service-discovery/src/common/index.js';
import { EventReader } from './support/event-reader.js';
import { Apps } from './support/nest-app.js';
import { RedisServer } from './support/redis-server.js';
import { startRestApp } from './support/rest-app.js';
import { report, sinceMs } from './support/timing.js';

let server: RedisServer;
let toClose: (() => Promise<unknown>)[];

beforeEach(async () => {
  toClose = [];
  server = await RedisServer.start();
  toClose.push(() => server.stop());
});
afterEach(async () => {
  for (const close of toClose.reverse()) await close();
});

/** The machine's clock, with timers that can be suspended. */
class PausableClock implements Clock {
  private paused: (() => void)[] | undefined;

  now(): number {
    return systemClock.now();
  }

  epoch(): number {
    return systemClock.epoch();
  }

  setTimer(fn: () => void, ms: number): Timer {
    let cancelled = false;
    const fire = (): void => {
      if (cancelled) return;
      if (this.paused) this.paused.push(fire);
      else fn();
    };
    const timer = systemClock.setTimer(fire, ms, { keepAlive: false });
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  pause(): void {
    this.paused = [];
  }

  resume(): void {
    const due = this.paused ?? [];
    this.paused = undefined;
    for (const fire of due) fire();
  }
}

describe('of 100 instances in three processes', () => {
  const HEARTBEAT_MS = 1_000;
  const TTL_MS = 3 * HEARTBEAT_MS;

  function openRegistry(heartbeatClock?: Clock): ServiceRegistry {
    const store = new RedisRegistryStore({ url: server.url });
    const registry = new ServiceRegistry(
      store,
      { serviceTtl: TTL_MS, heartbeatInterval: HEARTBEAT_MS },
      { heartbeatClock },
    );
    toClose.push(async () => {
      await registry.close();
      await store.close();
    });
    return registry;
  }
  const until = (registry: ServiceRegistry, holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        stop();
        resolve();
      };
      const stop = registry.onChange(check);
      check();
    });

  it('90 that miss their heartbeats are kept and flagged; they return, or are removed in bounded time', async () => {
    const beats = new PausableClock();
    const [ten, ninety, reader] = [openRegistry(), openRegistry(beats), openRegistry()];
    await Promise.all([ten, ninety, reader].map((registry) => registry.start()));
    const register = (registry: ServiceRegistry, from: number, to: number): Promise<unknown[]> =>
      Promise.all(
        Array.from({ length: to - from }, (_, index) =>
          registry.register({ serviceName: 'users', instanceId: `i${from + index}`, host: '127.0.0.1', port: 8080 }),
        ),
      );
    await register(ten, 0, 10);
    await register(ninety, 10, 100);
    const health = new HealthAggregator(reader);
    const listed = (): number => reader.getInstances('users').length;
    const held = (): boolean => reader.snapshot.expiryHolds.has('users');
    await until(reader, () => listed() === 100);
    const sizes: number[] = [];
    reader.onChange(() => sizes.push(listed()));

    let start = systemClock.now();
    beats.pause();
    await until(reader, held);
    const flagged = health.getAggregatedHealth().services.users?.expiryHeld;
    report(`90 of 100 fall silent: flagged after ${sinceMs(start)} ms: ${JSON.stringify(flagged)}, ${listed()} listed`);
    expect(flagged).toMatchObject({ overdue: 90, total: 100 });

    start = systemClock.now();
    beats.resume();
    await until(reader, () => !held());
    report(`their heartbeats come back: lifted after ${sinceMs(start)} ms, ${listed()} listed`);
    expect(new Set(sizes)).toEqual(new Set([100]));
    expect(health.getAggregatedHealth().services.users?.expiryHeld).toBeNull();

    start = systemClock.now();
    beats.pause();
    await until(reader, held);
    await until(reader, () => !held() && listed() === 10);
    const intervals = (sinceMs(start) / HEARTBEAT_MS).toFixed(1);
    report(
      `90 of 100 stay away: all gone after ${intervals} heartbeat intervals of ${HEARTBEAT_MS} ms, ${listed()} left`,
    );
    expect(reader.getInstances('users').map(({ instanceId }) => instanceId)).toEqual(
      Array.from({ length: 10 }, (_, index) => `i${index}`),
    );
  });
});

describe('the REST API', () => {
  it('shows held expiry in its lists, metrics and events', async () => {
    const rest = await startRestApp('express');
    toClose.push(() => rest.close());
    for (const instance_id of ['a', 'b', 'c', 'd']) {
      const json = { service_name: 'users', instance_id, host: '10.0.0.7', port: 8080, ttl: 30 };
      await rest.send('POST', '/register', { json });
    }
    const events = await EventReader.open(`${rest.origin}/service-discovery/events`);
    toClose.push(() => events.close());
    await rest.clock.advanceAsync(30_000);
    const expiry_held = { since: new Date(rest.clock.epoch()).toISOString(), overdue: 4, total: 4 };
    expect((await rest.send('GET', '/services/users')).body).toMatchObject({ expiry_held, total_instances: 4 });
    expect((await rest.send('GET', '/services')).body.services).toMatchObject([{ expiry_held }]);
    expect((await rest.send('GET', '/health/aggregated')).body.services).toMatchObject({ users: { expiry_held } });
    const held_expiry = [{ service_name: 'users', ...expiry_held }];
    expect((await rest.send('GET', '/overview')).body).toMatchObject({ registry: { held_expiry } });
    expect((await rest.send('GET', '/metrics')).text).toContain(
      'service_discovery_expiry_held_instances{service="users"} 4',
    );
    // Events of 50 ms go out together.
    await rest.clock.advanceAsync(50);
    let event = await events.next();
    while (event?.type === 'ping') event = await events.next();
    expect(event?.data).toMatchObject({ type: 'expiry.held', service_name: 'users', ...expiry_held });
    await rest.clock.advanceAsync(30_000);
    expect((await rest.send('GET', '/services')).body.services).toEqual([]);
  });
});

describe('the option of the module', () => {
  const apps = new Apps();
  beforeEach(() => {
    toClose.push(() => apps.close());
  });

  it.each(['memory_only', 'redis_backed'] as const)('reaches the store of the mode %s', async (mode) => {
    /** What happens first to three instances that are not renewed. */
    const firstOf = async (options: ServiceDiscoveryOptions): Promise<string> => {
      const redis = mode === 'redis_backed' ? { url: server.url } : undefined;
      const shared = { mode, redis, healthCheck: false, logging: false } as const;
      const app = await apps.listen(ServiceDiscoveryModule.forRoot({ ...shared, ...options }));
      const [bus, registry] = [app.get(EventBus), app.get(ServiceRegistry)];
      const first = new Promise<string>((resolve) => {
        for (const name of ['expiry.held', 'instance.expired'] as const) bus.on(name, () => resolve(name));
      });
      for (const instanceId of ['a', 'b', 'c']) {
        const registration = { serviceName: 'users', instanceId, host: '127.0.0.1', port: 9, ttl: '1s' } as const;
        await registry.register(registration, { heartbeat: 'manual' });
      }
      return first;
    };
    expect(await firstOf({ namespace: 'on' })).toBe('expiry.held');
    expect(await firstOf({ namespace: 'off', selfPreservation: false })).toBe('instance.expired');
    expect(await firstOf({ namespace: 'four', selfPreservation: { minInstances: 4 } })).toBe('instance.expired');
  });
});
