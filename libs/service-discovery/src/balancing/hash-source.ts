import { callKeyOf } from '../common/index.js';

/** What a call is, as far as the key of a hash strategy may be taken from it. */
export interface HashRequest {
  /** The key that the caller gives. */
  key?: string;
  /** With or without a query behind it. */
  path?: string;
  query?: Readonly<Record<string, unknown>>;
  /** By names in any spelling. */
  headers?: Readonly<Record<string, unknown>>;
  /** The address of the client for whom the call is made. */
  clientIp?: string;
}

/** Where the key of a hash strategy is found. */
export type HashSource =
  /** The key that the caller gives. */
  | 'key'
  /** The path without its query, normalised as RFC 3986 says: paths that name the same resource give the same key. */
  | 'path'
  /** The address of the client. */
  | 'ip'
  | { readonly header: string }
  | { readonly cookie: string }
  | { readonly query: string }
  /** A function of the user's own; undefined or an empty text: no key. */
  | ((request: HashRequest) => string | undefined);

/** The text that a hash strategy goes by: that of the first source which has one. Empty texts are none. */
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

/** A header's text, whatever the spelling of its name. */
export function headerOf({ headers = {} }: HashRequest, name: string): string | undefined {
  const wanted = name.toLowerCase();
  if (Object.hasOwn(headers, wanted)) return textOf(headers[wanted]);
  return textOf(Object.entries(headers).find(([given]) => given.toLowerCase() === wanted)?.[1]);
}

/** As servers read it: the first of several cookies of one name, without the quotes around its value. */
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

/** Every value of a parameter in the order in which they are sent: those in the path, then those given apart. */
function readQuery({ query = {}, path = '' }: HashRequest, name: string): string | undefined {
  const mark = path.indexOf('?');
  const inPath = mark < 0 ? [] : new URLSearchParams(path.slice(mark)).getAll(name);
  const apart = Object.hasOwn(query, name) ? textOf(query[name]) : undefined;
  if (inPath.length === 0) return apart;
  return apart === undefined ? inPath.join(',') : [...inPath, apart].join(',');
}

/** A list is its values in order, as it is sent: without those that are null or undefined. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (!Array.isArray(value)) return undefined;
  const texts = value.map(textOf).filter((text) => text !== undefined);
  return texts.length === 0 ? undefined : texts.join(',');
}

/** Nearly all paths: nothing is escaped, needs to be, or begins a segment with a dot. */
const NORMAL_PATH = /^(?:\/(?!\.)[\w\-.~!$&'()*+,;=:@[\]]*)*$/;
/** What is sent escaped, and would mean something else to `URL`. */
const TO_ESCAPE = /[\\|^#]/g;
const ESCAPE = /%[\da-f]{2}/gi;
const UNRESERVED = /^[\w\-.~]$/;

/** A path without its query, dot segments and needless escapes (RFC 3986, 6.2.2). */
function normalPath(path: string | undefined): string | undefined {
  const plain = path?.split('?', 1)[0];
  if (!plain?.startsWith('/') || NORMAL_PATH.test(plain)) return plain;
  const { pathname } = new URL(`http://host${plain.replace(TO_ESCAPE, encodeURIComponent)}`);
  return pathname.replace(ESCAPE, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
}
