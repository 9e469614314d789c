import {
  createHash,
  createHmac,
  createPublicKey,
  createSecretKey,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
} from 'node:crypto';

/** One key that signs or verifies records. */
export interface SigningKey {
  /** Tells keys apart without giving them away: 8 characters of base64url. */
  readonly id: string;
  /** Absent: the key can only verify. */
  readonly sign?: (text: string) => Buffer;
  readonly verify: (text: string, signature: Buffer) => boolean;
}

/** HMAC-SHA-256 (RFC 2104): every process with the secret can sign. */
export function hmacKey(secret: string): SigningKey {
  const key = createSecretKey(secret, 'utf8');
  const mac = (text: string): Buffer => createHmac('sha256', key).update(text).digest();
  return {
    id: shortened(mac('the id of this key')),
    sign: mac,
    verify: (text, signature) => {
      const expected = mac(text);
      return signature.length === expected.length && timingSafeEqual(signature, expected);
    },
  };
}

/** Ed25519 (RFC 8032). @param key private to sign, public to verify */
export function ed25519Key(key: KeyObject): SigningKey {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return {
    id: shortened(createHash('sha256').update(der).digest()),
    ...(key.type === 'private' && { sign: (text: string) => sign(null, Buffer.from(text), key) }),
    verify: (text, signature) => verify(null, Buffer.from(text), publicKey, signature),
  };
}

function shortened(digest: Buffer): string {
  return digest.toString('base64url').slice(0, 8);
}
