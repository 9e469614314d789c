import { type IncomingHttpHeaders } from 'node:http';
import { isLoopbackHost, parseAddress } from '../../../model/index.js';

/** The origin of a request; Express's and Node's requests have it, and Fastify's `raw`. */
export interface PeerRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket?: { readonly remoteAddress?: string };
  /** Such as `1.1`; Fastify's requests have it in `raw`. */
  readonly httpVersion?: string;
  readonly raw?: { readonly httpVersion?: string };
}

/** Set by proxies; the address of a proxy says nothing about the client. */
const FORWARDING_HEADERS: ReadonlySet<string> = new Set([
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-original-forwarded-for',
  'x-envoy-external-address',
  'cf-connecting-ip',
  'true-client-ip',
  'fastly-client-ip',
]);
const FORWARDING_PREFIX = 'x-forwarded-';

/**
 * Why a request does not come from a program on this machine; undefined if it does.
 *
 * Decided by the socket's address, never by a header that a client could forge. A forwarding header indicates a remote
 * client, since a local reverse proxy forwards for anyone. So does HTTP/1.0, which nginx speaks to its upstream by default,
 * without naming the client. So does a `Host` that is not a loopback name, or a foreign `Origin` or `Sec-Fetch-Site`: then a local
 * browser acts for a web page, by DNS rebinding or cross-origin. A proxy that speaks HTTP/1.1, forwards the client's `Host` and adds
 * nothing cannot be told from a local program.
 */
export function findRemoteSign({ headers, socket, httpVersion, raw }: PeerRequest): string | undefined {
  const address = socket?.remoteAddress;
  if (address === undefined || !isLoopback(address))
    return `the peer ${address ?? 'of this socket'} is not a loopback address`;
  const forwarded = Object.keys(headers).find(isForwardingHeader);
  if (forwarded !== undefined) return `the header ${forwarded} shows that a proxy forwards the request`;
  if ((httpVersion ?? raw?.httpVersion) === '1.0') return 'HTTP/1.0 shows that a proxy forwards the request';
  const { host = headers[':authority'] as string | undefined, origin } = headers;
  if (host !== undefined && !isLoopbackName(host))
    return `the Host header ${JSON.stringify(host)} is not a loopback name`;
  if (origin !== undefined && origin !== `http://${host ?? ''}` && origin !== `https://${host ?? ''}`) {
    return `the origin ${JSON.stringify(origin)} is another one`;
  }
  // Embedded resources and navigations carry no Origin.
  const { 'sec-fetch-site': site } = headers;
  if (site === 'cross-site' || site === 'same-site') return 'a browser asks for a page of another origin';
  return undefined;
}

/** Whether a request comes from a program on this machine, see {@link findRemoteSign}. */
export function isLocalRequest(request: PeerRequest): boolean {
  return findRemoteSign(request) === undefined;
}

function isForwardingHeader(name: string): boolean {
  return name.startsWith(FORWARDING_PREFIX) || FORWARDING_HEADERS.has(name);
}

function isLoopback(address: string): boolean {
  return parseAddress(address)?.range() === 'loopback';
}

function isLoopbackName(hostHeader: string): boolean {
  return isLoopbackHost(hostHeader.replace(/:\d*$/, ''));
}
