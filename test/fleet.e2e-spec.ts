import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { toInstance } from '../libs/service-discovery/src/model/index.js';
import {
  CallFigures,
  EventBus,
  Fleet,
  Journal,
  SplitFigures,
} from '../libs/service-discovery/src/observability/index.js';
import {
  RedisRegistryStore,
  RemoteRegistryStore,
  type RegistryStore,
  type ReportChannel,
} from '../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { RedisServer } from './support/redis-server.js';
import { type RestApp, startRestApp } from './support/rest-app.js';

const SPLIT = { via: { url: 'http://kong:8000', share: 50 } };
const START = Date.parse('2026-01-01T00:00:00Z');

/** The journal and the call figures of one process, on the test's clock; its channel is real. */
class Member {
  readonly bus: EventBus;
  readonly journal: Journal;
  readonly figures: CallFigures;
  readonly splits: SplitFigures;
  readonly fleet: Fleet;
  sent = 0;

  constructor(
    readonly name: string,
    readonly clock: ManualClock,
    readonly store: RegistryStore & ReportChannel,
    reports = true,
  ) {
    this.bus = new EventBus({ clock });
    const writer = { process: `${name}:1`, service: () => name, tag: name };
    this.journal = new Journal(this.bus, writer, {}, clock);
    this.figures = new CallFigures(this.bus, writer.service, clock);
    const channel: ReportChannel = {
      sendReport: (...args) => store.sendReport(...args).finally(() => this.sent++),
      ...(store.readReports && { readReports: () => store.readReports!() }),
    };
    this.splits = new SplitFigures(this.bus, () => SPLIT);
    const deps = { journal: this.journal, figures: this.figures, splits: this.splits, clock, random: () => 1 };
    this.fleet = new Fleet({ ...deps, channel, reports, writer });
  }

  calls(service: string, count: number, durationMs: number): void {
    for (let n = 0; n < count; n++) {
      this.bus.emit('call.completed', { service, ok: true, attempts: 1, durationMs });
    }
  }

  /** One call to each of so many instances. */
  callsEach(service: string, instances: number): void {
    for (let n = 0; n < instances; n++)
      this.bus.emit('call.completed', {
        service,
        instanceId: `${service}-${n}`,
        ok: true,
        attempts: 1,
        durationMs: 12,
      });
  }

  /** Lets the report go out that is due, and waits until it was answered. */
  async report(ms = 1_000): Promise<void> {
    const before = this.sent;
    this.clock.advance(ms);
    while (this.sent === before) await new Promise((resolve) => setImmediate(resolve));
  }

  texts(): string[] {
    return this.journal.read({}).map(({ text }) => text);
  }

  async close(): Promise<void> {
    this.fleet.close();
    await this.store.close();
  }
}

