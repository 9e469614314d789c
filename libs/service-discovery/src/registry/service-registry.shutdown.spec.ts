import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../common/index.js';
import { type FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { type ManualClock } from '../testing/manual-clock.js';
import { idsOf, keyed, RegistryStage, user } from '../testing/registry-stage.js';

let stage: RegistryStage;
let clock: ManualClock;
let store: FlakyRegistryStore;

beforeEach(() => {
  stage = new RegistryStage();
  ({ clock, store } = stage);
});

afterEach(async () => {
  await stage.close();
  expect(clock.pendingTimers).toBe(0);
});

describe('ServiceRegistry, at its end', () => {
  describe('shutting down', () => {
    it('drains, then deregisters, what this process registered, and nothing else', async () => {
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

    it('sees its own instances leave before it is done', async () => {
      const { registry, log } = await stage.started();
      await registry.register(user('a'));
      await registry.deregisterOwn();
      expect(log().at(-1)).toBe('instance.deregistered a');
    });

    it('leaves a successor under the same id alone', async () => {
      const [old, successor] = [await stage.started(), await stage.started()];
      await old.registry.register(user('a'));
      await successor.registry.register(user('a'));
      await stage.settled();
      await old.registry.drainOwn();
      await old.registry.deregisterOwn();
      await stage.settled();
      expect(successor.registry.getInstances('users')).toMatchObject([{ instanceId: 'a', status: 'unknown' }]);
    });

    it('also ends what is being registered meanwhile', async () => {
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

    it('does not fail where the store is away: it says what could not be done', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      store.goAway();
      const failed = [{ key: keyed('a'), error: expect.any(RegistryUnavailableError) }];
      expect(await registry.drainOwn()).toEqual({ done: [], failed });
      expect(await registry.deregisterOwn()).toEqual({ done: [], failed });
    });

    it('waits 5 s at most for a store that does not answer', async () => {
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

    it('is done at once where there is nothing to end', async () => {
      const { registry } = await stage.started();
      expect(await registry.drainOwn()).toEqual({ done: [], failed: [] });
      expect(await registry.deregisterOwn()).toEqual({ done: [], failed: [] });
    });
  });

  describe('closing', () => {
    it('leaves no timer, neither of its own nor, once its owner closes that, of the store', async () => {
      const { registry } = await stage.started();
      await registry.register(user('a'));
      await registry.close();
      expect(clock.pendingTimers).toBe(1);
      await store.close();
      expect(clock.pendingTimers).toBe(0);
    });

    it('leaves the store to the other registries over it', async () => {
      const [closing, staying] = [await stage.started(), await stage.started()];
      await closing.registry.close();
      await staying.registry.register(user('a'));
      expect(idsOf(staying.registry)).toEqual(['a']);
    });

    it('takes no registration any more, since nobody would renew it', async () => {
      const { registry } = await stage.started();
      await registry.close();
      await expect(registry.register(user('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
      expect(store.timesOf('put')).toEqual([]);
    });

    it('may be asked for twice, and without a start', async () => {
      const { registry } = stage.processOf();
      await registry.close();
      await registry.close();
      expect(clock.pendingTimers).toBe(0);
    });
  });
});
