import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../../common/index.js';
import {
  keyOf,
  type EventName,
  type EventSink,
  type ServiceInstance,
  type ServiceRegistration,
} from '../../model/index.js';
import { ChangeRecorder } from '../../testing/change-recorder.js';
import { FlakyRegistryStore } from '../../testing/flaky-registry-store.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type ServiceRegistryOptions } from '../options.js';
import { ServiceRegistry } from '../service-registry.js';

type Emitted = { type: EventName } & Record<string, unknown>;

/** A process over the shared store that can be cut off from it. */
interface Process {
  registry: ServiceRegistry;
  events: Emitted[];
  /** What it showed after each change. */
  shown: string[];
}

let clock: ManualClock;
let store: FlakyRegistryStore;
let processes: Process[];

beforeEach(() => {
  clock = new ManualClock();
  store = new FlakyRegistryStore(clock);
  processes = [];
});
afterEach(async () => {
  await Promise.all(processes.map(({ registry }) => registry.close()));
  await store.close();
  expect(clock.pendingTimers).toBe(0);
});

function processOf(
  options: Partial<ServiceRegistryOptions> = {},
  over: FlakyRegistryStore['truth'] | FlakyRegistryStore = store,
): Process {
  const events: Emitted[] = [];
  const sink: EventSink = { emit: (type, payload) => void events.push({ type, ...payload }) };
  const settings = { maxOfflineWrites: 10_000, startTimeout: 0, ...options };
  const registry = new ServiceRegistry(over, settings, { clock, random: () => 0, events: sink });
  const shown: string[] = [];
  registry.onChange(() => shown.push(view(registry).join(' ')));
  const process = { registry, events, shown };
  processes.push(process);
  return process;
}

async function started(...args: Parameters<typeof processOf>): Promise<Process> {
  const process = processOf(...args);
  await Promise.all([process.registry.start(), settled()]);
  return process;
}

/** A process without the outage: what others see. */
const elsewhere = (): Promise<Process> => started({}, store.truth);
const user = (instanceId: string, more: Partial<ServiceRegistration> = {}): ServiceRegistration => ({
  serviceName: 'users',
  host: '127.0.0.1',
  port: 8080,
  instanceId,
  ...more,
});
const keyed = (instanceId: string) => ({ serviceName: 'users', instanceId });
const describeInstance = ({ instanceId, status, port }: ServiceInstance): string =>
  [instanceId, ...(status === 'unknown' ? [] : [status]), ...(port === 8080 ? [] : [port])].join(':');
const view = (registry: ServiceRegistry): string[] => registry.getInstances('users').map(describeInstance);
const settled = (): Promise<void> => clock.advanceAsync(0);

/** Until the outage is noticed, writes are attempted. */
async function goAway(): Promise<void> {
  store.goAway();
  await settled();
}

async function comeBack(): Promise<void> {
  store.comeBack();
  await clock.advanceAsync(5_000);
}

