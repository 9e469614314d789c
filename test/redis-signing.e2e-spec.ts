import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { type ServiceSplit } from '../libs/service-discovery/src/model/index.js';
import {
  type RedisRegistryStore,
  type RedisRegistryStoreOptions,
  type RedisTrouble,
} from '../libs/service-discovery/src/store/index.js';
import { type ChangeRecorder, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { pollUntil } from './support/poll.js';
import { RedisAttacker } from './support/redis-attacker.js';
import { idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';

const [SECRET, ANOTHER] = ['a'.repeat(32), 'b'.repeat(32)];
const SIGNED: RedisRegistryStoreOptions = { signing: { key: SECRET } };
const [MINUTE_MS, HOUR_MS] = [60_000, 3_600_000];

const redis = new RedisSetting();
beforeEach(() => redis.startServer());
afterEach(() => redis.end());

const splitOf = (share: number): ServiceSplit => ({ via: { url: 'http://kong:8000', share } });
const shareIn = (recorder: ChangeRecorder): number | undefined => recorder.snapshot.splits.get('users')?.via?.share;

const attacker = (): RedisAttacker => new RedisAttacker(redis.server.client(), 'users');

describe('a process with public keys alone', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const [secret, open] = [
    privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  ];

  it('reads what others registered, renews leases, sets a status, and cannot register', async () => {
    const owner = redis.openStore({ signing: { privateKey: secret } });
    const reader = redis.openStore({ signing: { publicKeys: [open] } });
    const recorder = await redis.watching(reader);
    const lease = await owner.put(instanceOf('a'), TTL_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
    expect(await reader.renew([lease])).toEqual([true]);
    expect(await reader.setStatus(lease, 'maintenance')).toBe(true);
    await recorder.until('maintenance', () => recorder.snapshot.services.get('users')?.[0]?.status === 'maintenance');
    await expect(reader.put(instanceOf('b'), TTL_MS)).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(
        /redis\.signing\.privateKey: expected a key to sign registrations with, or redis\.signing\.key/,
      ),
    });
    expect(await reader.recover(instanceOf('a'), TTL_MS, lease.generation)).toBeNull();
    await expect(reader.setSplit('users', splitOf(5), undefined)).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
    });
    expect(await owner.setSplit('users', splitOf(5), undefined)).toBe(true);
    await recorder.until('the split', () => shareIn(recorder) === 5);
  });
});

describe('a split of calls', () => {
  it('is used only if it is signed for its service and newer than the last one seen', async () => {
    const troubles: RedisTrouble[] = [];
    const owner = redis.openStore(SIGNED);
    const recorder = await redis.watching(redis.openStore(SIGNED, { onTrouble: (trouble) => troubles.push(trouble) }));
    const unsigned = redis.openStore({});
    expect(await owner.setSplit('users', splitOf(10), undefined)).toBe(true);
    const [first] = [await attacker().readSplit()];
    expect(await owner.setSplit('users', splitOf(20), splitOf(10))).toBe(true);
    await recorder.until('the split', () => shareIn(recorder) === 20);

    expect(await unsigned.setSplit('users', splitOf(90), splitOf(20))).toBe(true);
    const steal = new RedisAttacker(redis.server.client(), 'orders');
    await steal.announceSplit(first);
    await attacker().announceSplit({ ...first, text: JSON.stringify(splitOf(99)) });
    await attacker().announceSplit(first);
    // A forged split does not keep a genuine one from being set.
    expect(await owner.setSplit('users', splitOf(30), splitOf(20))).toBe(true);
    await recorder.until('the next split', () => shareIn(recorder) === 30);
    expect(troubles.map(({ kind, serviceName }) => [kind, serviceName])).toEqual([
      ['unsigned_record', 'users'],
      ['forged_record', 'orders'],
      ['forged_record', 'users'],
      ['replayed_record', 'users'],
    ]);
    expect(recorder.snapshot.splits.get('orders')).toBeUndefined();
    expect(recorder.changes.filter(({ type }) => type === 'split')).toHaveLength(3);

    const late = await redis.watching(redis.openStore(SIGNED));
    expect(shareIn(late)).toBe(30);
    const another = await redis.watching(redis.openStore({ signing: { key: ANOTHER } }));
    expect(shareIn(another)).toBeUndefined();
    const lenient = await redis.watching(redis.openStore({ signing: { key: ANOTHER, required: false } }));
    expect(shareIn(lenient)).toBe(30);
  });
});

