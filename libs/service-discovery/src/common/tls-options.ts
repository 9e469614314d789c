import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls';
import { boolean, custom, type GivenOptionsOf, oneOf, optional, OptionGroup, type ResolvedOf } from './option-group.js';
import { IDENTITY_RULE, identityCheck, isIdentity, namesService } from './tls-identity.js';
import { type OptionValidator } from './validation.js';
import { withoutUndefined } from './values.js';

/** PEM as a string or bytes, or the path of a file. */
export type PemSource = string | Buffer;

const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** The TLS versions that `minVersion` may name. */
export type TlsVersion = (typeof TLS_VERSIONS)[number];

const PEM_RANGE = 'PEM, or the path of a file';
/** Read by {@link readPair}: one without the other is reported as that alone. */
const HALF_OF_PAIR = optional(custom<PemSource, Pem | undefined>({ range: PEM_RANGE, read: () => undefined }));

/** TLS identities and trust. Files are read again when they change. */
export const TLS_OPTIONS = new OptionGroup(
  'tls',
  {
    /**
     * Trusted CA certificates, in place of Node's; a file may contain several.
     * @default Node's
     */
    ca: optional(
      custom<PemSource | readonly PemSource[], readonly Pem[]>({
        range: `${PEM_RANGE}, or several`,
        read: readAuthorities,
      }),
    ),
    /**
     * The client certificate, followed by its intermediates. Requires `key`.
     * @default none
     */
    cert: HALF_OF_PAIR,
    /**
     * The private key of that certificate, unencrypted.
     * @default none
     */
    key: HALF_OF_PAIR,
    /**
     * The server name to request (SNI), which the certificate must match.
     * @default the host
     */
    servername: optional(
      custom<string>({
        range: 'a host name',
        read: (value, path, check) => {
          if (!isServername(value)) check.problem(path, value, 'a host name, and no address');
          return value as string;
        },
      }),
    ),
    /**
     * The minimum TLS version.
     * @default Node's, TLSv1.2
     */
    minVersion: optional(oneOf(TLS_VERSIONS, { default: 'TLSv1.2' })),
    /**
     * Whether to reject a server with an invalid certificate. If false, anyone can impersonate it.
     * @default true
     */
    rejectUnauthorized: optional(boolean({ default: true })),
    /**
     * Whose certificate is accepted, in place of one for the host name: SPIFFE ids, in which `*` is any text within a segment of
     * the path, or DNS names. The certificate has to have one of them. `{service}` is the name of the service that is called:
     * `spiffe://corp.example/ns/*\/sa/{service}`.
     * @default the host name, or `servername`
     */
    identity: optional(
      custom<string | readonly string[], readonly string[] | undefined>({
        range: 'SPIFFE ids or DNS names',
        read: readIdentity,
      }),
    ),
  },
  (material, given, check) => {
    if (isUnproven(material)) reportUnproven(check);
    Object.assign(material, readPair(given, check));
  },
);

/** TLS identities and trust. Files are read again when they change. */
export interface TlsOptions extends GivenOptionsOf<typeof TLS_OPTIONS> {}

/** PEM, and the absolute path of the file that it was read from, if it was. */
export interface Pem {
  readonly text: string;
  readonly file?: string;
}

/**
 * Validated {@link TlsOptions} with the contents of files. Can be spread over another one: `cert` and `key` come
 * together.
 */
export type TlsMaterial = ResolvedOf<typeof TLS_OPTIONS>;

/** TLS material for all services, with overrides per service. */
export interface TlsByService {
  readonly all: TlsMaterial;
  readonly services: ReadonlyMap<string, TlsMaterial>;
}

export const USUAL_TLS: TlsByService = { all: {}, services: new Map() };

