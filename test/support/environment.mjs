import { AsyncLocalStorage } from 'node:async_hooks';
import { TestEnvironment } from 'jest-environment-node';

/** Those that the specs of this file have entered. */
const entered = new Set();

for (const method of ['run', 'enterWith']) {
  const original = AsyncLocalStorage.prototype[method];
  AsyncLocalStorage.prototype[method] = function (...args) {
    entered.add(this);
    return original.apply(this, args);
  };
}

/**
 * Jest's environment of Node, which lets go of the `AsyncLocalStorage`s of a file when the file is done. On Node 20 each that was
 * ever entered makes every later promise of the process dearer, and keeps alive all that its file has loaded.
 */
export default class extends TestEnvironment {
  async teardown() {
    await super.teardown();
    for (const storage of entered) storage.disable();
    entered.clear();
  }
}