describe('over Redis', () => {
  let redis: RedisServer;
  let clock: ManualClock;
  let members: Member[];
  const member = (name: string, reports = true): Member => {
    const one = new Member(name, clock, new RedisRegistryStore({ url: redis.url, commandTimeout: '500ms' }), reports);
    members.push(one);
    return one;
  };

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  beforeEach(() => {
    clock = new ManualClock(START);
    members = [];
  });
  afterEach(async () => {
    await Promise.all(members.map((one) => one.close()));
    await redis.flush();
  });
  afterAll(() => redis.stop());

  it("any process shows the fleet's journal and calls", async () => {
    const [orders, gateway] = [member('orders'), member('gateway')];
    orders.bus.emit('circuit.opened', { service: 'users', instanceId: 'u1', reason: 'failure_rate', failures: 5 });
    await orders.report();
    orders.calls('users', 40, 12);
    clock.advance(10_000);
    await orders.report();
    await gateway.fleet.catchUp();
    expect(gateway.journal.read({})).toEqual(orders.journal.read({}));
    expect(gateway.journal.read({})).toMatchObject([
      { type: 'circuit.opened', service_name: 'users', process: 'orders:1', caller: 'orders' },
    ]);
    expect(gateway.figures.edges().edges).toEqual(orders.figures.edges().edges);
    expect(gateway.figures.edges().edges).toMatchObject([
      {
        caller: 'orders',
        service: 'users',
        points: [{ calls: 40, errors: 0, p50: expect.closeTo(12, -0.5) as unknown }],
      },
    ]);
    // A process does not count its own reports again.
    await orders.fleet.catchUp();
    expect(orders.figures.edges().edges[0]?.points).toMatchObject([{ calls: 40 }]);
    expect(await redis.client().pttl('sd:{default}:journal')).toBeGreaterThan(6 * 86_400_000);
  });

  it('any process shows the calls of each instance, although each report has only a few instances', async () => {
    const [orders, gateway] = [member('orders'), member('gateway')];
    orders.callsEach('users', 10);
    clock.advance(10_000);
    await orders.report();
    const idsAtGateway = async (): Promise<string[]> => {
      await gateway.fleet.catchUp();
      return gateway.figures.instancesOf('users').map(({ instanceId }) => instanceId);
    };
    expect(await idsAtGateway()).toEqual(['users-0', 'users-1', 'users-2', 'users-3', 'users-4', 'users-5']);
    // Those that wait the longest come first, and what waits is summed up.
    orders.callsEach('users', 8);
    clock.advance(10_000);
    await orders.report();
    expect(await idsAtGateway()).toHaveLength(10);
    // No further calls: the rest follows all the same.
    clock.advance(11_000);
    await orders.report();
    await gateway.fleet.catchUp();
    expect(gateway.figures.instancesOf('users')).toEqual(orders.figures.instancesOf('users'));
    const [[, [, record] = []] = []] = await redis.client().xrange('sd:{default}:reports', '-', '+');
    expect(Buffer.byteLength(record!)).toBeLessThan(1_000);
    await orders.fleet.catchUp();
    expect(orders.figures.instancesOf('users')[0]).toMatchObject({ instanceId: 'users-0', calls: 2 });
  });

  it('any process shows the results of the attempts of all processes at each part of a split', async () => {
    const [orders, web, late] = [member('orders'), member('web'), member('late')];
    for (const one of [orders, web]) {
      one.bus.emit('call.split', { service: 'users', part: 'via', ok: false, durationMs: 12 });
      one.bus.emit('call.split', { service: 'users', part: 'direct', ok: true, durationMs: 1 });
      one.calls('users', 2, 12);
    }
    clock.advance(10_000);
    clock.advance(1_000);
    while ([orders, web].some(({ sent }) => sent === 0)) await new Promise((resolve) => setImmediate(resolve));
    for (const one of [orders, late]) {
      await one.fleet.catchUp();
      expect(one.splits.of('users')).toMatchObject([
        { part: 'via', attempts: 2, errors: 2, p99: expect.closeTo(12, -0.5) as unknown },
        { part: 'direct', attempts: 2, errors: 0 },
      ]);
    }
  });

  it('a change of the registry that all processes see is one entry', async () => {
    const all = [member('orders'), member('gateway'), member('web')];
    const instance = toInstance({ serviceName: 'users', host: '10.0.0.1', port: 1 }, { ttlMs: 1, now: START });
    for (const { bus } of all) {
      bus.emit('instance.registered', { instance, replaced: false });
      bus.emit('instance.status_changed', { key: instance, from: 'unknown', to: 'healthy' });
    }
    clock.advance(1_000);
    while (all.some(({ sent }) => sent === 0)) await new Promise((resolve) => setImmediate(resolve));
    expect(await redis.client().xlen('sd:{default}:journal')).toBe(2);
    for (const one of [...all, member('late')]) {
      await one.fleet.catchUp();
      expect(one.texts()).toEqual([
        'users/10.0.0.1:1 is healthy, was unknown',
        'users/10.0.0.1:1 registered at http://10.0.0.1:1',
      ]);
    }
  });

  it('a process with report: false sends no reports, and shows those of others', async () => {
    const [quiet, loud] = [member('quiet', false), member('loud')];
    quiet.bus.emit('registry.offline', {});
    loud.bus.emit('registry.offline', {});
    await loud.report();
    expect(await redis.client().xlen('sd:{default}:journal')).toBe(1);
    await quiet.fleet.catchUp();
    expect(quiet.journal.read({}).map(({ process }) => process)).toEqual(['quiet:1', 'loud:1']);
  });

  it('reports that Redis refuses wait in a bounded queue, and dropped ones are counted', async () => {
    const orders = member('orders');
    orders.bus.emit('registry.offline', {});
    await orders.report();
    await redis.kill();
    for (let n = 0; n < 300; n++)
      orders.bus.emit('instance.reached', { key: { serviceName: 'users', instanceId: `u${n}` } });
    orders.calls('users', 1, 1);
    await orders.report();
    await orders.fleet.catchUp();
    expect(orders.texts()).toHaveLength(301);
    await redis.startAgain();
    const until = Date.now() + 20_000;
    while ((await redis.client().xlen('sd:{default}:journal')) < 200 && Date.now() < until) await orders.report(10_000);
    expect(await redis.client().xlen('sd:{default}:journal')).toBe(200);
    const reports = await redis.client().xrange('sd:{default}:reports', '-', '+');
    expect(reports.map(([, [, record]]) => JSON.parse(record!) as unknown)).toContainEqual(
      expect.objectContaining({ service_name: 'orders', dropped: 100 }),
    );
  });

  it('invalid reports are skipped', async () => {
    const gateway = member('gateway');
    const garbage = [
      '',
      'null',
      '{',
      '[]',
      '{"version":2}',
      '"<img onerror>"',
      JSON.stringify({ version: 1, steps: [1] }),
    ];
    for (const record of garbage) {
      await redis.client().xadd('sd:{default}:journal', '*', 'record', record);
      await redis.client().xadd('sd:{default}:reports', '*', 'record', record);
    }
    const orders = member('orders');
    orders.bus.emit('registry.offline', {});
    await orders.report();
    await gateway.fleet.catchUp();
    expect(gateway.texts()).toEqual(orders.texts());
    expect(gateway.figures.edges().edges).toEqual([]);
  });
});

