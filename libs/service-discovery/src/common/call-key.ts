import { describeValue, ServiceDiscoveryError } from './errors.js';

/**
 * The key that identifies a call, from the result of a user's function or an argument; undefined for undefined, null
 * and an empty string. Numbers become strings, for users with numeric ids.
 * @param name how errors refer to the value
 * @throws ServiceDiscoveryError `INVALID_REQUEST` for an object, a promise or a function: as strings, all of them are
 * equal
 */
export function callKeyOf(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  const expected = 'a text, or undefined where there is no key';
  throw new ServiceDiscoveryError('INVALID_REQUEST', `${name}: expected ${expected}, but got ${describeValue(value)}`);
}
