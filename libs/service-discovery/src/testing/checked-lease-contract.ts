import assert from 'node:assert/strict';
import { toInstance, type Change, type Lease, type LeaseKind } from '../model/index.js';
import { type RegistryStore } from '../store/index.js';
import { ChangeRecorder } from './change-recorder.js';
import { type RegistryStoreFixture, type TestHarness } from './harness.js';

const TTL_MS = 10_000;

/** The part of `registryStoreContract` about leases that are kept by health checks. */
export function checkedLeaseContract(
  { describe, it, beforeEach, afterEach }: TestHarness,
  fixtureOf: () => RegistryStoreFixture,
): void {
  describe('checked leases', () => {
    let fixture: RegistryStoreFixture;
    let store: RegistryStore;
    let recorder: ChangeRecorder;

    const put = (instanceId: string, lease: LeaseKind): Promise<Lease> => {
      const registration = { serviceName: 'users', host: '127.0.0.1', port: 8080, instanceId };
      return store.put(toInstance(registration, { ttlMs: TTL_MS, now: 0, lease }), TTL_MS);
    };
    const kindOf = (instanceId: string): LeaseKind | undefined =>
      recorder.snapshot.services.get('users')?.find((instance) => instance.instanceId === instanceId)?.lease;
    const untilKind = (instanceId: string, kind: LeaseKind): Promise<unknown> =>
      recorder.until(`the lease of ${instanceId} by ${kind}`, () => kindOf(instanceId) === kind);
    const ends = (instanceId: string): Promise<Change> =>
      recorder.waitFor(
        `the end of ${instanceId}`,
        (change): change is Change => change.type === 'remove' && change.key.instanceId === instanceId,
      );
    /** Whether it is still listed, once all changes so far have arrived. */
    const isListed = async (instanceId: string): Promise<boolean> => {
      await put('marker', 'heartbeat');
      const reader = new ChangeRecorder(store);
      await reader.waitFor('a reset', ({ type }) => type === 'reset');
      await reader.stop();
      return reader.snapshot.services.get('users')!.some((instance) => instance.instanceId === instanceId);
    };

    beforeEach(async () => {
      fixture = fixtureOf();
      store = fixture.store;
      recorder = new ChangeRecorder(store);
      await recorder.waitFor('a reset', ({ type }) => type === 'reset');
    });
    afterEach(() => recorder.stop());

    it('are shown as such to every reader', async () => {
      await put('checked', 'checks');
      await put('beating', 'heartbeat');
      await untilKind('checked', 'checks');
      await untilKind('beating', 'heartbeat');
      const other = new ChangeRecorder((await fixture.another?.()) ?? store);
      await other.waitFor('a reset', ({ type }) => type === 'reset');
      const kinds = other.snapshot.services.get('users')!.map(({ instanceId, lease }) => [instanceId, lease]);
      await other.stop();
      assert.deepEqual(kinds, [
        ['checked', 'checks'],
        ['beating', 'heartbeat'],
      ]);
    });

    it('are extended by checks, and stay checked leases', async () => {
      const lease = await put('a', 'checks');
      await fixture.advance(TTL_MS - 1);
      assert.deepEqual(await store.renew([lease], 'checks'), [true]);
      await fixture.advance(TTL_MS - 1);
      assert.equal(await isListed('a'), true);
      await untilKind('a', 'checks');
      await fixture.advance(1);
      await ends('a');
    });

    it('are kept by heartbeats after the first one', async () => {
      const lease = await put('a', 'checks');
      await fixture.advance(TTL_MS - 1);
      assert.deepEqual(await store.renew([lease]), [true]);
      await untilKind('a', 'heartbeat');
      await fixture.advance(TTL_MS - 1);
      assert.deepEqual(await store.renew([lease], 'checks'), [true]);
      assert.equal(await isListed('a'), true);
      await fixture.advance(1);
      await ends('a');
    });

    it('stay checked leases when a status is set', async () => {
      const lease = await put('a', 'checks');
      await store.setStatus(lease, 'maintenance');
      await store.setStatus(lease, 'healthy');
      await recorder.until('the status', () =>
        (recorder.snapshot.services.get('users') ?? []).some(({ healthStatus }) => healthStatus === 'healthy'),
      );
      assert.equal(kindOf('a'), 'checks');
    });

    it('restart with a replacement, and with a recovery', async () => {
      const first = await put('a', 'heartbeat');
      assert.deepEqual(await store.renew([first]), [true]);
      const second = await put('a', 'checks');
      await untilKind('a', 'checks');
      assert.deepEqual(await store.renew([first], 'checks'), [false]);
      await store.remove(second);
      const registration = { serviceName: 'users', host: '127.0.0.1', port: 8080, instanceId: 'a' };
      const again = toInstance(registration, { ttlMs: TTL_MS, now: 0, lease: 'checks' });
      assert.ok(await store.recover(again, TTL_MS, second.generation));
      await untilKind('a', 'checks');
    });

    it('are renewed together with others, each answered at its index', async () => {
      const [checked, beating] = [await put('checked', 'checks'), await put('beating', 'heartbeat')];
      const lost = await put('lost', 'checks');
      await store.remove(lost);
      assert.deepEqual(await store.renew([lost, beating, checked], 'checks'), [false, true, true]);
    });
  });
}
