import { type PeerCertificate } from 'node:tls';
import { spiffeIdOf } from '../../../common/index.js';
import { type PeerRequest } from './local-request.js';
import { matches } from './pattern.js';

/** The identity in a client certificate. */
export interface CertificateIdentity {
  /** The SPIFFE ID, else the subject: `subject:CN=orders,O=shop`. */
  readonly id: string;
  /** Undefined without one, and where there is another URI beside it. */
  readonly spiffe: string | undefined;
  readonly subject: Readonly<Record<string, unknown>>;
}

/** What the TLS socket of a request adds to a plain one. */
interface TlsSocketLike {
  readonly authorized?: boolean;
  getPeerCertificate?(): Partial<PeerCertificate>;
}

/** The identity in a request's client certificate; undefined unless an authority that the TLS server trusts has issued it. */
export function readClientCertificate({ socket }: PeerRequest): CertificateIdentity | undefined {
  const tls = socket as TlsSocketLike | undefined;
  if (tls?.authorized !== true) return undefined;
  const { subject, subjectaltname } = tls.getPeerCertificate?.() ?? {};
  if (!subject) return undefined;
  const spiffe = spiffeIdOf({ subjectaltname });
  return { id: spiffe ?? subjectId(subject), spiffe, subject };
}

/** Whether a subject has all attributes that a rule names. */
export function hasAttributes(
  subject: CertificateIdentity['subject'],
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([name, pattern]) => {
    const value = Object.hasOwn(subject, name) ? subject[name] : undefined;
    return [value].flat().some((one) => typeof one === 'string' && matches(pattern, one));
  });
}

/** Values are escaped, so that one attribute cannot pass for several. */
function subjectId(subject: object): string {
  const attributes = Object.entries(subject).flatMap(([name, value]: [string, unknown]) =>
    [value].flat().map((one) => `${name}=${encodeURIComponent(String(one))}`),
  );
  return `subject:${attributes.join(',')}`;
}
