import { ServiceDiscoveryError } from '../common/index.js';
import { type Query, type QueryValue } from './transport.js';

/**
 * Appends a query to a path, which may already have one. Lists repeat their name; null and undefined are omitted.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` for a string that is not valid Unicode
 */
export function withQuery(path: string, query: Query | undefined): string {
  if (query === undefined) return path;
  let text = '';
  const append = (name: string, value: QueryValue): void => {
    if (value === undefined || value === null) return;
    text += `${text === '' ? '' : '&'}${encode(name)}=${encode(String(value))}`;
  };
  for (const [name, value] of Object.entries(query)) {
    if (isList(value)) for (const item of value) append(name, item);
    else append(name, value);
  }
  if (text === '') return path;
  if (!path.includes('?')) return `${path}?${text}`;
  return path.endsWith('?') || path.endsWith('&') ? path + text : `${path}&${text}`;
}

function isList(value: Query[string]): value is readonly QueryValue[] {
  return Array.isArray(value);
}

/** Percent-encodes a string as UTF-8. Half of a surrogate pair has no UTF-8 encoding and is an error of the caller. */
export function encode(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch (cause) {
    throw new ServiceDiscoveryError(
      'INVALID_REQUEST',
      'The path or query contains a string that is not valid Unicode',
      {
        cause,
      },
    );
  }
}
