import ipaddr from 'ipaddr.js';
import { ServiceDiscoveryError, type Problem } from '../common/index.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Names under which cloud providers serve an instance's credentials. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.azure.com',
  'metadata.tencentyun.com',
  'metadata.packet.net',
  'metadata.platformequinix.com',
  'metadata.oraclecloud.com',
  'instance-data',
  'instance-data.ec2.internal',
  'rancher-metadata',
]);

/**
 * Addresses that serve them besides 169.254.169.254, which is link-local: Alibaba, Azure, Oracle; AWS, Google,
 * Scaleway.
 */
const METADATA_ADDRESSES: ReadonlySet<string> = new Set([
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::253',
  'fd00:ec2::23',
  'fd00:ec2::123',
  'fd20:ce::254',
  'fd00:42::42',
]);

const REFUSED_RANGES: ReadonlyMap<string, string> = new Map([
  ['linkLocal', 'a link-local address'],
  ['unspecified', 'the unspecified address'],
  ['multicast', 'a multicast address'],
  ['broadcast', 'the broadcast address'],
]);

/** DNS services that resolve to the address written in the name, in dashed, dotted or hexadecimal form. */
const WILDCARD_DNS =
  /\.(?:nip\.io|sslip\.io|xip\.io|xip\.name|traefik\.me|backname\.io|local-ip\.(?:co|sh|dev)|ip\.addr\.tools)$/;

/** The reason of a host that is not forbidden, but none of those that the operator lists. */
export const NOT_LISTED = 'not among the allowed hosts';

/** The host is forbidden for registrations, checks and calls. */
export class HostNotAllowedError extends ServiceDiscoveryError {
  readonly problems: readonly Problem[];

  constructor(
    readonly host: string,
    /** Completes "the host is …", or "its address is …". */
    readonly reason: string,
    /** What the name resolved to, where it is the address that is forbidden. */
    readonly address?: string,
    service?: string,
  ) {
    const which = JSON.stringify(host.slice(0, 253)) + (service === undefined ? '' : ` of "${service}"`);
    const what = address === undefined ? `it is ${reason}` : `it resolves to ${address}, ${reason}`;
    const wayOut = reason.startsWith(NOT_LISTED)
      ? 'List it in the option allowedHosts, or register a host that is listed there'
      : 'Register the address that callers use';
    super('HOST_NOT_ALLOWED', `The host ${which} is not allowed: ${what}. ${wayOut}`, { service });
    this.problems = [{ path: 'host', value: host, expected: `a host that may be registered; this is ${reason}` }];
  }
}

/**
 * Why a host is forbidden: link-local, cloud metadata, unspecified, multicast and broadcast addresses in every spelling
 * that a resolver or URL parser understands, and names that stand for them.
 * @returns undefined if it is allowed; a name must still be resolved to check its addresses, see {@link
 * findForbiddenAddress}
 */
export function findForbiddenHost(host: string): string | undefined {
  const canonical = canonicalHost(host);
  if (canonical === undefined) return 'no valid host name or address';
  const address = parseAddress(canonical);
  if (address) return refusedAddress(address);
  if (METADATA_NAMES.has(canonical)) return 'a cloud metadata service';
  return embeddedInName(canonical);
}

/**
 * Why no connection may go to an address that a name resolved to: it is a link-local, metadata, unspecified, multicast
 * or broadcast address, or no address at all.
 * @returns undefined if it is allowed
 */
export function findForbiddenAddress(ip: string): string | undefined {
  const address = parseAddress(canonicalHost(ip) ?? '');
  return address ? refusedAddress(address) : 'no IP address';
}

/**
 * The canonical spelling of a host: lower case, without brackets, zone id and trailing dot, with every numeric form of
 * an address normalized. Uses a URL parser, since a URL parser is what will read the host later.
 * @returns undefined if it is not a host
 */
