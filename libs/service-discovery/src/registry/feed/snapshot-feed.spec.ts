import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  changeInstance,
  findInstance,
  steadyList,
  type Change,
  type EventSink,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { FlakyRegistryStore } from '../../testing/flaky-registry-store.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { QueueOverlay } from '../offline/offline-writes.js';
import { resetWithin, SnapshotFeed, type SnapshotFeedDeps } from './snapshot-feed.js';

type Told = { type: Change['type'] | 'connection'; connected: boolean } | { lost: string } | { regained: number };

let clock: ManualClock;
let store: FlakyRegistryStore;
let told: Told[];
let feeds: SnapshotFeed[];

beforeEach(() => {
  clock = new ManualClock();
  store = new FlakyRegistryStore(clock);
  told = [];
  feeds = [];
});

afterEach(async () => {
  await Promise.all(feeds.map((feed) => feed.close()));
  await store.close();
  expect(clock.pendingTimers).toBe(0);
});

const events: EventSink = {
  emit: (type, payload) => {
    if (type === 'registry.unavailable') told.push({ lost: (payload as { reason: string }).reason });
    if (type === 'registry.available') told.push({ regained: (payload as { downMs: number }).downMs });
  },
};

/** @param random returned on each call; 1 leaves the delays at their full length */
function feedOf(random = 1, more: Partial<SnapshotFeedDeps> = {}): SnapshotFeed {
  const feed = new SnapshotFeed(store, {
    clock,
    random: () => random,
    renewals: false,
    follow: 'all',
    events,
    ...more,
  });
  feed.listen({
    changed: ({ connected }, _previous, change) => told.push({ type: change?.type ?? 'connection', connected }),
  });
  feeds.push(feed);
  return feed;
}

const put = (instanceId: string, serviceName = 'users') =>
  store.truth.put(fakeInstance({ instanceId, serviceName }), 86_400_000);
const idsIn = ({ services }: RegistrySnapshot, name = 'users') => services.get(name)?.map((known) => known.instanceId);

