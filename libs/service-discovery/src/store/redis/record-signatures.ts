import { createHash } from 'node:crypto';
import { keyOf, type InstanceKey, type Lease, type LeaseKind, type ServiceInstance } from '../../model/index.js';
import { Keyring, type Refusal, refusal } from './keyring.js';
import { generationOf, toRecord, type StoredInstance } from './record.js';
import { type ResolvedRedisSigning } from './signing-options.js';

/** Signatures are valid for this long, or for two leases if that is longer. */
const SHORTEST_VALIDITY_MS = 3_600_000;
/** A renewal signs again after this part of the validity, so that several renewals may fail. */
const SIGNED_AGAIN_AFTER = 1 / 4;

const WHAT = 'the registration';
/** What is signed: the fields of the registration, what renews its lease, when it was signed, and until when it is valid. */
const SIGNED_PART = /^(.*),"lease":"(heartbeat|checks)","signedAt":(\d{1,16}),"validUntil":(\d{1,16})$/s;
/** A signed record: that part, the id of the key, and the signature. */
const SIGNED_RECORD = /^(.*),"signature":"([\w-]{8})\.([\w-]{43,86})"\}$/s;

interface SignedRecord {
  /** All of it, as it is in Redis. */
  readonly text: string;
  /** The fields of the registration. */
  readonly fields: string;
  readonly lease: LeaseKind;
  /** Microseconds since the Unix epoch, as in generations. */
  readonly signedAt: number;
  readonly validUntil: number;
}

interface KnownRecord extends SignedRecord {
  /** The generation under which Redis last showed it. */
  generation: number;
  /** How long Redis had been away until then. */
  readonly awayMs: number;
  /** Whether the registration has ended, so that the record is not accepted again. */
  isOver: boolean;
}

interface OwnRecord extends SignedRecord {
  readonly generation: number;
}

/**
 * Signs the records of registrations, and tells genuine ones from others. What is signed is the record, and for which
 * namespace, service and id it is, when it was signed, and until when it is valid.
 *
 * A genuine record may be put back after its end. So the newest of each id is remembered until it is no longer valid: an
 * older one, or one of a registration that ended, is refused. A process that has not seen the newer one, or the end,
 * accepts such a record until it is no longer valid. Owners sign their records again when they renew their leases.
 *
 * The time is that of Redis. While Redis is away no record can be signed again, so that time does not count.
 */
export class RecordSignatures {
  private readonly keyring: Keyring;
  /** The newest genuine record of each id. */
  private readonly known = new Map<string, KnownRecord>();
  /** The last record that this process registered under each id. */
  private readonly own = new Map<string, OwnRecord>();
  private lastSignedAt = 0;
  private awayMs = 0;

  /** @param now the time of Redis, in milliseconds since the Unix epoch */
  constructor(
    options: ResolvedRedisSigning,
    private readonly namespace: string,
    private readonly now: () => number,
  ) {
    this.keyring = new Keyring(options);
  }

  /** Whether what {@link check} refuses must not be used. */
  get isRequired(): boolean {
    return this.keyring.isRequired;
  }

  /** Whether this process has a key that signs. */
  get canSign(): boolean {
    return this.keyring.canSign;
  }

  /** The signed record of a registration. */
  sign(instance: ServiceInstance, ttlMs: number): string {
    const validForMs = Math.max(SHORTEST_VALIDITY_MS, 2 * ttlMs);
    return this.signedText(instance, toRecord(instance).slice(0, -1), instance.lease, validForMs * 1_000);
  }

  /** This process has registered, or signed again, a record under a lease. */
  registered(lease: Lease, text: string): void {
    const record = partsOf(text)?.record;
    if (record) this.own.set(keyOf(lease), { ...record, generation: lease.generation });
  }

  /** This process has ended a lease. */
  removed(lease: Lease): void {
    const id = keyOf(lease);
    if (this.own.get(id)?.generation === lease.generation) this.own.delete(id);
  }

  /** The record of a lease with a new signature; undefined if the record is unknown, or this process cannot sign. */
  signAgain(lease: Lease): string | undefined {
    const record = this.recordOf(lease);
    if (!record || !this.canSign) return undefined;
    return this.signedText(lease, record.fields, record.lease, record.validUntil - record.signedAt);
  }

  /** Whether a renewal of a lease should sign its record again. Checks do so only for a registration that left its lease to them. */
  isDue(lease: Lease, by: LeaseKind): boolean {
    const record = this.recordOf(lease);
    if (!record || !this.canSign || (by === 'checks' && record.lease !== 'checks')) return false;
    const known = this.known.get(keyOf(lease));
    // Readers refuse it: they have seen its end, or a record of an earlier lease that was signed later.
    if (known && (known.isOver || known.signedAt > record.signedAt)) return true;
    return this.nowMicros() - record.signedAt > (record.validUntil - record.signedAt) * SIGNED_AGAIN_AFTER;
  }

  /** The SHA-1 of the record of a lease, as Redis computes it; undefined if the record is unknown. */
  digestOf(lease: Lease): string | undefined {
    const record = this.canSign ? this.recordOf(lease) : undefined;
    return record && createHash('sha1').update(record.text).digest('hex');
  }

  /** Whether a record of an id is known, so that the next one can be signed later. */
  knows(key: InstanceKey): boolean {
    return this.known.has(keyOf(key));
  }

  /** The newest genuine record of an id, as it was signed. */
  textOf(key: InstanceKey): string | undefined {
    return this.known.get(keyOf(key))?.text;
  }

