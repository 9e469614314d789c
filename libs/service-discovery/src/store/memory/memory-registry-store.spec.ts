import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError, seededRandom, type Timer } from '../../common/index.js';
import { type Change, type ServiceInstance } from '../../model/index.js';
import { ChangeRecorder } from '../../testing/change-recorder.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { registryStoreContract } from '../../testing/registry-store-contract.js';
import { haveSameShape } from '../../../../../test/support/object-shapes.js';
import { HEALTH_ANNOUNCEMENT_INTERVAL_MS } from '../registry-store.js';
import { MemoryRegistryStore } from './memory-registry-store.js';

/** A stalled process: timers fire this much too late. */
class StallingClock extends ManualClock {
  lateMs = 0;

  override setTimer(fn: () => void, ms: number): Timer {
    return super.setTimer(fn, ms + this.lateMs);
  }
}

const TTL_MS = 10_000;
const instance = (instanceId: string): ServiceInstance => fakeInstance({ serviceName: 'users', instanceId });
const key = { serviceName: 'users', instanceId: 'a' };

async function idsIn(store: MemoryRegistryStore): Promise<string[]> {
  for await (const change of store.watch({}, new AbortController().signal)) {
    if (change.type === 'reset') return change.instances.map(({ instanceId }) => instanceId);
  }
  return [];
}

