import assert from 'node:assert/strict';
import { toInstance, type Change, type Lease, type ServiceInstance } from '../model/index.js';
import { ChangeRecorder } from './change-recorder.js';
import { type RegistryStoreFixture, type TestHarness } from './harness.js';

const TTL_MS = 12_000;
const THIRD_MS = TTL_MS / 3;

/** The part of `registryStoreContract` about holding expiry when too many leases of a service expire at once. */
export function expiryHoldContract(
  { describe, it, beforeEach, afterEach }: TestHarness,
  fixtureOf: () => RegistryStoreFixture,
): void {
  describe('when most leases of a service expire at once', () => {
    let fixture: RegistryStoreFixture;
    let recorders: ChangeRecorder[];
    let recorder: ChangeRecorder;
    /** Of `i0` to `i9` of the service `users`. */
    let leases: Lease[];
    let status: 'up' | 'maintenance';

    const watching = async (store = fixture.store): Promise<ChangeRecorder> => {
      const opened = new ChangeRecorder(store);
      recorders.push(opened);
      await opened.waitFor('a reset', ({ type }) => type === 'reset');
      return opened;
    };
    const put = (instanceId: string, serviceName = 'users', ttlMs = TTL_MS): Promise<Lease> =>
      fixture.store.put(instanceOf(serviceName, instanceId, ttlMs), ttlMs);
    const renew = (...renewed: Lease[]): Promise<unknown> => fixture.store.renew(renewed);
    /** Waits until all earlier changes of the service have arrived; those of other services may be overtaken. */
    const catchUp = async (): Promise<void> => {
      status = status === 'up' ? 'maintenance' : 'up';
      const from = recorder.changes.length;
      await fixture.store.setStatus(leases[0]!, status);
      const isUpdate = (change: Change): boolean => change.type === 'put' && change.instance.operatorStatus === status;
      await recorder.waitFor('the status of the first', isUpdate, from);
    };
    const removed = (): string[] =>
      recorder.changes.flatMap((change) => (change.type === 'remove' ? [change.key.instanceId] : []));
    const holds = (): (string | null)[] =>
      recorder.changes
        .filter(isHold)
        .map(({ serviceName, hold }) => hold && `${serviceName} ${hold.overdue}/${hold.total}`);
    const nextHold = (held: boolean): Promise<Hold> =>
      recorder.waitFor(
        held ? 'a hold' : 'the end of a hold',
        (change): change is Hold => isHold(change) && (change.hold !== null) === held,
      );
    /** `i0` keeps sending heartbeats, the others stop until their leases expire. */
    const fallSilent = async (): Promise<void> => {
      await fixture.advance(TTL_MS - 1);
      await renew(leases[0]!);
      await fixture.advance(1);
    };

    beforeEach(async () => {
      status = 'up';
      fixture = fixtureOf();
      recorders = [];
      leases = [];
      for (let index = 0; index < 10; index++) leases.push(await put(`i${index}`));
      recorder = await watching();
    });
    afterEach(async () => {
      await Promise.all(recorders.map((opened) => opened.stop()));
    });

    it('holds expiry, and publishes that', async () => {
      await fallSilent();
      const { hold, serviceName } = await nextHold(true);
      assert.equal(serviceName, 'users');
      assert.deepEqual([hold?.overdue, hold?.total], [9, 10]);
      assert.deepEqual(recorder.snapshot.expiryHolds.get('users'), hold);
      await catchUp();
      assert.deepEqual(removed(), []);
      const another = await watching(await fixture.another?.());
      assert.deepEqual(another.snapshot.expiryHolds.get('users'), hold);
      assert.equal(another.snapshot.services.get('users')?.length, 10);
    });

    it('holds expiry if they expire one after another', async () => {
      for (const lease of leases) {
        await renew(lease);
        await fixture.advance(THIRD_MS / 10);
      }
      await fixture.advance(TTL_MS - THIRD_MS);
      await nextHold(true);
      await renew(leases[0]!);
      for (let step = 0; step < 10; step++) await fixture.advance(THIRD_MS / 10);
      await catchUp();
      assert.deepEqual(removed(), []);
      assert.equal(holds().includes(null), false);
    });

    it('resumes once their heartbeats are back, and loses nothing', async () => {
      await fallSilent();
      await renew(...leases);
      await fixture.advance(1_000);
      await nextHold(false);
      await fixture.advance(TTL_MS - 1_001);
      await catchUp();
      assert.deepEqual(removed(), []);
      assert.equal(recorder.snapshot.expiryHolds.size, 0);
    });

    it('resumes after one more lease, and removes those that did not come back', async () => {
      await fallSilent();
      for (let third = 0; third < 3; third++) {
        await catchUp();
        assert.deepEqual(removed(), []);
        await fixture.advance(THIRD_MS);
        await renew(leases[0]!);
      }
      await nextHold(false);
      await recorder.until('the end of nine', () => removed().length === 9);
      await fixture.advance(1_000);
      await catchUp();
      assert.deepEqual(
        removed().sort(),
        leases.slice(1).map(({ instanceId }) => instanceId),
      );
      assert.deepEqual(holds(), ['users 9/10', null]);
      assert.deepEqual(
        recorder.snapshot.services.get('users')?.map(({ instanceId }) => instanceId),
        ['i0'],
      );
    });

    it('removes late instances, but not before a third of a lease has passed', async () => {
      await fallSilent();
      await renew(...leases.slice(0, 6));
      await fixture.advance(1_000);
      await fixture.advance(THIRD_MS - 1);
      await catchUp();
      assert.deepEqual(removed(), []);
      await renew(leases[6]!);
      await fixture.advance(1_000);
      await nextHold(false);
      await recorder.until('the end of three', () => removed().length === 3);
      assert.deepEqual(removed().sort(), ['i7', 'i8', 'i9']);
    });

    it('still deregisters an instance', async () => {
      await fallSilent();
      await nextHold(true);
      assert.equal(await fixture.store.remove(leases[3]!), true);
      await catchUp();
      assert.deepEqual(removed(), ['i3']);
    });

    it('does not affect other services', async () => {
      await put('a', 'orders');
      await fallSilent();
      await nextHold(true);
      await recorder.until('the end of the other one', () => removed().length > 0);
      assert.deepEqual(removed(), ['a']);
      assert.deepEqual([...recorder.snapshot.expiryHolds.keys()], ['users']);
    });

    it('does not hold one or two instances', async () => {
      for (const id of ['a', 'b']) await put(id, 'orders');
      const others = await Promise.all(['c', 'd', 'e'].map((id) => put(id, 'carts')));
      await fixture.advance(TTL_MS - 1);
      await renew(...leases, others[0]!);
      await fixture.advance(1);
      await recorder.until('the end of four', () => removed().length === 4);
      await catchUp();
      assert.deepEqual(removed().sort(), ['a', 'b', 'd', 'e']);
      assert.deepEqual(holds(), []);
    });

    it('does not take a short lease, which always ends soon, for an overdue one', async () => {
      const long = await put('long', 'orders', 3 * TTL_MS);
      const short = await Promise.all(['a', 'b', 'c'].map((id) => put(id, 'orders', TTL_MS / 2)));
      for (let step = 0; step < 12; step++) {
        await fixture.advance(TTL_MS / 4);
        await renew(...short, ...leases);
      }
      await recorder.until('the end of the long one', () => removed().includes(long.instanceId));
      await catchUp();
      assert.deepEqual(removed(), ['long']);
      assert.deepEqual(holds(), []);
    });
  });
}

type Hold = Extract<Change, { type: 'hold' }>;

function isHold(change: Change): change is Hold {
  return change.type === 'hold';
}

function instanceOf(serviceName: string, instanceId: string, ttlMs: number): ServiceInstance {
  return toInstance({ serviceName, instanceId, host: '127.0.0.1', port: 8080 }, { ttlMs, now: 0 });
}
