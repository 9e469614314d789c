import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import {
  CLOCK,
  EventBus,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  ServiceRegistry,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { ManualClock } from 'nest-service-discovery/testing';
import { Apps } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

/** Counts the runs of each job. */
@Injectable()
class Jobs {
  readonly runs = { cron: 0, timeout: 0, interval: 0 };

  @Cron('* * * * * *', { name: 'own-cron' })
  everySecond(): void {
    this.runs.cron++;
  }

  @Timeout('own-timeout', 1)
  once(): void {
    this.runs.timeout++;
  }

  @Interval('own-interval', 2_000)
  everyOtherSecond(): void {
    this.runs.interval++;
  }
}

@Module({ imports: [ServiceDiscoveryModule.forRoot({ logging: false })] })
class Feature {}
@Module({
  imports: [ScheduleModule.forRoot(), ServiceDiscoveryModule.forRoot({ logging: false }), Feature],
  providers: [Jobs],
})
class AppModule {}

const OWN_TIMERS = ['expiry', 'health-checks', 'heartbeats'].map((name) => `service-discovery:${name}`);

describe('an app with its own scheduler', () => {
  it('runs each of its jobs once', async () => {
    jest.useFakeTimers({ now: 0, doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    try {
      const app = await apps.create(AppModule);
      await app.init();
      await jest.advanceTimersByTimeAsync(4_500);
      expect(app.get(Jobs).runs).toEqual({ cron: 4, timeout: 1, interval: 2 });
      expect([...app.get(SchedulerRegistry).getCronJobs().keys()]).toEqual(['own-cron']);
      await apps.close();
    } finally {
      jest.useRealTimers();
    }
  });

  it("lists the library's timers next to its own", async () => {
    const scheduler = (await apps.listen(AppModule)).get(SchedulerRegistry);
    expect(scheduler.getIntervals().sort()).toEqual(['own-interval', ...OWN_TIMERS]);
  });

  it('lists only timers of features in use', async () => {
    @Module({
      imports: [ScheduleModule.forRoot(), ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false })],
    })
    class WithoutChecks {}
    const scheduler = (await apps.listen(WithoutChecks)).get(SchedulerRegistry);
    expect(scheduler.getIntervals().sort()).toEqual(['service-discovery:expiry', 'service-discovery:heartbeats']);
  });

  it('can close, and close again in another app', async () => {
    await apps.listen(AppModule);
    await apps.close();
    const scheduler = (await apps.listen(AppModule)).get(SchedulerRegistry);
    expect(scheduler.getIntervals()).toEqual(expect.arrayContaining(OWN_TIMERS));
  });
});

describe('a library timer that is deleted from the scheduler', () => {
  async function start() {
    const clock = new ManualClock();
    const module = await Test.createTestingModule({
      imports: [ScheduleModule.forRoot(), ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false })],
    })
      .overrideProvider(CLOCK)
      .useValue(clock)
      .compile();
    await module.init();
    const registry = module.get(ServiceRegistry);
    await registry.register({ serviceName: 'user-service', host: '127.0.0.1', port: 1, ttl: '60s' });
    return { clock, registry, module, scheduler: module.get(SchedulerRegistry) };
  }

  it('stops its feature: no heartbeats are sent', async () => {
    const { clock, registry, scheduler, module } = await start();
    const lastHeartbeat = (): number => registry.getInstances('user-service')[0]!.lastHeartbeat;
    const atFirst = lastHeartbeat();
    await clock.advanceAsync(25_000);
    const renewed = lastHeartbeat();
    expect(renewed).toBeGreaterThan(atFirst);
    scheduler.deleteInterval('service-discovery:heartbeats');
    await clock.advanceAsync(25_000);
    expect(lastHeartbeat()).toBe(renewed);
    await module.close();
  });

  it('stops nothing else: without expiry everything stays', async () => {
    const { clock, registry, scheduler, module } = await start();
    scheduler.deleteInterval('service-discovery:heartbeats');
    scheduler.deleteInterval('service-discovery:expiry');
    await clock.advanceAsync(120_000);
    expect([...registry.snapshot.services.keys()]).toEqual(['user-service']);
    await module.close();
  });
});

describe('health checks of an app', () => {
  /** Two services at one server, checked on the test's clock over real connections. */
  async function start(healthCheck: ServiceDiscoveryOptions['healthCheck'], scheduling = [ScheduleModule.forRoot()]) {
    const clock = new ManualClock();
    const server = createServer((_request, response) => response.end('{}')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const module = await Test.createTestingModule({
      imports: [...scheduling, ServiceDiscoveryModule.forRoot({ logging: false, healthCheck })],
    })
      .overrideProvider(CLOCK)
      .useValue(clock)
      .compile();
    await module.init();
    const checks = { busy: 0, quiet: 0 };
    module.get(EventBus).on('health.checked', ({ key }) => void checks[key.serviceName as keyof typeof checks]++);
    const { port } = server.address() as AddressInfo;
    for (const serviceName of ['busy', 'quiet']) {
      const registration = { serviceName, host: '127.0.0.1', port, ttl: '1d', healthCheckPath: '/' } as const;
      await module.get(ServiceRegistry).register(registration, { heartbeat: 'manual' });
    }
    const communicator = module.get(ServiceCommunicator);
    /**
     * Advances the clock in steps, and calls one of the services at each; checks started in a step have ended before
     * the next.
     */
    const pass = async (ms: number): Promise<void> => {
      for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += 1_000) {
        await clock.advanceAsync(1_000);
        for (let n = 0; n < 3; n++) await communicator.callServiceJson('busy', { path: '/' });
      }
    };
    const close = async (): Promise<void> => {
      await module.close();
      server.close();
    };
    const scheduler = scheduling.length > 0 ? module.get(SchedulerRegistry) : new SchedulerRegistry();
    return { pass, checks, close, scheduler };
  }

  it('stop when their entry is deleted from the scheduler', async () => {
    const { pass, checks, close, scheduler } = await start({ interval: '3s' });
    await pass(9_000);
    expect(checks.busy).toBeGreaterThan(1);
    scheduler.deleteInterval('service-discovery:health-checks');
    await pass(1_000);
    const before = { ...checks };
    await pass(9_000);
    expect(checks).toEqual(before);
    await close();
  });

  it('run at the times of a cron expression, with a scheduler in the app', async () => {
    const { pass, checks, close, scheduler } = await start({ cron: '*/10 * * * * *' });
    await pass(1_000);
    expect(checks).toEqual({ busy: 1, quiet: 1 });
    await pass(29_000);
    expect(checks).toEqual({ busy: 4, quiet: 4 });
    expect(scheduler.getIntervals()).toContain('service-discovery:health-checks');
    scheduler.deleteInterval('service-discovery:health-checks');
    await pass(20_000);
    expect(checks).toEqual({ busy: 4, quiet: 4 });
    await close();
  });

  it('run at the times of a cron expression, without a scheduler in the app', async () => {
    const { pass, checks, close } = await start({ cron: '* * * * *' }, []);
    await pass(61_000);
    expect(checks).toEqual({ busy: 2, quiet: 2 });
    await close();
  });

  it('are less frequent for services that the app does not call', async () => {
    const { pass, checks, close } = await start({ interval: '3s', idleInterval: '1d' });
    await pass(30_000);
    expect(checks.busy).toBeGreaterThan(7);
    expect(checks.quiet).toBe(1);
    await close();
  });
});
