import { invalidRequest, type Problem } from '../common/index.js';
import { isServiceName } from './field-checks.js';

/** The rule for a service name, as a noun phrase. */
export const SERVICE_NAME_RULE =
  'a name of 1 to 128 letters, digits, ".", "_" or "-" that starts and ends with a letter or digit';

/**
 * Rejects names that are no strings. A name that violates the rule for registrations is accepted here; it is simply
 * never found.
 * @param field how errors refer to the name
 * @throws ServiceDiscoveryError `INVALID_REQUEST`
 */
export function assertServiceName(name: unknown, field: string): asserts name is string {
  if (typeof name === 'string' && name !== '') return;
  throw invalidRequest([{ path: field, value: name, expected: 'the name of a service' }]);
}

/**
 * All problems of a list of service names: each wrong name by its index, or the list as a whole.
 * @param limit maximum number of names @default none
 */
export function findServiceNamesProblems(value: unknown, path: string, limit = Number.POSITIVE_INFINITY): Problem[] {
  if (!Array.isArray(value) || value.length > limit) {
    const expected = `a list of ${Number.isFinite(limit) ? `at most ${limit} ` : ''}names of services`;
    return [{ path, value, expected }];
  }
  // Copying fills holes, which `flatMap` would skip.
  return [...(value as unknown[])].flatMap((name, index) =>
    isServiceName(name) ? [] : [{ path: `${path}[${index}]`, value: name, expected: SERVICE_NAME_RULE }],
  );
}