describe('while the store is unreachable', () => {
  it('a registration can be discovered at once, and by all processes after the outage', async () => {
    const [one, two] = [await started(), await elsewhere()];
    await one.registry.register(user('a'));
    await goAway();
    const { instance, lease, replaced } = await one.registry.register(user('b'));
    expect(view(one.registry)).toEqual(['a', 'b']);
    expect(one.registry.getInstance(keyed('b'))).toBe(instance);
    expect([replaced, instance.generation]).toEqual([false, lease.generation]);
    expect(one.registry.snapshot.connected).toBe(false);
    expect(one.registry.isPending(keyed('b'))).toBe(true);
    expect(one.registry.ownLeases().map(keyOf)).toEqual(['users/a', 'users/b']);
    expect(await one.registry.heartbeat(keyed('b'))).toBe(true);
    await comeBack();
    expect(view(two.registry)).toEqual(['a', 'b']);
    expect(view(one.registry)).toEqual(['a', 'b']);
    expect(one.registry.isPending(keyed('b'))).toBe(false);
    expect(one.registry.getInstance(keyed('b'))?.generation).toBe(two.registry.getInstance(keyed('b'))?.generation);
    await clock.advanceAsync(600_000);
    expect(view(two.registry)).toEqual(['a', 'b']);
  });

  it('no instance disappears from the own snapshot during the return, however late changes arrive', async () => {
    const one = await started();
    await one.registry.register(user('a'));
    await goAway();
    await one.registry.register(user('b'));
    await one.registry.setStatus(keyed('a'), 'maintenance');
    one.shown.length = 0;
    store.lagMs = 300;
    await comeBack();
    expect(new Set(one.shown)).toEqual(new Set(['a:maintenance b']));
    expect(one.registry.offlineWrites).toBe(0);
  });

  it('the reason of an operator status reaches all processes, also after the instance is registered again', async () => {
    const [one, two] = [await started(), await elsewhere()];
    await one.registry.register(user('a'));
    await one.registry.register(user('b'));
    const note = { since: 1, reason: 'a disk is full', by: 'ada' };
    const noteOf = ({ registry }: typeof one, id: string): unknown => {
      const { since, ...said } = registry.getInstance(keyed(id))?.operatorNote ?? {};
      return [typeof since, said];
    };
    const said = ['number', { reason: 'a disk is full', by: 'ada' }];
    await one.registry.setStatus(keyed('b'), 'maintenance', note);
    await settled();
    await goAway();
    await one.registry.setStatus(keyed('a'), 'maintenance', note);
    await one.registry.register(user('b', { port: 2 }));
    expect([noteOf(one, 'a'), noteOf(one, 'b')]).toEqual([said, said]);
    await comeBack();
    expect([noteOf(two, 'a'), noteOf(two, 'b')]).toEqual([said, said]);
    expect(one.registry.offlineWrites).toBe(0);
  });

  it('a removed instance is gone at once and does not come back', async () => {
    const [one, two] = [await started(), await elsewhere()];
    await one.registry.register(user('a'));
    await two.registry.register(user('b'));
    await settled();
    await goAway();
    expect(await one.registry.deregister(keyed('a'))).toBe(true);
    expect(await one.registry.deregister(keyed('b'))).toBe(true);
    expect(await one.registry.deregister(keyed('b')).catch((error: unknown) => error)).toBeInstanceOf(
      RegistryUnavailableError,
    );
    expect(view(one.registry)).toEqual([]);
    expect(view(two.registry)).toEqual(['a', 'b']);
    one.shown.length = 0;
    store.lagMs = 300;
    await comeBack();
    expect(new Set(one.shown)).toEqual(new Set(['']));
    // The lease was given up here; the other process registers its instance again.
    expect(view(two.registry)).toEqual([]);
  });

  it('an instance that was registered and removed never reaches the store', async () => {
    const one = await started();
    await goAway();
    await one.registry.register(user('a'));
    expect(await one.registry.deregister(keyed('a'))).toBe(true);
    expect(view(one.registry)).toEqual([]);
    await comeBack();
    expect(store.timesOf('put')).toEqual([]);
    expect(store.timesOf('remove')).toEqual([]);
  });

  it('statuses show at once, the latest is sent, and heartbeats of known instances are accepted', async () => {
    const [one, two] = [await started(), await elsewhere()];
    await two.registry.register(user('a'), { heartbeat: 'manual' });
    await settled();
    await goAway();
    expect(await one.registry.setStatus(keyed('a'), 'maintenance')).toBe(true);
    expect(view(one.registry)).toEqual(['a:maintenance']);
    await one.registry.setStatus(keyed('a'), 'healthy', { checkedAt: 1, statusCode: 200 });
    await one.registry.setStatus(keyed('a'), 'up');
    expect(view(one.registry)).toEqual(['a:healthy']);
    expect(await one.registry.heartbeat(keyed('a'))).toBe(true);
    expect(await one.registry.heartbeat(keyed('a'), { generation: 1 })).toBe(false);
    await comeBack();
    expect(two.registry.getInstance(keyed('a'))).toMatchObject({ status: 'healthy', health: { statusCode: 200 } });
    expect(store.timesOf('setStatus')).toHaveLength(2);
  });

  it('queued writes are reported once, and so is their outcome', async () => {
    const [one, two] = [await started(), await elsewhere()];
    for (const id of ['gone', 'newer', 'kept']) await two.registry.register(user(id), { heartbeat: 'manual' });
    await settled();
    await goAway();
    one.events.length = 0;
    for (const id of ['gone', 'newer', 'kept']) await one.registry.setStatus(keyed(id), 'maintenance');
    await one.registry.register(user('silent', { ttl: '5s' }), { heartbeat: 'manual' });
    await two.registry.deregister(keyed('gone'));
    await two.registry.register(user('newer', { port: 9 }), { heartbeat: 'manual' });
    await clock.advanceAsync(6_000);
    await comeBack();
    const told = one.events.filter(({ type }) => type === 'registry.offline' || type === 'registry.reconciled');
    expect(told).toEqual([
      { type: 'registry.offline' },
      { type: 'registry.reconciled', applied: 1, superseded: 1, gone: 1, expired: 1 },
    ]);
    expect(view(one.registry).sort()).toEqual(['kept:maintenance', 'newer:9']);
    expect(view(two.registry).sort()).toEqual(['kept:maintenance', 'newer:9']);
  });

  it('a newer registration made elsewhere wins over a queued one, and is left alone while it lives', async () => {
    const [one, two] = [await started(), await elsewhere()];
    const { lease } = await one.registry.register(user('a', { port: 1 }));
    await one.registry.register(user('b', { port: 1 }));
    await settled();
    await goAway();
    await one.registry.register(user('a', { port: 1 }));
    await one.registry.register(user('c', { port: 1 }));
    await one.registry.deregister(keyed('b'));
    for (const id of ['a', 'b', 'c']) await two.registry.register(user(id, { port: 2 }));
    await comeBack();
    for (const { registry } of [one, two]) expect(view(registry).sort()).toEqual(['a:2', 'b:2', 'c:2']);
    expect(two.registry.getInstance(keyed('a'))!.generation).toBeGreaterThan(lease.generation);
    await two.registry.deregisterOwn();
    await clock.advanceAsync(300_000);
    // The predecessor registers again once its successor is gone.
    expect(view(two.registry).sort()).toEqual(['a:1', 'c:1']);
  });

  it('a registration replaces an earlier one of this process under the same id', async () => {
    const [one, two] = [await started(), await elsewhere()];
    await one.registry.register(user('a', { port: 1 }));
    await one.registry.setStatus(keyed('a'), 'maintenance');
    await settled();
    await goAway();
    expect((await one.registry.register(user('a', { port: 2 }))).replaced).toBe(true);
    expect(view(one.registry)).toEqual(['a:maintenance:2']);
    await comeBack();
    expect(view(two.registry)).toEqual(['a:maintenance:2']);
    expect(one.registry.ownLeases()).toHaveLength(1);
    await goAway();
    await one.registry.register(user('a', { port: 3 }));
    await one.registry.deregister(keyed('a'));
    await comeBack();
    expect(view(two.registry)).toEqual([]);
    expect(view(one.registry)).toEqual([]);
  });

  it.each(['auto', 'manual'] as const)(
    'a registration keeps maintenance that the store lost (heartbeat: %s)',
    async (heartbeat) => {
      const one = await started();
      await one.registry.register(user('a', { port: 1 }), { heartbeat });
      await one.registry.setStatus(keyed('a'), 'maintenance');
      await goAway();
      await one.registry.register(user('a', { port: 2 }), { heartbeat });
      const before = one.shown.length;
      await store.restart();
      await comeBack();
      expect(new Set(one.shown.slice(before))).toEqual(new Set(['a:maintenance:2']));
      const two = await elsewhere();
      expect(view(two.registry)).toEqual(['a:maintenance:2']);
    },
  );

  it('a provisional generation stays valid after the return', async () => {
    const [one, two] = [await started(), await elsewhere()];
    await goAway();
    const { lease } = await one.registry.register(user('a'), { heartbeat: 'manual' });
    await comeBack();
    const generation = lease.generation;
    expect(await one.registry.heartbeat(keyed('a'), { generation })).toBe(true);
    expect(await one.registry.renewAll([lease])).toEqual([true]);
    expect(await one.registry.deregister(keyed('a'), { generation })).toBe(true);
    await settled();
    expect(view(two.registry)).toEqual([]);
  });

  it('a write that exceeds the queue is rejected, and the others go on', async () => {
    const one = await started({ maxOfflineWrites: 2 });
    await one.registry.register(user('a'));
    await goAway();
    await one.registry.register(user('b'));
    await one.registry.setStatus(keyed('b'), 'maintenance');
    await one.registry.register(user('c'));
    for (const refused of [one.registry.register(user('d')), one.registry.setStatus(keyed('a'), 'draining')]) {
      await expect(refused).rejects.toThrow(RegistryUnavailableError);
      await expect(refused).rejects.toThrow(/2 changes are waiting for it, the limit set by maxOfflineWrites/);
    }
    // The health result shows anyway, and the next check repeats it.
    expect(await one.registry.setStatus(keyed('a'), 'healthy')).toBe(true);
    expect(view(one.registry)).toEqual(['a:healthy', 'b:maintenance', 'c']);
    expect(one.registry.offlineWrites).toBe(2);
    await comeBack();
    expect(view(one.registry)).toEqual(['a', 'b:maintenance', 'c']);
  });

  it('only own instances are served once the snapshot is too old', async () => {
    const [one, two] = [await started({ maxSnapshotAge: '1h' }), await elsewhere()];
    await one.registry.register(user('own'));
    await two.registry.register(user('other'));
    await settled();
    await goAway();
    await one.registry.register(user('pending'));
    await clock.advanceAsync(3_601_000);
    const served = one.registry.servedInstances('users');
    expect(served.map(({ instanceId }) => instanceId)).toEqual(['own', 'pending']);
    expect(one.registry.servedInstances('users')).toBe(served);
    expect(() => one.registry.servedInstances('orders')).toThrow(/maxSnapshotAge/);
  });
});

