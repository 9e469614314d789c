import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type OptionValidator } from './validation.js';
import { withoutUndefined } from './without-undefined.js';

/** PEM as a string or bytes, or the path of a file. */
export type PemSource = string | Buffer;

const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** The TLS versions that `minVersion` may name. */
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** TLS identities and trust. Files are read once, at startup. */
export interface TlsOptions {
  /**
   * Trusted CA certificates, in place of Node's; a file may contain several.
   * @default Node's
   */
  ca?: PemSource | readonly PemSource[];
  /**
   * The client certificate, followed by its intermediates. Requires `key`.
   * @default none
   */
  cert?: PemSource;
  /**
   * The private key of that certificate, unencrypted.
   * @default none
   */
  key?: PemSource;
  /**
   * The server name to request (SNI), which the certificate must match.
   * @default the host
   */
  servername?: string;
  /**
   * The minimum TLS version.
   * @default Node's, TLSv1.2
   */
  minVersion?: TlsVersion;
  /**
   * Whether to reject a server with an invalid certificate. If false, anyone can impersonate it.
   * @default true
   */
  rejectUnauthorized?: boolean;
}

const TLS_OPTION_NAMES = [
  'ca',
  'cert',
  'key',
  'servername',
  'minVersion',
  'rejectUnauthorized',
] as const satisfies readonly (keyof TlsOptions)[];

/**
 * Validated {@link TlsOptions} with the contents of files. Can be spread over another one: `cert` and `key` come
 * together.
 */
export interface TlsMaterial extends Omit<TlsOptions, 'ca' | 'cert' | 'key'> {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

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
}

/** Reads the files and reports every problem. Problems never show a key, or a value that does not look like a path. */
export function readTls(check: OptionValidator, path: string, given: unknown): TlsMaterial {
  const options = check.options<TlsOptions>(path, given as TlsOptions, {}, TLS_OPTION_NAMES);
  const { servername, minVersion, rejectUnauthorized } = options;
  checkTlsIdentity(check, path, { servername, rejectUnauthorized });
  if (minVersion !== undefined) check.oneOf(`${path}.minVersion`, minVersion, TLS_VERSIONS);
  const ca = readAuthorities(check, `${path}.ca`, options.ca);
  return withoutUndefined({ servername, minVersion, rejectUnauthorized, ca, ...readPair(check, path, options) });
}

/** Checks the options that are not secret and may appear in a registration. */
export function checkTlsIdentity(
  check: OptionValidator,
  path: string,
  { servername, rejectUnauthorized }: { readonly servername?: unknown; readonly rejectUnauthorized?: unknown },
  nameOf: (option: string) => string = (option) => option,
): void {
  if (servername !== undefined && !isServername(servername)) {
    check.problem(`${path}.${nameOf('servername')}`, servername, 'a host name, and no address');
  }
  if (rejectUnauthorized !== undefined) {
    check.boolean(`${path}.${nameOf('rejectUnauthorized')}`, rejectUnauthorized);
  }
}

/** Creates the secure context once for all connections, since it takes about as long as a handshake. */
export function toTlsSettings(material: TlsMaterial): TlsSettings {
  const { servername, rejectUnauthorized, ca, cert, key, minVersion } = material;
  const needsContext = ca !== undefined || cert !== undefined || minVersion !== undefined;
  const secureContext = needsContext ? createSecureContext({ ca: ca && [...ca], cert, key, minVersion }) : undefined;
  return withoutUndefined({ servername, rejectUnauthorized, secureContext });
}

function isServername(value: unknown): boolean {
  const isName = typeof value === 'string' && /^(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/.test(value);
  return isName && isIP(value) === 0 && URL.canParse(`https://${value}`);
}

function readAuthorities(check: OptionValidator, path: string, given: TlsOptions['ca']): string[] | undefined {
  if (given === undefined) return undefined;
  const sources: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (sources.length === 0) check.problem(path, given, 'at least one certificate: with none, no server is trusted');
  return sources.flatMap(
    (source, index) => readCertificates(check, Array.isArray(given) ? `${path}[${index}]` : path, source) ?? [],
  );
}

function readPair(
  check: OptionValidator,
  path: string,
  given: TlsOptions,
): Pick<TlsMaterial, 'cert' | 'key'> | undefined {
  if (given.cert === undefined && given.key === undefined) return undefined;
  for (const name of ['cert', 'key'] as const) {
    if (given[name] !== undefined) continue;
    check.problem(`${path}.${name}`, undefined, 'a value, as cert and key belong together');
    return undefined;
  }
  const [certPath, keyPath] = [`${path}.cert`, `${path}.key`];
  const cert = readCertificates(check, certPath, given.cert);
  const key = readKey(check, keyPath, given.key);
  if (cert === undefined || key === undefined) return undefined;
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    check.problem(keyPath, shown(given.key), `the private key of the certificate in ${check.pathOf(certPath)}`);
    return undefined;
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const { code = 'not accepted' } = error as { code?: string };
    check.problem(certPath, shown(given.cert), `a certificate and a key that OpenSSL accepts (${code})`);
    return undefined;
  }
  return { cert, key };
}

function readCertificates(check: OptionValidator, path: string, source: unknown): string | undefined {
  const pem = readPem(check, path, source);
  if (pem === undefined) return undefined;
  // OpenSSL ignores anything that is not a certificate, and would then trust no server.
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length > 0 && blocks.every(isCertificate)) return pem;
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

function readKey(check: OptionValidator, path: string, source: unknown): string | undefined {
  const pem = readPem(check, path, source);
  if (pem === undefined) return undefined;
  try {
    createPrivateKey(pem);
    return pem;
  } catch {
    const expected = /\bENCRYPTED\b/.test(pem)
      ? 'a private key that is not encrypted ("openssl pkey -in <file>" decrypts one)'
      : 'a private key in PEM ("-----BEGIN PRIVATE KEY-----")';
    check.problem(path, shown(source), expected);
    return undefined;
  }
}

function readPem(check: OptionValidator, path: string, source: unknown): string | undefined {
  if (source instanceof Uint8Array) return Buffer.from(source).toString();
  if (typeof source === 'string' && isPem(source)) return source;
  let reason = '';
  if (typeof source === 'string' && source !== '') {
    try {
      return readFileSync(source, 'utf8');
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
