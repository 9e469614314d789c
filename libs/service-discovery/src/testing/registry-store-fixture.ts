import { type RegistryStore } from '../store/index.js';

/** A store under test, created for each test, with the default `selfPreservation` if it expires leases itself. */
export interface RegistryStoreFixture {
  readonly store: RegistryStore;
  /** A second connection to the same data, as another process has; if undefined, `store` is used. */
  another?(): Promise<RegistryStore>;
  /** Advances the time by which leases expire. */
  advance(ms: number): Promise<void>;
  /** Closes everything that the fixture opened. */
  close(): Promise<void>;
}
