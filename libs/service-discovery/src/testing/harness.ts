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
