/** The registry in the memory of one process: the store of `memory_only`, also served to `remote` clients. */
export { MemoryRegistryStore, type MemoryRegistryStoreOptions } from './memory-registry-store.js';
