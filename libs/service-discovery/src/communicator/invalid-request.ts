import { invalidRequest } from '../common/index.js';

/** @throws ServiceDiscoveryError `INVALID_REQUEST` */
export function reject(service: string | undefined, field: string, value: unknown, expected: string): never {
  throw invalidRequest([{ path: field, value, expected }], service);
}

/** The type of a value, for error messages about values that may contain secrets. */
export function kindOf(value: unknown): unknown {
  const isPlain = typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined;
  return isPlain ? value : Object.prototype.toString.call(value);
}
