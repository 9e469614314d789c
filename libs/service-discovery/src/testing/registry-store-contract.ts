import assert from 'node:assert/strict';
import {
  PROTOCOLS,
  toInstance,
  type Change,
  type Lease,
  type ServiceInstance,
  type ServiceRegistration,
} from '../model/index.js';
import { type RegistryStore } from '../store/index.js';
import { ChangeRecorder } from './change-recorder.js';
import { checkedLeaseContract } from './checked-lease-contract.js';
import { expiryHoldContract } from './expiry-hold-contract.js';
import { type RegistryStoreFixture, type TestHarness } from './harness.js';

const TTL_MS = 10_000;

/**
 * Tests that every {@link RegistryStore} has to pass. Delivery may be asynchronous.
 * @param harness the test runner, such as Jest's globals
 * @param create creates an empty store
 */
export function registryStoreContract(harness: TestHarness, create: () => Promise<RegistryStoreFixture>): void {
  const { describe, it, beforeEach, afterEach } = harness;
  let fixture: RegistryStoreFixture;
  let store: RegistryStore;
  let recorders: ChangeRecorder[];
  let markers = 0;

  const watch = (scope = {}, on: RegistryStore = store): ChangeRecorder => {
    const recorder = new ChangeRecorder(on, scope);
    recorders.push(recorder);
    return recorder;
  };
  /** Watches and waits for the reset. */
  const watching = async (scope = {}, on: RegistryStore = store): Promise<ChangeRecorder> => {
    const recorder = watch(scope, on);
    await recorder.waitFor('a reset', isReset);
    return recorder;
  };
  const secondView = async (): Promise<RegistryStore> => (fixture.another ? fixture.another() : store);
  const put = (id: string, more: Partial<ServiceRegistration> = {}): Promise<Lease> =>
    store.put(instanceOf(id, more), TTL_MS);
  /** Writes a marker and waits for it: what has not been seen by then did not happen. */
  const catchUp = async (recorder: ChangeRecorder): Promise<void> => {
    const id = `marker-${++markers}`;
    await store.put(instanceOf(id), 86_400_000);
    await recorder.waitFor(`put of ${id}`, putOf(id));
  };

  describe('as a registry store', () => {
    beforeEach(async () => {
      recorders = [];
      fixture = await create();
      store = fixture.store;
    });
    afterEach(async () => {
      await Promise.all(recorders.map((recorder) => recorder.stop()));
      await fixture.close();
    });

    describe('splitting calls', () => {
      const split = { via: { url: 'http://kong:8000/users', share: 20 } };
      const moved = { via: { ...split.via, share: 12.5 } };
      const setSplit: NonNullable<RegistryStore['setSplit']> = (...args) => store.setSplit!(...args);
      const splitTo =
        (share: number) =>
        (change: Change): boolean =>
          change.type === 'split' && change.split.via?.share === share;

      it('publishes a split, and shows it in the next reset, of a service without instances too', async () => {
        const [all, other] = [await watching({}, await secondView()), await watching({ services: ['orders'] })];
        assert.equal(await setSplit('users', split, undefined), true);
        await all.waitFor('the split', splitTo(20));
        const late = await watching({}, await secondView());
        const [reset] = late.changes;
        assert.deepEqual(reset?.type === 'reset' && [...(reset.splits ?? [])], [['users', split]]);
        await store.put(instanceOf('o', { serviceName: 'orders' }), TTL_MS);
        await other.waitFor('put of o', putOf('o'));
        assert.equal(other.changes.some(splitTo(20)), false);
      });

      it('changes nothing for a process that has not seen the last change', async () => {
        const recorder = await watching();
        assert.equal(await setSplit('users', split, undefined), true);
        assert.equal(await setSplit('users', moved, undefined), false);
        assert.equal(await setSplit('users', moved, split), true);
        assert.equal(await setSplit('users', split, split), false);
        await recorder.waitFor('the second split', splitTo(12.5));
        await catchUp(recorder);
        assert.equal(recorder.changes.filter(({ type }) => type === 'split').length, 2);
      });

      it('keeps the split while instances come and go, and lists none for it', async () => {
        const recorder = await watching();
        await setSplit('users', split, undefined);
        const lease = await put('a');
        await store.remove(lease);
        await recorder.waitFor('the removal', ({ type }) => type === 'remove');
        const [reset] = (await watching({}, await secondView())).changes;
        assert.deepEqual(reset?.type === 'reset' && [reset.instances, [...(reset.splits ?? [])]], [
          [],
          [['users', split]],
        ]);
      });
    });

    describe('registering', () => {
      it('publishes a new instance with all fields and unknown health', async () => {
        const recorder = await watching();
        const registered = instanceOf('a', {
          metadata: { team: 'x' },
          tags: ['api'],
          version: '1.2.3',
          weight: 7,
          zone: 'z',
          tier: 'web',
          dependencies: ['orders', 'mail'],
          healthCheck: {
            type: 'http',
            interval: 5_000,
            timeout: 250,
            headers: { 'x-token': 'a' },
            healthyStatuses: [200, [202, 204]],
            body: { path: 'db', equals: ['up', null] },
            tls: { rejectUnauthorized: false, servername: 'users.internal' },
          },
        });
        const lease = await store.put(registered, TTL_MS);
        const { instance } = await recorder.waitFor('put of a', putOf('a'));
        assert.deepEqual(
          { ...plain(instance), registeredAt: 0, lastHeartbeat: 0 },
          { ...plain(registered), generation: lease.generation, ttlMs: TTL_MS, registeredAt: 0, lastHeartbeat: 0 },
        );
        assert.equal(lease.ttlMs, TTL_MS);
        assert.equal(lease.serviceName, 'users');
        assert.equal(lease.instanceId, 'a');
      });

      it('keeps any protocol of an instance', async () => {
        const recorder = await watching();
        for (const protocol of PROTOCOLS) await put(protocol, { protocol });
        for (const protocol of PROTOCOLS) {
          const { instance } = await recorder.waitFor(`put of ${protocol}`, putOf(protocol));
          assert.equal(instance.protocol, protocol);
          assert.equal(instance.healthCheckPath, protocol.startsWith('http') ? '/health' : null);
        }
      });

      it('replaces the registration under an id and gives it a greater generation', async () => {
        const recorder = await watching();
        const first = await put('a', { port: 1111 });
        const second = await put('a', { port: 2222 });
        assert.ok(second.generation > first.generation);
        await recorder.waitFor('the second put', (change) => putOf('a')(change) && change.instance.port === 2222);
        assert.equal(recorder.snapshot.services.get('users')?.length, 1);
      });

      it('gives a greater generation to an id that was deregistered in between', async () => {
        const first = await put('a');
        await store.remove(first);
        const second = await put('a');
        assert.ok(second.generation > first.generation);
      });

      it('gives a greater generation to an id that expired in between', async () => {
        const recorder = await watching();
        const first = await put('a');
        await fixture.advance(TTL_MS);
        await recorder.waitFor('the expiry', removalOf('a'));
        assert.ok((await put('a')).generation > first.generation);
      });

      it('recovers a registration without a successor', async () => {
        const recorder = await watching();
        const first = await put('a', { port: 1111 });
        await store.remove(first);
        const again = await store.recover(instanceOf('a', { port: 1111 }), TTL_MS, first.generation);
        assert.ok(again && again.generation > first.generation);
        assert.deepEqual(await store.renew([again]), [true]);
        await recorder.until(
          'its return',
          () => recorder.snapshot.services.get('users')?.[0]?.generation === again.generation,
        );
        // Repeated, as after a lost answer: it comes after itself.
        assert.ok(await store.recover(instanceOf('a', { port: 1111 }), TTL_MS, first.generation));
      });

      it('never recovers a registration over a later one, in any order of recovery', async () => {
        const first = await put('a', { port: 1111 });
        const second = await put('a', { port: 2222 });
        assert.equal(await store.recover(instanceOf('a', { port: 1111 }), TTL_MS, first.generation), null);
        assert.deepEqual(await store.renew([second]), [true]);
        // Both are lost, and the older one recovers first.
        await store.remove(second);
        assert.ok(await store.recover(instanceOf('a', { port: 1111 }), TTL_MS, first.generation));
        const last = await (await secondView()).recover(instanceOf('a', { port: 2222 }), TTL_MS, second.generation);
        assert.ok(last);
        assert.equal(await store.recover(instanceOf('a', { port: 1111 }), TTL_MS, first.generation), null);
        assert.deepEqual(await store.renew([last]), [true]);
        const third = await put('a', { port: 3333 });
        assert.equal(await store.recover(instanceOf('a', { port: 2222 }), TTL_MS, second.generation), null);
        assert.deepEqual(await store.renew([third]), [true]);
      });

      it('returns the approximate generation of a registration made now, if it supports that', async () => {
        const before = await store.generationNow?.();
        const { generation } = await put('a');
        const after = await store.generationNow?.();
        if (before === undefined || after === undefined) return;
        assert.ok(before <= generation);
        // Of two registrations within a microsecond, the second is one ahead of the clock.
        assert.ok(after >= generation - 1_000);
      });

      it('keeps several instances of a service in order of registration', async () => {
        await put('c');
        await put('a');
        await put('b');
        await put('c', { weight: 5 });
        const recorder = await watching();
        assert.deepEqual(idsOf(recorder, 'users'), ['c', 'a', 'b']);
      });

      it('keeps equal ids of different services apart', async () => {
        const lease = await put('a');
        await put('a', { serviceName: 'orders' });
        await store.remove(lease);
        const recorder = await watching();
        assert.deepEqual([...recorder.snapshot.services.keys()], ['orders']);
      });
    });

    describe('leases', () => {
      it('removes an instance once, and publishes that', async () => {
        const recorder = await watching();
        const lease = await put('a');
        assert.equal(await store.remove(lease), true);
        assert.equal(await store.remove(lease), false);
        const removal = await recorder.waitFor('the removal', removalOf('a'));
        assert.equal(removal.reason, 'deregistered');
        await catchUp(recorder);
        assert.equal(recorder.changes.filter(removalOf('a')).length, 1);
      });

      it('never removes a newer generation by an older lease', async () => {
        const old = await put('a');
        await put('a');
        assert.equal(await store.remove(old), false);
        assert.deepEqual(idsOf(await watching(), 'users'), ['a']);
      });

      it('never renews a newer generation by an older lease', async () => {
        const recorder = await watching();
        const old = await put('a');
        await put('a');
        await fixture.advance(TTL_MS - 1);
        assert.deepEqual(await store.renew([old]), [false]);
        await fixture.advance(1);
        await recorder.waitFor('the expiry', removalOf('a'));
      });

      it('answers a batch of renewals in order', async () => {
        const lost = await put('lost');
        const replaced = await put('replaced');
        const [a, b] = [await put('a'), await put('b')];
        await put('replaced');
        await store.remove(lost);
        const never: Lease = { serviceName: 'absent', instanceId: 'x', generation: 1, ttlMs: TTL_MS };
        assert.deepEqual(await store.renew([lost, a, replaced, b, never]), [false, true, false, true, false]);
        assert.deepEqual(await store.renew([]), []);
      });

      it('expires an instance exactly once, and not before its time', async () => {
        const recorder = await watching();
        await put('a');
        await fixture.advance(TTL_MS - 1);
        await catchUp(recorder);
        assert.equal(recorder.changes.some(removalOf('a')), false);
        await fixture.advance(1);
        const removal = await recorder.waitFor('the expiry', removalOf('a'));
        assert.equal(removal.reason, 'expired');
        await fixture.advance(3 * TTL_MS);
        await catchUp(recorder);
        assert.equal(recorder.changes.filter(removalOf('a')).length, 1);
      });

      it('expires each instance at its own time', async () => {
        const recorder = await watching();
        await store.put(instanceOf('long'), 3 * TTL_MS);
        await put('short');
        await fixture.advance(TTL_MS);
        await recorder.waitFor('the expiry of the short lease', removalOf('short'));
        await catchUp(recorder);
        assert.equal(recorder.changes.some(removalOf('long')), false);
        await fixture.advance(2 * TTL_MS);
        await recorder.waitFor('the expiry of the long lease', removalOf('long'));
      });

      it('counts a lease from its last renewal', async () => {
        const recorder = await watching();
        const lease = await put('a');
        await fixture.advance(TTL_MS - 1);
        assert.deepEqual(await store.renew([lease]), [true]);
        await fixture.advance(TTL_MS - 1);
        await catchUp(recorder);
        assert.equal(recorder.changes.some(removalOf('a')), false);
        await fixture.advance(1);
        await recorder.waitFor('the expiry', removalOf('a'));
      });

      it('restarts a lease when the instance registers again', async () => {
        const recorder = await watching();
        await put('a');
        await fixture.advance(TTL_MS - 1);
        await put('a');
        await fixture.advance(TTL_MS - 1);
        await catchUp(recorder);
        assert.equal(recorder.changes.some(removalOf('a')), false);
      });

      it('never renews or removes an expired lease', async () => {
        const recorder = await watching();
        const lease = await put('a');
        await fixture.advance(TTL_MS);
        await recorder.waitFor('the expiry', removalOf('a'));
        assert.deepEqual(await store.renew([lease]), [false]);
        assert.equal(await store.remove(lease), false);
      });
    });

    describe('renewals', () => {
      it('reach only watchers that ask for them, as one change per batch', async () => {
        const [asking, silent] = [await watching({ renewals: true }), await watching()];
        const leases = [await put('a'), await put('b')];
        await store.renew(leases);
        const renewed = await asking.waitFor('the renewal', (change) => change.type === 'renewed');
        assert.deepEqual(renewed.type === 'renewed' && renewed.keys.map((key) => key.instanceId), ['a', 'b']);
        await catchUp(asking);
        await silent.until('the marker', () =>
          silent.changes.some((change) => change.type === 'put' && change.instance.instanceId.startsWith('marker')),
        );
        assert.equal(asking.changes.filter((change) => change.type === 'renewed').length, 1);
        assert.equal(
          silent.changes.some((change) => change.type === 'renewed'),
          false,
        );
      });

      it('leave out instances out of scope and lost leases', async () => {
        const recorder = await watching({ renewals: true, services: ['users'] });
        const lost = await put('lost');
        await store.remove(lost);
        await store.renew([lost]);
        const other = await put('b', { serviceName: 'orders' });
        await store.renew([other]);
        await store.renew([other, await put('a')]);
        const renewed = await recorder.waitFor('the renewal', (change) => change.type === 'renewed');
        assert.deepEqual(renewed.type === 'renewed' && renewed.keys.map((key) => ({ ...key })), [
          { serviceName: 'users', instanceId: 'a' },
        ]);
      });

      it('update the last heartbeat that a later reset shows', async () => {
        const lease = await put('a');
        const before = (await watching()).snapshot.services.get('users')?.[0]?.lastHeartbeat ?? 0;
        await fixture.advance(5_000);
        await store.renew([lease]);
        const after = (await watching()).snapshot.services.get('users')?.[0]?.lastHeartbeat ?? 0;
        assert.ok(after >= before + 5_000, `${after} is not 5 s after ${before}`);
      });
    });

    describe('status', () => {
      it('sets the health and the operator status independently, and the operator status takes precedence', async () => {
        const recorder = await watching();
        await put('a');
        const seen = async (status: Parameters<RegistryStore['setStatus']>[1]): Promise<unknown[]> => {
          const from = recorder.changes.length;
          assert.equal(await store.setStatus({ serviceName: 'users', instanceId: 'a' }, status), true);
          const { instance } = await recorder.waitFor(`the status ${status}`, putWith('a', status), from);
          return [instance.status, instance.operatorStatus, instance.healthStatus];
        };
        await recorder.waitFor('put of a', putOf('a'));
        assert.deepEqual(await seen('healthy'), ['healthy', 'up', 'healthy']);
        assert.deepEqual(await seen('maintenance'), ['maintenance', 'maintenance', 'healthy']);
        assert.deepEqual(await seen('unhealthy'), ['maintenance', 'maintenance', 'unhealthy']);
        assert.deepEqual(await seen('up'), ['unhealthy', 'up', 'unhealthy']);
        assert.deepEqual(await seen('draining'), ['draining', 'draining', 'unhealthy']);
        assert.deepEqual(await seen('unknown'), ['draining', 'draining', 'unknown']);
      });

      it('returns false for an unknown instance', async () => {
        await put('a');
        assert.equal(await store.setStatus({ serviceName: 'users', instanceId: 'b' }, 'healthy'), false);
        assert.equal(await store.setStatus({ serviceName: 'absent', instanceId: 'a' }, 'maintenance'), false);
      });

      it('keeps the generation and the lease', async () => {
        const recorder = await watching();
        const lease = await put('a');
        await store.setStatus(lease, 'maintenance');
        const { instance } = await recorder.waitFor('the status', putWith('a', 'maintenance'));
        assert.equal(instance.generation, lease.generation);
        assert.deepEqual(await store.renew([lease]), [true]);
      });

      it('keeps the note of an operator status until the instance is up again', async () => {
        const recorder = await watching();
        await put('a');
        const key = { serviceName: 'users', instanceId: 'a' };
        const noteOf = async (status: Parameters<typeof putWith>[1]): Promise<unknown> => {
          const from = recorder.changes.length;
          const { instance } = await recorder.waitFor(status, putWith('a', status), from);
          const { since, ...said } = instance.operatorNote ?? {};
          assert.equal(typeof since, status === 'maintenance' || status === 'draining' ? 'number' : 'undefined');
          return said;
        };
        const first = { since: 1_767_225_600_000, reason: 'a disk is full: ~ "größe"', by: 'ada' };
        const shown = noteOf('maintenance');
        await store.setStatus(key, 'maintenance', first);
        assert.deepEqual(await shown, { reason: first.reason, by: 'ada' });

        const replaced = noteOf('maintenance');
        await put('a');
        assert.deepEqual(await replaced, { reason: first.reason, by: 'ada' });

        const checked = recorder.changes.length;
        await store.setStatus(key, 'healthy', { checkedAt: 1_767_225_600_000 });
        await recorder.waitFor('the health', (change) => change.type === 'put', checked);

        const up = noteOf('healthy');
        await store.setStatus(key, 'up');
        assert.deepEqual(await up, {});

        const leaving = noteOf('draining');
        await store.setStatus(key, 'draining', { since: 1_767_225_600_000, reason: 'it shuts down' });
        assert.deepEqual(await leaving, { reason: 'it shuts down' });
        const back = noteOf('unknown');
        await put('a');
        assert.deepEqual(await back, {});
      });

      it('includes the detail of the health check', async () => {
        const recorder = await watching();
        await put('a');
        const detail = {
          checkedAt: 1_767_225_600_000,
          since: 1_767_225_600_000,
          reason: 'status 503',
          latencyMs: 12,
          statusCode: 503,
          data: { db: 'down' },
          flapping: true,
        };
        await store.setStatus({ serviceName: 'users', instanceId: 'a' }, 'unhealthy', detail);
        const { instance } = await recorder.waitFor('the status', putWith('a', 'unhealthy'));
        assert.deepEqual(plain(instance.health), detail);
      });

      it('publishes a new response under the same status, but not an equal one', async () => {
        const recorder = await watching();
        await put('a');
        const key = { serviceName: 'users', instanceId: 'a' };
        const checked = (data: unknown, at: number): Promise<boolean> =>
          store.setStatus(key, 'healthy', { checkedAt: 1_767_225_600_000 + at, latencyMs: at, data });
        await checked({ users: 1 }, 0);
        await checked({ users: 1 }, 1);
        await checked({ users: 1 }, 2);
        await checked({ users: 2 }, 3);
        await catchUp(recorder);
        const seen = recorder.changes.filter(putWith('a', 'healthy')).map((change) => change.instance.health?.data);
        assert.deepEqual(plain(seen), [{ users: 1 }, { users: 2 }]);
      });

      it('publishes when an instance starts and stops flapping', async () => {
        const recorder = await watching();
        await put('a');
        const key = { serviceName: 'users', instanceId: 'a' };
        for (const flapping of [undefined, true, true, undefined]) {
          await store.setStatus(key, 'healthy', { checkedAt: 1_767_225_600_000, flapping });
        }
        await catchUp(recorder);
        const seen = recorder.changes.filter(putWith('a', 'healthy')).map(({ instance }) => instance.health?.flapping);
        assert.deepEqual(seen, [undefined, true, undefined]);
      });

      it('publishes a repeated operator status only once', async () => {
        const recorder = await watching();
        await put('a');
        const key = { serviceName: 'users', instanceId: 'a' };
        assert.equal(await store.setStatus(key, 'maintenance'), true);
        assert.equal(await store.setStatus(key, 'maintenance'), true);
        await catchUp(recorder);
        assert.equal(recorder.changes.filter(putWith('a', 'maintenance')).length, 1);
      });

      it('of maintenance outlasts a replacement, while health is reset', async () => {
        await put('a');
        await store.setStatus({ serviceName: 'users', instanceId: 'a' }, 'maintenance');
        await store.setStatus({ serviceName: 'users', instanceId: 'a' }, 'healthy', { checkedAt: 1 });
        await put('a');
        const instance = (await watching()).snapshot.services.get('users')?.[0];
        assert.equal(instance?.status, 'maintenance');
        assert.equal(instance.healthStatus, 'unknown');
        assert.equal(instance.health ?? undefined, undefined);
      });

      it('of draining ends with a replacement', async () => {
        await put('a');
        await store.setStatus({ serviceName: 'users', instanceId: 'a' }, 'draining');
        await put('a');
        const instance = (await watching()).snapshot.services.get('users')?.[0];
        assert.equal(instance?.operatorStatus, 'up');
        assert.equal(instance.status, 'unknown');
      });

      it('of maintenance ends with the registration', async () => {
        const lease = await put('a');
        await store.setStatus(lease, 'maintenance');
        await store.remove(lease);
        await put('a');
        assert.equal((await watching()).snapshot.services.get('users')?.[0]?.status, 'unknown');
      });
    });

    describe('watching', () => {
      it('starts with a reset, also for an empty store', async () => {
        assert.deepEqual((await watching()).changes, [
          { type: 'reset', revision: (await watching()).snapshot.revision, instances: [] },
        ]);
        await put('a');
        const recorder = await watching();
        assert.equal(recorder.changes[0]?.type, 'reset');
        assert.deepEqual(idsOf(recorder, 'users'), ['a']);
      });

      it('shows only services in scope', async () => {
        await put('a');
        await put('b', { serviceName: 'orders' });
        const [some, none] = [await watching({ services: ['orders', 'carts'] }), await watching({ services: [] })];
        assert.deepEqual([...some.snapshot.services.keys()], ['orders']);
        const lease = await put('c');
        await store.remove(lease);
        await put('d', { serviceName: 'carts' });
        await some.waitFor('put of d', putOf('d'));
        assert.deepEqual(
          some.changes.slice(1).map((change) => change.type),
          ['put'],
        );
        assert.deepEqual(none.snapshot.services.size, 0);
      });

      it('shows the same changes in the same order to every watcher, also in another process', async () => {
        const [one, two] = [await watching(), await watching({}, await secondView())];
        const lease = await put('a');
        await store.setStatus(lease, 'maintenance');
        await store.remove(lease);
        await put('b');
        await Promise.all([one, two].map((recorder) => recorder.waitFor('put of b', putOf('b'))));
        const told = (recorder: ChangeRecorder): unknown => plain(recorder.changes.slice(1));
        assert.deepEqual(told(one), told(two));
        const revisions = one.changes.map((change) => change.revision);
        assert.deepEqual(
          revisions,
          [...new Set(revisions)].sort((x, y) => x - y),
        );
      });

      it('lets a second connection change what the first one registered', async () => {
        const second = await secondView();
        const recorder = await watching();
        const lease = await put('a');
        assert.deepEqual(await second.renew([lease]), [true]);
        assert.equal(await second.setStatus(lease, 'healthy'), true);
        await recorder.waitFor('the status', putWith('a', 'healthy'));
        assert.equal(await second.remove(lease), true);
        await recorder.waitFor('the removal', removalOf('a'));
      });

      it('has no gap between the reset and later changes during concurrent writes', async () => {
        const started: ChangeRecorder[] = [];
        const writes: Promise<unknown>[] = [];
        for (let round = 0; round < 40; round++) {
          const id = `i${round % 10}`;
          writes.push(round % 4 === 3 ? put(id).then((lease) => store.remove(lease)) : put(id, { weight: round }));
          if (round % 5 === 0) started.push(watch());
          if (round % 7 === 0) await writes[round];
        }
        await Promise.all(writes);
        await put('last');
        const truth = (await watching()).snapshot.services.get('users');
        for (const recorder of started) {
          await recorder.until('the last instance', () => idsOf(recorder, 'users').includes('last'));
          assert.deepEqual(sorted(recorder.snapshot.services.get('users')), sorted(truth));
        }
      });

      it('ends when its signal aborts, without affecting other watches', async () => {
        const [leaving, staying] = [await watching(), await watching()];
        await leaving.stop();
        await leaving.ended;
        await put('a');
        await staying.waitFor('put of a', putOf('a'));
        assert.equal(leaving.changes.length, 1);
      });

      it('ends at once if its signal has already aborted', async () => {
        const seen: Change[] = [];
        for await (const change of store.watch({}, AbortSignal.abort())) seen.push(change);
        assert.deepEqual(seen, []);
      });

      it('ends when its reader leaves the loop', async () => {
        for await (const change of store.watch({}, new AbortController().signal)) {
          assert.equal(change.type, 'reset');
          break;
        }
        await put('a');
      });

      it('ends when the store closes', async () => {
        const recorders = [await watching(), await watching()];
        await store.close();
        await Promise.all(recorders.map((recorder) => recorder.ended));
      });
    });

    checkedLeaseContract(harness, () => fixture);
    expiryHoldContract(harness, () => fixture);
  });
}