describe('a fleet that begins to sign, or replaces its secret', () => {
  /** Whether each of the stores uses what each of the others registers. */
  async function expectAllSeeAll(...options: RedisRegistryStoreOptions[]): Promise<void> {
    const stores = options.map((own) => redis.openStore(own));
    const ids = stores.map((_store, index) => `i${index}`);
    const recorders = await Promise.all(stores.map((store) => redis.watching(store)));
    await Promise.all(stores.map((store, index) => store.put(instanceOf(ids[index]!), TTL_MS)));
    for (const recorder of recorders)
      await recorder.until('all', () => ids.every((id) => idsOf(recorder).includes(id)));
    await Promise.all(stores.map((store) => store.close()));
  }

  it('sees all instances at each step', async () => {
    const reporting = { signing: { key: SECRET, required: false } };
    await expectAllSeeAll({}, reporting);
    await redis.server.flush();
    await expectAllSeeAll(reporting, SIGNED);
    const both = { signing: { key: `${SECRET},${ANOTHER}` } };
    await expectAllSeeAll(SIGNED, both);
    const newFirst = { signing: { key: `${ANOTHER},${SECRET}` } };
    await expectAllSeeAll(both, newFirst);
    await redis.server.flush();
    await expectAllSeeAll(newFirst, { signing: { key: ANOTHER } });
  });

  it('reports unsigned registrations, and still uses them', async () => {
    const troubles: RedisTrouble[] = [];
    const onTrouble = (trouble: RedisTrouble): number => troubles.push(trouble);
    const store = redis.openStore({ signing: { key: SECRET, required: false } }, { onTrouble });
    const recorder = await redis.watching(store);
    await redis.openStore().put(instanceOf('a'), TTL_MS);
    await redis.openStore({ signing: { key: ANOTHER } }).put(instanceOf('b'), TTL_MS);
    await recorder.until('both', () => idsOf(recorder).length === 2);
    expect(troubles).toMatchObject([
      { kind: 'unsigned_record', instanceId: 'a' },
      { kind: 'forged_record', instanceId: 'b', reason: expect.stringContaining('a key that is unknown here') },
    ]);
  });
});

describe('when Redis has lost a record', () => {
  it('a reader restores it with its signature', async () => {
    const owner = redis.openStore(SIGNED);
    let passedMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + passedMs };
    const expiryClock = new ManualClock();
    const recorder = await redis.watching(redis.openStore(SIGNED, { clock, expiryClock }));
    await owner.put(instanceOf('a', { metadata: { team: 'x' } }), TTL_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
    const before = await attacker().read('a');
    await redis.server.client().del('sd:{default:users}:records');
    await pollUntil('it is back', async () => {
      passedMs += MINUTE_MS;
      expiryClock.advance(1_100);
      return (await attacker().read('a')).record === before.record;
    });
  });
});

