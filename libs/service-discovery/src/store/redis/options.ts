import {
  count,
  custom,
  duration,
  fromEnv,
  type GivenOptionsOf,
  optional,
  OptionGroup,
  type OptionValidator,
  SERVER_TLS,
  toTlsSettings,
  withoutPassword,
} from '../../common/index.js';
import { SELF_PRESERVATION } from '../self-preservation.js';
import { parseRedisUrl, type RedisClient, type RedisServers } from './redis-url.js';
import { REDIS_SIGNING_OPTIONS, resolveRedisSigning, type RedisSigningOptions } from './signing-options.js';

const URL_RANGE = '`redis://`, `redis-sentinel://`, `redis-cluster://`, each with `rediss` for TLS';

type ServersUrl = Pick<RedisServers, 'address' | 'shownUrl'>;

const sentinelLogin = optional(
  custom<string>({
    range: 'a text',
    read: (value, path, check) => {
      if (typeof value !== 'string') check.problem(path, typeof value, 'a string');
      return value as string;
    },
  }),
);

/** Which Redis holds the registry, and how to reach it. */
export const REDIS_REGISTRY_STORE_OPTIONS = new OptionGroup(
  'redis',
  {
    /**
     * The URL of Redis, with percent-encoded user and password. Each form also exists for TLS, starting with `rediss`:
     * - one server: `redis://user:password@redis:6379/0`
     * - Sentinel: `redis-sentinel://user:password@one:26379,two:26379/mymaster/0`
     * - a Cluster, with some of its nodes: `redis-cluster://user:password@one:6379,two:6379`
     * @default none; in a Nest app `redis://127.0.0.1:6379` if the mode is set to `redis_backed` or `hybrid`
     */
    url: fromEnv('REDIS_URL', optional(custom<string, ServersUrl | undefined>({ range: URL_RANGE, read: readUrl }))),
    /** The user for the Sentinels, if they require one. @default none */
    sentinelUsername: sentinelLogin,
    /** The password for the Sentinels, if they require one. @default none */
    sentinelPassword: sentinelLogin,
    /** For TLS: a CA of your own, a client certificate. @default the CAs that Node trusts, no certificate */
    tls: SERVER_TLS,
    /**
     * An ioredis instance of your own, `Redis` or `Cluster`, for settings that a URL cannot express. It must not have a
     * `keyPrefix`. It is never closed by the store; subscriptions use a duplicate of it. Set its `commandTimeout` or
     * `socketTimeout`, so that it closes a dead connection, and with many processes a `retryStrategy` that spreads their
     * return.
     * @default none
     */
    client: optional(custom<RedisClient>({ range: 'an ioredis `Redis` or `Cluster`', read: readClient })),
    /**
     * Registries in different namespaces do not see each other. 1 to 64 letters, digits, `.`, `_`, `-`.
     * @default 'default'
     */
    namespace: fromEnv(
      'NAMESPACE',
      custom<string>({
        default: 'default',
        range: '1 to 64 letters, digits, `.`, `_`, `-`',
        read: (value, path, check) => {
          const isName = typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value);
          if (!isName) check.problem(path, value, '1 to 64 letters, digits, ".", "_" or "-"');
          return value as string;
        },
      }),
    ),
    /**
     * How long Redis may send nothing while a command waits for its answer, and how soon a watch notices that Redis is
     * silent: 10 ms to 1 minute. Connecting may take twice as long. Set it to at least twice the longest round trip to
     * Redis: a round trip that takes longer than this counts as an outage.
     * @default '2s'
     */
    commandTimeout: duration({ default: '2s', minMs: 10, maxMs: 60_000 }),
    /**
     * About how many changes of a service Redis keeps for readers that were disconnected: 100 to 100,000. A reader that
     * missed more reads the whole service again.
     * @default 256
     */
    changesKept: count({ default: 256, min: 100, max: 100_000 }),
    /**
     * When expiry is held because too many instances of a service miss heartbeats at once; false: never. Use the same
     * value in all processes: each sweep uses that of the process that makes it.
     * @default on
     */
    selfPreservation: SELF_PRESERVATION,
    /**
     * Signs registrations, and ignores those that are not signed, so that write access to Redis is not enough to redirect
     * calls.
     * @default none: everything in Redis is trusted
     */
    signing: optional(
      custom<RedisSigningOptions, ReturnType<typeof resolveRedisSigning>>({
        range: 'options',
        inner: REDIS_SIGNING_OPTIONS,
        // What is wrong is reported, so that nothing goes on with undefined.
        read: (value, path, check) =>
          check.gather(() => resolveRedisSigning(value as RedisSigningOptions, check.pathOf(path)))!,
      }),
    ),
  },
  ({ url }, given, check) => {
    const { tls, sentinelUsername, sentinelPassword } = given;
    const login = Object.entries({ sentinelUsername, sentinelPassword }).filter(([, value]) => value !== undefined);
    if (given.client !== undefined) {
      if (given.url !== undefined)
        check.problem('url', withoutPassword(given.url), 'either a URL or a client, not both');
      for (const name of [...(tls === undefined ? [] : ['tls']), ...login.map(([name]) => name)]) {
        check.problem(name, '***', 'not set together with a client, which has its own');
      }
      return;
    }
    const address = given.url === undefined ? readUrl(undefined, 'url', check)?.address : url?.address;
    if (!address) return;
    if (tls !== undefined && !address.tls) {
      check.problem('tls', 'options', 'a rediss URL: the URL given does not use TLS');
    }
    if (address.topology === 'sentinel') return;
    for (const [name] of login) check.problem(name, '***', 'a URL of Sentinels: "redis-sentinel://…"');
  },
);

