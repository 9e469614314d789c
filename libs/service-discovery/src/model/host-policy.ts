import { lookup as systemLookup } from 'node:dns';
import { type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { InvalidConfigurationError, type Problem } from '../common/index.js';
import {
  canonicalHost,
  findForbiddenAddress,
  findForbiddenHost,
  HostNotAllowedError,
  NOT_LISTED,
  parseAddress,
} from './forbidden-host.js';

/**
 * Which hosts may register: names (`api.internal`), names below a domain (`*.internal`), addresses and CIDR ranges
 * (`10.0.0.0/8`), or a function that receives the host in its canonical spelling. It can only narrow what {@link
 * findForbiddenHost} allows.
 */
export type AllowedHosts = readonly string[] | ((host: string) => boolean);

type LookupCallback = Parameters<LookupFunction>[2];
type Matcher = (host: string) => boolean;

/** Decides which hosts may be registered, checked and called. */
export class HostPolicy {
  private readonly matches: Matcher;

  /**
   * @param allowedHosts absent: everything that is not forbidden
   * @param path how errors refer to the list
   * @throws InvalidConfigurationError naming every entry that is neither a name, an address nor a range
   */
  constructor(allowedHosts?: AllowedHosts, path = 'api.allowedHosts') {
    this.matches = matcherOf(allowedHosts, path);
  }

  /** Completes "the host is …"; undefined if it is allowed. */
  findProblem(host: string): string | undefined {
    const forbidden = findForbiddenHost(host);
    if (forbidden) return forbidden;
    return this.matches(canonicalHost(host) ?? host) ? undefined : NOT_LISTED;
  }

  /** The error for a host that is not allowed. A name still has to be resolved, by {@link guard}. */
  findRefusal(host: string): HostNotAllowedError | undefined {
    const reason = this.findProblem(host);
    return reason === undefined ? undefined : new HostNotAllowedError(host, reason);
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

function refusalOf(hostname: string, found: Parameters<LookupCallback>[1]): HostNotAllowedError | undefined {
  for (const address of typeof found === 'string' ? [found] : found.map((entry) => entry.address)) {
    const reason = findForbiddenAddress(address);
    if (reason !== undefined) return new HostNotAllowedError(hostname, reason, address);
  }
  return undefined;
}

function matcherOf(allowed: AllowedHosts | undefined, path: string): Matcher {
  if (allowed === undefined) return () => true;
  if (typeof allowed === 'function') return allowed;
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
      expected: 'a host name, "*.domain", an IP address or a CIDR range',
    });
    return [];
  });
  if (problems.length > 0) throw new InvalidConfigurationError(problems);
  return (host) => matchers.some((matches) => matches(host));
}

function entryMatcher(entry: string): Matcher | undefined {
  if (entry.includes('/')) return rangeMatcher(entry);
  if (entry.startsWith('*.')) {
    const domain = canonicalHost(entry.slice(2));
    return domain === undefined ? undefined : (host) => host.endsWith(`.${domain}`);
  }
  const wanted = canonicalHost(entry);
  if (wanted === undefined) return undefined;
  const address = parseAddress(wanted)?.toString();
  if (address === undefined) return (host) => host === wanted;
  return (host) => parseAddress(host)?.toString() === address;
}

function rangeMatcher(entry: string): Matcher | undefined {
  if (!ipaddr.isValidCIDR(entry)) return undefined;
  const [base, bits] = ipaddr.parseCIDR(entry);
  return (host) => {
    const address = parseAddress(host);
    return address?.kind() === base.kind() && address.match(base, bits);
  };
}
