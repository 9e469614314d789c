import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Lease, type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { toServiceInstance, toState, type StoredInstance } from './record.js';
import { RecordSignatures } from './record-signatures.js';
import { resolveRedisSigning, type RedisSigningOptions } from './signing-options.js';

const HOUR_MS = 3_600_000;
const [SECRET, ANOTHER] = ['a'.repeat(32), 'b'.repeat(32)];

function makeKeys(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}
const { privateKey, publicKey } = makeKeys();

let now: number;
beforeEach(() => {
  now = Date.UTC(2026, 0, 1);
});

const open = (options: RedisSigningOptions = { key: SECRET }, namespace = 'default'): RecordSignatures =>
  new RecordSignatures(resolveRedisSigning(options, 'redis.signing'), namespace, () => now);

const user = (more: Partial<ServiceInstance> = {}): ServiceInstance =>
  fakeInstance({ serviceName: 'users', instanceId: 'a', port: 8080, ...more });
const leaseOf = ({ serviceName, instanceId, generation, ttlMs }: ServiceInstance): Lease => ({
  serviceName,
  instanceId,
  generation,
  ttlMs,
});
const stored = (record: string, instance = user()): StoredInstance => {
  const { serviceName, instanceId } = instance;
  return { serviceName, instanceId, record, state: toState(instance, 1), detail: '' };
};
const signed = (signatures: RecordSignatures, instance = user()): StoredInstance =>
  stored(signatures.sign(instance, instance.ttlMs), instance);

describe('the signature of a record', () => {
  it('leaves the record readable for processes that know of no signatures', () => {
    expect(toServiceInstance(signed(open()))).toMatchObject({ host: user().host, port: 8080 });
  });

  it.each<[string, RedisSigningOptions, RedisSigningOptions]>([
    ['a secret', { key: SECRET }, { key: SECRET }],
    [
      'the first of two secrets, for a process that knows only that one',
      { key: `${ANOTHER}, ${SECRET}` },
      { key: ANOTHER },
    ],
    ['an old secret, for a process that signs with a new one', { key: SECRET }, { key: `${ANOTHER},${SECRET}` }],
    ['a private key, for a process with the public one', { privateKey }, { publicKeys: [publicKey] }],
    ['a private key, for a process with the same one', { privateKey }, { privateKey }],
    [
      'a private key, while a secret is being replaced by it',
      { privateKey, key: SECRET },
      { key: SECRET, publicKeys: [publicKey] },
    ],
  ])('is valid if it was made with %s', (_what, signs, verifies) => {
    expect(open(verifies).check(signed(open(signs)))).toBeUndefined();
  });

  it.each<[string, RedisSigningOptions]>([
    ['another secret', { key: ANOTHER }],
    ['a private key that is not listed', { privateKey: makeKeys().privateKey }],
  ])('is refused if it was made with %s', (_what, signs) => {
    const reader = open({ key: SECRET, publicKeys: [publicKey] });
    expect(reader.check(signed(open(signs)))).toMatchObject({ kind: 'forged_record' });
  });

  it.each<[string, Partial<ServiceInstance>]>([
    ['another service', { serviceName: 'orders' }],
    ['another instance', { instanceId: 'b' }],
  ])('is refused for %s', (_what, place) => {
    const { record } = signed(open());
    expect(open().check(stored(record, user(place)))).toMatchObject({ kind: 'forged_record' });
  });

  it('is refused in another namespace', () => {
    expect(open({ key: SECRET }, 'staging').check(signed(open()))).toMatchObject({ kind: 'forged_record' });
  });

  it('is refused with any change of what it signs', () => {
    const { record } = signed(open(), user({ metadata: { team: 'x' }, tier: 'app', zone: 'z' }));
    const end = record.indexOf('"signature"');
    for (let at = 0; at < end; at++) {
      const other = record[at] === '1' ? '2' : '1';
      const changed = record.slice(0, at) + other + record.slice(at + 1);
      expect({ changed, kind: open().check(stored(changed))?.kind }).toEqual({
        changed,
        kind: expect.stringMatching(/^(forged|unsigned)_record$/),
      });
    }
  });

  it('is refused with anything added to the record', () => {
    const { record } = signed(open());
    for (const changed of [
      ` ${record}`,
      `${record} `,
      record.replace(/}$/, ',"port":1}'),
      `{"port":1,${record.slice(1)}`,
    ]) {
      expect(open().check(stored(changed))).toMatchObject({
        kind: expect.stringMatching(/^(forged|unsigned)_record$/),
      });
    }
  });

  it('is missed in a record without one', () => {
    expect(open().check(stored('{"v":1}'))).toMatchObject({ kind: 'unsigned_record' });
  });

  it('is reported and used while signatures are not required, also after a genuine record', () => {
    const reader = open({ key: SECRET, required: false });
    expect(reader.isRequired).toBe(false);
    const genuine = signed(open());
    reader.check(genuine);
    expect(reader.check(stored('{"v":1}'))).toMatchObject({ kind: 'unsigned_record' });
    expect(reader.textOf(user())).toBeUndefined();
  });
});

