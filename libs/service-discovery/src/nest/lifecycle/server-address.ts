import { networkInterfaces } from 'node:os';
import { type AddressInfo } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { parseAddress, type Protocol } from '../../model/index.js';
import { type AdvertiseOptions } from '../options/index.js';
import { isRegistryHere, letsOthersIn, type RegistrySettings } from '../registry-place.js';

/** A listening server of Node: HTTP, HTTPS or HTTP/2. */
export interface ListeningServer {
  address(): AddressInfo | string | null;
  readonly listening?: boolean;
  /** Missing for HTTP/2. */
  closeIdleConnections?(): void;
}

/** The address under which others reach a server. */
export interface AdvertisedAddress {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** The machine's network interfaces, as Node lists them. */
export type Interfaces = Readonly<ReturnType<typeof networkInterfaces>>;

/** The address to register; undefined for a Unix socket without configured host and port. */
export function addressToAdvertise(
  server: ListeningServer,
  options: { advertise: AdvertiseOptions } & RegistrySettings,
  interfaces: () => Interfaces = networkInterfaces,
): AdvertisedAddress | undefined {
  const { advertise } = options;
  const bound = server.address();
  const at = typeof bound === 'object' && bound !== null ? bound : undefined;
  const port = advertise.port ?? at?.port;
  const host = advertise.host ?? (at && reachableHost(at.address, options, interfaces));
  if (host === undefined || port === undefined) return undefined;
  return { host, port, protocol: protocolOf(server) };
}

/** Where this process reaches the server; undefined for a Unix socket. */
export function localAddress(server: ListeningServer): AdvertisedAddress | undefined {
  const bound = server.address();
  if (typeof bound !== 'object' || bound === null) return undefined;
  const host = parseAddress(bound.address)?.range() === 'unspecified' ? '127.0.0.1' : bound.address;
  return { host, port: bound.port, protocol: protocolOf(server) };
}

function protocolOf(server: ListeningServer): Protocol {
  return server instanceof TlsServer ? 'https' : 'http';
}

/** A server bound to all addresses registers one of them. */
function reachableHost(bound: string, options: RegistrySettings, interfaces: () => Interfaces): string {
  const address = parseAddress(bound);
  if (address?.range() !== 'unspecified') return bound;
  // What reads the registry from another machine would take this address for its own.
  if (isRegistryHere(options) && !letsOthersIn(options)) return '127.0.0.1';
  const families = address.kind() === 'ipv6' ? (['IPv4', 'IPv6'] as const) : (['IPv4'] as const);
  return externalAddress(interfaces(), families) ?? '127.0.0.1';
}

/** The first address that other machines can reach, by preference of family. */
function externalAddress(interfaces: Interfaces, families: readonly ('IPv4' | 'IPv6')[]): string | undefined {
  const external = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address, internal }) => !internal && parseAddress(address)?.range() !== 'linkLocal');
  return families.flatMap((wanted) => external.filter(({ family }) => family === wanted))[0]?.address;
}
