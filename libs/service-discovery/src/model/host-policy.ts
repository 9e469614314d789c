import { lookup as systemLookup } from 'node:dns';
import { type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { custom, InvalidConfigurationError, optional, type Problem } from '../common/index.js';
import {
  canonicalHost,
  findForbiddenAddress,
  findForbiddenHost,
  HostNotAllowedError,
  isLoopbackHost,
  NOT_LISTED,
  parseAddress,
} from './forbidden-host.js';

/**
 * The hosts of services: names (`api.internal`), suffixes (`.svc.cluster.local`, which `*.svc.cluster.local` means as
 * well), addresses, CIDR ranges (`10.0.0.0/8`) and `'peer'`, or a function that receives the host in its canonical
 * spelling. It can only narrow what {@link findForbiddenHost} allows.
 *
 * A range is for hosts that are addresses; a name has to be listed itself. `'peer'` stands for the address that a
 * registration comes from, so that a client can register only itself; where none is known, at a check and a call, for
 * every address.
 */
export type AllowedHosts = readonly string[] | ((host: string) => boolean);

/** The option that holds such a list or function. */
export const ALLOWED_HOSTS = optional(
  custom<AllowedHosts>({
    range: "a list of names, suffixes, addresses, CIDR ranges and `'peer'`, or a function of a host",
    read: (value, path, check) => {
      check.gather(() => new HostPolicy(value as AllowedHosts, check.pathOf(path)));
      return value as AllowedHosts;
    },
  }),
);

/** The entry that stands for the address that a registration comes from. */
const PEER = 'peer';

/** @param peer the address that the registration comes from */
type Matcher = (host: string, peer?: string) => boolean;

/** Decides which hosts may be registered, checked and called. */
export class HostPolicy {
  private readonly matches: Matcher;
  private readonly listed: ReadonlySet<string>;

  /**
   * @param allowedHosts absent: everything that is not forbidden
   * @param path how errors refer to the list
   * @param listed further hosts, which are not patterns
   * @throws InvalidConfigurationError naming every entry that is neither a name, a suffix, an address nor a range
   */
  constructor(allowedHosts?: AllowedHosts, path = 'allowedHosts', listed: readonly string[] = []) {
    this.matches = matcherOf(allowedHosts, path);
    this.listed = new Set(listed.map((host) => canonicalHost(host) ?? host));
  }

  /**
   * Completes "the host is …"; undefined if it is allowed.
   * @param peer the address that a registration comes from
   */
  findProblem(host: string, peer?: string): string | undefined {
    const forbidden = findForbiddenHost(host);
    if (forbidden) return forbidden;
    const canonical = canonicalHost(host) ?? host;
    if (this.listed.has(canonical) || this.matches(canonical, peer)) return undefined;
    // Told only where it would have been of use.
    const isPeerAllowed = peer !== undefined && this.matches(peer, peer);
    return isPeerAllowed ? `${NOT_LISTED}, and the request comes from ${peer}` : NOT_LISTED;
  }

  /**
   * The error for a host that is not allowed. A name still has to be resolved, by {@link guard}.
   * @param peer the address that a registration comes from
   * @param service whose host it is
   */
  findRefusal(host: string, peer?: string, service?: string): HostNotAllowedError | undefined {
    const reason = this.findProblem(host, peer);
    return reason === undefined ? undefined : new HostNotAllowedError(host, reason, undefined, service);
  }

  /** @throws HostNotAllowedError */
  assertAllowed(host: string): void {
    const refusal = this.findRefusal(host);
    if (refusal) throw refusal;
  }

  /**
   * The DNS lookup for a socket: it fails if any address of the name is forbidden. The socket connects to the addresses
   * that were checked, so a name that resolves to something else later (DNS rebinding) gains nothing. Sockets look up
   * names only, so check a host with {@link findRefusal} as well.
   * @param lookup @default the system's resolver
   */
  guard(lookup: LookupFunction = systemLookup): LookupFunction {
    return (hostname, options, callback) => {
      lookup(hostname, options, (error, address, family) => {
        callback(error ?? refusalOf(hostname, address) ?? null, address, family);
      });
    };
  }
}

type Lookup = Parameters<Parameters<LookupFunction>[2]>;

function refusalOf(hostname: string, found: Lookup[1]): HostNotAllowedError | undefined {
  for (const address of typeof found === 'string' ? [found] : found.map((entry) => entry.address)) {
    const reason = findForbiddenAddress(address);
    if (reason !== undefined) return new HostNotAllowedError(hostname, reason, address);
  }
  return undefined;
}

function matcherOf(allowed: AllowedHosts | undefined, path: string): Matcher {
  if (allowed === undefined) return () => true;
  if (typeof allowed === 'function') return (host) => allowed(host);
  if (!Array.isArray(allowed)) {
    throw new InvalidConfigurationError([
      { path, value: allowed, expected: 'a list of hosts and CIDR ranges, or a function' },
    ]);
  }
  const problems: Problem[] = [];
  const matchers = (allowed as readonly unknown[]).flatMap((entry, index) => {
    const matcher = typeof entry === 'string' ? entryMatcher(entry) : undefined;
    if (matcher) return matcher;
    problems.push({
      path: `${path}[${index}]`,
      value: entry,
      expected: 'a host name, a suffix such as ".svc.cluster.local", an IP address, a CIDR range or "peer"',
    });
    return [];
  });
  if (problems.length > 0) throw new InvalidConfigurationError(problems);
  return (host, peer) => matchers.some((matches) => matches(host, peer));
}

function entryMatcher(entry: string): Matcher | undefined {
  if (entry.includes('/')) return rangeMatcher(entry);
  if (entry === PEER) return isPeer;
  const suffix = /^\*?\.(.+)$/s.exec(entry)?.[1];
  if (suffix !== undefined) {
    const domain = canonicalHost(suffix);
    return domain === undefined ? undefined : (host) => host.endsWith(`.${domain}`);
  }
  const wanted = entry.includes('*') ? undefined : canonicalHost(entry);
  if (wanted === undefined) return undefined;
  const address = parseAddress(wanted)?.toString();
  if (address === undefined) return (host) => host === wanted;
  return (host) => parseAddress(host)?.toString() === address;
}

/** All loopback names and addresses are one host to a client on this machine. */
function isPeer(host: string, peer?: string): boolean {
  const address = parseAddress(host)?.toString();
  if (peer === undefined) return address !== undefined || isLoopbackHost(host);
  if (isLoopbackHost(peer)) return isLoopbackHost(host);
  return address !== undefined && address === parseAddress(peer)?.toString();
}

function rangeMatcher(entry: string): Matcher | undefined {
  if (!ipaddr.isValidCIDR(entry)) return undefined;
  const [base, bits] = ipaddr.parseCIDR(entry);
  return (host) => {
    const address = parseAddress(host);
    return address?.kind() === base.kind() && address.match(base, bits);
  };
}