/** Which Redis holds the registry, and how to reach it. Set either `url` or `client`. */
export interface RedisRegistryStoreOptions extends GivenOptionsOf<typeof REDIS_REGISTRY_STORE_OPTIONS> {}
export type ResolvedRedisRegistryStoreOptions = ReturnType<typeof resolveRedisRegistryStoreOptions>;

/** The options that select the servers. */
export const REDIS_SERVERS_OPTION_NAMES = ['url', 'client', 'tls', 'sentinelUsername', 'sentinelPassword'] as const;

/**
 * Fills in the defaults.
 * @param path prefix of option names in error messages, such as `redis`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRedisRegistryStoreOptions(options: RedisRegistryStoreOptions, path = '') {
  const { url, client, tls, sentinelUsername, sentinelPassword, ...resolved } = REDIS_REGISTRY_STORE_OPTIONS.resolve(
    options,
    path,
  );
  const login = { sentinelUsername, sentinelPassword };
  // Without a client, the check has made sure of the URL.
  const servers: RedisServers | RedisClient = client ?? { ...url!, ...login, tls: toTlsSettings(tls.all) };
  return { ...resolved, servers };
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

function readUrl(value: unknown, path: string, check: OptionValidator): ServersUrl | undefined {
  const address = parseRedisUrl(value);
  if (!('expected' in address)) return { address, shownUrl: String(withoutPassword(value)) };
  check.problem(path, withoutPassword(value), `${address.expected}, or a client`);
  return undefined;
}

function readClient(client: unknown, path: string, check: OptionValidator): RedisClient {
  const { duplicate, pipeline, options } = (client ?? {}) as Partial<Record<keyof RedisClient, unknown>>;
  const isClient = typeof duplicate === 'function' && typeof pipeline === 'function' && typeof options === 'object';
  if (!isClient) check.problem(path, typeof client, 'an instance of Redis or Cluster of ioredis');
  const { keyPrefix } = (isClient && options ? options : {}) as { keyPrefix?: string };
  if (keyPrefix) check.problem(path, keyPrefix, 'a client without keyPrefix: use the namespace instead');
  return client as RedisClient;
}
