import { callKeyOf } from '../../common/index.js';

/** The parts of a call that the key of a hash strategy can come from. */
export interface HashRequest {
  /** The key given by the caller. */
  key?: string;
  /** With or without a query string. */
  path?: string;
  query?: Readonly<Record<string, unknown>>;
  /** By names in any case. */
  headers?: Readonly<Record<string, unknown>>;
  /** The address of the client that the call is made for. */
  clientIp?: string;
}

/** The source of the key of a hash strategy. */
export type HashSource =
  /** The key given by the caller. */
  | 'key'
  /** The path without its query, normalised by RFC 3986: paths that name the same resource give the same key. */
  | 'path'
  /** The client's address. */
  | 'ip'
  | { readonly header: string }
  | { readonly cookie: string }
  | { readonly query: string }
  /** A custom function; undefined or an empty text means no key. */
  | ((request: HashRequest) => string | undefined);

/** The key of a call: the text of the first source that has one. Empty texts do not count. */
export function hashKeyOf(request: HashRequest, sources: readonly HashSource[]): string | undefined {
  for (const source of sources) {
    const key = read(request, source);
    if (key !== undefined && key !== '') return key;
  }
  return undefined;
}

function read(request: HashRequest, source: HashSource): string | undefined {
  if (source === 'key') return callKeyOf(request.key, 'key');
  if (source === 'path') return normalPath(request.path);
  if (source === 'ip') return request.clientIp;
  if (typeof source === 'function') return callKeyOf(source(request), 'What the function of hash.on gives');
  if ('header' in source) return headerOf(request, source.header);
  return 'cookie' in source ? readCookie(request, source.cookie) : readQuery(request, source.query);
}

/** A header's text, by its name in any case. */
export function headerOf({ headers = {} }: HashRequest, name: string): string | undefined {
  const wanted = name.toLowerCase();
  if (Object.hasOwn(headers, wanted)) return textOf(headers[wanted]);
  return textOf(Object.entries(headers).find(([given]) => given.toLowerCase() === wanted)?.[1]);
}

/** As servers read it: the first of several cookies with the name, without the quotes around its value. */
function readCookie(request: HashRequest, name: string): string | undefined {
  for (const pair of headerOf(request, 'cookie')?.split(/[;,]/) ?? []) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    return pair
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

/** All values of a parameter in the order in which they are sent: those in the path, then those in `query`. */
function readQuery({ query = {}, path = '' }: HashRequest, name: string): string | undefined {
  const mark = path.indexOf('?');
  const inPath = mark < 0 ? [] : new URLSearchParams(path.slice(mark)).getAll(name);
  const separate = Object.hasOwn(query, name) ? textOf(query[name]) : undefined;
  if (inPath.length === 0) return separate;
  return separate === undefined ? inPath.join(',') : [...inPath, separate].join(',');
}

/** A list becomes its values in order, as it is sent, without null and undefined. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (!Array.isArray(value)) return undefined;
  const texts = value.map(textOf).filter((text) => text !== undefined);
  return texts.length === 0 ? undefined : texts.join(',');
}

/** Nearly all paths: no escapes, nothing that needs one, and no segment that starts with a dot. */
const NORMAL_PATH = /^(?:\/(?!\.)[\w\-.~!$&'()*+,;=:@[\]]*)*$/;
/** Characters that are sent escaped, but that `URL` would interpret. */
const TO_ESCAPE = /[\\|^#]/g;
const ESCAPE = /%[\da-f]{2}/gi;
const UNRESERVED = /^[\w\-.~]$/;

/** The path without its query, dot segments and unnecessary escapes (RFC 3986, 6.2.2). */
function normalPath(path: string | undefined): string | undefined {
  const plain = path?.split('?', 1)[0];
  if (!plain?.startsWith('/') || NORMAL_PATH.test(plain)) return plain;
  const { pathname } = new URL(`http://host${plain.replace(TO_ESCAPE, encodeURIComponent)}`);
  return pathname.replace(ESCAPE, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
}
