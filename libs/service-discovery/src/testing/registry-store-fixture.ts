import { type RegistryStore } from '../store/index.js';

/** One store under test, made anew for each test, with the default `selfPreservation` where it does the expiring. */
export interface RegistryStoreFixture {
  readonly store: RegistryStore;
  /** A second view of the same truth, as another process has it; left out: `store` itself is used. */
  another?(): Promise<RegistryStore>;
  /** Moves the time by which the store's leases run out. */
  advance(ms: number): Promise<void>;
  /** Closes everything that the fixture opened. */
  close(): Promise<void>;
}
