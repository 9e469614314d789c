import { invalidRequest, type Problem } from '../common/index.js';
import { isServiceName } from './field-checks.js';

/** What is allowed for one, as a noun phrase. */
export const SERVICE_NAME_RULE =
  'a name of 1 to 128 letters, digits, ".", "_" or "-" that starts and ends with a letter or digit';

/**
 * For the name of a service that is looked for: what is no name at all; one that nobody could register under is found by nobody.
 * @param field what the name is called where it is asked for
 * @throws ServiceDiscoveryError `INVALID_REQUEST`
 */
export function assertServiceName(name: unknown, field: string): asserts name is string {
  if (typeof name === 'string' && name !== '') return;
  throw invalidRequest([{ path: field, value: name, expected: 'the name of a service' }]);
}

/**
 * Everything that is wrong with a list of names of services: each wrong name by its place, or the list as a whole.
 * @param limit how many there may be @default any number
 */
export function findServiceNamesProblems(value: unknown, path: string, limit = Number.POSITIVE_INFINITY): Problem[] {
  if (!Array.isArray(value) || value.length > limit) {
    const expected = `a list of ${Number.isFinite(limit) ? `at most ${limit} ` : ''}names of services`;
    return [{ path, value, expected }];
  }
  // A copy has no holes, which would be passed over.
  return [...(value as unknown[])].flatMap((name, index) =>
    isServiceName(name) ? [] : [{ path: `${path}[${index}]`, value: name, expected: SERVICE_NAME_RULE }],
  );
}
