import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../common/index.js';
import { EMPTY_SNAPSHOT, type EventName, type Lease } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { ManualClock } from '../testing/manual-clock.js';
import { FollowedServices } from './followed-services.js';
import { ServiceRegistry } from './service-registry.js';

let clock: ManualClock;
let store: FlakyRegistryStore;
let registry: ServiceRegistry;
let events: EventName[];

beforeEach(async () => {
  clock = new ManualClock();
  store = new FlakyRegistryStore(clock);
  events = [];
  const sink = { emit: (type: EventName) => void events.push(type) };
  registry = new ServiceRegistry(
    store,
    { follow: 'used', startTimeout: '2s' },
    { clock, random: () => 0, events: sink },
  );
  for (const name of ['users', 'orders', 'carts']) await put(name, 'a');
  await registry.start();
});

afterEach(async () => {
  await registry.close();
  await store.close();
  expect(clock.pendingTimers).toBe(0);
});

const put = (serviceName: string, instanceId: string): Promise<Lease> =>
  store.truth.put(fakeInstance({ serviceName, instanceId }), 86_400_000);
const idsOf = (name: string): string[] => registry.getInstances(name).map(({ instanceId }) => instanceId);

describe('a registry that follows what is used', () => {
  it('reads a service when it is asked for, and those alone', async () => {
    expect(registry.listServices()).toEqual([]);
    expect(registry.follows('users')).toBe(false);
    await registry.follow('users');
    expect(registry.follows('users')).toBe(true);
    expect(idsOf('users')).toEqual(['a']);
    await put('users', 'b');
    await put('orders', 'b');
    await clock.advanceAsync(0);
    expect(idsOf('users')).toEqual(['a', 'b']);
    expect([...registry.snapshot.services.keys()]).toEqual(['users']);
  });

  it('knows that a service which it follows is registered by nobody', async () => {
    await registry.follow('nobody');
    expect(registry.follows('nobody')).toBe(true);
    await put('nobody', 'a');
    await clock.advanceAsync(0);
    expect(idsOf('nobody')).toEqual(['a']);
  });

  it('shows the status that it set of an instance whose service it did not follow', async () => {
    expect(await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'maintenance')).toBe(true);
    expect(registry.getInstance({ serviceName: 'users', instanceId: 'a' })?.status).toBe('maintenance');
  });

  it('does not take what was there before for news, and tells of what comes after', async () => {
    await registry.follow('users');
    expect(events).toEqual([]);
    await put('users', 'b');
    await clock.advanceAsync(0);
    expect(events).toEqual(['instance.registered']);
  });

  it('misses no change of a service while it begins to follow others', async () => {
    await registry.follow('users');
    const list = registry.getInstances('users');
    store.lagMs = 50;
    const following = Promise.all([registry.follow('orders'), registry.follow('carts')]);
    await put('users', 'b');
    await clock.advanceAsync(500);
    await following;
    expect(idsOf('users')).toEqual(['a', 'b']);
    expect(registry.getInstances('users')[0]).toBe(list[0]);
    expect([...registry.snapshot.services.keys()].sort()).toEqual(['carts', 'orders', 'users']);
    expect(events).toEqual(['instance.registered']);
  });

  it('keeps a list as it is while others are added', async () => {
    await registry.follow('users');
    const list = registry.getInstances('users');
    await registry.follow('orders');
    expect(registry.getInstances('users')).toBe(list);
  });

  it('follows what it registers', async () => {
    await registry.register({ serviceName: 'mine', instanceId: 'x', host: '127.0.0.1', port: 1 });
    expect(idsOf('mine')).toEqual(['x']);
    await store.restart();
    await clock.advanceAsync(2_000);
    expect(registry.snapshot.connected).toBe(true);
    await clock.advanceAsync(30_000);
    expect(idsOf('mine')).toEqual(['x']);
  });

  it('refuses what it never read while the store is away, serves the rest, and finds both afterwards', async () => {
    await registry.follow('users');
    store.goAway();
    await clock.advanceAsync(0);
    await expect(registry.follow('orders')).rejects.toBeInstanceOf(RegistryUnavailableError);
    expect(idsOf('users')).toEqual(['a']);
    store.comeBack();
    await clock.advanceAsync(10_000);
    expect(registry.follows('orders')).toBe(true);
    expect(idsOf('orders')).toEqual(['a']);
    expect(events).toEqual(['registry.unavailable', 'registry.available']);
  });

  it('starts over when the store goes away while it begins to follow', async () => {
    await registry.follow('users');
    store.lagMs = 100;
    const following = registry.follow('orders');
    store.goAway();
    await clock.advanceAsync(100);
    await expect(following).rejects.toBeInstanceOf(RegistryUnavailableError);
    store.comeBack();
    await clock.advanceAsync(10_000);
    expect([...registry.snapshot.services.keys()].sort()).toEqual(['orders', 'users']);
  });

  it('keeps what a store that starts anew forgot while it begins to follow others', async () => {
    await registry.follow('users');
    await store.restart();
    await clock.advanceAsync(1_000);
    expect(idsOf('users')).toEqual(['a']);
    await registry.follow('orders');
    expect(idsOf('users')).toEqual(['a']);
    // Nobody registers it again.
    await clock.advanceAsync(10_000);
    expect(idsOf('users')).toEqual([]);
  });

  it('goes on following what is watched by name, however many names that nobody registered are asked for', async () => {
    const watching = new AbortController();
    const changes = registry.watch({ services: ['later'] }, watching.signal)[Symbol.asyncIterator]();
    await changes.next();
    for (let index = 0; index < 1_100; index++) await registry.follow(`n${index}`);
    await put('later', 'a');
    await clock.advanceAsync(0);
    expect(idsOf('later')).toEqual(['a']);
    watching.abort();
    for (let index = 0; index < 1_100; index++) await registry.follow(`m${index}`);
    await put('n1099', 'a');
    await clock.advanceAsync(0);
    expect(idsOf('n1099')).toEqual([]);
  });

  it('reads a service also where many names that nobody registered are asked for at the same time', async () => {
    store.lagMs = 20;
    const others = Array.from({ length: 1_500 }, (_, index) => registry.follow(`n${index}`));
    const following = registry.follow('users');
    others.push(...Array.from({ length: 1_500 }, (_, index) => registry.follow(`m${index}`)));
    await clock.advanceAsync(1_000);
    await Promise.all([following, ...others]);
    await clock.advanceAsync(1_000);
    expect(idsOf('users')).toEqual(['a']);
  });

  it('waits no longer than its start may take, or the caller wants', async () => {
    store.lagMs = 60_000;
    const leaving = new AbortController();
    const [slow, left] = [registry.follow('users'), registry.follow('orders', leaving.signal)];
    leaving.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    const late = expect(slow).rejects.toBeInstanceOf(RegistryUnavailableError);
    await clock.advanceAsync(2_000);
    await late;
  });

  it('asks the store for nothing that cannot be the name of a service', async () => {
    const before = store.timesOf('watch').length;
    await registry.follow('a b/../c');
    expect(registry.getInstances('a b/../c')).toEqual([]);
    expect(store.timesOf('watch')).toHaveLength(before);
  });

  it('follows what is watched by name, and ends an unknown instance of a service that it did not follow', async () => {
    const lease = await put('users', 'b');
    expect(await registry.deregister(lease)).toBe(true);
    expect(idsOf('users')).toEqual(['a']);
    for await (const change of registry.watch({ services: ['carts'] })) {
      expect(change).toMatchObject({ type: 'reset', instances: [{ serviceName: 'carts', instanceId: 'a' }] });
      break;
    }
  });
});

