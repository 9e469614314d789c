import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../common/index.js';
import {
  applyChange,
  EMPTY_SNAPSHOT,
  type Lease,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { ManualClock } from '../testing/manual-clock.js';
import { LeaseKeeper } from './lease-keeper.js';

const TTL_MS = 60_000;

let clock: ManualClock;
let store: FlakyRegistryStore;
let snapshot: RegistrySnapshot;
let recovered: Lease[];
let keepers: LeaseKeeper[];
let watching: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  store = new FlakyRegistryStore(clock);
  snapshot = EMPTY_SNAPSHOT;
  recovered = [];
  keepers = [];
  watching = new AbortController();
});

afterEach(async () => {
  for (const keeper of keepers) keeper.stop();
  watching.abort();
  await store.close();
  expect(clock.pendingTimers).toBe(0);
});

/** @param random the same number each time; 0 leaves the intervals at their full length */
function keeperOf({ intervalMs, random = 0 }: { intervalMs?: number; random?: number } = {}): LeaseKeeper {
  const deps = {
    clock,
    random: () => random,
    current: (key: { serviceName: string; instanceId: string }) =>
      snapshot.services.get(key.serviceName)?.find((known) => known.instanceId === key.instanceId),
    recovered: (lease: Lease) => void recovered.push(lease),
  };
  const keeper = new LeaseKeeper(store, deps, intervalMs);
  keepers.push(keeper);
  return keeper;
}

/** Lets a keeper see what happens in the store, as its registry does. */
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

/** The truth, whatever is in between. */
async function listed(): Promise<readonly ServiceInstance[]> {
  for await (const change of store.truth.watch({}, new AbortController().signal)) {
    if (change.type === 'reset') return change.instances;
  }
  return [];
}

