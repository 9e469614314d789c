import { type TlsSettings } from '../../common/index.js';

/** A server's address. */
interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** The content of a Redis URL. */
export interface RedisAddress {
  readonly topology: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** Of the data servers. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The server, the Sentinels, or some nodes of the Cluster. */
  readonly nodes: readonly RedisNode[];
  /** The name of the primary in Sentinel; undefined otherwise. */
  readonly masterName: string | undefined;
  readonly database: number;
}

const SCHEME = /^redis(s?)(?:-(sentinel|cluster))?:\/\/(.*)$/s;
const DEFAULT_PORTS = { single: 6_379, sentinel: 26_379, cluster: 6_379 };
const EXAMPLES =
  '"redis://redis:6379/0", "redis-sentinel://one:26379,two:26379/mymaster" or "redis-cluster://one:6379,two:6379" ' +
  '(rediss… for TLS)';

/**
 * Parses a Redis URL. URLs of Sentinel and Cluster name several hosts, so that one of them may be down; the platform's
 * `URL` supports only one.
 * @returns the address, or what is expected instead, which contains no part of the URL
 */
export function parseRedisUrl(url: unknown): RedisAddress | { readonly expected: string } {
  const [, secure, kind = 'single', rest = ''] = (typeof url === 'string' ? SCHEME.exec(url) : null) ?? [];
  if (secure === undefined) return { expected: `a URL such as ${EXAMPLES}` };
  const topology = kind as RedisAddress['topology'];
  const [, , login, hosts = '', path = ''] = /^((.*)@)?([^/?#]*)\/?(.*)$/s.exec(rest) ?? [];
  if (/[?#]/.test(path)) return { expected: 'a URL without "?" and "#": such settings are options' };

  const nodes = hosts.split(',').map((host) => nodeOf(host, DEFAULT_PORTS[topology]));
  if (!nodes.every((node) => node !== undefined)) {
    return { expected: `hosts as "host", "host:port" or "[IPv6]:port", in a URL such as ${EXAMPLES}` };
  }
  if (topology === 'single' && nodes.length > 1) {
    return { expected: 'one host; several are for redis-sentinel:// and redis-cluster://' };
  }
  const credentials = credentialsOf(login);
  if (!credentials) return { expected: 'a user and a password in which "%" and the like are percent-encoded' };

  const parts = path === '' ? [] : path.split('/');
  const masterName = topology === 'sentinel' ? decode(parts.shift() ?? '') : undefined;
  if (masterName === '') return { expected: 'the name of the primary after the hosts: "redis-sentinel://…/mymaster"' };
  const [database = '0', ...more] = parts;
  if (more.length > 0 || !/^\d{1,4}$/.test(database)) return { expected: 'no path but the number of a database' };
  if (topology === 'cluster' && Number(database) !== 0) return { expected: 'database 0: a Cluster has no other' };
  return { topology, tls: secure === 's', ...credentials, nodes, masterName, database: Number(database) };
}

function nodeOf(text: string, defaultPort: number): RedisNode | undefined {
  const [, six, four, port = String(defaultPort)] =
    /^(?:\[([\da-f:.]+)\]|([^\s:[\]@]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = six ?? four;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { host, port: Number(port) };
}

function credentialsOf(login: string | undefined): Pick<RedisAddress, 'username' | 'password'> | undefined {
  if (login === undefined) return { username: undefined, password: undefined };
  const colon = login.indexOf(':');
  // As usual, a login without a colon is the user.
  const username = decode(colon < 0 ? login : login.slice(0, colon));
  const password = decode(colon < 0 ? '' : login.slice(colon + 1));
  if (username === undefined || password === undefined) return undefined;
  return { username: username || undefined, password: password || undefined };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** An ioredis instance of `Redis` or `Cluster`, described so that one of another ioredis version fits too. */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  pipeline(...args: never[]): unknown;
  duplicate(...args: never[]): unknown;
  disconnect(reconnect?: boolean): void;
}

/** The servers and their credentials. */
export interface RedisServers {
  readonly address: RedisAddress;
  readonly tls: TlsSettings;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  /** For error messages. */
  readonly shownUrl: string;
}
