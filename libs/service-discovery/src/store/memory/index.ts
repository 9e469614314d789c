/** Registrations kept in one process: the store of `memory_only`, and the truth behind `remote`. */
export { MemoryRegistryStore, type MemoryRegistryStoreOptions } from './memory-registry-store.js';