describe('on a first start without the store', () => {
  it('the registry works locally, and joins the store when it can be reached', async () => {
    await goAway();
    const [one, two] = [await started(), await elsewhere()];
    await two.registry.register(user('b'));
    await one.registry.register(user('a'));
    await one.registry.setStatus(keyed('a'), 'healthy');
    expect(view(one.registry)).toEqual(['a:healthy']);
    expect(one.registry.servedInstances('users')).toHaveLength(1);
    expect(() => one.registry.servedInstances('orders')).toThrow(/has not answered yet/);
    const watcher = new ChangeRecorder(one.registry);
    await watcher.until('a', () => watcher.snapshot.services.get('users')?.[0]?.instanceId === 'a');
    await watcher.stop();
    expect(await one.registry.renewAll([{ ...keyed('never'), generation: 7, ttlMs: 1 }])).toEqual([false]);
    await comeBack();
    expect(view(one.registry).sort()).toEqual(['a:healthy', 'b']);
    expect(view(two.registry).sort()).toEqual(['a:healthy', 'b']);
    const registered = one.events.filter(({ type }) => type === 'instance.registered');
    expect(registered).toMatchObject([{ replaced: false }, { replaced: true }]);
    // It was never shown as unchecked in between.
    expect(one.shown.slice(1).filter((line) => !line.includes('a:healthy'))).toEqual([]);
  });

  it('registrations made before start() are reported at the start', async () => {
    const one = processOf();
    await one.registry.register(user('a'));
    expect(view(one.registry)).toEqual(['a']);
    await Promise.all([one.registry.start(), clock.advanceAsync(0)]);
    expect((await store.truth.renew(one.registry.ownLeases())).every(Boolean)).toBe(true);
    expect(one.registry.isPending(keyed('a'))).toBe(false);
  });
});