describe('MemoryRegistryStore', () => {
  registryStoreContract({ describe, it, beforeEach, afterEach }, async () => {
    const clock = new ManualClock();
    const store = new MemoryRegistryStore({ clock });
    return { store, advance: (ms) => clock.advanceAsync(ms), close: () => store.close() };
  });

  it('keeps all instances in one hidden class, and publishes heartbeats with them', async () => {
    const store = new MemoryRegistryStore({ clock: new ManualClock() });
    const recorder = new ChangeRecorder(store, { renewals: true });
    await recorder.waitFor('the reset', ({ type }) => type === 'reset');
    const [a] = await Promise.all(['a', 'b'].map((id) => store.put(instance(id), TTL_MS)));
    await store.setStatus(key, 'healthy', { checkedAt: 1 });
    await store.setStatus(key, 'maintenance');
    await store.renew([a!]);
    const renewal = await recorder.waitFor('the renewal', ({ type }) => type === 'renewed');
    const renewed = renewal.type === 'renewed' ? renewal.instances?.[0] : undefined;
    const [shown, other] = recorder.snapshot.services.get('users') ?? [];
    expect(shown).toBe(renewed);
    expect(haveSameShape(shown!, other!)).toBe(true);
    await store.close();
  });

  describe('the timer', () => {
    it('is one for all leases, and is cancelled with the last of them', async () => {
      const clock = new ManualClock();
      const store = new MemoryRegistryStore({ clock });
      const leases = await Promise.all(['a', 'b', 'c'].map((id, index) => store.put(instance(id), TTL_MS + index)));
      expect(clock.pendingTimers).toBe(1);
      for (const lease of leases) await store.remove(lease);
      expect(clock.pendingTimers).toBe(0);
    });

    it('is cancelled when the store closes', async () => {
      const clock = new ManualClock();
      const store = new MemoryRegistryStore({ clock });
      await store.put(instance('a'), TTL_MS);
      await store.close();
      expect(clock.pendingTimers).toBe(0);
    });

    it('keeps running while expiry is held, also when the service is empty', async () => {
      const clock = new ManualClock();
      const store = new MemoryRegistryStore({ clock });
      const recorder = new ChangeRecorder(store);
      const leases = await Promise.all(['a', 'b', 'c'].map((id) => store.put(instance(id), TTL_MS)));
      await clock.advanceAsync(TTL_MS);
      expect(recorder.snapshot.expiryHolds.size).toBe(1);
      for (const lease of leases) await store.remove(lease);
      expect(clock.pendingTimers).toBe(1);
      await clock.advanceAsync(1_000);
      expect(recorder.snapshot.expiryHolds.size).toBe(0);
      expect(clock.pendingTimers).toBe(0);
      await recorder.stop();
      await store.close();
    });

    it('finds expired leases among many that are renewed, replaced and removed', async () => {
      const [clock, random] = [new ManualClock(), seededRandom(7)];
      const store = new MemoryRegistryStore({ clock, selfPreservation: false });
      const due = new Map<string, number>();
      for (let step = 0; step < 2_000; step++) {
        const id = `i${Math.floor(random() * 60)}`;
        const ttlMs = 1_000 + Math.floor(random() * 20_000);
        const lease = await store.put(instance(id), ttlMs);
        due.set(id, clock.now() + ttlMs);
        if (random() < 0.2) {
          await store.remove(lease);
          due.delete(id);
        }
        clock.advance(Math.floor(random() * 600));
        for (const [known, at] of due) if (at <= clock.now()) due.delete(known);
        if (step % 50 === 0) expect(new Set(await idsIn(store))).toEqual(new Set(due.keys()));
      }
      clock.advance(30_000);
      expect(await idsIn(store)).toEqual([]);
      expect(clock.pendingTimers).toBe(0);
    });
  });

  describe('after a stall of the process', () => {
    it('extends leases by the duration of the stall, since no heartbeat could arrive', async () => {
      const clock = new StallingClock();
      const store = new MemoryRegistryStore({ clock });
      clock.lateMs = 5_000;
      const lease = await store.put(instance('a'), TTL_MS);
      await store.put(instance('b'), TTL_MS);
      clock.lateMs = 0;
      clock.advance(15_000);
      expect(await idsIn(store)).toEqual(['a', 'b']);
      expect(await store.renew([lease])).toEqual([true]);
      clock.advance(4_999);
      expect(await idsIn(store)).toEqual(['a', 'b']);
      clock.advance(1);
      expect(await idsIn(store)).toEqual(['a']);
      await store.close();
    });

    it('extends leases by at most 30 s', async () => {
      const clock = new StallingClock();
      const store = new MemoryRegistryStore({ clock });
      clock.lateMs = 3_600_000;
      await store.put(instance('a'), TTL_MS);
      clock.lateMs = 0;
      clock.advance(TTL_MS + 3_600_000 + 29_999);
      expect(await idsIn(store)).toEqual(['a']);
      clock.advance(1);
      expect(await idsIn(store)).toEqual([]);
    });

    it('does not take a slightly late timer for a stall', async () => {
      const clock = new StallingClock();
      const store = new MemoryRegistryStore({ clock });
      clock.lateMs = 1_000;
      await store.put(instance('a'), TTL_MS);
      clock.advance(TTL_MS + 1_000);
      expect(await idsIn(store)).toEqual([]);
    });
  });

  it('restarts a hold after a stall of the process, since no heartbeat could arrive', async () => {
    const clock = new StallingClock();
    const store = new MemoryRegistryStore({ clock });
    for (const id of ['a', 'b', 'c']) await store.put(instance(id), TTL_MS);
    clock.lateMs = 20_000;
    clock.advance(TTL_MS);
    clock.lateMs = 0;
    clock.advance(21_000);
    // 20 s of grace, then one more lease.
    clock.advance(20_000 + TTL_MS - 1);
    expect(await idsIn(store)).toEqual(['a', 'b', 'c']);
    clock.advance(1_001);
    expect(await idsIn(store)).toEqual([]);
    await store.close();
  });

  it('publishes an unchanged health once a minute, but shows the latest in a reset', async () => {
    const clock = new ManualClock();
    const store = new MemoryRegistryStore({ clock });
    const recorder = new ChangeRecorder(store);
    await store.put(instance('a'), 86_400_000);
    for (let check = 0; check < 13; check++) {
      await store.setStatus(key, 'healthy', { checkedAt: clock.epoch(), latencyMs: check });
      await clock.advanceAsync(HEALTH_ANNOUNCEMENT_INTERVAL_MS / 6);
    }
    const published = recorder.changes.filter(({ type }) => type === 'put') as Extract<Change, { type: 'put' }>[];
    expect(published.map((change) => change.instance.health?.latencyMs)).toEqual([undefined, 0, 6, 12]);
    await recorder.stop();
    await store.close();
  });

  it('drops the health detail when the status changes without one', async () => {
    const store = new MemoryRegistryStore({ clock: new ManualClock() });
    const recorder = new ChangeRecorder(store);
    await store.put(instance('a'), TTL_MS);
    await store.setStatus(key, 'unhealthy', { checkedAt: 1, reason: 'status 503' });
    await store.setStatus(key, 'unhealthy');
    await store.setStatus(key, 'healthy');
    await recorder.waitFor(
      'the last status',
      (change) => change.type === 'put' && change.instance.status === 'healthy',
    );
    expect(recorder.snapshot.services.get('users')?.[0]?.health).toBeUndefined();
    await recorder.stop();
    await store.close();
  });

  it('assigns greater generations after a restart of the process', async () => {
    const clock = new ManualClock();
    const before = await new MemoryRegistryStore({ clock }).put(instance('a'), TTL_MS);
    clock.advance(1_000);
    const restarted = new MemoryRegistryStore({ clock });
    const after = await restarted.put(instance('a'), TTL_MS);
    expect(after.generation).toBeGreaterThan(before.generation);
    expect(await restarted.remove(before)).toBe(false);
    await restarted.close();
  });

  it('rejects all calls after close()', async () => {
    const store = new MemoryRegistryStore({ clock: new ManualClock() });
    const lease = await store.put(instance('a'), TTL_MS);
    await store.close();
    await store.close();
    const asked = [
      store.put(instance('a'), TTL_MS),
      store.renew([lease]),
      store.remove(lease),
      store.setStatus(key, 'up'),
    ];
    for (const answer of asked) await expect(answer).rejects.toBeInstanceOf(RegistryUnavailableError);
    expect(await idsIn(store)).toEqual([]);
  });
});
