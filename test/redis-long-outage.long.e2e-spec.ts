import { afterAll, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module } from '@nestjs/common';
import {
  DiscoverableService,
  EventBus,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  ServiceRegistry,
} from 'nest-service-discovery';
import { systemClock } from 'nest-service-discovery/core';
import { sleep } from '../libs/service-discovery/src/common/index.js';
import { Apps, inRegistry, portOf } from './support/nest-app.js';
import { RedisServer } from './support/redis-server.js';

const OUTAGE_MS = 60_000;
const CALLS_PER_SECOND = 50;
/** A third of the lease. */
const HEARTBEAT_MS = 10_000;
/** The longest delay between two attempts to reach the store. */
const JITTER_MS = 5_000;

const apps = new Apps();
let redis: RedisServer | undefined;
afterAll(async () => {
  await apps.close();
  await redis?.stop();
});

/** Calls `users` at a steady rate, independent of responses, without retries that would hide failures. */
class SteadyCalls {
  readonly failures: unknown[] = [];
  readonly servedBy = new Set<number>();
  private readonly latencies: number[] = [];
  private readonly pending = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly loop: Promise<void>;
  private readonly communicator: ServiceCommunicator;

  constructor(app: INestApplication) {
    this.communicator = app.get(ServiceCommunicator).withOptions({ retry: false });
    this.loop = this.run();
  }

  get made(): number {
    return this.latencies.length + this.failures.length;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    await Promise.all(this.pending);
  }

  p99(): number {
    const sorted = [...this.latencies].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    for (let due = systemClock.now(); !signal.aborted; due += 1_000 / CALLS_PER_SECOND) {
      await sleep(systemClock, Math.max(0, due - systemClock.now()), signal).catch(() => undefined);
      const call = this.call().finally(() => this.pending.delete(call));
      this.pending.add(call);
    }
  }

  private async call(): Promise<void> {
    const began = systemClock.now();
    try {
      const { port } = await this.communicator.callServiceJson<{ port: number }>('users', { path: '/whoami' });
      this.servedBy.add(port);
      this.latencies.push(systemClock.now() - began);
    } catch (error) {
      this.failures.push(error);
    }
  }
}

function discovery(url: string): ReturnType<typeof ServiceDiscoveryModule.forRoot> {
  return ServiceDiscoveryModule.forRoot({
    mode: 'redis_backed',
    redis: { url },
    serviceTtl: 3 * HEARTBEAT_MS,
    healthCheck: { interval: '5s', timeout: '1s' },
    logging: false,
  });
}

/** A service process: an app that answers with its port. */
async function startUserService(url: string): Promise<INestApplication> {
  let port = 0;

  @Controller()
  class WhoAmIController {
    @Get('whoami')
    whoAmI(): { port: number } {
      return { port };
    }
  }

  @DiscoverableService({ name: 'users' })
  @Module({ imports: [discovery(url)], controllers: [WhoAmIController] })
  class UserServiceModule {}

  const app = await apps.listen(UserServiceModule);
  port = portOf(app);
  return app;
}

it(
  'a minute without Redis after SIGKILL fails no call, and everything is registered again soon after its return',
  async () => {
    redis = await RedisServer.start();
    const { url } = redis;
    const services = [await startUserService(url), await startUserService(url), await startUserService(url)];
    const caller = await apps.listen(discovery(url));
    const all = (app: INestApplication): Promise<true> =>
      inRegistry(app, (snapshot) => (snapshot.services.get('users')?.length === 3 ? true : undefined));
    // An unchecked instance would rank behind the others all the time, since no health is reported without Redis.
    await inRegistry(caller, (snapshot) => {
      const healthy = snapshot.services.get('users')?.filter(({ status }) => status === 'healthy');
      return healthy?.length === 3 ? true : undefined;
    });
    const sizes = new Set<number>();
    caller.get(ServiceRegistry).onChange(({ services: shown }) => sizes.add(shown.get('users')?.length ?? 0));

    const calls = new SteadyCalls(caller);
    const lost = [...services, caller].map((app) => app.get(EventBus)).map((bus) => next(bus, 'registry.unavailable'));
    await redis.kill();
    await Promise.all(lost);
    await sleep(systemClock, OUTAGE_MS);
    const during = calls.made;
    const regained = next(caller.get(EventBus), 'registry.available');
    await redis.startAgain();
    const returned = systemClock.now();
    // A process that never saw them before shows only what is in Redis.
    const newcomer = await apps.listen(discovery(url));
    await all(newcomer);
    const presentMs = Math.round(systemClock.now() - returned);
    await regained;
    await calls.stop();

    process.stdout.write(
      `SIGKILL of Redis for ${OUTAGE_MS / 1_000} s: ${during} calls during the outage, ${calls.made} in all, ` +
        `${calls.failures.length} failed, p99 ${calls.p99().toFixed(1)} ms; ` +
        `all present ${presentMs} ms after its return, heartbeats every ${HEARTBEAT_MS} ms\n`,
    );
    expect(calls.failures).toEqual([]);
    expect(during).toBeGreaterThan((OUTAGE_MS / 1_000) * CALLS_PER_SECOND * 0.5);
    expect(calls.servedBy).toEqual(new Set(services.map(portOf)));
    expect([...sizes]).toEqual([3]);
    expect(presentMs).toBeLessThanOrEqual(HEARTBEAT_MS + JITTER_MS);
  },
  OUTAGE_MS + 60_000,
);

function next(bus: EventBus, name: 'registry.available' | 'registry.unavailable'): Promise<void> {
  return new Promise((resolve) => {
    const stop = bus.on(name, () => {
      stop();
      resolve();
    });
  });
}
