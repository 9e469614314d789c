import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../../common/index.js';
import { EMPTY_SNAPSHOT, type EventName, type Lease } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { FlakyRegistryStore } from '../../testing/flaky-registry-store.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { FollowedServices } from './followed-services.js';
import { ServiceRegistry } from '../service-registry.js';

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

describe('a registry that follows used services only', () => {
  it('reads a service once it is followed, and no others', async () => {
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

  it('follows a service without instances', async () => {
    await registry.follow('absent');
    expect(registry.follows('absent')).toBe(true);
    await put('absent', 'a');
    await clock.advanceAsync(0);
    expect(idsOf('absent')).toEqual(['a']);
  });

  it('shows the status that it set in a service it did not follow before', async () => {
    expect(await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'maintenance')).toBe(true);
    expect(registry.getInstance({ serviceName: 'users', instanceId: 'a' })?.status).toBe('maintenance');
  });

  it('reports changes of a followed service, but not the instances that existed before', async () => {
    await registry.follow('users');
    expect(events).toEqual([]);
    await put('users', 'b');
    await clock.advanceAsync(0);
    expect(events).toEqual(['instance.registered']);
  });

  it('misses no change of a service while it starts to follow others', async () => {
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

  it('keeps the list of a service while others are added', async () => {
    await registry.follow('users');
    const list = registry.getInstances('users');
    await registry.follow('orders');
    expect(registry.getInstances('users')).toBe(list);
  });

  it('follows the services of its own registrations', async () => {
    await registry.register({ serviceName: 'mine', instanceId: 'x', host: '127.0.0.1', port: 1 });
    expect(idsOf('mine')).toEqual(['x']);
    await store.restart();
    await clock.advanceAsync(2_000);
    expect(registry.snapshot.connected).toBe(true);
    await clock.advanceAsync(30_000);
    expect(idsOf('mine')).toEqual(['x']);
  });

  it('rejects unread services while the store is unreachable, and reads them afterwards', async () => {
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

  it('starts over if the store fails while the watch is being widened', async () => {
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

  it('keeps the instances that a restarted store lost while the watch is being widened', async () => {
    await registry.follow('users');
    await store.restart();
    await clock.advanceAsync(1_000);
    expect(idsOf('users')).toEqual(['a']);
    await registry.follow('orders');
    expect(idsOf('users')).toEqual(['a']);
    // Its process does not register it again.
    await clock.advanceAsync(10_000);
    expect(idsOf('users')).toEqual([]);
  });

  it('keeps following a watched service when many names without instances are looked up', async () => {
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

  it('reads a service while many names without instances are looked up', async () => {
    store.lagMs = 20;
    const others = Array.from({ length: 1_500 }, (_, index) => registry.follow(`n${index}`));
    const following = registry.follow('users');
    others.push(...Array.from({ length: 1_500 }, (_, index) => registry.follow(`m${index}`)));
    await clock.advanceAsync(1_000);
    await Promise.all([following, ...others]);
    await clock.advanceAsync(1_000);
    expect(idsOf('users')).toEqual(['a']);
  });

  it('waits at most startTimeout, or until the signal aborts', async () => {
    store.lagMs = 60_000;
    const leaving = new AbortController();
    const [slow, left] = [registry.follow('users'), registry.follow('orders', leaving.signal)];
    leaving.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    const late = expect(slow).rejects.toBeInstanceOf(RegistryUnavailableError);
    await clock.advanceAsync(2_000);
    await late;
  });

  it('does not ask the store for an invalid service name', async () => {
    const before = store.timesOf('watch').length;
    await registry.follow('a b/../c');
    expect(registry.getInstances('a b/../c')).toEqual([]);
    expect(store.timesOf('watch')).toHaveLength(before);
  });

  it('follows services that are watched by name, and deregisters an instance of a service not followed before', async () => {
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
  it('never forgets a name that is being read or is needed', () => {
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

  it('forgets only names without instances once there are too many', () => {
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
