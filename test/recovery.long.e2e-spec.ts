import { type INestApplication, Module } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  EventBus,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { HttpInstance } from './support/http-instance.js';
import { Apps, inRegistry } from './support/nest-app.js';
import { pollUntil } from './support/poll.js';
import { report, sinceMs } from './support/timing.js';

/** What callers see of processes that exit, stall and return. */
const SERVICE = 'users';
const CALLERS = 20;
const apps = new Apps();
let instances: HttpInstance[] = [];
let traffic: Traffic | undefined;

afterEach(async () => {
  await traffic?.stop();
  await Promise.all(instances.map((instance) => instance.kill()));
  await apps.close();
});

/** Callers that each make one GET after another. */
class Traffic {
  readonly errors: unknown[] = [];
  /** When each instance last answered. */
  readonly answeredAt = new Map<string, number>();
  answers = 0;
  private isOver = false;
  private readonly callers: Promise<void[]>;

  constructor(private readonly communicator: ServiceCommunicator) {
    this.callers = Promise.all(Array.from({ length: CALLERS }, () => this.call()));
  }

  /** Resolves when every instance has answered after that moment. */
  allAnswerAfter(moment: number): Promise<void> {
    const answers = ({ name }: HttpInstance): boolean => (this.answeredAt.get(name) ?? 0) > moment;
    return pollUntil('an answer of each instance', () => instances.every(answers));
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await this.callers;
  }

  private async call(): Promise<void> {
    while (!this.isOver) {
      try {
        const { from } = await this.communicator.callServiceJson<{ from: string }>(SERVICE, { path: '/' });
        this.answeredAt.set(from, systemClock.now());
        this.answers++;
      } catch (error) {
        this.errors.push(error);
      }
    }
  }
}

/** Three processes, and an app that calls them all the time. */
async function underCalls(options: ServiceDiscoveryOptions): Promise<{ app: INestApplication; calls: Traffic }> {
  instances = ['a', 'b', 'c'].map((name) => new HttpInstance(name));
  await Promise.all(instances.map((instance) => instance.start()));
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ ...options, logging: false })] })
  class AppModule {}
  const app = await apps.listen(AppModule);
  for (const { name, port } of instances) {
    await app
      .get(ServiceDiscovery)
      .registerService({ serviceName: SERVICE, instanceId: name, host: '127.0.0.1', port, healthCheckPath: '/' });
  }
  traffic = new Traffic(app.get(ServiceCommunicator).withOptions({ timeout: '3s' }));
  await traffic.allAnswerAfter(0);
  return { app, calls: traffic };
}

function circuitOpens(app: INestApplication): Promise<void> {
  return new Promise((resolve) => {
    const stop = app.get(EventBus).on('circuit.opened', () => {
      stop();
      resolve();
    });
  });
}

it('a process that stalls under 20 callers with a timeout of 3 s and default options fails no GET', async () => {
  const { app, calls } = await underCalls({});
  const opened = circuitOpens(app);
  instances[1]!.stop();
  await opened;
  const before = calls.answers;
  await pollUntil('calls after it', () => calls.answers > before + 500);
  await calls.stop();
  expect(calls.errors).toEqual([]);
});

describe('an instance with an open circuit receives traffic within 5 s of the second passing check by default', () => {
  // It hangs in both cases, so that enough calls fail to open its circuit before checks divert them.
  it.each<[what: string, back: (instance: HttpInstance) => unknown]>([
    ['SIGKILL, and a restart at the same port', (one) => one.restart()],
    ['SIGSTOP, and SIGCONT', (one) => one.resume()],
  ])('after %s', async (_what, back) => {
    const { app, calls } = await underCalls({ healthCheck: { interval: '1s' } });
    const turns = (status: string): Promise<true> =>
      inRegistry(app, ({ services }) => services.get(SERVICE)?.[1]?.status === status || undefined);
    await turns('healthy');
    const opened = circuitOpens(app);
    const unhealthy = turns('unhealthy');
    instances[1]!.stop();
    await opened;
    await unhealthy;
    const healthy = turns('healthy');
    await back(instances[1]!);
    await healthy;
    const healthyAt = systemClock.now();
    await calls.allAnswerAfter(healthyAt);
    const tookMs = sinceMs(healthyAt);
    report(`all three take traffic ${tookMs} ms after the second passing check`);
    expect(tookMs).toBeLessThan(5_000);
  });
});
