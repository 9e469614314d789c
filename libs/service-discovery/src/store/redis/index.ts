/** Registrations kept in Redis: the store of `redis_backed`. */
export {
  DEFAULT_REDIS_REGISTRY_STORE_OPTIONS,
  resolveRedisRegistryStoreOptions,
  type RedisRegistryStoreOptions,
} from './options.js';
export { RedisRegistryStore, type RedisRegistryStoreDeps } from './redis-registry-store.js';
export { type RedisTrouble, type RedisTroubleCounts } from './trouble.js';
