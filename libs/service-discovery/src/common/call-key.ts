import { describeValue, ServiceDiscoveryError } from './errors.js';

/**
 * The text that tells one call from another, out of what a user's function or argument gave; undefined where there is
 * none: nothing, null, an empty text. Numbers are texts to whoever has numeric ids.
 * @param name what to call it in the error
 * @throws ServiceDiscoveryError `INVALID_REQUEST` for an object, a promise or a function: as texts, all of them are the same
 */
export function callKeyOf(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  const expected = 'a text, or undefined where there is no key';
  throw new ServiceDiscoveryError('INVALID_REQUEST', `${name}: expected ${expected}, but got ${describeValue(value)}`);
}
