import {
  type Duration,
  OptionValidator,
  readServerTls,
  type TlsOptions,
  toTlsSettings,
  withoutPassword,
} from '../../common/index.js';
import {
  SELF_PRESERVATION_OPTIONS,
  resolveSelfPreservationOptions,
  type SelfPreservationOptions,
} from '../self-preservation.js';
import { parseRedisUrl } from './redis-url.js';
import { type RedisClient, type RedisServers } from './servers.js';
import { resolveRedisSigning, type RedisSigningOptions, type ResolvedRedisSigning } from './signing-options.js';

/** Which Redis holds the registry, and how to reach it. Set either `url` or `client`. */
export interface RedisRegistryStoreOptions {
  /**
   * The URL of Redis, with percent-encoded user and password. Each form also exists for TLS, starting with `rediss`:
   * - one server: `redis://user:password@redis:6379/0`
   * - Sentinel: `redis-sentinel://user:password@one:26379,two:26379/mymaster/0`
   * - a Cluster, with some of its nodes: `redis-cluster://user:password@one:6379,two:6379`
   */
  url?: string;
  /** The user for the Sentinels, if they require one. @default none */
  sentinelUsername?: string;
  /** The password for the Sentinels, if they require one. @default none */
  sentinelPassword?: string;
  /** For TLS: a CA of your own, a client certificate. @default the CAs that Node trusts, no certificate */
  tls?: TlsOptions;
  /**
   * An ioredis instance of your own, `Redis` or `Cluster`, for settings that a URL cannot express. It must not have a
   * `keyPrefix`. It is never closed by the store; subscriptions use a duplicate of it. Set its `commandTimeout` or
   * `socketTimeout`, so that it closes a dead connection, and with many processes a `retryStrategy` that spreads their
   * return.
   */
  client?: RedisClient;
  /**
   * Registries in different namespaces do not see each other. 1 to 64 letters, digits, `.`, `_`, `-`.
   * @default 'default'
   */
  namespace?: string;
  /**
   * How long Redis may send nothing while a command waits for its answer, and how soon a watch notices that Redis is
   * silent: 10 ms to 1 minute. Connecting may take twice as long. Set it to at least twice the longest round trip to
   * Redis: a round trip that takes longer than this counts as an outage.
   * @default '2s'
   */
  commandTimeout?: Duration;
  /**
   * About how many changes of a service Redis keeps for readers that were disconnected: 100 to 100,000. A reader that
   * missed more reads the whole service again.
   * @default 256
   */
  changesKept?: number;
  /**
   * When expiry is held because too many instances of a service miss heartbeats at once; false: never. Use the same
   * value in all processes: each sweep uses that of the process that makes it.
   * @default on
   */
  selfPreservation?: Partial<SelfPreservationOptions> | false;
  /**
   * Signs registrations, and ignores those that are not signed, so that write access to Redis is not enough to redirect
   * calls.
   * @default none: everything in Redis is trusted
   */
  signing?: RedisSigningOptions;
}

export const DEFAULT_REDIS_REGISTRY_STORE_OPTIONS = {
  namespace: 'default',
  commandTimeout: '2s' as Duration,
  changesKept: 256,
} satisfies Omit<RedisRegistryStoreOptions, keyof RedisServersOptions | 'selfPreservation' | 'signing'>;

/** The options that select the servers; none has a default. */
export const REDIS_SERVERS_OPTION_NAMES = ['url', 'client', 'tls', 'sentinelUsername', 'sentinelPassword'] as const;
type RedisServersOptions = Pick<RedisRegistryStoreOptions, (typeof REDIS_SERVERS_OPTION_NAMES)[number]>;

export interface ResolvedRedisRegistryStoreOptions {
  readonly servers: RedisServers | RedisClient;
  readonly namespace: string;
  readonly commandTimeoutMs: number;
  readonly changesKept: number;
  readonly selfPreservation: SelfPreservationOptions;
  readonly signing: ResolvedRedisSigning | undefined;
}

const NAMESPACE_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
export const NAMESPACE_RULE = '1 to 64 letters, digits, ".", "_" or "-"';