describe('FollowedServices', () => {
  it('never forgets what is being read, or is needed, however many names there are', () => {
    const followed = new FollowedServices((name) => name === 'watched');
    const snapshot = { ...EMPTY_SNAPSHOT, connected: true, scope: new Set<string>(['watched']) };
    followed.add('watched', snapshot);
    followed.add('read', snapshot);
    for (let index = 0; index < 2_000; index++) {
      followed.add(`n${index}`, { ...snapshot, scope: new Set(['watched', `n${index - 1}`]) });
    }
    expect([followed.has('watched'), followed.has('read')]).toEqual([true, true]);
    expect(followed.exceeds(['watched'])).toBe(true);
    expect(followed.exceeds(followed.names)).toBe(false);
  });

  it('forgets names that nobody registered when there are too many, and no others', () => {
    const followed = new FollowedServices();
    const snapshot = { ...EMPTY_SNAPSHOT, services: new Map([['users', [fakeInstance({ serviceName: 'users' })]]]) };
    expect(followed.add('users', snapshot)).toBe(true);
    expect(followed.add('users', snapshot)).toBe(false);
    for (let index = 0; index < 5_000; index++) {
      followed.add(`n${index}`, snapshot);
      expect(followed.names.length).toBeLessThanOrEqual(1_002);
    }
    expect(followed.has('users')).toBe(true);
    expect(followed.has('n4999')).toBe(true);
  });
});
