import { OTHER_IDENTITY } from './tls-identity.js';

const UNTRUSTED = 'the certificate is of an authority that is not trusted (tls.ca names which to trust)';
const REFUSED = 'the server refuses the client certificate (tls.cert and tls.key)';
const NOT_TLS = 'the server does not speak TLS';
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