describe('LeaseKeeper', () => {
  describe('renewing', () => {
    it('renews after a third of the lease', async () => {
      await keeperOf().register(instance('a'), true);
      await clock.advanceAsync(60_000);
      expect(store.timesOf('renew')).toEqual([20_000, 40_000, 60_000]);
    });

    it('renews every 30 s where a third of the lease is longer', async () => {
      await keeperOf().register(instance('a', 300_000), true);
      await clock.advanceAsync(60_000);
      expect(store.timesOf('renew')).toEqual([30_000, 60_000]);
    });

    it('comes up to a fifth sooner, never later, so that processes spread', async () => {
      await keeperOf({ random: 0.5 }).register(instance('a'), true);
      await keeperOf({ random: 0.999_999 }).register(instance('b'), true);
      await clock.advanceAsync(19_999);
      expect(store.timesOf('renew').map(Math.round)).toEqual([16_000, 18_000]);
    });

    it('renews as often as it is told', async () => {
      await keeperOf({ intervalMs: 5_000 }).register(instance('a'), true);
      await clock.advanceAsync(15_000);
      expect(store.timesOf('renew')).toEqual([5_000, 10_000, 15_000]);
    });

    it('goes by the lease where it is shorter than the interval that it was told', async () => {
      await keeperOf({ intervalMs: 5_000 }).register(instance('a', 3_000), true);
      await clock.advanceAsync(2_000);
      expect(store.timesOf('renew')).toEqual([1_000, 2_000]);
    });

    it('renews all leases in one round trip, at the pace of the shortest', async () => {
      const keeper = keeperOf();
      const leases = [];
      for (let index = 0; index < 50; index++) leases.push(await keeper.register(instance(`long-${index}`), true));
      leases.push(await keeper.register(instance('short', 3_000), true));
      await clock.advanceAsync(1_000);
      expect(store.renewed).toEqual([leases]);
    });

    it('keeps an instance alive for as long as it runs', async () => {
      await keeperOf({ random: 0.3 }).register(instance('a', 1_000), true);
      await clock.advanceAsync(3_600_000);
      expect(await listed()).toHaveLength(1);
      expect(recovered).toEqual([]);
    });

    it('leaves alone what is not to be kept', async () => {
      await keeperOf().register(instance('a'), false);
      await clock.advanceAsync(TTL_MS);
      expect(store.renewed).toEqual([]);
      expect(await listed()).toEqual([]);
    });

    it('no longer renews what registers again and is not to be kept', async () => {
      const keeper = keeperOf();
      await keeper.register(instance('a'), true);
      await keeper.register(instance('a'), false);
      await clock.advanceAsync(TTL_MS);
      expect(store.renewed).toEqual([]);
      expect(keeper.leases()).toEqual([]);
    });

    it('stops with the last lease', async () => {
      const keeper = keeperOf();
      const lease = await keeper.register(instance('a'), true);
      keeper.forget(keyed('a'));
      await store.remove(lease);
      expect(clock.pendingTimers).toBe(0);
    });

    it('never has two rounds under way', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      await keeper.register(instance('a'), true);
      const answer = store.hold('renew');
      await clock.advanceAsync(200_000);
      expect(store.timesOf('renew')).toEqual([20_000]);
      answer();
      await clock.advanceAsync(0);
      // It expired meanwhile, so there was reason for another round at once.
      expect(store.timesOf('renew')).toEqual([20_000, 200_000]);
      expect(await listed()).toHaveLength(1);
    });
  });

  describe('while the store is away', () => {
    it('tries again after 1 s, then at doubled steps up to the interval', async () => {
      await keeperOf().register(instance('a', 30_000), true);
      store.goAway();
      await clock.advanceAsync(46_999);
      expect(store.timesOf('renew')).toEqual([10_000, 11_000, 13_000, 17_000, 25_000, 35_000, 45_000]);
    });

    it('goes back to its pace afterwards', async () => {
      await keeperOf().register(instance('a', 30_000), true);
      store.goAway();
      await clock.advanceAsync(10_500);
      store.comeBack();
      await clock.advanceAsync(20_500);
      expect(store.timesOf('renew')).toEqual([10_000, 11_000, 21_000, 31_000]);
    });

    it('registers again what was lost meanwhile', async () => {
      await keeperOf().register(instance('a', 30_000), true);
      store.goAway();
      await clock.advanceAsync(60_000);
      expect(await listed()).toEqual([]);
      store.comeBack();
      await clock.advanceAsync(10_000);
      expect(await listed()).toHaveLength(1);
      expect(recovered).toHaveLength(1);
    });

    it('does not keep what failed to register', async () => {
      const keeper = keeperOf();
      store.goAway();
      await expect(keeper.register(instance('a'), true)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
      expect(keeper.leases()).toEqual([]);
      expect(clock.pendingTimers).toBe(0);
    });
  });

  describe('a lost lease', () => {
    it('is found at the next renewal: the same instance registers again, under a new generation', async () => {
      const keeper = keeperOf();
      const registered = instance('a', TTL_MS, { metadata: { team: 'x' }, tags: ['api'] });
      const first = await keeper.register(registered, true);
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

    it('is looked for at once where the registry shows the instance no more', async () => {
      const keeper = keeperOf();
      await keeper.register(instance('a'), true);
      await keeper.register(instance('b'), true);
      await store.restart();
      await follow(keeper);
      expect(store.timesOf('renew')).toEqual([0]);
      expect((await listed()).map(({ instanceId }) => instanceId)).toEqual(['a', 'b']);
    });

    it('is not looked for where the registry shows all', async () => {
      const keeper = keeperOf();
      await keeper.register(instance('a'), true);
      await follow(keeper);
      expect(store.timesOf('renew')).toEqual([]);
    });

    it('is not looked for where somebody deregistered the instance, until the next renewal', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await keeper.register(instance('a'), true);
      await store.truth.remove(lease);
      await clock.advanceAsync(0);
      expect(store.timesOf('renew')).toEqual([]);
    });

    it('of an id that a newer registration holds is left to it, and taken back when that expires', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      await keeper.register(instance('a', 30_000), true);
      const successor = await store.truth.put(instance('a', 25_000), 25_000);
      await clock.advanceAsync(24_999);
      expect((await listed()).map(({ generation }) => generation)).toEqual([successor.generation]);
      expect(recovered).toEqual([]);
      await clock.advanceAsync(1);
      expect(recovered).toHaveLength(1);
      expect((await listed())[0]?.generation).toBe(recovered[0]?.generation);
    });

    it('of an id that a newer registration holds is left to it, also by a process that has not heard of that', async () => {
      const keeper = keeperOf();
      await keeper.register(instance('a'), true);
      const successor = await store.truth.put(instance('a'), 2 * TTL_MS);
      await clock.advanceAsync(TTL_MS);
      expect((await listed()).map(({ generation }) => generation)).toEqual([successor.generation]);
      expect(recovered).toEqual([]);
    });

    it('is taken back from a predecessor that came back before', async () => {
      const [predecessor, keeper] = [keeperOf(), keeperOf()];
      await predecessor.register(instance('a', TTL_MS, { port: 1 }), true);
      await keeper.register(instance('a', TTL_MS, { port: 2 }), true);
      await store.restart();
      await clock.advanceAsync(TTL_MS);
      expect(await listed()).toMatchObject([{ port: 2 }]);
    });

    it('is kept after a recovery that took effect, but whose answer was lost', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const first = await keeper.register(instance('a'), true);
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

    it('that another address holds is left to it, also after a recovery without an answer', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      await store.truth.remove(await keeper.register(instance('a'), true));
      const recover = store.recover.bind(store);
      store.recover = () => Promise.reject(new RegistryUnavailableError('no answer came in time'));
      await clock.advanceAsync(20_500);
      store.recover = recover;
      const successor = await store.truth.put(instance('a', 600_000, { host: '10.0.0.9' }), 600_000);
      await clock.advanceAsync(60_000);
      expect((await listed()).map(({ generation }) => generation)).toEqual([successor.generation]);
    });

    it('is given up where the instance is deregistered while it registers again', async () => {
      const keeper = keeperOf();
      const lease = await keeper.register(instance('a'), true);
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

    it('gives way to a registration that comes while it is recovered', async () => {
      const keeper = keeperOf();
      const lease = await keeper.register(instance('a'), true);
      await store.truth.remove(lease);
      const answer = store.hold('recover');
      await clock.advanceAsync(20_000);
      const registering = keeper.register(instance('a', TTL_MS, { port: 9999 }), true);
      answer();
      const latest = await registering;
      await keeper.idle();
      expect(await listed()).toMatchObject([{ port: 9999, generation: latest.generation }]);
      expect(keeper.leases()).toEqual([latest]);
    });

    it('does not make the process register more than 16 instances at a time', async () => {
      const keeper = keeperOf();
      for (let index = 0; index < 40; index++) await keeper.register(instance(`i${index}`), true);
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

  describe("the operator's word", () => {
    it.each(['maintenance', 'draining'] as const)('%s is said again after a recovery', async (status) => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await keeper.register(instance('a'), true);
      await store.truth.setStatus(lease, status);
      await clock.advanceAsync(0);
      await store.truth.remove(lease);
      await clock.advanceAsync(20_000);
      expect(await listed()).toMatchObject([{ status, operatorStatus: status }]);
    });

    it('is said again later where the store goes away in between', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await keeper.register(instance('a'), true);
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

    it('that was taken back is not said again', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const lease = await keeper.register(instance('a'), true);
      await store.truth.setStatus(lease, 'maintenance');
      await store.truth.setStatus(lease, 'up');
      await clock.advanceAsync(0);
      await store.truth.remove(lease);
      await clock.advanceAsync(20_000);
      expect(await listed()).toMatchObject([{ status: 'unknown' }]);
    });

    it('that outlived a replacement is known, also where the change comes before the lease', async () => {
      const keeper = keeperOf();
      await follow(keeper);
      const first = await keeper.register(instance('a'), true);
      await store.truth.setStatus(first, 'maintenance');
      const answer = store.hold('put');
      const registering = keeper.register(instance('a'), true);
      await clock.advanceAsync(0);
      answer();
      const second = await registering;
      await store.truth.remove(second);
      await clock.advanceAsync(20_000);
      expect(await listed()).toMatchObject([{ status: 'maintenance' }]);
    });
  });

  it('does nothing any more once it is stopped', async () => {
    const keeper = keeperOf();
    await follow(keeper);
    const lease = await keeper.register(instance('a'), true);
    keeper.stop();
    await store.remove(lease);
    await clock.advanceAsync(60_000);
    await keeper.register(instance('b', 1_000), true);
    await clock.advanceAsync(1_000);
    expect(store.renewed).toEqual([]);
  });

  it('is idle when what is being registered is there', async () => {
    const keeper = keeperOf();
    const answer = store.hold('put');
    void keeper.register(instance('a'), true);
    let idle = false;
    const waiting = keeper.idle().then(() => (idle = true));
    await clock.advanceAsync(0);
    expect(idle).toBe(false);
    answer();
    await waiting;
    expect(keeper.leases()).toHaveLength(1);
  });
});
