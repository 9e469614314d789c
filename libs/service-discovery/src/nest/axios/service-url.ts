import { SERVICE_NAME_PATTERN } from '../../model/index.js';

/** A URL whose host may be the name of a service. */
export interface ServiceUrl {
  readonly service: string;
  /** With the query, starting with a slash. */
  readonly path: string;
  /** Whether it may only go to instances that registered with `https`. */
  readonly isSecure: boolean;
  /** Whether the host may be that of another server: then it is a service only if one of that name is registered. */
  readonly isAmbiguous: boolean;
}

const HTTP_URL = /^http(s)?:\/\/([^/?#:]*)(:\d*)?(?![^/?#])([^#]*)/i;
/** Hosts that may be other servers: a domain, this machine, an address in any notation. */
const OTHER_HOST = /\.|^(?:localhost|\d+|0x[\da-f]*)$/i;

/**
 * Reads a URL as that of a service: `http://user-service/users/1`, or with any port, as in Compose and Kubernetes. Instances
 * have ports of their own, so the one of the URL is not used. Not by a URL parser, which would write the name in lower case.
 * @param listed names that are services although they may be hosts: with a dot, `localhost`, numbers
 * @returns undefined where the host is no service: it has credentials, or may be a host and is not listed
 */
export function parseServiceUrl(url: string, listed: ReadonlySet<string>): ServiceUrl | undefined {
  const [, secure, host, port, rest = ''] = HTTP_URL.exec(url) ?? [];
  if (host === undefined || !SERVICE_NAME_PATTERN.test(host)) return undefined;
  const isListed = listed.has(host);
  if (!isListed && OTHER_HOST.test(host)) return undefined;
  return {
    service: host,
    path: rest.startsWith('/') ? rest : `/${rest}`,
    isSecure: secure !== undefined,
    isAmbiguous: !isListed && port !== undefined,
  };
}
