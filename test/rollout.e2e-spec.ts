import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { EventBus, MemoryRegistryStore, ServiceCommunicator, UndiciTransport } from 'nest-service-discovery/core';
import { SplitFigures } from '../libs/service-discovery/src/observability/index.js';
import { RolloutDriver, ServiceRegistry } from '../libs/service-discovery/src/registry/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';

/** An instance of one version, on a real socket. */
class Version {
  requests = 0;
  private readonly server: Server;

  constructor(readonly status: number) {
    this.server = createServer((_request, response) => {
      this.requests++;
      response.writeHead(this.status).end('{}');
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('a rollout under calls on real sockets', () => {
  let clock: ManualClock;
  let registry: ServiceRegistry;
  let communicator: ServiceCommunicator;
  let old: Version;
  let fresh: Version;
  let toClose: (() => unknown)[];

  beforeEach(() => {
    toClose = [];
  });
  afterEach(async () => {
    for (const close of toClose.reverse()) await close();
  });

  /** The registry and the driver are on the test's clock, the calls on that of the machine. */
  async function begin(status: number): Promise<void> {
    clock = new ManualClock();
    const bus = new EventBus();
    const store = new MemoryRegistryStore();
    registry = new ServiceRegistry(store, {}, { events: bus, clock });
    await registry.start();
    const splits = new SplitFigures(bus, (service) => registry.splitOf(service));
    communicator = new ServiceCommunicator({ registry, transport: new UndiciTransport(), events: bus });
    const figuresOf = (service: string): Promise<{ attempts: number; errors: number; p99: number | null }> =>
      Promise.resolve(
        splits.of(service).find(({ part }) => part === 'canary') ?? { attempts: 0, errors: 0, p99: null },
      );
    const driver = new RolloutDriver({ registry, clock, random: () => 0, events: bus, tag: 'test', figuresOf });
    driver.start();
    toClose.push(
      () => store.close(),
      () => registry.close(),
      () => communicator.close(),
      () => driver.close(),
    );
    [old, fresh] = [new Version(200), new Version(status)];
    for (const [version, instance] of [
      ['1.4.0', old],
      ['2.0.0', fresh],
    ] as const) {
      toClose.push(() => instance.close());
      const port = await instance.listen();
      await registry.register({ serviceName: 'users', host: '127.0.0.1', port, version }, { heartbeat: 'manual' });
    }
    await registry.startRollout('users', { version: '2.x', stepDuration: '1m' });
  }

  /** Calls, ten at a time; none may fail. */
  async function call(count: number): Promise<void> {
    for (let made = 0; made < count; made += 10) {
      const calls = Array.from({ length: 10 }, () => communicator.callService('users', { path: '/users/1' }));
      for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
    }
  }

  /** Lets the driver look once. */
  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }

  const stateOf = (): unknown => registry.splitOf('users')?.rollout?.state;

  it('ends with all calls on the old version where the new one is bad, after the share of its first step at most', async () => {
    await begin(500);
    let calls = 0;
    while (stateOf() === 'running' && calls < 1_000) {
      await call(20);
      calls += 20;
      await pass(1_000);
    }
    expect(registry.splitOf('users')?.rollout).toMatchObject({
      state: 'rolled_back',
      step: 0,
      reason: expect.stringMatching(/^\d+ of \d+ attempts? failed, more than 5 %$/) as unknown,
    });
    // Within one call of 5 %: draws are spread evenly.
    expect(fresh.requests).toBeGreaterThan(0);
    expect(fresh.requests).toBeLessThanOrEqual(Math.ceil(calls * 0.05) + 1);
    const affected = fresh.requests;
    await call(200);
    expect(fresh.requests).toBe(affected);
  });

  it('ends with all calls on the new version where that is good', async () => {
    await begin(200);
    const shares: number[] = [];
    while (stateOf() === 'running' && shares.length < 10) {
      const [before, all] = [fresh.requests, fresh.requests + old.requests];
      await call(500);
      shares.push((fresh.requests - before) / (fresh.requests + old.requests - all));
      await pass(1_000);
      await pass(60_000);
      await pass(1_000);
    }
    expect(stateOf()).toBe('completed');
    expect(shares).toEqual([0.05, 0.25, 1].map((share) => expect.closeTo(share, 1.5) as unknown));
    const before = old.requests;
    await call(50);
    expect(old.requests).toBe(before);
  });
});