/**
 * Fills in the defaults.
 * @param path prefix of option names in error messages, such as `redis`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRedisRegistryStoreOptions(
  options: RedisRegistryStoreOptions,
  path = '',
): ResolvedRedisRegistryStoreOptions {
  const check = new OptionValidator(path);
  const { url, client, tls, sentinelUsername, sentinelPassword, selfPreservation: rules, signing, ...rest } = options;
  const given = check.options('', rest, DEFAULT_REDIS_REGISTRY_STORE_OPTIONS, [
    ...REDIS_SERVERS_OPTION_NAMES,
    'selfPreservation',
    'signing',
  ]);
  const servers =
    client === undefined
      ? checkServers({ url, tls, sentinelUsername, sentinelPassword }, check)
      : checkClient(options, check);
  if (!isNamespace(given.namespace)) check.problem('namespace', given.namespace, NAMESPACE_RULE);
  const commandTimeoutMs = check.duration('commandTimeout', given.commandTimeout, { minMs: 10, maxMs: 60_000 });
  const changesKept = check.number('changesKept', given.changesKept, { min: 100, max: 100_000, integer: true });
  const selfPreservation =
    check.gather(() => resolveSelfPreservationOptions(rules, check.pathOf('selfPreservation'))) ??
    SELF_PRESERVATION_OPTIONS.defaults;
  const signed =
    signing === undefined ? undefined : check.gather(() => resolveRedisSigning(signing, check.pathOf('signing')));
  check.throwIfAny();
  const { namespace } = given;
  return { servers: servers!, namespace, commandTimeoutMs, changesKept, selfPreservation, signing: signed };
}

export function isNamespace(value: unknown): value is string {
  return typeof value === 'string' && NAMESPACE_PATTERN.test(value);
}

/** The hosts in the configuration of Redis: of the server, the Sentinels, or the nodes. */
export function redisHostsOf({ url, client }: Pick<RedisRegistryStoreOptions, 'url' | 'client'>): readonly string[] {
  if (!client) {
    const address = parseRedisUrl(url);
    return 'expected' in address ? [] : address.nodes.map(({ host }) => host);
  }
  const { options, nodes } = client as { options: ClientOptions; nodes?: () => { options: ClientOptions }[] };
  const places = nodes?.call(client).map((node) => node.options) ?? options.sentinels ?? [options];
  return places.map(({ host = 'localhost' }) => host);
}

interface ClientOptions {
  readonly host?: string;
  readonly sentinels?: readonly { readonly host?: string }[];
}

function checkServers(given: Omit<RedisServersOptions, 'client'>, check: OptionValidator): RedisServers | undefined {
  const { url, tls, sentinelUsername, sentinelPassword } = given;
  const address = parseRedisUrl(url);
  const isWrong = 'expected' in address;
  if (isWrong) check.problem('url', withoutPassword(url), `${address.expected}, or a client`);
  const problems = check.problems.length;
  const { all: material } = readServerTls(check, 'tls', tls);
  if (tls !== undefined && check.problems.length === problems && !isWrong && !address.tls) {
    check.problem('tls', 'options', 'a rediss URL: the URL given does not use TLS');
  }
  for (const [name, value] of Object.entries({ sentinelUsername, sentinelPassword })) {
    if (value === undefined) continue;
    if (typeof value !== 'string') check.problem(name, typeof value, 'a string');
    else if (!isWrong && address.topology !== 'sentinel') {
      check.problem(name, '***', 'a URL of Sentinels: "redis-sentinel://…"');
    }
  }
  return isWrong
    ? undefined
    : {
        address,
        tls: toTlsSettings(material),
        sentinelUsername,
        sentinelPassword,
        shownUrl: String(withoutPassword(url)),
      };
}

function checkClient(given: RedisServersOptions, check: OptionValidator): RedisClient | undefined {
  const { url, tls, sentinelUsername, sentinelPassword, client } = given;
  if (url !== undefined) check.problem('url', withoutPassword(url), 'either a URL or a client, not both');
  for (const [name, value] of Object.entries({ tls, sentinelUsername, sentinelPassword })) {
    if (value !== undefined) check.problem(name, '***', 'not set together with a client, which has its own');
  }
  if (!isClient(client)) {
    check.problem('client', typeof client, 'an instance of Redis or Cluster of ioredis');
    return undefined;
  }
  const { keyPrefix } = client.options as { keyPrefix?: string };
  if (keyPrefix) check.problem('client', keyPrefix, 'a client without keyPrefix: use the namespace instead');
  return client;
}

function isClient(client: unknown): client is RedisClient {
  const { duplicate, pipeline, options } = (client ?? {}) as Partial<Record<keyof RedisClient, unknown>>;
  return typeof duplicate === 'function' && typeof pipeline === 'function' && typeof options === 'object';
}
