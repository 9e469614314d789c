import { type IncomingHttpHeaders } from 'node:http';
import { isLoopbackHost, parseAddress } from '../../model/index.js';

/** The origin of a request; Express's and Node's requests have it, and Fastify's `raw`. */
export interface PeerRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket?: { readonly remoteAddress?: string };
}

/** Set by proxies; the address of a proxy says nothing about the client. */
const FORWARDING_HEADERS = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-server',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-envoy-external-address',
  'cf-connecting-ip',
  'true-client-ip',
  'fastly-client-ip',
] as const;

/**
 * Why a request does not come from a program on this machine; undefined if it does.
 *
 * Decided by the socket's address, never by a header that a client could forge. A forwarding header indicates a remote
 * client, since a local reverse proxy forwards for anyone. So does a `Host` that is not a loopback name, or a foreign
 * `Origin`: then a local browser acts for a web page, by DNS rebinding or cross-origin.
 */
export function findRemoteSign({ headers, socket }: PeerRequest): string | undefined {
  const address = socket?.remoteAddress;
  if (address === undefined || !isLoopback(address))
    return `the peer ${address ?? 'of this socket'} is not a loopback address`;
  const forwarded = FORWARDING_HEADERS.find((name) => headers[name] !== undefined);
  if (forwarded) return `the header ${forwarded} shows that a proxy forwards the request`;
  const { host = headers[':authority'] as string | undefined, origin } = headers;
  if (host !== undefined && !isLoopbackName(host))
    return `the Host header ${JSON.stringify(host)} is not a loopback name`;
  if (origin !== undefined && origin !== `http://${host ?? ''}` && origin !== `https://${host ?? ''}`) {
    return `the origin ${JSON.stringify(origin)} is another one`;
  }
  return undefined;
}

/** Whether a request comes from a program on this machine, see {@link findRemoteSign}. */
export function isLocalRequest(request: PeerRequest): boolean {
  return findRemoteSign(request) === undefined;
}

function isLoopback(address: string): boolean {
  return parseAddress(address)?.range() === 'loopback';
}

function isLoopbackName(hostHeader: string): boolean {
  return isLoopbackHost(hostHeader.replace(/:\d*$/, ''));
}
