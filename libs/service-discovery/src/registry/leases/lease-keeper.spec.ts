import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../../common/index.js';
import {
  applyChange,
  EMPTY_SNAPSHOT,
  findInstance,
  keyOf,
  type InstanceKey,
  type Lease,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { FlakyRegistryStore } from '../../testing/flaky-registry-store.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { KeyedLock } from '../rounds.js';
import { StoreWrites } from '../store-writes.js';
import { LeaseKeeper } from './lease-keeper.js';

const TTL_MS = 60_000;

let clock: ManualClock;
let store: FlakyRegistryStore;
let snapshot: RegistrySnapshot;
let recovered: Lease[];
/** Each with the lock of its process. */
let keepers: Map<LeaseKeeper, KeyedLock>;
let watching: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  store = new FlakyRegistryStore(clock);
  snapshot = EMPTY_SNAPSHOT;
  recovered = [];
  keepers = new Map();
  watching = new AbortController();
});

afterEach(async () => {
  for (const keeper of keepers.keys()) keeper.stop();
  watching.abort();
  await store.close();
  expect(clock.pendingTimers).toBe(0);
});

/** @param random returned on each call; 0 leaves the intervals at their full length */
function keeperOf({ intervalMs, random = 0 }: { intervalMs?: number; random?: number } = {}): LeaseKeeper {
  const lock = new KeyedLock();
  const deps = {
    clock,
    lock,
    random: () => random,
    feed: { storedInstance: (key: InstanceKey) => findInstance(snapshot, key) },
    recovered: (lease: Lease) => void recovered.push(lease),
  };
  const keeper = new LeaseKeeper(store, deps, intervalMs);
  keepers.set(keeper, lock);
  return keeper;
}

/** Registers an instance as the process of the keeper. */
function register(keeper: LeaseKeeper, requested: ServiceInstance, keep: boolean): Promise<Lease> {
  return keepers.get(keeper)!.run(keyOf(requested), () => new StoreWrites(store, keeper).register(requested, keep));
}

/** Passes the store's changes to a keeper, as its registry does. */
async function follow(keeper: LeaseKeeper): Promise<void> {
  const { truth } = store;
  void (async () => {
    for await (const change of truth.watch({}, watching.signal)) {
      snapshot = applyChange(snapshot, change, clock.now());
      keeper.follow(change);
    }
  })();
  await clock.advanceAsync(0);
}

const instance = (instanceId: string, ttlMs = TTL_MS, more: Partial<ServiceInstance> = {}) =>
  fakeInstance({ serviceName: 'users', instanceId, ttlMs, ...more });
const keyed = (instanceId: string) => ({ serviceName: 'users', instanceId });

/** The store without the faults in between. */
async function listed(): Promise<readonly ServiceInstance[]> {
  for await (const change of store.truth.watch({}, new AbortController().signal)) {
    if (change.type === 'reset') return change.instances;
  }
  return [];
}

