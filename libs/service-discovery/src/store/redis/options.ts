import { type Redis } from 'ioredis';
import { OptionValidator, type Duration } from '../../common/index.js';
import {
  DEFAULT_SELF_PRESERVATION_OPTIONS,
  resolveSelfPreservationOptions,
  type SelfPreservationOptions,
} from '../self-preservation.js';

/** Which Redis holds the registry, and how it is talked to: `url` or `client`, one of them. */
export interface RedisRegistryStoreOptions {
  /** Such as `redis://user:password@redis:6379/0`; `rediss://` for TLS. */
  url?: string;
  /**
   * An ioredis instance of your own, for what a URL cannot say. Without a `keyPrefix`. It is never closed here; for
   * subscriptions a duplicate of it is opened. Set its `commandTimeout` or `socketTimeout`, so that it gives up a dead
   * connection, and where there are many processes a `retryStrategy` that spreads their return.
   */
  client?: Redis;
  /** Registries of different namespaces do not see each other. 1 to 64 letters, digits, `.`, `_`, `-`. @default 'default' */
  namespace?: string;
  /**
   * How long a command, or a connection attempt, may take, and within how long a watch notices that Redis is silent: 10 ms
   * to 1 minute.
   * @default '2s'
   */
  commandTimeout?: Duration;
  /**
   * About how many changes of a service Redis keeps for readers that were away: 100 to 100,000. A reader that missed
   * more reads the whole service again.
   * @default 256
   */
  changesKept?: number;
  /**
   * When expiry is held, since too many instances of a service miss their heartbeats at once; false: never. The same in
   * all processes: whichever makes a sweep goes by its own.
   * @default on
   */
  selfPreservation?: Partial<SelfPreservationOptions> | false;
}

export const DEFAULT_REDIS_REGISTRY_STORE_OPTIONS = {
  namespace: 'default',
  commandTimeout: '2s' as Duration,
  changesKept: 256,
} satisfies Omit<RedisRegistryStoreOptions, 'url' | 'client' | 'selfPreservation'>;

export interface ResolvedRedisRegistryStoreOptions {
  /** One of the two is there. */
  readonly url: string | undefined;
  readonly client: Redis | undefined;
  readonly namespace: string;
  readonly commandTimeoutMs: number;
  readonly changesKept: number;
  readonly selfPreservation: SelfPreservationOptions;
}

const NAMESPACE_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Fills in the defaults.
 * @param path what stands before an option's name in a problem, such as `redis`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRedisRegistryStoreOptions(
  options: RedisRegistryStoreOptions,
  path = '',
): ResolvedRedisRegistryStoreOptions {
  const check = new OptionValidator(path);
  const { url, client, selfPreservation: rules, ...rest } = options;
  const given = check.options('', rest, DEFAULT_REDIS_REGISTRY_STORE_OPTIONS);
  if (client === undefined) {
    if (!isRedisUrl(url)) check.problem('url', withoutPassword(url), 'a URL such as "redis://redis:6379", or a client');
  } else if (url !== undefined) {
    check.problem('url', withoutPassword(url), 'no URL beside a client');
  } else if (!isClient(client)) {
    check.problem('client', typeof client, 'an instance of Redis of ioredis');
  } else if (client.options.keyPrefix) {
    check.problem('client', client.options.keyPrefix, 'a client without keyPrefix: the namespace stands for it');
  }
  if (typeof given.namespace !== 'string' || !NAMESPACE_PATTERN.test(given.namespace)) {
    check.problem('namespace', given.namespace, '1 to 64 letters, digits, ".", "_" or "-"');
  }
  const commandTimeoutMs = check.duration('commandTimeout', given.commandTimeout, { minMs: 10, maxMs: 60_000 });
  const changesKept = check.number('changesKept', given.changesKept, { min: 100, max: 100_000, integer: true });
  const selfPreservation =
    check.gather(() => resolveSelfPreservationOptions(rules, check.pathOf('selfPreservation'))) ??
    DEFAULT_SELF_PRESERVATION_OPTIONS;
  check.throwIfAny();
  return { url, client, namespace: given.namespace, commandTimeoutMs, changesKept, selfPreservation };
}

/** A URL as it may be shown. */
export function withoutPassword(url: unknown): unknown {
  return typeof url === 'string' ? url.replace(/\/\/[^@/]*@/, '//') : url;
}

function isRedisUrl(url: unknown): boolean {
  return typeof url === 'string' && URL.canParse(url) && /^rediss?:\/\/[^/?#]/.test(url);
}

function isClient(client: unknown): client is Redis {
  const { duplicate, pipeline, options } = (client ?? {}) as Partial<Record<keyof Redis, unknown>>;
  return typeof duplicate === 'function' && typeof pipeline === 'function' && typeof options === 'object';
}
