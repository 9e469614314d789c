import { InvalidConfigurationError } from '../common/index.js';

/**
 * Runs a check of what the app starts with. Its error is printed as the list that it is: the stack would lead through Nest's
 * injector, and nowhere to the options.
 */
export function atStart<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof InvalidConfigurationError) error.stack = `${error.name}: ${error.message}`;
    throw error;
  }
}
