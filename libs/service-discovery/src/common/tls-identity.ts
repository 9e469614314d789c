import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { describeValue } from './errors.js';

/** The code of the error for a certificate that belongs to someone else. */
export const OTHER_IDENTITY = 'ERR_TLS_CERT_IDENTITY';

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