describe('a genuine record that is put back', () => {
  it('is refused once a newer one was seen, even if both were signed at the same time', () => {
    const [owner, reader] = [open(), open()];
    const [old, moved] = [signed(owner), signed(owner, user({ port: 9090 }))];
    expect(reader.check(old)).toBeUndefined();
    expect(reader.check(moved)).toBeUndefined();
    expect(reader.check(old)).toMatchObject({ kind: 'replayed_record', isOver: false });
    expect(reader.check(moved)).toBeUndefined();
  });

  it('is refused after the end of the registration, until it registers again', () => {
    const [owner, reader] = [open(), open()];
    const old = signed(owner);
    reader.check(old);
    reader.end(user());
    expect(reader.check(old)).toMatchObject({ kind: 'replayed_record', isOver: true });
    expect(reader.check(signed(owner))).toBeUndefined();
    expect(reader.check(old)).toMatchObject({ kind: 'replayed_record', isOver: false });
  });

  it('is refused by a process that has not seen its end once it is no longer valid', () => {
    const old = signed(open());
    now += HOUR_MS;
    expect(open().check(old)).toBeUndefined();
    now += 120_000;
    expect(open().check(old)).toEqual({
      kind: 'replayed_record',
      reason: 'an old registration was put back: its signature has been invalid for 2 min',
      isOver: false,
    });
  });

  it('is forgotten when it is no longer valid, and still refused', () => {
    const reader = open();
    const old = signed(open());
    reader.check(old);
    reader.end(user());
    now += HOUR_MS + 1;
    reader.prune();
    expect(reader.textOf(user())).toBeUndefined();
    expect(reader.check(old)).toMatchObject({ kind: 'replayed_record' });
  });

  it('does not hold the id against its owner, unless it is a later registration', () => {
    const [owner, successor] = [open(), open()];
    const first = user({ generation: now * 1_000 });
    const record = owner.sign(first, first.ttlMs);
    owner.registered(leaseOf(first), record);
    const claim = first.generation;
    now += 60_000;
    const later = signed(successor, user({ port: 9090 }));
    expect(owner.isRightful(stored(record, first), claim)).toBe(true);
    expect(owner.isRightful(stored(record, user({ generation: 7 })), claim)).toBe(false);
    expect(owner.isRightful(stored('{"v":1}'), claim)).toBe(false);
    expect(owner.isRightful(later, claim)).toBe(true);
  });
});

describe('the validity of a signature', () => {
  const ownerOf = (instance: ServiceInstance): { owner: RecordSignatures; lease: Lease; record: string } => {
    const [owner, lease] = [open(), leaseOf(instance)];
    const record = owner.sign(instance, instance.ttlMs);
    owner.registered(lease, record);
    return { owner, lease, record };
  };

  it('is extended by renewals after a quarter of an hour', () => {
    const { owner, lease, record } = ownerOf(user());
    now += HOUR_MS / 4;
    expect(owner.isDue(lease, 'heartbeat')).toBe(false);
    now += 1;
    expect(owner.isDue(lease, 'heartbeat')).toBe(true);
    const again = owner.signAgain(lease)!;
    const reader = open();
    expect([reader.check(stored(record)), reader.check(stored(again))]).toEqual([undefined, undefined]);
    expect(toServiceInstance(stored(again))).toEqual(toServiceInstance(stored(record)));
    now += HOUR_MS;
    expect(open().check(stored(again))).toBeUndefined();
  });

  it('is twice the lease for long leases', () => {
    const day = user({ ttlMs: 24 * HOUR_MS });
    const { owner, lease, record } = ownerOf(day);
    now += 12 * HOUR_MS;
    expect(owner.isDue(lease, 'heartbeat')).toBe(false);
    now += 36 * HOUR_MS;
    expect(owner.isDue(lease, 'heartbeat')).toBe(true);
    expect(open().check(stored(record, day))).toBeUndefined();
    now += 1;
    expect(open().check(stored(record, day))).toMatchObject({ kind: 'replayed_record' });
  });

  it('is not extended by checks of an instance that sends heartbeats', () => {
    const { owner, lease } = ownerOf(user({ lease: 'heartbeat' }));
    const byChecks = ownerOf(user({ lease: 'checks' }));
    now += HOUR_MS / 2;
    expect(owner.isDue(lease, 'checks')).toBe(false);
    expect(byChecks.owner.isDue(byChecks.lease, 'checks')).toBe(true);
  });

  it('is extended at once when readers have seen the end of the registration, or a later signature', () => {
    const { owner, lease, record } = ownerOf(user());
    owner.check(stored(record));
    owner.end(lease);
    expect(owner.isDue(lease, 'heartbeat')).toBe(true);
    const another = ownerOf(user());
    now += 1;
    another.owner.check(signed(open(), user({ generation: 7 })));
    expect(another.owner.isDue(another.lease, 'heartbeat')).toBe(true);
    expect(open().check(stored(another.owner.signAgain(another.lease)!))).toBeUndefined();
  });

  it('ends for an instance in use, and not while Redis is away', () => {
    const reader = open();
    reader.check(signed(open()));
    now += HOUR_MS + 60_000;
    expect(reader.isInvalid(user())).toBe(true);
    reader.wasAway(60_000);
    expect(reader.isInvalid(user())).toBe(false);
  });

  it('is not extended by a process without a key that signs', () => {
    const reader = open({ publicKeys: [publicKey] });
    const instance = user();
    reader.check(signed(open({ privateKey }), instance));
    now += HOUR_MS / 2;
    expect(reader.canSign).toBe(false);
    expect([reader.isDue(leaseOf(instance), 'heartbeat'), reader.digestOf(leaseOf(instance))]).toEqual([
      false,
      undefined,
    ]);
    expect(reader.signAgain(leaseOf(instance))).toBeUndefined();
  });
});
