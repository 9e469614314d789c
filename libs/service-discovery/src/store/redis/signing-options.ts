import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import {
  boolean,
  custom,
  fromEnv,
  type GivenOptionsOf,
  optional,
  OptionGroup,
  type OptionValidator,
  type PemSource,
  readPem,
} from '../../common/index.js';

/** One key that signs or verifies records. */
export interface SigningKey {
  /** Tells keys apart without giving them away: 8 characters of base64url. */
  readonly id: string;
  /** Absent: the key can only verify. */
  readonly sign?: (text: string) => Buffer;
  readonly verify: (text: string, signature: Buffer) => boolean;
}

/** HMAC-SHA-256 (RFC 2104): every process with the secret can sign. */
function hmacKey(secret: string): SigningKey {
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
function ed25519Key(key: KeyObject): SigningKey {
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

/** A secret that cannot be guessed from the signatures, which everyone who can read Redis has. */
const SECRET_PATTERN = /^[!-+\--~]{32,512}$/;
const SECRETS_RULE =
  'a secret of 32 to 512 visible ASCII characters without commas, as "openssl rand -hex 32" prints, or several separated by commas';

/** How registrations in Redis are signed. The defaults: {@link RedisSigningOptions}. */
export const REDIS_SIGNING_OPTIONS = new OptionGroup(
  'redis.signing',
  {
    /**
     * The secret of all processes, which sign with HMAC-SHA-256. The first of several signs, all verify.
     * @default none
     */
    key: fromEnv(
      'REDIS_SIGNING_KEY',
      optional(
        custom<string, readonly string[]>({
          range: '32 to 512 visible ASCII characters, without commas; several separated by commas',
          read: readSecrets,
        }),
      ),
    ),
    /**
     * The Ed25519 key that signs, as PEM or the path of a file; it takes precedence over `key`. Without either, a process
     * can read the registry, and not register.
     * @default none
     */
    privateKey: optional(custom<PemSource, KeyObject>({ range: 'a private Ed25519 key', read: readPrivateKey })),
    /**
     * The Ed25519 keys of all processes that sign, as PEM or paths of files; that of `privateKey` is implied.
     * @default none
     */
    publicKeys: optional(
      custom<readonly PemSource[], readonly KeyObject[]>({ range: 'public Ed25519 keys', read: readPublicKeys }),
    ),
    /**
     * Whether registrations without a valid signature are ignored. If false, they are used and reported, which a fleet needs
     * until all of its processes sign.
     * @default true
     */
    required: boolean({ default: true }),
  },
  (_resolved, given, check) => {
    if (given.key !== undefined || given.privateKey !== undefined || given.publicKeys !== undefined) return;
    check.problem('key', undefined, `${SECRETS_RULE}; or a privateKey, or publicKeys`);
  },
);

/** How registrations are signed, so that write access to Redis is not enough to redirect calls. */
export interface RedisSigningOptions extends GivenOptionsOf<typeof REDIS_SIGNING_OPTIONS> {}

export interface ResolvedRedisSigning {
  /** The first one that can sign does so. */
  readonly keys: readonly SigningKey[];
  readonly required: boolean;
}

/** @throws InvalidConfigurationError naming every wrong option; no key is shown */
export function resolveRedisSigning(given: RedisSigningOptions, path: string): ResolvedRedisSigning {
  const { key = [], privateKey, publicKeys = [], required } = REDIS_SIGNING_OPTIONS.resolve(given, path);
  const ed25519 = [...(privateKey ? [privateKey] : []), ...publicKeys];
  return { keys: [...ed25519.map(ed25519Key), ...key.map(hmacKey)], required };
}

function readSecrets(value: unknown, path: string, check: OptionValidator): readonly string[] {
  const secrets = typeof value === 'string' ? value.split(',').map((secret) => secret.trim()) : [];
  if (secrets.length > 0 && secrets.every((secret) => SECRET_PATTERN.test(secret))) return secrets;
  check.problem(path, value === '' ? value : '***', SECRETS_RULE);
  return [];
}

function readPrivateKey(value: unknown, path: string, check: OptionValidator): KeyObject {
  const expected = 'a private Ed25519 key in PEM, not encrypted, as "openssl genpkey -algorithm ed25519" prints';
  // What is wrong is reported, so that nothing goes on with undefined.
  return readKey(value, path, check, createPrivateKey, expected)!;
}

function readPublicKeys(value: unknown, path: string, check: OptionValidator): readonly KeyObject[] {
  if (!Array.isArray(value) || value.length === 0) {
    check.problem(path, Array.isArray(value) ? value : '***', 'a list of at least one public key in PEM, or of paths');
    return [];
  }
  const expected = 'a public Ed25519 key in PEM, as "openssl pkey -pubout" prints';
  return value.flatMap((source, index) => readKey(source, `${path}[${index}]`, check, readPublicKey, expected) ?? []);
}

/** Node derives the public key of a private one, which must not be in every process. */
function readPublicKey(pem: string): KeyObject {
  if (pem.includes('PRIVATE KEY')) throw new Error('it is a private key');
  return createPublicKey(pem);
}

function readKey(
  source: unknown,
  path: string,
  check: OptionValidator,
  toKey: (pem: string) => KeyObject,
  expected: string,
): KeyObject | undefined {
  const pem = readPem(check, path, source);
  if (pem === undefined) return undefined;
  try {
    const key = toKey(pem.text);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Reported below, together with keys of other kinds.
  }
  check.problem(path, '***', expected);
  return undefined;
}
