import { Keyring, type Refusal, refusal } from './keyring.js';
import { type ResolvedRedisSigning } from './signing-options.js';

/** How the calls to a service are split, as it is in Redis. */
export interface StoredSplit {
  /** As JSON; empty: there is none. */
  readonly text: string;
  /** Empty: it is not signed. */
  readonly signature: string;
}

const WHAT = 'the split of the calls';

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
  private readonly keyring: Keyring;
  /** When the newest genuine split of each service was signed. */
  private readonly newest = new Map<string, number>();

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

  sign(service: string, text: string): string {
    const signedAt = Math.max(this.now() * 1_000, (this.newest.get(service) ?? 0) + 1);
    return `${signedAt}.${this.keyring.sign(this.inContext(service, signedAt, text))}`;
  }

  /** @returns undefined if the split is genuine, and the newest that is known */
  check(service: string, { text, signature }: StoredSplit): Refusal | undefined {
    const [, time, keyId = '', base64 = ''] = SIGNATURE.exec(signature) ?? [];
    if (time === undefined) return refusal('unsigned_record', `${WHAT} is not signed`);
    const signedAt = Number(time);
    const signed = this.inContext(service, signedAt, text);
    const forgery = this.keyring.findForgery(WHAT, 'namespace or service', signed, keyId, base64);
    if (forgery) return forgery;
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
