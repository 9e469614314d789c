import { type RegistryStore } from '../store/index.js';

/**
 * The functions of a test runner that contract suites use. Jest, Vitest, Mocha and `node:test` all have them under
 * these names; the suites bring their own assertions (`node:assert`).
 *
 * @example
 * import { afterEach, beforeEach, describe, it } from 'node:test';
 * loadBalancerContract({ describe, it, beforeEach, afterEach }, (deps) => new MyBalancer(deps));
 */
export interface TestHarness {
  readonly describe: (name: string, define: () => void) => unknown;
  readonly it: (name: string, test: () => void | Promise<void>) => unknown;
  readonly beforeEach: (prepare: () => void | Promise<void>) => unknown;
  readonly afterEach: (cleanUp: () => void | Promise<void>) => unknown;
}

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