describe('over time', () => {
  /** Stores whose time, and that of Redis, the test sets. */
  class Timeline {
    private passedMs = 0;
    private readonly start = Date.UTC(2026, 0, 1);
    private readonly clocks: ManualClock[] = [];
    private readonly client = this.connect();

    connect(): ClockedRedis {
      const client = new ClockedRedis(redis.server.port, '127.0.0.1');
      redis.atEnd(() => client.disconnect());
      return client;
    }

    async openStore(options: RedisRegistryStoreOptions, troubles: RedisTrouble[] = []): Promise<RedisRegistryStore> {
      await this.client.setTime(this.start + this.passedMs);
      const expiryClock = new ManualClock();
      this.clocks.push(expiryClock);
      const clock = { ...systemClock, now: () => systemClock.now() + this.passedMs };
      const onTrouble = (trouble: RedisTrouble): number => troubles.push(trouble);
      return redis.openStore({ client: this.connect(), ...options }, { clock, expiryClock, onTrouble });
    }

    /** Also makes an audit due in every store. */
    async advance(ms: number): Promise<void> {
      this.passedMs += ms;
      await this.client.setTime(this.start + this.passedMs);
      for (const clock of this.clocks) clock.advance(1_100);
    }
  }

  it('renewals sign again, and an instance whose owner keeps renewing stays', async () => {
    const time = new Timeline();
    const [owner, reader] = [await time.openStore(SIGNED), await time.openStore(SIGNED)];
    const recorder = await redis.watching(reader);
    const lease = await owner.put(instanceOf('a'), 6 * HOUR_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
    const first = await attacker().read('a');
    for (let hours = 0; hours < 14; hours++) {
      await time.advance(HOUR_MS);
      expect(await owner.renew([lease])).toEqual([true]);
    }
    expect((await attacker().read('a')).record).not.toBe(first.record);
    expect((await attacker().read('a')).state).toBe(first.state);
    const fresh = await redis.watching(await time.openStore(SIGNED));
    expect([idsOf(recorder), idsOf(fresh)]).toEqual([['a'], ['a']]);
  });

  it('an instance ends with its signature even if its lease is renewed, and the lease is lost', async () => {
    const time = new Timeline();
    const troubles: RedisTrouble[] = [];
    const [owner, renewing, reader] = [
      await time.openStore(SIGNED),
      await time.openStore({}),
      await time.openStore(SIGNED, troubles),
    ];
    const recorder = await redis.watching(reader);
    const lease = await owner.put(instanceOf('a'), 15 * MINUTE_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
    for (let minutes = 0; minutes < 60; minutes += 10) {
      expect(await renewing.renew([lease])).toEqual([true]);
      expect(idsOf(recorder)).toEqual(['a']);
      await time.advance(10 * MINUTE_MS);
    }
    await pollUntil('the lease is lost', async () => {
      await time.advance(MINUTE_MS);
      return !(await renewing.renew([lease]))[0];
    });
    await recorder.until('the end of a', () => idsOf(recorder).length === 0);
    expect(troubles).toMatchObject([{ kind: 'replayed_record', instanceId: 'a' }]);
  });

  it('an instance written without publishing it is found by the next audit', async () => {
    const time = new Timeline();
    const troubles: RedisTrouble[] = [];
    const reader = await time.openStore(SIGNED, troubles);
    const recorder = await redis.watching(reader);
    const lease = await reader.put(instanceOf('a'), 6 * HOUR_MS);
    const gone = await reader.put(instanceOf('b'), 6 * HOUR_MS);
    await recorder.until('both', () => idsOf(recorder).length === 2);
    const loot = await attacker().read('b');
    await reader.remove(gone);
    await recorder.until('the end of b', () => idsOf(recorder).length === 1);
    await attacker().write('b', loot);
    await pollUntil('it is removed', async () => {
      await time.advance(MINUTE_MS);
      return (await attacker().read('b')).record === 'null';
    });
    expect(idsOf(recorder)).toEqual(['a']);
    await attacker().write('c', { ...loot, record: '{"v":1}' });
    await pollUntil('it is reported', async () => {
      await time.advance(MINUTE_MS);
      return troubles.some(({ instanceId }) => instanceId === 'c');
    });
    expect(idsOf(recorder)).toEqual(['a']);
    expect(await reader.renew([lease])).toEqual([true]);
  });
});