describe('SnapshotFeed', () => {
  it('is empty and not ready before start()', () => {
    const feed = feedOf();
    expect(feed.snapshot).toMatchObject({ ready: false, connected: false, revision: 0 });
    expect(feed.snapshot.services.size).toBe(0);
    clock.advance(700);
    expect(feed.ageMs()).toBe(700);
  });

  it('has the registered instances once start() resolves', async () => {
    await put('a');
    const feed = feedOf();
    await feed.start(5_000);
    expect(idsIn(feed.snapshot)).toEqual(['a']);
    expect(feed.snapshot).toMatchObject({ ready: true, connected: true });
    expect(told).toEqual([{ type: 'reset', connected: true }]);
  });

  it('follows every change with an age of 0', async () => {
    const feed = feedOf();
    await feed.start(5_000);
    const lease = await put('a');
    await clock.advanceAsync(60_000);
    expect(idsIn(feed.snapshot)).toEqual(['a']);
    expect(feed.ageMs()).toBe(0);
    await store.truth.remove(lease);
    await clock.advanceAsync(0);
    expect(feed.snapshot.services.size).toBe(0);
  });

  it('keeps the lists of services that a change does not affect', async () => {
    const feed = feedOf();
    await put('a', 'users');
    await feed.start(5_000);
    const before = feed.snapshot.services.get('users');
    await put('b', 'orders');
    await clock.advanceAsync(0);
    expect(feed.snapshot.services.get('orders')).toHaveLength(1);
    expect(feed.snapshot.services.get('users')).toBe(before);
  });

  it('starts in bounded time while the store is unreachable, and goes on trying', async () => {
    store.goAway();
    const feed = feedOf();
    const start = feed.start(2_000);
    await clock.advanceAsync(2_000);
    await start;
    expect(feed.snapshot.ready).toBe(false);
    expect(told).toEqual([{ lost: 'The store is away' }]);

    await put('a');
    store.comeBack();
    await clock.advanceAsync(5_000);
    expect(idsIn(feed.snapshot)).toEqual(['a']);
    expect(told.slice(1)).toEqual([{ type: 'reset', connected: true }, { regained: 3_100 }]);
  });

  describe('while the store is unreachable', () => {
    it('keeps the last snapshot and counts its age', async () => {
      await put('a');
      const feed = feedOf();
      await feed.start(5_000);
      store.goAway();
      await clock.advanceAsync(3_600_000);
      expect(idsIn(feed.snapshot)).toEqual(['a']);
      expect(feed.snapshot).toMatchObject({ ready: true, connected: false });
      expect(feed.ageMs()).toBe(3_600_000);
    });

    it('reports the loss once and the return once', async () => {
      const feed = feedOf();
      await feed.start(5_000);
      store.goAway();
      await clock.advanceAsync(60_000);
      store.comeBack();
      await clock.advanceAsync(5_000);
      expect(told).toEqual([
        { type: 'reset', connected: true },
        { type: 'connection', connected: false },
        { lost: 'The connection was lost' },
        { type: 'reset', connected: true },
        { regained: expect.any(Number) },
      ]);
      expect(feed.ageMs()).toBe(0);
    });

    it('retries after 100 ms, then with doubled delays up to 5 s', async () => {
      const feed = feedOf();
      store.goAway();
      await Promise.all([feed.start(0), clock.advanceAsync(16_300)]);
      expect(store.timesOf('watch')).toEqual([0, 100, 300, 700, 1_500, 3_100, 6_300, 11_300, 16_300]);
    });

    it('jitters each delay between half and all of it', async () => {
      store.goAway();
      await Promise.all([feedOf(0).start(0), clock.advanceAsync(750)]);
      expect(store.timesOf('watch')).toEqual([0, 50, 150, 350, 750]);
    });

    it('retries at once when the store reports that it can be reached', async () => {
      store.reportsReachable = true;
      const feed = feedOf();
      store.goAway();
      await Promise.all([feed.start(0), clock.advanceAsync(7_000)]);
      store.comeBack();
      await clock.advanceAsync(0);
      expect(store.timesOf('watch')).toEqual([0, 100, 300, 700, 1_500, 3_100, 6_300, 7_000]);
      expect(feed.snapshot.connected).toBe(true);
    });

    it('does not hammer a store that answers and fails at once', async () => {
      await feedOf().start(5_000);
      for (let round = 0; round < 4; round++) {
        store.goAway();
        store.comeBack();
        await clock.advanceAsync(round === 3 ? 799 : 100 * 2 ** round);
      }
      expect(store.timesOf('watch')).toEqual([0, 100, 300, 700]);
    });

    it('resets the backoff after a watch that lasted', async () => {
      const feed = feedOf();
      await feed.start(5_000);
      for (let round = 0; round < 3; round++) {
        store.goAway();
        store.comeBack();
        await clock.advanceAsync(100);
        expect(feed.snapshot.connected).toBe(true);
        await clock.advanceAsync(5_000);
      }
      expect(store.timesOf('watch')).toEqual([0, 100, 5_200, 10_300]);
    });
  });

  describe('close()', () => {
    it('ends the watch and leaves the snapshot readable', async () => {
      await put('a');
      const feed = feedOf();
      await feed.start(5_000);
      await feed.close();
      await put('b');
      await clock.advanceAsync(10_000);
      expect(idsIn(feed.snapshot)).toEqual(['a']);
      expect(feed.snapshot.connected).toBe(false);
      expect(store.timesOf('watch')).toEqual([0]);
      expect(told).not.toContainEqual({ lost: expect.anything() });
    });

    it('ends a backoff delay', async () => {
      store.goAway();
      const feed = feedOf();
      await Promise.all([feed.start(0), clock.advanceAsync(0)]);
      expect(clock.pendingTimers).toBe(1);
      await feed.close();
      expect(clock.pendingTimers).toBe(0);
    });

    it('ends a pending start()', async () => {
      store.goAway();
      const feed = feedOf();
      const start = feed.start(60_000);
      await feed.close();
      await start;
      expect(clock.pendingTimers).toBe(0);
    });

    it('makes a later start() do nothing', async () => {
      const feed = feedOf();
      await feed.close();
      await feed.start(5_000);
      expect(store.calls).toEqual([]);
    });
  });

  it('keeps a registration when the store reports the end of an older one under its id', async () => {
    const older = await put('a');
    await put('a');
    const outdated = { type: 'remove', revision: 3, key: older, reason: 'deregistered', generation: older.generation };
    const changes = async function* (...args: Parameters<FlakyRegistryStore['watch']>): AsyncGenerator<Change> {
      for await (const change of store.truth.watch(...args)) {
        yield change;
        if (change.type === 'reset') yield outdated as Change;
      }
    };
    store.watch = changes;
    const feed = feedOf();
    await feed.start(5_000);
    await put('b');
    await clock.advanceAsync(0);
    expect(idsIn(feed.snapshot)).toEqual(['a', 'b']);
    expect(told.map((one) => 'type' in one && one.type)).toEqual(['reset', 'put']);
  });

  describe('with a store that restarts without its data', () => {
    const returned = async (): Promise<SnapshotFeed> => {
      for (const id of ['a', 'b', 'c']) await put(id);
      const feed = feedOf();
      await feed.start(5_000);
      await store.restart();
      await clock.advanceAsync(100);
      expect(told.at(-1)).toEqual({ regained: 100 });
      return feed;
    };

    it('keeps known instances for 10 s so that they can register again', async () => {
      const feed = await returned();
      await put('b');
      await clock.advanceAsync(9_999);
      expect(idsIn(feed.snapshot)).toEqual(['a', 'b', 'c']);
      await clock.advanceAsync(1);
      expect(idsIn(feed.snapshot)).toEqual(['b']);
      expect(told.slice(-2)).toEqual([
        { type: 'remove', connected: true },
        { type: 'remove', connected: true },
      ]);
    });

    it('drops at once an instance that the store reports as removed', async () => {
      const feed = await returned();
      await store.truth.remove(await put('b'));
      await clock.advanceAsync(0);
      expect(idsIn(feed.snapshot)).toEqual(['a', 'c']);
    });

    it('keeps its instances, and stops the grace period, when the store is lost again', async () => {
      const feed = await returned();
      store.goAway();
      await clock.advanceAsync(60_000);
      expect(idsIn(feed.snapshot)).toEqual(['a', 'b', 'c']);
    });

    it('keeps known instances for 10 s from the first loss, however often the store restarts', async () => {
      const feed = await returned();
      await put('b');
      await clock.advanceAsync(6_000);
      await store.restart();
      // The watch is back after 100 ms, which do not count.
      await clock.advanceAsync(100);
      await clock.advanceAsync(3_999);
      expect(idsIn(feed.snapshot)?.sort()).toEqual(['a', 'b', 'c']);
      await clock.advanceAsync(1);
      expect(idsIn(feed.snapshot)).toEqual(['b']);
      await clock.advanceAsync(6_000);
      expect(idsIn(feed.snapshot)).toBeUndefined();
    });

    it('continues the grace period after a lost connection without data loss', async () => {
      const feed = await returned();
      store.reportsReachable = true;
      await clock.advanceAsync(6_000);
      store.goAway();
      await clock.advanceAsync(60_000);
      store.comeBack();
      await clock.advanceAsync(3_999);
      expect(idsIn(feed.snapshot)).toEqual(['a', 'b', 'c']);
      await clock.advanceAsync(1);
      expect(idsIn(feed.snapshot)).toBeUndefined();
    });

    it('drops no instance after close()', async () => {
      const feed = await returned();
      await feed.close();
      await clock.advanceAsync(10_000);
      expect(idsIn(feed.snapshot)).toEqual(['a', 'b', 'c']);
    });
  });

  it('drops at once what left during an outage of a store that kept its data', async () => {
    const lease = await put('a');
    await put('b');
    const feed = feedOf();
    await feed.start(5_000);
    store.goAway();
    await clock.advanceAsync(0);
    await store.truth.remove(lease);
    store.comeBack();
    await clock.advanceAsync(5_000);
    expect(idsIn(feed.snapshot)).toEqual(['b']);
  });

  it('keeps overlaid instances through heartbeats, and passes later changes of the store on', async () => {
    const lease = await put('a');
    const key = { serviceName: 'users', instanceId: 'a' };
    const writes = {
      size: 1,
      keys: () => [key],
      show: (_key: unknown, stored: ServiceInstance | undefined) =>
        stored && writes.size > 0 ? changeInstance(stored, { status: 'maintenance' }) : stored,
    };
    const feed = feedOf(1, { renewals: true });
    feed.showThrough(new QueueOverlay(writes));
    await feed.start(5_000);
    await clock.advanceAsync(1_000);
    await store.truth.renew([lease]);
    await clock.advanceAsync(0);
    const renewed = findInstance(feed.snapshot, key)!;
    expect(renewed.status).toBe('maintenance');
    expect(renewed.lastHeartbeat).toBe(renewed.registeredAt + 1_000);

    writes.size = 0;
    feed.refresh(key);
    const list = feed.snapshot.services.get('users')!;
    expect([list, steadyList(list)].map(([shown]) => shown?.status)).toEqual(['unknown', 'unknown']);
  });

  it('opens watches outside the async context of the first lookup', async () => {
    const requests = new AsyncLocalStorage<string>();
    const watchedIn: (string | undefined)[] = [];
    const watch = store.watch.bind(store);
    store.watch = (...args) => {
      watchedIn.push(requests.getStore());
      return watch(...args);
    };
    await put('a');
    const feed = feedOf(1, { follow: 'used' });
    await feed.start(5_000);
    requests.run('a request', () => feed.follow('users'));
    await clock.advanceAsync(0);
    expect(idsIn(feed.snapshot)).toEqual(['a']);
    expect(watchedIn).toEqual([undefined, undefined]);
  });

  it('opens one watch for several calls of start()', async () => {
    const feed = feedOf();
    await Promise.all([feed.start(5_000), feed.start(5_000)]);
    await feed.start(5_000);
    expect(store.timesOf('watch')).toHaveLength(1);
  });
});

describe('resetWithin', () => {
  it('makes the first change of a watch from a snapshot, or null before the first one', async () => {
    const feed = feedOf();
    expect(resetWithin(feed.snapshot, {})).toBeNull();
    await put('a', 'users');
    await put('b', 'orders');
    await feed.start(5_000);
    const ids = (services?: string[]) =>
      resetWithin(feed.snapshot, { services })?.instances.map(({ instanceId }) => instanceId);
    expect(ids()).toEqual(['a', 'b']);
    expect(ids(['orders', 'orders', 'absent'])).toEqual(['b']);
    expect(ids([])).toEqual([]);
  });
});
