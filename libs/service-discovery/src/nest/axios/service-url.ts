import { SERVICE_NAME_PATTERN } from '../../model/index.js';

/** A URL whose host is the name of a service. */
export interface ServiceUrl {
  readonly service: string;
  /** With the query, starting with a slash. */
  readonly path: string;
}

/**
 * Reads a URL as that of a service: `http://user-service/users/1`. Not by a URL parser, which would write the name in
 * lower case.
 * @param isKnown whether a service of this name is registered
 * @returns undefined where the host is not a service: it has a port or credentials, is an address or `localhost`, or is
 *   a domain name that nobody registered
 */
export async function parseServiceUrl(
  url: string,
  isKnown: (name: string) => boolean | Promise<boolean>,
): Promise<ServiceUrl | undefined> {
  const [, host, rest = ''] = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(url) ?? [];
  if (host === undefined || !SERVICE_NAME_PATTERN.test(host)) return undefined;
  const isDomainOrAddress = host.includes('.') || host.toLowerCase() === 'localhost' || /^\d+$/.test(host);
  if (isDomainOrAddress && !(await isKnown(host))) return undefined;
  return { service: host, path: rest.startsWith('/') ? rest : `/${rest}` };
}
