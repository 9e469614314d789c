import { type RegistryTroubleKind } from '../../model/index.js';
import { type ResolvedRedisSigning, type SigningKey } from './signing-options.js';

/** Why a record is not to be trusted. */
export interface Refusal {
  readonly kind: Extract<RegistryTroubleKind, 'unsigned_record' | 'forged_record' | 'replayed_record'>;
  readonly reason: string;
  /** Whether it was genuine, and its registration has ended. */
  readonly isOver: boolean;
}

export function refusal(kind: Refusal['kind'], reason: string, isOver = false): Refusal {
  return { kind, reason, isOver };
}

/** The keys of a process: one that signs, if it may, and all that verify. */
export class Keyring {
  private readonly keys: ReadonlyMap<string, SigningKey>;
  private readonly signer: SigningKey | undefined;

  constructor(private readonly options: ResolvedRedisSigning) {
    this.keys = new Map(options.keys.map((key) => [key.id, key]));
    this.signer = options.keys.find(({ sign }) => sign !== undefined);
  }

  /** Whether what is not genuine must not be used. */
  get isRequired(): boolean {
    return this.options.required;
  }

  /** Whether this process has a key that signs. */
  get canSign(): boolean {
    return this.signer !== undefined;
  }

  /** The id of the key and the signature, with a dot between them. */
  sign(text: string): string {
    return `${this.signer!.id}.${this.signer!.sign!(text).toString('base64url')}`;
  }

  /**
   * @param what is signed: `the registration`
   * @param place what a signature holds for: `namespace, service or id`
   * @param signature in base64url
   * @returns undefined if a known key has signed the text
   */
  findForgery(what: string, place: string, text: string, keyId: string, signature: string): Refusal | undefined {
    const signer = this.keys.get(keyId);
    if (!signer) return refusal('forged_record', `${what} is signed with a key that is unknown here (${keyId})`);
    if (signer.verify(text, Buffer.from(signature, 'base64url'))) return undefined;
    return refusal('forged_record', `the signature of ${what} is wrong: forged, or of another ${place}`);
  }
}
