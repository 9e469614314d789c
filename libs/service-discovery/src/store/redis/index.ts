/** Registrations kept in Redis: the store of `redis_backed` and `hybrid`. */
export {
  REDIS_REGISTRY_STORE_OPTIONS,
  REDIS_SERVERS_OPTION_NAMES,
  redisHostsOf,
  resolveRedisRegistryStoreOptions,
  type RedisRegistryStoreOptions,
} from './options.js';
export { RedisRegistryStore, type RedisRegistryStoreDeps } from './redis-registry-store.js';
export { type RedisTrouble, type RedisTroubleCounts } from './trouble.js';
export { type RedisClient } from './redis-url.js';
export { REDIS_SIGNING_OPTIONS, type RedisSigningOptions } from './signing-options.js';
