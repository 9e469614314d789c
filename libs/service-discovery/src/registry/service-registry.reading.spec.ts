import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../common/index.js';
import { type Change } from '../model/index.js';
import { ChangeRecorder } from '../testing/change-recorder.js';
import { type FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { type ManualClock } from '../testing/manual-clock.js';
import { idsOf, keyed, RegistryFixture, user } from '../testing/registry-fixture.js';
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

describe('ServiceRegistry reads', () => {
  describe('events', () => {
    it('report a change once in each process', async () => {
      const [one, two] = [await stage.started(), await stage.started()];
      await one.registry.register(user('a'));
      await one.registry.register(user('a'));
      await two.registry.setStatus(keyed('a'), 'healthy');
      await one.registry.register(user('b', { ttl: '1s' }), { heartbeat: 'manual' });
      await clock.advanceAsync(1_000);
      await one.registry.deregister(keyed('a'));
      await stage.settled();
      const expected = [
        'instance.registered a',
        'instance.registered a replaced',
        'instance.status_changed a healthy',
        'instance.registered b',
        'instance.expired b',
        'instance.deregistered a',
      ];
      expect(one.log()).toEqual(expected);
      expect(two.log()).toEqual(expected);
    });

    it('do not report what existed before', async () => {
      const first = await stage.started();
      await first.registry.register(user('a'));
      expect((await stage.started()).log()).toEqual([]);
    });
  });

  describe('servedInstances', () => {
    it('returns the same list across heartbeats, which getInstance shows', async () => {
      const { registry } = await stage.started();
      const { lease, instance } = await registry.register(user('a'), { heartbeat: 'manual' });
      const [served, shown] = [registry.servedInstances('users'), registry.getInstances('users')];
      await clock.advanceAsync(5_000);
      await registry.renewAll([lease]);
      await stage.settled();
      expect(registry.servedInstances('users')).toBe(served);
      expect(registry.getInstances('users')).not.toBe(shown);
      expect(registry.getInstance(keyed('a'))?.lastHeartbeat).toBe(instance.lastHeartbeat + 5_000);
    });

    it('returns a new list on any other change', async () => {
      const { registry } = await stage.started();
      const { lease } = await registry.register(user('a'), { heartbeat: 'manual' });
      await registry.renewAll([lease]);
      const served = registry.servedInstances('users');
      await registry.setStatus(keyed('a'), 'healthy');
      expect(registry.servedInstances('users')).not.toBe(served);
      expect(registry.servedInstances('users')).toBe(registry.getInstances('users'));
    });
  });

  describe('while the store is unreachable', () => {
    it('serves the last snapshot with its age', async () => {
      const { registry, events } = await stage.started();
      await registry.register(user('a'));
      events.length = 0;
      store.goAway();
      await clock.advanceAsync(30_000);
      expect(idsOf(registry)).toEqual(['a']);
      expect(registry.ageMs()).toBe(30_000);
      expect(registry.snapshot).toMatchObject({ ready: true, connected: false });
      expect(events).toEqual([{ type: 'registry.unavailable', reason: 'The connection was lost', hasSnapshot: true }]);
    });

    it('rejects reads once the snapshot is too old, until there is a new one', async () => {
      const { registry } = await stage.started({ maxSnapshotAge: '1h' });
      await registry.register(user('a', { ttl: '1d' }));
      const served = (): unknown[] => registry.servedInstances('users').map(({ instanceId }) => instanceId);
      store.goAway();
      await clock.advanceAsync(3_600_000);
      expect(served()).toEqual(['a']);
      expect([...registry.servedServices().keys()]).toEqual(['users']);
      await clock.advanceAsync(1_000);
      for (const ask of [served, () => registry.servedServices()]) {
        expect(ask).toThrow(RegistryUnavailableError);
        expect(ask).toThrow(/its last answer is 3601 s old: more than the 3600 s of maxSnapshotAge/);
      }
      expect(idsOf(registry)).toEqual(['a']);
      store.comeBack();
      await clock.advanceAsync(5_000);
      expect(served()).toEqual(['a']);
    });

    it('recovers by itself, and reports what happened in the meantime', async () => {
      const { registry, events, log } = await stage.started();
      for (const id of ['stays', 'goes', 'replaced']) await registry.register(user(id), { heartbeat: 'manual' });
      await registry.register(user('runs-out', { ttl: '5s' }), { heartbeat: 'manual' });
      const truth = new ServiceRegistry(store.truth, {}, { clock });
      await truth.start();
      events.length = 0;

      store.goAway();
      await truth.deregister(keyed('goes'));
      await truth.register(user('replaced'), { heartbeat: 'manual' });
      await truth.register(user('comes'), { heartbeat: 'manual' });
      await truth.setStatus(keyed('stays'), 'healthy');
      await clock.advanceAsync(10_000);
      await truth.close();
      store.comeBack();
      await clock.advanceAsync(5_000);

      expect(registry.ageMs()).toBe(0);
      expect(log().slice().sort()).toEqual([
        'instance.deregistered goes',
        'instance.expired runs-out',
        'instance.registered comes',
        'instance.registered replaced replaced',
        'instance.status_changed stays healthy',
        'registry.available',
        'registry.unavailable',
      ]);
      expect(events.find(({ type }) => type === 'registry.available')?.downMs).toBeGreaterThanOrEqual(10_000);
    });

    it('rejects reads before the first answer, and reports the registrations made before it once', async () => {
      store.goAway();
      const { registry, events, log } = stage.processOf({ startTimeout: '1s' });
      const start = registry.start();
      await clock.advanceAsync(1_000);
      await start;
      expect(events).toMatchObject([{ type: 'registry.unavailable', hasSnapshot: false }]);
      await expect(registry.register(user('early'))).rejects.toThrow('away');
      store.comeBack();
      // It arrives before the watch is opened again.
      await registry.register(user('a'));
      await clock.advanceAsync(5_000);
      expect(log().filter((line) => line.startsWith('instance.'))).toEqual(['instance.registered a']);
    });

    it('names the last failure to those who read before the first answer, or what a test lacks if there was none', async () => {
      store.goAway();
      const { registry } = stage.processOf({ startTimeout: '1s' });
      const read = (): unknown => registry.servedInstances('users');
      expect(registry.lastFailure).toBeUndefined();
      expect(read).toThrow(
        /the registry has not answered yet\. In a test, await app\.init\(\) first, or import ServiceDiscoveryTestingModule\. See \S+#REGISTRY_UNAVAILABLE$/,
      );
      const start = registry.start();
      await clock.advanceAsync(1_000);
      await start;
      expect(registry.lastFailure).toBe('The store is away');
      expect(read).toThrow(
        /the registry has not answered yet\. The last attempt failed: The store is away\. See \S+#REGISTRY_UNAVAILABLE$/,
      );
      store.comeBack();
      await clock.advanceAsync(5_000);
      expect(registry.lastFailure).toBeUndefined();
    });

    it('starts in bounded time and catches up later', async () => {
      store.goAway();
      const { registry } = stage.processOf({ startTimeout: '2s' });
      const start = registry.start();
      await clock.advanceAsync(2_000);
      await start;
      expect(registry.snapshot.ready).toBe(false);
      expect(registry.listServices()).toEqual([]);
      store.comeBack();
      await clock.advanceAsync(5_000);
      expect(registry.snapshot.ready).toBe(true);
    });
  });

  describe('watch', () => {
    it('starts with a reset, then yields every change', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      const recorder = new ChangeRecorder(registry);
      const { lease } = await registry.register(user('b'));
      await registry.setStatus(lease, 'healthy');
      await registry.deregister(lease);
      await stage.settled();
      expect(recorder.changes.map(({ type }) => type)).toEqual(['reset', 'put', 'put', 'remove']);
      expect(idsOf(registry)).toEqual(recorder.snapshot.services.get('users')?.map(({ instanceId }) => instanceId));
      await recorder.stop();
    });

    it('may be called before start(): the reset follows once there is a snapshot', async () => {
      const { registry } = stage.processOf();
      const recorder = new ChangeRecorder(registry);
      await stage.settled();
      expect(recorder.changes).toEqual([]);
      await registry.start();
      await stage.settled();
      expect(recorder.changes.map(({ type }) => type)).toEqual(['reset']);
      await recorder.stop();
    });

    it('is limited to its scope', async () => {
      const { registry } = await stage.started();
      const recorder = new ChangeRecorder(registry, { services: ['orders'] });
      await registry.register(user('a'));
      await registry.register(user('b', { serviceName: 'orders' }));
      await stage.settled();
      expect([...recorder.snapshot.services.keys()]).toEqual(['orders']);
      expect(recorder.changes).toHaveLength(2);
      await recorder.stop();
    });

    it.each([['users'], [7], [{}], [null], [['a b']], [['users', undefined]]])(
      'rejects %j as a list of names without disturbing other watches',
      async (services) => {
        const { registry } = await stage.started();
        const recorder = new ChangeRecorder(registry);
        expect(() => registry.watch({ services: services as never })).toThrow(
          expect.objectContaining({
            code: 'INVALID_REQUEST',
            message: expect.stringMatching(/^The request is not valid: services.*expected/),
          }),
        );
        await registry.register(user('a'), { heartbeat: 'manual' });
        await stage.settled();
        expect(registry.snapshot.connected).toBe(true);
        expect(recorder.changes.map(({ type }) => type)).toEqual(['reset', 'put']);
        await recorder.stop();
      },
    );

    it('keeps the names that it was given, even if the caller changes the list', async () => {
      const { registry } = await stage.started();
      const services = ['orders'];
      const recorder = new ChangeRecorder(registry, { services });
      services.pop();
      await registry.register(user('b', { serviceName: 'orders' }));
      await stage.settled();
      expect(idsOf(registry, 'orders')).toEqual(['b']);
      expect([...recorder.snapshot.services.keys()]).toEqual(['orders']);
      await recorder.stop();
    });

    it('continues with another reset after an outage of the store', async () => {
      const { registry } = await stage.started();
      const recorder = new ChangeRecorder(registry);
      await registry.register(user('a'), { heartbeat: 'manual' });
      await store.restart();
      await clock.advanceAsync(5_000);
      expect(recorder.changes.map(({ type }) => type)).toEqual(['reset', 'put', 'reset']);
      // The store lost it, but it may register again.
      expect(recorder.snapshot.services.size).toBe(1);
      await clock.advanceAsync(10_000);
      expect(recorder.changes.at(-1)).toMatchObject({ type: 'remove', reason: 'expired' });
      expect(recorder.snapshot.services.size).toBe(0);
      await recorder.stop();
    });

    it('ends when the registry closes', async () => {
      const { registry } = await stage.started();
      const recorder = new ChangeRecorder(registry);
      await stage.settled();
      await registry.close();
      await expect(recorder.ended).resolves.toBeUndefined();
      const late: Change[] = [];
      for await (const change of registry.watch()) late.push(change);
      expect(late).toEqual([]);
    });
  });

  describe('onChange listeners', () => {
    it('are called in order with the snapshots before and after, until they are removed', async () => {
      const { registry } = await stage.started();
      const seen: string[] = [];
      const stop = registry.onChange((snapshot, previous, change) => {
        seen.push(`first ${change?.type} ${previous.services.size}->${snapshot.services.size}`);
      });
      registry.onChange((_snapshot, _previous, change) => seen.push(`second ${change?.type}`));
      await registry.register(user('a'));
      stop();
      stop();
      await registry.deregister(keyed('a'));
      expect(seen).toEqual(['first put 0->1', 'second put', 'second remove']);
    });

    it('are not affected by the errors of others', async () => {
      const errors: unknown[] = [];
      const { registry } = await stage.started({}, { onListenerError: (error) => errors.push(error) });
      const mistake = new Error('a mistake');
      const seen: (string | undefined)[] = [];
      registry.onChange(() => {
        throw mistake;
      });
      registry.onChange((_snapshot, _previous, change) => seen.push(change?.type));
      await registry.register(user('a'));
      expect(seen).toEqual(['put']);
      expect(errors).toEqual([mistake]);
    });

    it('may throw, as may the error handler, without losing the watch', async () => {
      const { registry } = await stage.started(
        {},
        {
          onListenerError: (error) => {
            throw error;
          },
        },
      );
      const connected: boolean[] = [];
      registry.onChange(() => {
        throw new Error('a mistake');
      });
      registry.onChange((snapshot) => connected.push(snapshot.connected));
      await registry.register(user('a'));
      expect(connected).toEqual([true]);
    });

    it('are called when the connection is lost and regained', async () => {
      const { registry } = await stage.started();
      const seen: unknown[] = [];
      registry.onChange(({ connected }, _previous, change) => seen.push([connected, change?.type ?? null]));
      store.goAway();
      store.comeBack();
      await clock.advanceAsync(100);
      expect(seen).toEqual([
        [false, null],
        [true, 'reset'],
      ]);
    });
  });
});