describe('in the mode remote', () => {
  let registry: RestApp;
  let orders: Member;

  beforeEach(async () => {
    const clock = new ManualClock(START);
    registry = await startRestApp('express', { clock });
    orders = new Member('orders', clock, new RemoteRegistryStore({ url: registry.origin, requestTimeout: '30s' }));
    await orders.store.put(
      toInstance({ serviceName: 'orders', host: '127.0.0.1', port: 1 }, { ttlMs: 60_000, now: START }),
      60_000,
    );
  });
  afterEach(async () => {
    await orders.close();
    await registry.close();
  });

  const bodyOf = async (path: string): Promise<unknown> => (await registry.send('GET', path)).body;

  it('the registry shows what its clients report, and changes of the registry once', async () => {
    const key = { serviceName: 'users', instanceId: 'u1' };
    orders.bus.emit('instance.status_changed', { key, from: 'healthy', to: 'unhealthy' });
    orders.bus.emit('instance.unreachable', { key, reason: 'ECONNREFUSED', avoidedForMs: 1_000, failures: 1 });
    await orders.report();
    expect(await bodyOf('/journal?service=users')).toMatchObject({
      entries: [{ type: 'instance.unreachable', process: 'orders:1', caller: 'orders' }],
      next: null,
    });
    orders.calls('users', 3, 5);
    orders.clock.advance(10_000);
    await orders.report();
    expect(await bodyOf('/calls?service=users')).toMatchObject({
      edges: [{ caller: 'orders', service_name: 'users', points: [{ calls: 3, errors: 0 }], retry_budget: null }],
    });
    expect(await bodyOf('/topology')).toMatchObject({ edges: [{ from: 'orders', to: 'users', source: 'calls' }] });
    orders.callsEach('users', 2);
    orders.clock.advance(10_000);
    await orders.report();
    const left = { errors: 0, share: 0.5, weight_share: null };
    expect(await bodyOf('/calls?service=users')).toMatchObject({
      instances: [
        { instance_id: 'users-0', calls: 1, ...left },
        { instance_id: 'users-1', calls: 1, ...left },
      ],
    });
  });

  it.each([
    ['version', 2],
    ['service_name', 'no name'],
    ['steps', [{ step: 1, calls: [{ service_name: 'users', latencies: [1] }] }]],
    [
      'steps',
      [{ step: 1, calls: [], instances: [{ service_name: 'users', instance_id: 'no id', calls: 1, latencies: [] }] }],
    ],
    ['steps', [{ step: 1, calls: [], instances: Array.from({ length: 7 }, () => ({})) }]],
    ['entries', [{ id: 'x' }]],
    ['entries', Array.from({ length: 51 }, () => ({}))],
  ])('a report whose %s is wrong is refused', async (field, value) => {
    const report = { version: 1, reporter: 'r', process: 'p:1', service_name: 'orders', steps: [], entries: [] };
    const { status, body } = await registry.send('POST', '/reports', { json: { ...report, [field]: value } });
    expect([status, body.error.problems?.map((problem) => problem.field)]).toEqual([400, [field]]);
  });
});