  /** Checks a record that Redis holds or has published. @returns undefined if it is genuine and the newest known */
  check(stored: StoredInstance): Refusal | undefined {
    const refusal = this.examine(stored);
    // It is used all the same, so the one that was known is not in use any more.
    if (refusal && !this.isRequired) this.known.delete(keyOf(stored));
    return refusal;
  }

  /**
   * Whether what holds an id is the newest genuine registration, and was made after a claim of this process, in
   * microseconds since the Unix epoch. Its own record under another generation was put back.
   */
  isRightful(holder: StoredInstance, claim: number): boolean {
    if (this.examine(holder)) return false;
    const own = this.own.get(keyOf(holder));
    if (own?.text === holder.record) return own.generation === generationOf(holder.state);
    const parts = partsOf(holder.record);
    return parts !== undefined && parts.record.signedAt >= claim;
  }

  /** The registration of an id has ended: what was signed for it until now is not accepted again. */
  end(key: InstanceKey): void {
    const known = this.known.get(keyOf(key));
    if (known) known.isOver = true;
  }

  /** Whether the signature of an instance in use has become invalid. */
  isInvalid(key: InstanceKey): boolean {
    const known = this.known.get(keyOf(key));
    return this.isRequired && known !== undefined && !this.isValid(known);
  }

  /** No record could be signed again for so long. */
  wasAway(ms: number): void {
    this.awayMs += ms;
  }

  /** Forgets records that would be refused for their age. */
  prune(): void {
    for (const [id, known] of this.known) if (!this.isValid(known)) this.known.delete(id);
    const now = this.nowMicros();
    for (const [id, { signedAt, validUntil }] of this.own) {
      // A lease that is still renewed is signed again within that time.
      if (now - validUntil > validUntil - signedAt) this.own.delete(id);
    }
  }

  /** The newest record known under the generation of a lease. */
  private recordOf(lease: Lease): SignedRecord | undefined {
    const id = keyOf(lease);
    const candidates = [this.own.get(id), this.known.get(id)];
    const [one, other] = candidates.filter((record) => record?.generation === lease.generation);
    return one && other && other.signedAt > one.signedAt ? other : one;
  }

  private signedText(key: InstanceKey, fields: string, lease: LeaseKind, validFor: number): string {
    const after = Math.max(this.lastSignedAt, this.known.get(keyOf(key))?.signedAt ?? 0);
    const signedAt = Math.max(this.nowMicros(), after + 1);
    this.lastSignedAt = signedAt;
    const part = `${fields},"lease":"${lease}","signedAt":${signedAt},"validUntil":${signedAt + validFor}`;
    return `${part},"signature":"${this.keyring.sign(this.inContext(key, part))}"}`;
  }

  /** With where it belongs, so that it is no signature of another service's record. */
  private inContext({ serviceName, instanceId }: InstanceKey, part: string): string {
    return JSON.stringify(['registration', this.namespace, serviceName, instanceId]) + part;
  }

  private examine(stored: StoredInstance): Refusal | undefined {
    const id = keyOf(stored);
    const known = this.known.get(id);
    const generation = generationOf(stored.state);
    // The same record comes with each change of the status.
    if (known?.text === stored.record) {
      if (known.isOver) return replayed('the registration has ended', true);
      known.generation = generation;
      return undefined;
    }
    const parts = partsOf(stored.record);
    if (!parts) return refusal('unsigned_record', `${WHAT} is not signed`);
    const { part, keyId, signature } = parts;
    const signed = this.inContext(stored, part);
    const forgery = this.keyring.findForgery(WHAT, 'namespace, service or id', signed, keyId, signature);
    if (forgery) return forgery;
    const { signedAt } = parts.record;
    if (known && signedAt < known.signedAt) return replayed('a newer one has been seen', known.isOver);
    if (known?.isOver && signedAt === known.signedAt) return replayed('the registration has ended', true);
    const read: KnownRecord = { ...parts.record, generation, awayMs: this.awayMs, isOver: false };
    if (!this.isValid(read)) {
      const minutes = Math.ceil((this.nowMicros() - read.validUntil) / 60_000_000);
      return replayed(`its signature has been invalid for ${minutes} min`, false);
    }
    this.known.set(id, read);
    return undefined;
  }

  private isValid({ validUntil, awayMs }: KnownRecord): boolean {
    return this.nowMicros() - (this.awayMs - awayMs) * 1_000 <= validUntil;
  }

  private nowMicros(): number {
    return this.now() * 1_000;
  }
}

interface Parts {
  readonly record: SignedRecord;
  readonly part: string;
  readonly keyId: string;
  /** In base64url. */
  readonly signature: string;
}

/** @returns undefined if the record is not signed */
function partsOf(text: string): Parts | undefined {
  const [, part = '', keyId = '', signature = ''] = SIGNED_RECORD.exec(text) ?? [];
  const signed = SIGNED_PART.exec(part);
  if (!signed) return undefined;
  const [, fields = '', lease, signedAt, validUntil] = signed;
  const record: SignedRecord = {
    text,
    fields,
    lease: lease as LeaseKind,
    signedAt: Number(signedAt),
    validUntil: Number(validUntil),
  };
  return { record, part, keyId, signature };
}

function replayed(why: string, isOver: boolean): Refusal {
  return refusal('replayed_record', `an old registration was put back: ${why}`, isOver);
}
