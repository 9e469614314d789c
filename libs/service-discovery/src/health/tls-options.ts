import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type OptionValidator, withoutUndefined } from '../common/index.js';
import { type TlsSettings } from './probes/connection.js';

/** How instances and the checking process prove to each other who they are. */
export interface TlsOptions {
  /**
   * Whether the certificate of an instance must be valid for the name. Without, anybody can pass for it.
   * @default true
   */
  verify?: boolean;
  /**
   * The name that is asked for, and that the certificate must be for.
   * @default the instance's host
   */
  serverName?: string;
  /**
   * Certificates of the authorities to trust, in PEM.
   * @default those that Node trusts
   */
  ca?: string | Buffer | readonly (string | Buffer)[];
  /**
   * The certificate that this process shows to instances which ask for one, in PEM.
   * @default none
   */
  cert?: string | Buffer;
  /**
   * The key of that certificate, in PEM.
   * @default none
   */
  key?: string | Buffer;
}

/** The options beside those that a registration may have, too. */
export const TLS_SECRETS = ['ca', 'cert', 'key'] as const satisfies readonly (keyof TlsOptions)[];

/** What connections are made with; made once, since to read certificates takes longer than a check. */
export function toTlsSettings(check: OptionValidator, path: string, options: TlsOptions): TlsSettings {
  const { verify, serverName, ca, cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key';
    check.problem(`${path}.${missing}`, undefined, 'a value, as cert and key belong together');
    return {};
  }
  const said = withoutUndefined({ verify, serverName });
  if (ca === undefined && cert === undefined) return said;
  try {
    const authorities =
      ca === undefined || Array.isArray(ca) ? (ca as (string | Buffer)[] | undefined) : [ca as string];
    // OpenSSL passes over what is no certificate, and would then trust nobody.
    authorities?.forEach((authority) => new X509Certificate(authority));
    return { ...said, context: createSecureContext({ ca: authorities, cert, key }) };
  } catch {
    // Neither the key nor what OpenSSL says of it has a place in a message.
    check.problem(path, '***', 'certificates and a key in PEM, as ca, cert and key, that belong together');
    return {};
  }
}