/** Options of a connection, as accepted by `tls.connect` of Node. */
export interface TlsSettings {
  /** Whether the certificate must be valid for the name. @default true */
  readonly rejectUnauthorized?: boolean;
  /** The requested server name, which the certificate must match. @default the host */
  readonly servername?: string;
  /** Trusted authorities and the client certificate. @default Node's authorities, no certificate */
  readonly secureContext?: SecureContext;
  /** Whether the certificate is of the one that is connected to. @default Node's check of the name */
  readonly checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/** Reads the files and reports every problem. Problems never show a key, or a value that does not look like a path. */
export function readTls(check: OptionValidator, path: string, given: unknown): TlsMaterial {
  return check.gather(() => TLS_OPTIONS.resolve(given as TlsOptions, check.pathOf(path))) ?? {};
}

/** The TLS of connections to one server, which is no service. */
export const SERVER_TLS = custom<TlsOptions, TlsByService>({
  default: {},
  range: 'options of TLS, without `services`',
  read: (given, path, check) => {
    const all = readTls(check, path, given);
    if (all.identity && namesService(all.identity)) {
      const expected = 'no {service}: the certificate is that of a server, and of no service';
      check.problem(`${path}.identity`, all.identity, expected);
    }
    return { all, services: new Map() };
  },
});

/**
 * Options over those that are their defaults.
 * @param path where `own` stands
 */
export function overlayTls(check: OptionValidator, path: string, base: TlsMaterial, own: TlsMaterial): TlsMaterial {
  const material = { ...base, ...own };
  // `readTls` has reported what is wrong with `own` alone.
  if (isUnproven(material) && !isUnproven(own)) reportUnproven(check, `${path}.`);
  return material;
}

function isUnproven({ identity, rejectUnauthorized }: TlsMaterial): boolean {
  return identity !== undefined && rejectUnauthorized === false;
}

function reportUnproven(check: OptionValidator, prefix = ''): void {
  const expected = 'true, since a certificate that is not verified proves no identity';
  check.problem(`${prefix}rejectUnauthorized`, false, expected);
}

/** Reads the files again. */
export function readAgain(check: OptionValidator, path: string, material: TlsMaterial): TlsMaterial {
  const sourceOf = (pem: Pem | undefined): PemSource | undefined => pem && (pem.file ?? pem.text);
  const { ca, cert, key, ...others } = material;
  const sources = { ca: ca?.map((pem) => sourceOf(pem)!), cert: sourceOf(cert), key: sourceOf(key) };
  return readTls(check, path, { ...others, ...sources });
}

/**
 * Creates the secure context once for all connections, since it takes about as long as a handshake.
 * @param service what `{service}` stands for in the identity
 */
export function toTlsSettings(material: TlsMaterial, service = ''): TlsSettings {
  const { servername, rejectUnauthorized, identity, ca, cert, key, minVersion } = material;
  const needsContext = ca !== undefined || cert !== undefined || minVersion !== undefined;
  const texts = { ca: ca?.map(({ text }) => text), cert: cert?.text, key: key?.text };
  const secureContext = needsContext ? createSecureContext({ ...texts, minVersion }) : undefined;
  const checkServerIdentity = identity && identityCheck(identity, service);
  return withoutUndefined({ servername, rejectUnauthorized, secureContext, checkServerIdentity });
}

function isServername(value: unknown): boolean {
  const isName = typeof value === 'string' && /^(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/.test(value);
  return isName && isIP(value) === 0 && URL.canParse(`https://${value}`);
}

function readIdentity(given: unknown, path: string, check: OptionValidator): readonly string[] | undefined {
  const identities: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (identities.length > 0 && identities.every(isIdentity)) return [...identities];
  check.problem(path, given, `${IDENTITY_RULE}, or a list of them`);
  return undefined;
}

function readAuthorities(given: unknown, path: string, check: OptionValidator): readonly Pem[] {
  if (!Array.isArray(given)) return [readCertificates(given, path, check) ?? []].flat();
  if (given.length === 0) check.problem(path, given, 'at least one certificate: with none, no server is trusted');
  return given.flatMap((source, index) => readCertificates(source, `${path}[${index}]`, check) ?? []);
}

function readPair(given: Partial<TlsOptions>, check: OptionValidator): Pick<TlsMaterial, 'cert' | 'key'> | undefined {
  if (given.cert === undefined && given.key === undefined) return undefined;
  for (const name of ['cert', 'key'] as const) {
    if (given[name] !== undefined) continue;
    check.problem(name, undefined, 'a value, as cert and key belong together');
    return undefined;
  }
  const cert = readCertificates(given.cert, 'cert', check);
  const key = readKey(given.key, 'key', check);
  if (cert === undefined || key === undefined) return undefined;
  if (!new X509Certificate(cert.text).checkPrivateKey(createPrivateKey(key.text))) {
    check.problem('key', shown(given.key), `the private key of the certificate in ${check.pathOf('cert')}`);
    return undefined;
  }
  try {
    createSecureContext({ cert: cert.text, key: key.text });
  } catch (error) {
    const { code = 'not accepted' } = error as { code?: string };
    check.problem('cert', shown(given.cert), `a certificate and a key that OpenSSL accepts (${code})`);
    return undefined;
  }
  return { cert, key };
}

function readCertificates(source: unknown, path: string, check: OptionValidator): Pem | undefined {
  const pem = readPem(check, path, source);
  if (pem === undefined) return undefined;
  // OpenSSL ignores anything that is not a certificate, such as one that is cut off, and would then trust no server.
  const begun = pem.text.match(/-----BEGIN CERTIFICATE-----/g) ?? [];
  const blocks = pem.text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length > 0 && blocks.length === begun.length && blocks.every(isCertificate)) return pem;
  check.problem(path, shown(source), 'certificates in PEM ("-----BEGIN CERTIFICATE-----")');
  return undefined;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function readKey(source: unknown, path: string, check: OptionValidator): Pem | undefined {
  const pem = readPem(check, path, source);
  if (pem === undefined) return undefined;
  try {
    createPrivateKey(pem.text);
    return pem;
  } catch {
    const expected = /\bENCRYPTED\b/.test(pem.text)
      ? 'a private key that is not encrypted ("openssl pkey -in <file>" decrypts one)'
      : 'a private key in PEM ("-----BEGIN PRIVATE KEY-----")';
    check.problem(path, shown(source), expected);
    return undefined;
  }
}

/** Reads PEM that is given as text, bytes, or the path of a file. @returns undefined if it cannot be read, which is reported */
export function readPem(check: OptionValidator, path: string, source: unknown): Pem | undefined {
  if (source instanceof Uint8Array) return { text: Buffer.from(source).toString() };
  if (typeof source === 'string' && isPem(source)) return { text: source };
  let reason = '';
  if (typeof source === 'string' && source !== '') {
    try {
      return { text: readFileSync(source, 'utf8'), file: resolve(source) };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      reason = code === 'ENOENT' ? ' (there is no such file)' : ` (${code})`;
    }
  }
  check.problem(path, shown(source), `PEM, or the path of a file that can be read${reason}`);
  return undefined;
}

function isPem(text: string): boolean {
  return text.includes('-----BEGIN ');
}

/** The value if it is a file path; anything else may be a key without its PEM armor. */
function shown(source: unknown): unknown {
  const isPath = typeof source === 'string' && !isPem(source) && /^[^\n]*\.|^[^\n]{0,2}[/\\]/.test(source);
  return isPath || source === '' ? source : '***';
}