describe('LeaseKeeper', () => {
  describe('renewal', () => {
    it('happens after a third of the lease', async () => {
      await register(keeperOf(), instance('a'), true);
      await clock.advanceAsync(60_000);
      expect(store.timesOf('renew')).toEqual([20_000, 40_000, 60_000]);
    });

    it('happens every 30 s if a third of the lease is longer', async () => {
      await register(keeperOf(), instance('a', 300_000), true);
      await clock.advanceAsync(60_000);
      expect(store.timesOf('renew')).toEqual([30_000, 60_000]);
    });

    it('happens up to a fifth sooner, never later, to spread processes', async () => {
      await register(keeperOf({ random: 0.5 }), instance('a'), true);
      await register(keeperOf({ random: 0.999_999 }), instance('b'), true);
      await clock.advanceAsync(19_999);
      expect(store.timesOf('renew').map(Math.round)).toEqual([16_000, 18_000]);
    });

    it('follows a configured interval', async () => {
      await register(keeperOf({ intervalMs: 5_000 }), instance('a'), true);
      await clock.advanceAsync(15_000);
      expect(store.timesOf('renew')).toEqual([5_000, 10_000, 15_000]);
    });

    it('ignores a configured interval that is longer than the lease', async () => {
      await register(keeperOf({ intervalMs: 5_000 }), instance('a', 3_000), true);
      await clock.advanceAsync(2_000);
      expect(store.timesOf('renew')).toEqual([1_000, 2_000]);
    });

    it('sends all leases in one round trip, at the pace of the shortest', async () => {
      const keeper = keeperOf();
      const leases = [];
      for (let index = 0; index < 50; index++) leases.push(await register(keeper, instance(`long-${index}`), true));
      leases.push(await register(keeper, instance('short', 3_000), true));
      await clock.advanceAsync(1_000);
      expect(store.renewed).toEqual([leases]);
    });

    it('keeps an instance alive while the keeper runs', async () => {
      await register(keeperOf({ random: 0.3 }), instance('a', 1_000), true);
      await clock.advanceAsync(3_600_000);
      expect(await listed()).toHaveLength(1);
      expect(recovered).toEqual([]);
    });

    it('leaves out instances that are not to be kept', async () => {
      await register(keeperOf(), instance('a'), false);
      await clock.advanceAsync(TTL_MS);
      expect(store.renewed).toEqual([]);
      expect(await listed()).toEqual([]);
    });

    it('ends when the instance is registered again without being kept', async () => {
      const keeper = keeperOf();
      await register(keeper, instance('a'), true);
      await register(keeper, instance('a'), false);
      await clock.advanceAsync(TTL_MS);
      expect(store.renewed).toEqual([]);
      expect(keeper.leases()).toEqual([]);
    });

    it('stops with the last lease', async () => {
      const keeper = keeperOf();
      const lease = await register(keeper, instance('a'), true);
      keeper.forget(keyed('a'));
      await store.remove(lease);
      expect(clock.pendingTimers).toBe(0);
    });

    it('never runs two rounds at once', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      await register(keeper, instance('a'), true);
      const answer = store.hold('renew');
      await clock.advanceAsync(200_000);
      expect(store.timesOf('renew')).toEqual([20_000]);
      answer();
      await clock.advanceAsync(0);
      // It expired in the meantime, which triggers another round at once.
      expect(store.timesOf('renew')).toEqual([20_000, 200_000]);
      expect(await listed()).toHaveLength(1);
    });
  });

  describe('while the store is unreachable', () => {
    it('retries after 1 s, then with doubled delays up to the interval', async () => {
      await register(keeperOf(), instance('a', 30_000), true);
      store.goAway();
      await clock.advanceAsync(46_999);
      expect(store.timesOf('renew')).toEqual([10_000, 11_000, 13_000, 17_000, 25_000, 35_000, 45_000]);
    });

    it('returns to the normal interval afterwards', async () => {
      await register(keeperOf(), instance('a', 30_000), true);
      store.goAway();
      await clock.advanceAsync(10_500);
      store.comeBack();
      await clock.advanceAsync(20_500);
      expect(store.timesOf('renew')).toEqual([10_000, 11_000, 21_000, 31_000]);
    });

    it('registers again what was lost in the meantime', async () => {
      await register(keeperOf(), instance('a', 30_000), true);
      store.goAway();
      await clock.advanceAsync(60_000);
      expect(await listed()).toEqual([]);
      store.comeBack();
      await clock.advanceAsync(10_000);
      expect(await listed()).toHaveLength(1);
      expect(recovered).toHaveLength(1);
    });

    it('does not keep an instance that failed to register', async () => {
      const keeper = keeperOf();
      store.goAway();
      await expect(register(keeper, instance('a'), true)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
      expect(keeper.leases()).toEqual([]);
      expect(clock.pendingTimers).toBe(0);
    });
  });

  describe('a lost lease', () => {
    it('is registered again under a new generation at the next renewal', async () => {
      const keeper = keeperOf();
      const registered = instance('a', TTL_MS, { metadata: { team: 'x' }, tags: ['api'] });
      const first = await register(keeper, registered, true);
      await store.truth.remove(first);
      await clock.advanceAsync(20_000);
      const [again] = await listed();
      expect(again).toMatchObject({ instanceId: 'a', metadata: { team: 'x' }, tags: ['api'], ttlMs: TTL_MS });
      expect(again!.generation).toBeGreaterThan(first.generation);
      expect(recovered).toEqual([{ ...first, generation: again!.generation }]);
      expect(keeper.leases()).toEqual(recovered);
      await clock.advanceAsync(20_000);
      expect(recovered).toHaveLength(1);
    });

    it('is recovered at once when the registry no longer shows the instance', async () => {
      const keeper = keeperOf();
      await register(keeper, instance('a'), true);
      await register(keeper, instance('b'), true);
      await store.restart();
      await follow(keeper);
      expect(store.timesOf('renew')).toEqual([0]);
      expect((await listed()).map(({ instanceId }) => instanceId)).toEqual(['a', 'b']);
    });

    it('triggers no extra round if the registry shows all instances', async () => {
      const keeper = keeperOf();
      await register(keeper, instance('a'), true);
      await follow(keeper);
      expect(store.timesOf('renew')).toEqual([]);
    });

    it('triggers no extra round if the instance was deregistered by another process', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await register(keeper, instance('a'), true);
      await store.truth.remove(lease);
      await clock.advanceAsync(0);
      expect(store.timesOf('renew')).toEqual([]);
    });

    it('is left to a newer registration of the id, and taken back when that expires', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      await register(keeper, instance('a', 30_000), true);
      const successor = await store.truth.put(instance('a', 25_000), 25_000);
      await clock.advanceAsync(24_999);
      expect((await listed()).map(({ generation }) => generation)).toEqual([successor.generation]);
      expect(recovered).toEqual([]);
      await clock.advanceAsync(1);
      expect(recovered).toHaveLength(1);
      expect((await listed())[0]?.generation).toBe(recovered[0]?.generation);
    });

    it('is left to a newer registration of the id that this process has not seen', async () => {
      const keeper = keeperOf();
      await register(keeper, instance('a'), true);
      const successor = await store.truth.put(instance('a'), 2 * TTL_MS);
      await clock.advanceAsync(TTL_MS);
      expect((await listed()).map(({ generation }) => generation)).toEqual([successor.generation]);
      expect(recovered).toEqual([]);
    });

    it('is taken back from an older registration that recovered first', async () => {
      const [predecessor, keeper] = [keeperOf(), keeperOf()];
      await register(predecessor, instance('a', TTL_MS, { port: 1 }), true);
      await register(keeper, instance('a', TTL_MS, { port: 2 }), true);
      await store.restart();
      await clock.advanceAsync(TTL_MS);
      expect(await listed()).toMatchObject([{ port: 2 }]);
    });

    it('is kept after a recovery that took effect but whose answer was lost', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const first = await register(keeper, instance('a'), true);
      await store.truth.remove(first);
      const recover = store.recover.bind(store);
      store.recover = async (...args) => {
        await recover(...args);
        store.recover = recover;
        throw new RegistryUnavailableError('no answer came in time');
      };
      await clock.advanceAsync(22_000);
      const [lease] = keeper.leases();
      expect(lease?.generation).toBeGreaterThan(first.generation);
      expect((await listed()).map(({ generation }) => generation)).toEqual([lease?.generation]);
      await clock.advanceAsync(2 * TTL_MS);
      expect((await listed()).map(({ generation }) => generation)).toEqual([lease?.generation]);
      expect(await store.truth.remove(lease!)).toBe(true);
    });

    it('is left to a registration at another address, also after a recovery without an answer', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      await store.truth.remove(await register(keeper, instance('a'), true));
      const recover = store.recover.bind(store);
      store.recover = () => Promise.reject(new RegistryUnavailableError('no answer came in time'));
      await clock.advanceAsync(20_500);
      store.recover = recover;
      const successor = await store.truth.put(instance('a', 600_000, { host: '10.0.0.9' }), 600_000);
      await clock.advanceAsync(60_000);
      expect((await listed()).map(({ generation }) => generation)).toEqual([successor.generation]);
    });

    it('is given up if the instance is deregistered during the recovery', async () => {
      const keeper = keeperOf();
      const lease = await register(keeper, instance('a'), true);
      await store.truth.remove(lease);
      const answer = store.hold('recover');
      await clock.advanceAsync(20_000);
      expect(await listed()).toHaveLength(1);
      keeper.forget(keyed('a'));
      answer();
      await keeper.idle();
      expect(await listed()).toEqual([]);
      expect(recovered).toEqual([]);
    });

    it('gives way to a registration made during the recovery', async () => {
      const keeper = keeperOf();
      const lease = await register(keeper, instance('a'), true);
      await store.truth.remove(lease);
      const answer = store.hold('recover');
      await clock.advanceAsync(20_000);
      const registering = register(keeper, instance('a', TTL_MS, { port: 9999 }), true);
      answer();
      const latest = await registering;
      await keeper.idle();
      expect(await listed()).toMatchObject([{ port: 9999, generation: latest.generation }]);
      expect(keeper.leases()).toEqual([latest]);
    });

    it('is recovered with at most 16 registrations at a time', async () => {
      const keeper = keeperOf();
      for (let index = 0; index < 40; index++) await register(keeper, instance(`i${index}`), true);
      await store.restart();
      const before = store.timesOf('recover').length;
      const answer = store.hold('recover');
      await clock.advanceAsync(20_000);
      expect(store.timesOf('recover')).toHaveLength(before + 16);
      answer();
      await keeper.idle();
      expect(await listed()).toHaveLength(40);
    });
  });

  describe('the operator status', () => {
    it.each(['maintenance', 'draining'] as const)('%s is set again after a recovery', async (status) => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await register(keeper, instance('a'), true);
      await store.truth.setStatus(lease, status);
      await clock.advanceAsync(0);
      await store.truth.remove(lease);
      await clock.advanceAsync(20_000);
      expect(await listed()).toMatchObject([{ status, operatorStatus: status }]);
    });

    it('is set again later if the store fails in between', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await register(keeper, instance('a'), true);
      await store.truth.setStatus(lease, 'maintenance');
      await clock.advanceAsync(0);
      await store.truth.remove(lease);
      const answer = store.hold('recover');
      await clock.advanceAsync(20_000);
      store.goAway();
      answer();
      await clock.advanceAsync(500);
      expect(await listed()).toMatchObject([{ status: 'unknown' }]);
      store.comeBack();
      await clock.advanceAsync(1_000);
      expect(await listed()).toMatchObject([{ status: 'maintenance' }]);
    });

    it('is not set again if it was withdrawn', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await register(keeper, instance('a'), true);
      await store.truth.setStatus(lease, 'maintenance');
      await store.truth.setStatus(lease, 'up');
      await clock.advanceAsync(0);
      await store.truth.remove(lease);
      await clock.advanceAsync(20_000);
      expect(await listed()).toMatchObject([{ status: 'unknown' }]);
    });

    it('that a replacement kept is known even if the change arrives before the lease', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const first = await register(keeper, instance('a'), true);
      await store.truth.setStatus(first, 'maintenance');
      const answer = store.hold('put');
      const registering = register(keeper, instance('a'), true);
      await clock.advanceAsync(0);
      answer();
      const second = await registering;
      await store.truth.remove(second);
      await clock.advanceAsync(20_000);
      expect(await listed()).toMatchObject([{ status: 'maintenance' }]);
    });
  });

  it('does nothing after stop()', async () => {
    const keeper = keeperOf();
    await follow(keeper);
    const lease = await register(keeper, instance('a'), true);
    keeper.stop();
    await store.remove(lease);
    await clock.advanceAsync(60_000);
    await register(keeper, instance('b', 1_000), true);
    await clock.advanceAsync(1_000);
    expect(store.renewed).toEqual([]);
  });

  it('is idle once running registrations are done', async () => {
    const keeper = keeperOf();
    const answer = store.hold('put');
    void register(keeper, instance('a'), true);
    let idle = false;
    const waiting = keeper.idle().then(() => (idle = true));
    await clock.advanceAsync(0);
    expect(idle).toBe(false);
    answer();
    await waiting;
    expect(keeper.leases()).toHaveLength(1);
  });
});
