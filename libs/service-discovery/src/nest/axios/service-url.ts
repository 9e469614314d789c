import { SERVICE_NAME_PATTERN } from '../../model/index.js';

/** A URL whose host may be the name of a service. */
export interface ServiceUrl {
  readonly service: string;
  /** With the query, starting with a slash. */
  readonly path: string;
  /** Whether the host may be somebody else as well: a service has such a name only if it is registered. */
  readonly isAmbiguous: boolean;
}

const HTTP_URL = /^https?:\/\/([^/?#]*)([^#]*)/i;

/**
 * Reads a URL as that of a service: `http://user-service/users/1`. Not by a URL parser, which would write the name in
 * lower case.
 * @returns undefined where the host is no service: it has a port or credentials
 */
export function parseServiceUrl(url: string): ServiceUrl | undefined {
  const [, host, rest = ''] = HTTP_URL.exec(url) ?? [];
  if (host === undefined || !SERVICE_NAME_PATTERN.test(host)) return undefined;
  const isAmbiguous = host.includes('.') || host.toLowerCase() === 'localhost' || /^\d+$/.test(host);
  return { service: host, path: rest.startsWith('/') ? rest : `/${rest}`, isAmbiguous };
}
