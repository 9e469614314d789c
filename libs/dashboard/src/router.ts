import { signal } from '@preact/signals';

/** Where the page is: `#/services/users?zone=a`. The fragment, since the server's paths are not the page's. */
export interface Route {
  /** Decoded. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export const route = signal<Route>(parse(location.hash));

window.addEventListener('hashchange', () => {
  route.value = parse(location.hash);
});

function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const segments = path.split('/').filter((segment) => segment !== '');
  return { path: segments.map(decode), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** The address of a view. Empty values of the query are left out. */
export function href(path: readonly string[], query: Readonly<Record<string, string | undefined>> = {}): string {
  const kept = Object.entries(query).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const search = new URLSearchParams(kept).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`;
}

/** Changes parts of the query, as a filter does: the way back leads past all of its changes. */
export function setQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const { path, query } = route.peek();
  history.replaceState(null, '', href(path, { ...query, ...changes }));
  route.value = parse(location.hash);
}

export const toService = (name: string): string => href(['services', name]);
export const toInstance = (name: string, id: string): string => href(['services', name, 'instances', id]);
