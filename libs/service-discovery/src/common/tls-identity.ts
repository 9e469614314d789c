import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { describeValue, messageOf } from './errors.js';

/** The code of the error for a certificate that belongs to someone else. */
const OTHER_IDENTITY = 'ERR_TLS_CERT_IDENTITY';

/** Stands for the name of the service that is connected to. */
const SERVICE = '{service}';
const SPIFFE = 'spiffe://';
const URI = 'URI:';
/** A trust domain and path segments, each of which may be or contain `*` or `{service}`. */
const SPIFFE_PATTERN = /^spiffe:\/\/[a-z0-9._-]+(?:\/(?:[\w.*-]|\{service\})+)+$/;
const DNS_PATTERN = /^(?=.{1,253}$)(?:[\w-]|\{service\})+(?:\.(?:[\w-]|\{service\})+)*$/;

export const IDENTITY_RULE =
  'a SPIFFE id such as "spiffe://corp.example/ns/*/sa/{service}", or a DNS name such as "{service}.internal"';

/** Whether a text can be expected of a certificate: see `TlsOptions.identity`. */
export function isIdentity(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  return value.startsWith(SPIFFE) ? SPIFFE_PATTERN.test(value) : DNS_PATTERN.test(value);
}

/** Whether what is expected differs from service to service. */
export function namesService(identities: readonly string[]): boolean {
  return identities.some((identity) => identity.includes(SERVICE));
}

/**
 * A check for `tls.connect`, in place of that of the host name. Node makes it once a connection, before anything is sent.
 * @param service what `{service}` stands for
 */
export function identityCheck(
  identities: readonly string[],
  service: string,
): (host: string, certificate: PeerCertificate) => Error | undefined {
  return (_host, certificate) => {
    const expected = identities.map((identity) => identity.replaceAll(SERVICE, service));
    const isIts = expected.some((identity) =>
      identity.startsWith(SPIFFE) ? hasSpiffeId(certificate, identity) : hasDnsName(certificate, identity),
    );
    return isIts ? undefined : otherIdentity(certificate, expected);
  };
}

/** The SPIFFE id of a certificate. An X.509-SVID has exactly one URI (SPIFFE, "X.509-SVID", 2). */
export function spiffeIdOf({ subjectaltname = '' }: Pick<PeerCertificate, 'subjectaltname'>): string | undefined {
  const uris = namesIn(subjectaltname).filter((name) => name.startsWith(URI));
  const id = uris.length === 1 ? uris[0]!.slice(URI.length) : '';
  return id.startsWith(SPIFFE) ? id : undefined;
}

/** `*` is any text within a segment of the path. */
function hasSpiffeId(certificate: PeerCertificate, pattern: string): boolean {
  const source = pattern.replaceAll('.', '\\.').replaceAll('*', '[\\w.-]+');
  return new RegExp(`^${source}$`).test(spiffeIdOf(certificate) ?? '');
}

/** By Node's own check, but for certificates that name a host only in their common name. */
function hasDnsName(certificate: PeerCertificate, name: string): boolean {
  const isNamed = namesIn(certificate.subjectaltname ?? '').some((found) => found.startsWith('DNS:'));
  return isNamed && checkServerIdentity(name, certificate) === undefined;
}

/** Node quotes names that contain a comma or a quote, so that they cannot pass for several. */
function namesIn(subjectaltname: string): string[] {
  return (subjectaltname.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []).map((name) => name.trim());
}

function otherIdentity({ subject, subjectaltname }: PeerCertificate, expected: readonly string[]): Error {
  const shown = subjectaltname ?? `CN=${String(subject?.CN)}`;
  const message = `the certificate is of ${describeValue(shown)}, and not of ${expected.join(' or ')} (tls.identity)`;
  return Object.assign(new Error(message), { code: OTHER_IDENTITY });
}

const UNTRUSTED = 'the certificate is of an authority that is not trusted (tls.ca names which to trust)';
const REFUSED = 'the server refuses the client certificate (tls.cert and tls.key)';
const NOT_TLS = 'the server does not speak TLS at this port (use http, or the port that it has for https)';
const OTHER_VERSION = 'the server speaks no version of TLS that is allowed (tls.minVersion)';

/** Certificate errors by Node's codes; the connection fails before anything is sent. */
const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another name (tls.servername says which to expect)',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
};

/** Handshake errors by OpenSSL's reason. */
const HANDSHAKE_FAULTS: Readonly<Record<string, string>> = {
  'wrong version number': NOT_TLS,
  'packet length too long': NOT_TLS,
  'http request': NOT_TLS,
  'unsupported protocol': OTHER_VERSION,
  'tlsv1 alert protocol version': OTHER_VERSION,
  'tlsv1 alert no application protocol': 'the server does not speak the protocol over TLS',
  'sslv3 alert handshake failure': 'the server refuses: it may ask for a client certificate (tls.cert and tls.key)',
  'tlsv13 alert certificate required': 'the server asks for a client certificate (tls.cert and tls.key)',
  'sslv3 alert bad certificate': REFUSED,
  'sslv3 alert unsupported certificate': REFUSED,
  'sslv3 alert certificate unknown': REFUSED,
  'sslv3 alert certificate revoked': `${REFUSED}: it is revoked`,
  'sslv3 alert certificate expired': `${REFUSED}: it has expired`,
  'tlsv1 alert unknown ca': `${REFUSED}: it trusts another authority`,
  'tlsv1 alert access denied': REFUSED,
};

/** Codes for connections closed by the other side, including undici's. */
const CLOSED: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
const CLOSED_UNANSWERED =
  ' (the server may ask for a client certificate, or refuse the one that it was shown: tls.cert and tls.key)';

interface TlsError {
  readonly code?: unknown;
  readonly reason?: string;
  readonly message?: string;
}

/** What failed in TLS, as a short phrase naming the relevant option; undefined for other errors. */
export function tlsFailure(error: unknown): string | undefined {
  const { code, reason, message } = (error ?? {}) as TlsError;
  if (typeof code !== 'string') return undefined;
  if (code === OTHER_IDENTITY) return message;
  if (!code.startsWith('ERR_SSL_') && code !== 'EPROTO') return CERTIFICATE_FAULTS[code];
  // If the error surfaced as a failed write, only the message contains the reason, amid OpenSSL source locations.
  const said = reason ?? /:SSL routines:[^:]*:([^:]+):/.exec(message ?? '')?.[1] ?? 'the handshake broke off';
  return HANDSHAKE_FAULTS[said] ?? `TLS failed: ${said}`;
}

/** Why a connection failed, without the request and the address that the error of a call has in front. */
export function reasonOfConnection(error: unknown): string {
  const cause = (error as Partial<Error>).cause ?? error;
  return tlsFailure(cause) ?? messageOf(cause);
}

/**
 * A hint to append to the error of a TLS connection that failed before any response; empty if it does not apply. With
 * TLS 1.3, a server rejects a client certificate after the client considers the handshake complete, and Node's servers
 * send no alert.
 */
export function unansweredHint(error: unknown): string {
  return CLOSED.has((error as TlsError | undefined)?.code) ? CLOSED_UNANSWERED : '';
}

/** The code of the library's error for a server whose certificate was rejected, before anything was sent; undefined for other errors. */
export function certificateCode(error: unknown): 'CERTIFICATE_REJECTED' | undefined {
  const { code } = (error ?? {}) as TlsError;
  const isRejected = code === OTHER_IDENTITY || (typeof code === 'string' && Object.hasOwn(CERTIFICATE_FAULTS, code));
  return isRejected ? 'CERTIFICATE_REJECTED' : undefined;
}
