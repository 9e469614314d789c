export {
  type CheckerRoster,
  isHealthNews,
  isOperatorStatus,
  type RegistryStore,
  type ReportChannel,
  type ReportEntry,
} from './registry-store.js';
export { splitsWithin, WatchHub, type ResetChange } from './watch-hub.js';
export {
  SELF_PRESERVATION,
  SELF_PRESERVATION_OPTIONS,
  holdsWithin,
  type SelfPreservationOptions,
} from './self-preservation.js';
export { MemoryRegistryStore, type MemoryRegistryStoreOptions } from './memory/memory-registry-store.js';
export * from './redis/index.js';
export * from './remote/index.js';
