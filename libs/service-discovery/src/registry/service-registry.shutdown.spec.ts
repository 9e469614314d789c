import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../common/index.js';
import { type FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { type ManualClock } from '../testing/manual-clock.js';
import { idsOf, keyed, RegistryFixture, user } from '../testing/registry-fixture.js';

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

describe('ServiceRegistry shutdown', () => {
  describe('draining and deregistering', () => {
    it('cover the instances of this process and no others', async () => {
      const [leaving, staying] = [await stage.started(), await stage.started()];
      await leaving.registry.register(user('a'));
      await leaving.registry.register(user('b'));
      await leaving.registry.register(user('remote'), { heartbeat: 'manual' });
      await staying.registry.register(user('c'));

      expect(await leaving.registry.drainOwn()).toEqual({ done: [keyed('a'), keyed('b')], failed: [] });
      await stage.settled();
      const shown = (): string[] =>
        staying.registry.getInstances('users').map((one) => `${one.instanceId} ${one.status}`);
      expect(shown()).toEqual(['a draining', 'b draining', 'remote unknown', 'c unknown']);

      expect(await leaving.registry.deregisterOwn()).toEqual({ done: [keyed('a'), keyed('b')], failed: [] });
      await stage.settled();
      expect(shown()).toEqual(['remote unknown', 'c unknown']);
      expect(leaving.registry.ownLeases()).toEqual([]);
      const isOwn = (id: string): boolean => leaving.registry.isOwn(keyed(id));
      expect(['a', 'b', 'remote', 'c'].map(isOwn)).toEqual([true, true, false, false]);
    });

    it('resolve once the snapshot no longer shows the instances', async () => {
      const { registry, log } = await stage.started();
      await registry.register(user('a'));
      await registry.deregisterOwn();
      expect(log().at(-1)).toBe('instance.deregistered a');
    });

    it('leave a successor under the same id alone', async () => {
      const [old, successor] = [await stage.started(), await stage.started()];
      await old.registry.register(user('a'));
      await successor.registry.register(user('a'));
      await stage.settled();
      await old.registry.drainOwn();
      await old.registry.deregisterOwn();
      await stage.settled();
      expect(successor.registry.getInstances('users')).toMatchObject([{ instanceId: 'a', status: 'unknown' }]);
    });

    it('cover registrations that are still running', async () => {
      const { registry } = await stage.started();
      const answer = store.hold('put');
      const registering = registry.register(user('a'));
      await stage.settled();
      const ending = registry.deregisterOwn();
      await stage.settled();
      answer();
      await registering;
      expect(await ending).toEqual({ done: [keyed('a')], failed: [] });
      expect(idsOf(registry)).toEqual([]);
    });

    it('report what could not be done while the store is unreachable', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      store.goAway();
      const failed = [{ key: keyed('a'), error: expect.any(RegistryUnavailableError) }];
      expect(await registry.drainOwn()).toEqual({ done: [], failed });
      expect(await registry.deregisterOwn()).toEqual({ done: [], failed });
    });

    it('wait at most 5 s for a store that does not answer', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      for (const method of ['setStatus', 'remove'] as const) store.hold(method);
      const failed = [{ key: keyed('a'), error: expect.any(RegistryUnavailableError) }];
      const draining = registry.drainOwn();
      await clock.advanceAsync(5_000);
      expect(await draining).toEqual({ done: [], failed });
      const ending = registry.deregisterOwn();
      await clock.advanceAsync(5_000);
      expect(await ending).toEqual({ done: [], failed });
    });

    it('resolve at once without own instances', async () => {
      const { registry } = await stage.started();
      expect(await registry.drainOwn()).toEqual({ done: [], failed: [] });
      expect(await registry.deregisterOwn()).toEqual({ done: [], failed: [] });
    });
  });

  describe('close()', () => {
    it('leaves no timer, and none in the store once its owner closes it', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      await registry.close();
      expect(clock.pendingTimers).toBe(1);
      await store.close();
      expect(clock.pendingTimers).toBe(0);
    });

    it('leaves the store open for other registries', async () => {
      const [closing, staying] = [await stage.started(), await stage.started()];
      await closing.registry.close();
      await staying.registry.register(user('a'));
      expect(idsOf(staying.registry)).toEqual(['a']);
    });

    it('makes later registrations reject, since they would not be renewed', async () => {
      const { registry } = await stage.started();
      await registry.close();
      await expect(registry.register(user('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
      expect(store.timesOf('put')).toEqual([]);
    });

    it('may be called twice, and without start()', async () => {
      const { registry } = stage.processOf();
      await registry.close();
      await registry.close();
      expect(clock.pendingTimers).toBe(0);
    });
  });
});
