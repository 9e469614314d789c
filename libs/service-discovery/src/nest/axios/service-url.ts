import { SERVICE_NAME_PATTERN } from '../../model/index.js';

/** A URL whose host may be the name of a service. */
export interface ServiceUrl {
  readonly service: string;
  /** With the query, starting with a slash. */
  readonly path: string;
  /** Whether the host may be that of another server: then it is a service only if one of that name is registered. */
  readonly isAmbiguous: boolean;
}

const HTTP_URL = /^https?:\/\/([^/?#:]*)(:\d*)?(?![^/?#])([^#]*)/i;
const ADDRESS = /^(?:localhost|[\d.]+)$/i;

/**
 * Reads a URL as that of a service: `http://user-service/users/1`, or with any port, as in Compose and Kubernetes. Instances
 * have ports of their own, so the one of the URL is not used. Not by a URL parser, which would write the name in lower case.
 * @returns undefined where the host is no service: it has credentials, or is an address with a port
 */
export function parseServiceUrl(url: string): ServiceUrl | undefined {
  const [, host, port, rest = ''] = HTTP_URL.exec(url) ?? [];
  if (host === undefined || !SERVICE_NAME_PATTERN.test(host)) return undefined;
  const isAddress = ADDRESS.test(host);
  if (isAddress && port !== undefined) return undefined;
  const isAmbiguous = isAddress || port !== undefined || host.includes('.');
  return { service: host, path: rest.startsWith('/') ? rest : `/${rest}`, isAmbiguous };
}