export function canonicalHost(host: string): string | undefined {
  const bare = host
    .trim()
    .replace(/^\[(.*)\]$/s, '$1')
    .replace(/%.*$/s, '');
  if (bare === '' || /[\s/\\?#@]/.test(bare)) return undefined;
  try {
    const { hostname } = new URL(bare.includes(':') ? `http://[${bare}]` : `http://${bare}`);
    return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '') || undefined;
  } catch {
    return undefined;
  }
}

/** The address of a canonical host; an IPv4-mapped IPv6 address becomes IPv4. */
export function parseAddress(canonical: string): Address | undefined {
  if (!ipaddr.isValid(canonical)) return undefined;
  return ipaddr.process(canonical);
}

/** Whether a host, in whatever spelling, means to each process the machine that it runs on itself. */
export function isLoopbackHost(host: string): boolean {
  const canonical = canonicalHost(host);
  if (canonical === undefined) return false;
  if (canonical === 'localhost' || canonical.endsWith('.localhost')) return true;
  return parseAddress(canonical)?.range() === 'loopback';
}

function refusedAddress(address: Address): string | undefined {
  for (const candidate of [address, ...embeddedAddresses(address)]) {
    if (METADATA_ADDRESSES.has(candidate.toString())) return 'a cloud metadata service';
    const reason = REFUSED_RANGES.get(candidate.range());
    if (reason) return reason;
  }
  return undefined;
}

/** IPv4 addresses that an IPv6 address leads to through a translator or tunnel. */
function embeddedAddresses(address: Address): ipaddr.IPv4[] {
  if (!(address instanceof ipaddr.IPv6)) return [];
  const bytes = address.toByteArray();
  const at = (offset: number, flip = 0): ipaddr.IPv4 =>
    new ipaddr.IPv4(bytes.slice(offset, offset + 4).map((byte) => byte ^ flip));
  const startsWith = (...prefix: number[]): boolean => prefix.every((byte, index) => bytes[index] === byte);
  const loopback = address.range() === 'loopback';
  const found: ipaddr.IPv4[] = [];
  if (bytes.slice(0, 12).every((byte) => byte === 0) && !loopback) found.push(at(12)); // IPv4-compatible
  if (startsWith(0, 0x64, 0xff, 0x9b)) found.push(at(12)); // NAT64
  if (startsWith(0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0)) found.push(at(12)); // IPv4-translated (SIIT)
  if (startsWith(0x20, 0x02)) found.push(at(2)); // 6to4
  if (startsWith(0x20, 0x01, 0, 0)) found.push(at(12, 0xff)); // Teredo writes it inverted
  if (bytes[10] === 0x5e && bytes[11] === 0xfe) found.push(at(12)); // ISATAP
  return found;
}

function embeddedInName(name: string): string | undefined {
  const wildcard = WILDCARD_DNS.test(name);
  for (const address of addressesIn(name, wildcard)) {
    const reason = refusedAddress(address);
    // In other names only dangerous ranges count: "0.0.0.0" may be a version number.
    if (reason && (wildcard || address.range() === 'linkLocal' || METADATA_ADDRESSES.has(address.toString()))) {
      return `a name for ${reason}`;
    }
  }
  return undefined;
}

function addressesIn(name: string, wildcard: boolean): Address[] {
  const spelled: string[] = [];
  // A lookahead finds overlapping runs of numbers.
  for (const match of name.matchAll(/(?<![^.-])(?=(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})(?:[.-]|$))/g)) {
    spelled.push(match.slice(1, 5).map(Number).join('.'));
  }
  if (wildcard) {
    for (const match of name.matchAll(/(?<![^.-])([0-9a-f]{8})(?=[.-]|$)/g)) spelled.push(`0x${match[1] ?? ''}`);
    for (const label of name.split('.')) spelled.push(label.replaceAll('-', ':'));
  }
  return spelled.flatMap((text) => parseAddress(text) ?? []);
}
