/** Registrations kept in one process: the store of `memory_only`, and the truth behind `remote`. */
export { MemoryRegistryStore } from './memory-registry-store.js';
