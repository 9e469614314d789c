import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError, InvalidInstanceError, RegistryUnavailableError } from '../common/index.js';
import { type HealthDetail, type OperatorNote } from '../model/index.js';
import { MemoryRegistryStore } from '../store/index.js';
import { type FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { ManualClock } from '../testing/manual-clock.js';
import { idsOf, keyed, RegistryFixture, user, type RegistryProcess } from '../testing/registry-fixture.js';
import { ServiceRegistry } from './service-registry.js';

let stage: RegistryFixture;
let clock: ManualClock;
let store: FlakyRegistryStore;

beforeEach(() => {
  stage = new RegistryFixture();
  ({ clock, store } = stage);
});

afterEach(async () => {
  await stage.close();
  expect(clock.pendingTimers).toBe(0);
});

describe('ServiceRegistry', () => {
  it('names every wrong option at once', () => {
    const options = {
      serviceTtl: '1ms',
      heartbeatInterval: 'often',
      startTimeout: -1,
      trackHeartbeats: 'yes',
      maxSnapshotAge: 0,
    };
    let error: unknown;
    try {
      new ServiceRegistry(store, options as never);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as InvalidConfigurationError).problems.map(({ path }) => path)).toEqual([
      'serviceTtl',
      'heartbeatInterval',
      'startTimeout',
      'trackHeartbeats',
      'maxSnapshotAge',
    ]);
  });

  it('rejects a heartbeat interval that is not shorter than the lease', () => {
    expect(() => new ServiceRegistry(store, { serviceTtl: '10s', heartbeatInterval: '10s' })).toThrow(
      /heartbeatInterval: expected less than serviceTtl \(10s\)/,
    );
  });

  describe('register()', () => {
    it('resolves when the instance can be discovered with all its fields', async () => {
      const { registry } = await stage.started();
      const registration = user('a', {
        tags: ['api'],
        version: '1.2.3',
        weight: 7,
        zone: 'z',
        metadata: { team: 'x' },
      });
      const { instance, lease, replaced } = await registry.register(registration);
      expect(registry.getInstances('users')).toEqual([instance]);
      expect(registry.getInstance(keyed('a'))).toBe(instance);
      expect(registry.listServices()).toEqual([{ serviceName: 'users', instances: [instance] }]);
      expect(instance).toMatchObject({ ...registration, status: 'unknown', generation: lease.generation });
      expect(replaced).toBe(false);
    });

    it('reaches other processes', async () => {
      const [one, two] = [await stage.started(), await stage.started()];
      await one.registry.register(user('a'));
      await stage.settled();
      expect(idsOf(two.registry)).toEqual(['a']);
    });

    it('replaces the instance and its generation when called again', async () => {
      const { registry } = await stage.started();
      const first = await registry.register(user('a'));
      const second = await registry.register(user('a', { weight: 5 }));
      expect(second.replaced).toBe(true);
      expect(second.lease.generation).toBeGreaterThan(first.lease.generation);
      expect(registry.getInstances('users')).toEqual([second.instance]);
      expect(registry.ownLeases()).toEqual([second.lease]);
    });

    it('makes one registration and one replacement of two simultaneous calls', async () => {
      const { registry, log } = await stage.started();
      store.lagMs = 50;
      const both = Promise.all([registry.register(user('a')), registry.register(user('a', { weight: 5 }))]);
      await clock.advanceAsync(100);
      expect((await both).map(({ replaced }) => replaced)).toEqual([false, true]);
      expect(registry.getInstances('users')).toMatchObject([{ instanceId: 'a', weight: 5 }]);
      expect(log()).toEqual(['instance.registered a', 'instance.registered a replaced']);
    });

    it('gives instances at the same address without an id the same id', async () => {
      const { registry } = await stage.started();
      for (const host of ['10.0.0.7', '10.0.0.7', '::1', '::1'])
        await registry.register(user('', { host, instanceId: undefined }));
      expect(idsOf(registry)).toEqual(['10.0.0.7:8080', '0--1:8080']);
    });

    it('rejects invalid fields before it calls the store', async () => {
      const { registry } = await stage.started();
      const wrong = registry.register(user('a', { port: 0, host: 'http://x' }));
      await expect(wrong).rejects.toBeInstanceOf(InvalidInstanceError);
      await expect(wrong).rejects.toMatchObject({ problems: [{ path: 'host' }, { path: 'port' }] });
      expect(store.timesOf('put')).toEqual([]);
    });

    it('takes the lease length from the options unless the registration has one', async () => {
      const { registry } = await stage.started({ serviceTtl: '90s' });
      expect((await registry.register(user('a'))).lease.ttlMs).toBe(90_000);
      expect((await registry.register(user('b', { ttl: '5s' }))).lease.ttlMs).toBe(5_000);
    });

    it('works before start(), though the snapshot is still empty', async () => {
      const { registry } = stage.processOf();
      const { instance, lease } = await registry.register(user('a'));
      expect(instance).toMatchObject({ instanceId: 'a', generation: lease.generation });
      expect(registry.getInstances('users')).toEqual([]);
      await registry.start();
      expect(idsOf(registry)).toEqual(['a']);
    });

    it('rejects while the store is unreachable', async () => {
      const { registry } = await stage.started();
      store.goAway();
      await expect(registry.register(user('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
      expect(registry.ownLeases()).toEqual([]);
    });
  });

  describe('with delayed changes', () => {
    it('writes resolve when the own snapshot shows them', async () => {
      const { registry } = await stage.started();
      store.lagMs = 400;
      const seen: unknown[] = [];
      const doing = (async () => {
        await registry.register(user('a'));
        seen.push(clock.now(), idsOf(registry));
        await registry.setStatus(keyed('a'), 'maintenance');
        seen.push(clock.now(), registry.getInstance(keyed('a'))?.status);
        await registry.deregister(keyed('a'));
        seen.push(clock.now(), idsOf(registry));
      })();
      await clock.advanceAsync(1_200);
      await doing;
      expect(seen).toEqual([400, ['a'], 800, 'maintenance', 1_200, []]);
    });

    it('writes wait at most a second', async () => {
      const { registry } = await stage.started();
      store.lagMs = 60_000;
      const registering = registry.register(user('a'));
      await clock.advanceAsync(1_000);
      expect((await registering).instance).toMatchObject({ instanceId: 'a', status: 'unknown' });
      expect(idsOf(registry)).toEqual([]);
    });

    it('writes do not wait while disconnected', async () => {
      const { registry } = await stage.started();
      store.lagMs = 900;
      const registering = registry.register(user('a'), { heartbeat: 'manual' });
      await clock.advanceAsync(10);
      await registry.close();
      expect((await registering).instance.instanceId).toBe('a');
      expect(clock.now()).toBe(10);
    });
  });

  describe('heartbeats', () => {
    it('keep an instance alive while the process runs', async () => {
      const { registry, log } = await stage.started();
      await registry.register(user('a', { ttl: '3s' }));
      await clock.advanceAsync(600_000);
      expect(idsOf(registry)).toEqual(['a']);
      expect(log()).toEqual(['instance.registered a']);
    });

    it('of all own instances are sent together', async () => {
      const { registry } = await stage.started({ heartbeatInterval: '10s' });
      for (const id of ['a', 'b', 'c']) await registry.register(user(id));
      await clock.advanceAsync(30_000);
      expect(store.timesOf('renew')).toEqual([10_000, 20_000, 30_000]);
      expect(store.renewed.map((batch) => batch.length)).toEqual([3, 3, 3]);
    });

    it('can have a clock of their own', async () => {
      const heartbeatClock = new ManualClock();
      const { registry } = await stage.started({}, { heartbeatClock });
      await registry.register(user('a', { ttl: '60s' }));
      expect(heartbeatClock.pendingTimers).toBe(1);
      await heartbeatClock.advanceAsync(20_000);
      expect(store.renewed).toHaveLength(1);
      await registry.close();
      expect(heartbeatClock.pendingTimers).toBe(0);
    });

    it('are not sent for manual registrations, which expire without one', async () => {
      const { registry, log } = await stage.started();
      await registry.register(user('a', { ttl: '10s' }), { heartbeat: 'manual' });
      expect(registry.ownLeases()).toEqual([]);
      await clock.advanceAsync(6_000);
      expect(await registry.heartbeat(keyed('a'))).toBe(true);
      await clock.advanceAsync(9_999);
      expect(idsOf(registry)).toEqual(['a']);
      await clock.advanceAsync(1);
      expect(idsOf(registry)).toEqual([]);
      expect(await registry.heartbeat(keyed('a'))).toBe(false);
      expect(log()).toEqual(['instance.registered a', 'instance.expired a']);
    });

    it('of an older registration do not renew a newer one', async () => {
      const { registry } = await stage.started();
      const first = await registry.register(user('a', { ttl: '10s' }), { heartbeat: 'manual' });
      await registry.register(user('a', { ttl: '10s' }), { heartbeat: 'manual' });
      expect(await registry.heartbeat(keyed('a'), { generation: first.lease.generation })).toBe(false);
      expect(await registry.heartbeat(keyed('a'))).toBe(true);
    });

    it('apply to the own registration, not to that of a successor', async () => {
      const [old, successor] = [await stage.started(), await stage.started()];
      await old.registry.register(user('a'));
      await successor.registry.register(user('a'));
      await stage.settled();
      expect(await old.registry.heartbeat(keyed('a'))).toBe(false);
      expect(await successor.registry.heartbeat(keyed('a'))).toBe(true);
    });

    it('can be sent in a batch', async () => {
      const { registry } = await stage.started();
      const a = await registry.register(user('a'), { heartbeat: 'manual' });
      const lost = { ...a.lease, generation: 1 };
      expect(await registry.renewAll([a.lease, lost])).toEqual([true, false]);
      expect(await registry.renewAll([])).toEqual([]);
      expect(store.timesOf('renew')).toHaveLength(1);
    });

    it('update lastHeartbeat unless trackHeartbeats is off', async () => {
      const [following, quiet] = [await stage.started(), await stage.started({ trackHeartbeats: false })];
      const { lease, instance } = await following.registry.register(user('a'), { heartbeat: 'manual' });
      await clock.advanceAsync(5_000);
      await following.registry.renewAll([lease]);
      await stage.settled();
      const shownBy = ({ registry }: RegistryProcess) => registry.getInstance(keyed('a'))?.lastHeartbeat;
      expect(shownBy(following)).toBe(instance.lastHeartbeat + 5_000);
      expect(shownBy(quiet)).toBe(instance.lastHeartbeat);
    });
  });

  describe('a lost lease', () => {
    it('is registered again and reported as soon as the registry shows the loss', async () => {
      const { registry, events } = await stage.started();
      const { lease } = await registry.register(user('a', { ttl: '300s' }));
      await clock.advanceAsync(1_000);
      await store.restart();
      await clock.advanceAsync(100);
      expect(idsOf(registry)).toEqual(['a']);
      expect(registry.getInstance(keyed('a'))!.generation).toBeGreaterThan(lease.generation);
      expect(events.filter(({ type }) => type === 'lease.recovered')).toEqual([
        { type: 'lease.recovered', key: keyed('a') },
      ]);
    });

    it('of a manual registration stays lost', async () => {
      const { registry, log } = await stage.started();
      await registry.register(user('a'), { heartbeat: 'manual' });
      await store.restart();
      await clock.advanceAsync(60_000);
      expect(idsOf(registry)).toEqual([]);
      expect(log()).not.toContain('lease.recovered a');
    });
  });

  describe('deregister()', () => {
    it('resolves when the instance is gone, and it stays gone', async () => {
      const { registry, log } = await stage.started();
      await registry.register(user('a'));
      expect(await registry.deregister(keyed('a'))).toBe(true);
      expect(registry.listServices()).toEqual([]);
      await clock.advanceAsync(600_000);
      expect(registry.listServices()).toEqual([]);
      expect(log()).toEqual(['instance.registered a', 'instance.deregistered a']);
    });

    it('returns false the second time and for an unknown instance', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      await registry.deregister(keyed('a'));
      expect(await registry.deregister(keyed('a'))).toBe(false);
      expect(await registry.deregister(keyed('a', 'absent'))).toBe(false);
    });

    it('does not remove a newer registration by an older generation', async () => {
      const { registry } = await stage.started();
      const first = await registry.register(user('a'), { heartbeat: 'manual' });
      await registry.register(user('a'), { heartbeat: 'manual' });
      expect(await registry.deregister(keyed('a'), { generation: first.lease.generation })).toBe(false);
      expect(idsOf(registry)).toEqual(['a']);
    });

    it('leaves a successor under the same id', async () => {
      const [old, successor] = [await stage.started(), await stage.started()];
      await old.registry.register(user('a'));
      await successor.registry.register(user('a'));
      await stage.settled();
      expect(await old.registry.deregister(keyed('a'))).toBe(false);
      expect(old.registry.ownLeases()).toEqual([]);
      expect(idsOf(successor.registry)).toEqual(['a']);
    });

    it('can remove an instance of another process', async () => {
      const [one, two] = [await stage.started(), await stage.started()];
      await one.registry.register(user('a'), { heartbeat: 'manual' });
      await stage.settled();
      expect(await two.registry.deregister(keyed('a'))).toBe(true);
      await stage.settled();
      expect(idsOf(one.registry)).toEqual([]);
    });

    it('rejects instead of returning false before the store has ever answered', async () => {
      store.goAway();
      const { registry } = stage.processOf({ startTimeout: 0 });
      await Promise.all([registry.start(), stage.settled()]);
      await expect(registry.deregister(keyed('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
      await expect(registry.heartbeat(keyed('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
    });
  });

  describe('a status', () => {
    it('shows as soon as setStatus resolves, and is reported once', async () => {
      const { registry, events } = await stage.started();
      await registry.register(user('a'));
      events.length = 0;
      const detail = { checkedAt: clock.epoch(), reason: 'status 503', statusCode: 503 };
      expect(await registry.setStatus(keyed('a'), 'healthy')).toBe(true);
      expect(await registry.setStatus(keyed('a'), 'healthy')).toBe(true);
      expect(await registry.setStatus(keyed('a'), 'unhealthy', detail)).toBe(true);
      expect(registry.getInstance(keyed('a'))).toMatchObject({ status: 'unhealthy', health: detail });
      expect(events).toEqual([
        { type: 'instance.status_changed', key: keyed('a'), from: 'unknown', to: 'healthy', reason: undefined },
        { type: 'instance.status_changed', key: keyed('a'), from: 'healthy', to: 'unhealthy', reason: 'status 503' },
      ]);
    });

    it('of health that the snapshot already shows is sent to the store at most once a minute', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      const check = (status: 'healthy' | 'unhealthy', more: Partial<HealthDetail> = {}): Promise<boolean> =>
        registry.setStatus(keyed('a'), status, { checkedAt: clock.epoch(), latencyMs: clock.now(), ...more });
      const told = (): number => store.timesOf('setStatus').length;
      await check('healthy');
      expect(told()).toBe(1);
      for (let n = 0; n < 5; n++) {
        await clock.advanceAsync(10_000);
        expect(await check('healthy')).toBe(true);
      }
      expect(told()).toBe(1);
      await clock.advanceAsync(10_000);
      await check('healthy');
      expect(told()).toBe(2);
      await check('healthy', { reason: 'slow' });
      expect(told()).toBe(3);
      await check('unhealthy', { reason: 'slow' });
      expect(told()).toBe(4);
      // Without a detail it is always sent.
      await registry.setStatus(keyed('a'), 'unhealthy');
      expect(told()).toBe(5);
    });

    it('of health is rejected while the store is unreachable, even if the snapshot already shows it', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      const check = (): Promise<boolean> => registry.setStatus(keyed('a'), 'healthy', { checkedAt: clock.epoch() });
      await check();
      store.goAway();
      await stage.settled();
      await expect(check()).rejects.toBeInstanceOf(RegistryUnavailableError);
    });

    it('of health that the operator status overrides emits no event', async () => {
      const { registry, log } = await stage.started();
      await registry.register(user('a'));
      await registry.setStatus(keyed('a'), 'maintenance');
      await registry.setStatus(keyed('a'), 'healthy');
      await registry.setStatus(keyed('a'), 'up');
      expect(log().slice(1)).toEqual(['instance.status_changed a maintenance', 'instance.status_changed a healthy']);
    });

    it('of an operator keeps its start and takes the latest reason until it changes', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      const began = clock.epoch();
      const say = async (status: 'maintenance' | 'draining', said: Partial<OperatorNote> = {}): Promise<unknown> => {
        await registry.setStatus(keyed('a'), status, { since: 1, ...said });
        const { since, reason, by } = registry.getInstance(keyed('a'))!.operatorNote!;
        await clock.advanceAsync(5);
        return [since - began, reason, by];
      };
      expect(await say('maintenance', { reason: 'a disk is full', by: 'ada' })).toEqual([0, 'a disk is full', 'ada']);
      expect(await say('maintenance')).toEqual([0, 'a disk is full', 'ada']);
      expect(await say('maintenance', { by: 'bob' })).toEqual([0, undefined, 'bob']);
      expect(await say('maintenance', { reason: 'two disks are full' })).toEqual([0, 'two disks are full', undefined]);
      expect(await say('draining')).toEqual([20, undefined, undefined]);
    });

    it('of an unknown instance returns false', async () => {
      const { registry } = await stage.started();
      expect(await registry.setStatus(keyed('a'), 'maintenance')).toBe(false);
    });
  });

  it('works with nothing but a store', async () => {
    const memory = new MemoryRegistryStore();
    const registry = new ServiceRegistry(memory);
    await registry.start();
    await registry.register(user('a'));
    expect(idsOf(registry)).toEqual(['a']);
    await registry.close();
    await memory.close();
  });
});
