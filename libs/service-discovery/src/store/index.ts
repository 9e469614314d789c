/** Where registrations live: the port that every store fills, and the stores. */
export { isHealthNews } from './health-news.js';
export { isOperatorStatus, type RegistryStore } from './registry-store.js';
export { type CheckerRoster } from './checker-roster.js';
export { WatchHub, type ResetChange } from './watch-hub.js';
export {
  DEFAULT_SELF_PRESERVATION_OPTIONS,
  holdsWithin,
  resolveSelfPreservationOptions,
  type SelfPreservationOptions,
} from './self-preservation.js';
export { MemoryRegistryStore, type MemoryRegistryStoreOptions } from './memory/index.js';
export * from './redis/index.js';
export * from './remote/index.js';