type Put = Extract<Change, { type: 'put' }>;
type Removal = Extract<Change, { type: 'remove' }>;

const isReset = (change: Change): boolean => change.type === 'reset';
const putOf =
  (id: string) =>
  (change: Change): change is Put =>
    change.type === 'put' && change.instance.instanceId === id;
const putWith =
  (id: string, status: string) =>
  (change: Change): change is Put =>
    putOf(id)(change) && [change.instance.operatorStatus, change.instance.healthStatus].includes(status as never);
const removalOf =
  (id: string) =>
  (change: Change): change is Removal =>
    change.type === 'remove' && change.key.instanceId === id;

function instanceOf(instanceId: string, more: Partial<ServiceRegistration> = {}): ServiceInstance {
  const registration = { serviceName: 'users', host: '127.0.0.1', port: 8080, instanceId, ...more };
  return toInstance(registration, { ttlMs: TTL_MS, now: 0 });
}

function idsOf(recorder: ChangeRecorder, service: string): string[] {
  return (recorder.snapshot.services.get(service) ?? []).map((instance) => instance.instanceId);
}

/** Without the difference between a field that is missing and one that is undefined, which JSON does not keep. */
function plain(value: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value ?? null)) as Record<string, unknown>;
}

/** Ids and generations: what a reader that missed a change would have wrong. */
function sorted(instances: readonly ServiceInstance[] = []): string[] {
  return instances.map((instance) => `${instance.instanceId}#${instance.generation}`).sort();
}
