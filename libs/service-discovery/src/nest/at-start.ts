import { InvalidConfigurationError } from '../common/index.js';

/** Runs a check at startup and drops the stack from its error: it would only lead through Nest's injector. */
export function atStart<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof InvalidConfigurationError) error.stack = `${error.name}: ${error.message}`;
    throw error;
  }
}