describe("on the store's return", () => {
  it('everything is registered and set again if the store lost its data', async () => {
    const one = await started();
    await one.registry.register(user('a'));
    await goAway();
    await one.registry.register(user('b'));
    await one.registry.setStatus(keyed('a'), 'maintenance');
    await store.restart();
    await comeBack();
    expect(view(one.registry).sort()).toEqual(['a:maintenance', 'b']);
    await clock.advanceAsync(60_000);
    const two = await elsewhere();
    expect(view(two.registry).sort()).toEqual(['a:maintenance', 'b']);
  });

  it('another outage during the reconciliation is made up for at the next return', async () => {
    const one = await started();
    await one.registry.register(user('old'));
    await goAway();
    await one.registry.register(user('a'));
    await one.registry.deregister(keyed('old'));
    // It takes effect, but the store is gone again before it answers.
    const answers = [store.hold('put'), store.hold('remove')];
    store.comeBack();
    await clock.advanceAsync(200);
    expect(view(one.registry)).toEqual(['a']);
    await goAway();
    await one.registry.deregister(keyed('a'));
    expect(view(one.registry)).toEqual([]);
    for (const answer of answers) answer();
    await settled();
    expect(one.registry.offlineWrites).toBe(1);
    await comeBack();
    expect(one.registry.offlineWrites).toBe(0);
    expect(view(one.registry)).toEqual([]);
    expect(view((await elsewhere()).registry)).toEqual([]);
  });

  it('a rejected command is retried while the store is connected', async () => {
    const [one, two] = [await started(), await elsewhere()];
    await one.registry.register(user('old'));
    store.refuse('put', 3);
    store.refuse('remove', 1);
    await one.registry.register(user('a'));
    await one.registry.deregister(keyed('old'));
    expect(one.registry.snapshot.connected).toBe(true);
    expect(view(one.registry)).toEqual(['a']);
    await clock.advanceAsync(30_000);
    expect(view(two.registry)).toEqual(['a']);
    expect(one.registry.offlineWrites).toBe(0);
  });
});

describe('shutdown while the store is unreachable', () => {
  it('ends in bounded time, and reports what it could not send', async () => {
    const one = await started();
    await one.registry.register(user('a'));
    await goAway();
    await one.registry.register(user('b'));
    await one.registry.drainOwn();
    expect(view(one.registry)).toEqual(['a:draining', 'b:draining']);
    const report = await one.registry.deregisterOwn();
    expect(report.done).toEqual([keyed('b')]);
    expect(report.failed).toMatchObject([{ key: keyed('a'), error: { code: 'REGISTRY_UNAVAILABLE' } }]);
    expect(view(one.registry)).toEqual([]);
    await one.registry.close();
    await expect(one.registry.register(user('c'))).rejects.toThrow('closed');
  });
});
