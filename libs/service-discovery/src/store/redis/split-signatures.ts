import { type Refusal } from './record-signatures.js';
import { type ResolvedRedisSigning, type SigningKey } from './signing-options.js';

/** How the calls to a service are split, as it is in Redis. */
export interface StoredSplit {
  /** As JSON; empty: there is none. */
  readonly text: string;
  /** Empty: it is not signed. */
  readonly signature: string;
}

/** When it was signed, in microseconds since the Unix epoch; the id of the key; the signature. */
const SIGNATURE = /^(\d{1,16})\.([\w-]{8})\.([\w-]{43,86})$/;

/**
 * Signs how the calls to services are split, and tells genuine splits from others. What is signed is the split, for which
 * namespace and service it is, and when it was signed.
 *
 * A split has no end, so nothing limits how long it may be put back: the time of the newest of each service is remembered, and
 * an older one is refused. A process that has not seen a newer one accepts it.
 */
export class SplitSignatures {
  private readonly keys: ReadonlyMap<string, SigningKey>;
  private readonly signer: SigningKey | undefined;
  /** When the newest genuine split of each service was signed. */
  private readonly newest = new Map<string, number>();

  /** @param now the time of Redis, in milliseconds since the Unix epoch */
  constructor(
    private readonly options: ResolvedRedisSigning,
    private readonly namespace: string,
    private readonly now: () => number,
  ) {
    this.keys = new Map(options.keys.map((key) => [key.id, key]));
    this.signer = options.keys.find(({ sign }) => sign !== undefined);
  }

  /** Whether what {@link check} refuses must not be used. */
  get isRequired(): boolean {
    return this.options.required;
  }

  sign(service: string, text: string): string {
    const signedAt = Math.max(this.now() * 1_000, (this.newest.get(service) ?? 0) + 1);
    const signature = this.signer!.sign!(this.inContext(service, signedAt, text)).toString('base64url');
    return `${signedAt}.${this.signer!.id}.${signature}`;
  }

  /** @returns undefined if the split is genuine, and the newest that is known */
  check(service: string, { text, signature }: StoredSplit): Refusal | undefined {
    const [, time, keyId = '', base64 = ''] = SIGNATURE.exec(signature) ?? [];
    if (time === undefined) return refusal('unsigned_record', 'the split of the calls is not signed');
    const signer = this.keys.get(keyId);
    if (!signer) {
      return refusal('forged_record', `the split of the calls is signed with a key that is unknown here (${keyId})`);
    }
    const signedAt = Number(time);
    if (!signer.verify(this.inContext(service, signedAt, text), Buffer.from(base64, 'base64url'))) {
      const reason = 'the signature of the split of the calls is wrong: forged, or of another namespace or service';
      return refusal('forged_record', reason);
    }
    if (signedAt < (this.newest.get(service) ?? 0)) {
      return refusal('replayed_record', 'an old split of the calls was put back: a newer one has been seen');
    }
    this.newest.set(service, signedAt);
    return undefined;
  }

  private inContext(service: string, signedAt: number, text: string): string {
    return JSON.stringify(['split', this.namespace, service, signedAt]) + text;
  }
}

function refusal(kind: Refusal['kind'], reason: string): Refusal {
  return { kind, reason, isOver: false };
}
