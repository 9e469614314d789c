import { type Draw } from './draw.js';
import { type FuzzRequest, type Message } from './fuzz-request.js';

/** Changes a request in place. */
type Mutation = (request: FuzzRequest, draw: Draw) => void;

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'PURGE',
  'get',
  'FOO',
];
const VERSIONS = ['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/9.9', 'HTTP/1.1 ', 'HTTP', ''];
const SEGMENTS = [
  '..',
  '.',
  '%2e%2e',
  '..%2f..%2f',
  '%2F',
  '%5c..%5c',
  '%00',
  '%ff%fe',
  '%zz',
  '%',
  '%E0%A4%A',
  '\u00e9\u00ff',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '-',
  '\t',
  ' ',
  '%20',
  '%0d%0aset-cookie:x',
  ';a=b',
  '{name}',
  '${7*7}',
  '*',
  '',
  'a'.repeat(300),
  '%f0%9f%92%a9',
];
const TARGETS = [
  '*',
  '/',
  '//',
  'http://example.com/service-discovery/services',
  'example.com:443',
  '',
  '/%',
  '?',
  '/#x',
];
const QUERIES = [
  'limit=-1',
  'limit=1e309',
  'limit=NaN',
  'limit=999999999999999999999',
  'limit=1&limit=2',
  'after=%00',
  'after=%ff',
  'tag[]=a&tag[]=b',
  'tag[a][b][c]=1',
  '__proto__[x]=1',
  'constructor=1',
  'version=>=1 <2',
  `version=${'^'.repeat(2_000)}`,
  'version=1.x||2.x||>3 || *',
  'strategy=__proto__',
  'strategy=',
  'key=%E0%A4%A',
  'generation=1.5',
  'services=',
  `services=${'a,'.repeat(2_000)}`,
  '&&&===',
  `x=${'y'.repeat(4_000)}`,
];
const HEADERS: readonly [string, string][] = [
  ['content-type', 'text/plain'],
  ['content-type', 'application/json; charset=utf-16'],
  ['content-type', 'application/json; charset=utf-99'],
  ['content-type', 'multipart/form-data; boundary=x'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['content-type', 'application/json, text/plain'],
  ['content-type', ';;;'],
  ['content-encoding', 'gzip'],
  ['content-encoding', 'br'],
  ['content-encoding', 'deflate, gzip'],
  ['content-encoding', 'none-such'],
  ['expect', '100-continue'],
  ['expect', 'a-miracle'],
  ['accept', 'text/event-stream'],
  ['accept', 'application/xml;q=x'],
  ['accept', '*/*, '.repeat(200)],
  ['accept-encoding', 'gzip, br, zstd'],
  ['last-event-id', '-1'],
  ['last-event-id', '9'.repeat(400)],
  ['x-request-deadline', 'soon'],
  ['x-request-deadline', '1'],
  ['x-request-deadline', '1e400'],
  ['x-request-deadline-key', 'x'],
  ['authorization', 'Bearer'],
  ['authorization', 'Bearer '],
  ['authorization', 'Basic ' + 'A'.repeat(4_000)],
  ['authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ['x-forwarded-for', '127.0.0.1'],
  ['x-forwarded-for', ','.repeat(1_000)],
  ['forwarded', 'for="[::1'],
  ['host', 'example.com'],
  ['host', ''],
  ['host', '[::1'],
  ['connection', 'upgrade'],
  ['connection', 'close'],
  ['upgrade', 'websocket'],
  ['upgrade', 'h2c'],
  ['range', 'bytes=0-'],
  ['if-none-match', '*'],
  ['if-modified-since', 'never'],
  ['cookie', 'a=b; '.repeat(200)],
  ['origin', 'null'],
  ['origin', 'http://example.com'],
  ['traceparent', '00-zz-zz-01'],
  ['x-http-method-override', 'DELETE'],
  ['te', 'trailers'],
  ['trailer', 'content-length'],
  ['x-long', 'y'.repeat(10_000)],
  ['x-longer', 'y'.repeat(40_000)],
  ['x-bytes', '\u0080\u00ff'],
  ['x-folded', 'a\r\n b'],
  ['bad name', 'x'],
  ['x-nul', 'a\u0000b'],
  ['', 'no name'],
];
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e308,
  '',
  ' ',
  'a'.repeat(10_000),
  '\u0000',
  '\ud800',
  '\u202e',
  '💩',
  '../../etc/passwd',
  '169.254.169.254',
  '0x7f.1',
  '[::ffff:169.254.169.254]',
  'http://127.0.0.1',
  'localhost:80',
  '1.2.3.4.5',
  [],
  [[]],
  [null],
  {},
  { __proto__: null, toString: 1 },
  { constructor: { prototype: {} } },
  { length: -1 },
  Array.from({ length: 300 }, (_, index) => index),
];
const TEXTS = [
  '',
  ' ',
  '{',
  '}',
  '[]',
  'null',
  '"x"',
  '1',
  'NaN',
  '1e999',
  '\ufeff{}',
  '{"__proto__": {"admin": true}}',
  '{"service_name": "fuzzed-1", "service_name": 1}',
  '{"a": 1,}',
  "{'a': 1}",
  '{"port": 0x50}',
  '{"port": 1e400}',
  '\\u0000',
  '<xml/>',
  'a=b&c=d',
];

const MUTATIONS: readonly Mutation[] = [
  (request, draw) => (request.method = draw.of(METHODS)),
  (request, draw) => (request.version = draw.chance(0.5) ? 'HTTP/1.0' : draw.of(VERSIONS)),
  (request, draw) => (request.target = draw.of(TARGETS)),
  replaceSegment,
  replaceSegment,
  insertSegment,
  (request, draw) => (request.target += (request.target.includes('?') ? '&' : '?') + draw.of(QUERIES)),
  (request, draw) => (request.target += (request.target.includes('?') ? '&' : '?') + draw.of(QUERIES)),
  (request, draw) => (request.target += `?${'p=1&'.repeat(draw.below(5_000))}`),
  (request, draw) => (request.target = request.target.toUpperCase().slice(0, draw.below(request.target.length + 1))),
  (request, draw) => void request.headers.push([...draw.of(HEADERS)]),
  (request, draw) => void request.headers.push([...draw.of(HEADERS)]),
  replaceHeader,
  (request) => void request.headers.push(...request.headers.slice(-1)),
  (request) => void request.headers.shift(),
  (request, draw) => {
    for (let left = draw.below(300); left > 0; left--) request.headers.push([`x-${left}`, 'y']);
  },
  replaceValue,
  replaceValue,
  replaceValue,
  (request, draw) => (request.body = Buffer.from(draw.of(TEXTS))),
  (request, draw) => (request.body = Buffer.from(nested(draw.of([10, 100, 1_000, 20_000])))),
  (request, draw) => (request.body = Buffer.from(JSON.stringify({ metadata: wide(draw.of([100, 2_000])) }))),
  (request, draw) => (request.body = Buffer.alloc(draw.of([4_096, 70_000, 300_000]), 'a')),
  (request, draw) => (request.body = request.body?.subarray(0, draw.below(request.body.length + 1))),
  (request, draw) => {
    if (request.body) request.body = flipped(Buffer.from(request.body), draw);
  },
  (request, draw) => {
    request.body ??= Buffer.from('{}');
    request.framing = draw.of([
      'chunked',
      'chunked',
      'no-length',
      'too-short',
      'too-long',
      'length-and-chunked',
      'two-lengths',
      'bad-chunks',
    ]);
  },
];

/** Changes the bytes of a message, so that it may be no request at all. */
const BYTE_MUTATIONS: readonly ((bytes: Buffer, draw: Draw) => Buffer)[] = [
  flipped,
  (bytes, draw) => bytes.subarray(0, draw.below(bytes.length)),
  (bytes, draw) => bytes.subarray(draw.below(bytes.length)),
  (bytes) => Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
  (bytes) => Buffer.concat([bytes, bytes, bytes]),
  (bytes, draw) => Buffer.from(Array.from({ length: draw.below(500) }, () => draw.below(256))),
  // The first bytes of TLS and of HTTP/2.
  (bytes) => Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]), bytes]),
  (bytes) => Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), bytes]),
];

/** Changes a request in one to three ways. */
export function mutate(request: FuzzRequest, draw: Draw): void {
  for (let left = 1 + draw.below(3); left > 0; left--) draw.of(MUTATIONS)(request, draw);
}

/** Changes a message below the level of HTTP. */
export function mutateBytes(message: Message, draw: Draw): Message {
  return { ...message, bytes: draw.of(BYTE_MUTATIONS)(Buffer.from(message.bytes), draw), isWhole: false };
}

function replaceSegment(request: FuzzRequest, draw: Draw): void {
  const segments = request.target.split('/');
  segments[draw.below(segments.length)] = draw.of(SEGMENTS);
  request.target = segments.join('/');
}

function insertSegment(request: FuzzRequest, draw: Draw): void {
  const segments = request.target.split('/');
  segments.splice(1 + draw.below(segments.length), 0, draw.of(SEGMENTS));
  request.target = segments.join('/');
}

function replaceHeader(request: FuzzRequest, draw: Draw): void {
  const [name, value] = draw.of(HEADERS);
  const known = request.headers.find(([known]) => known === name);
  if (known) known[1] = value;
  else request.headers.push([name, value]);
}

/** Puts a value of another type somewhere into a JSON body. */
function replaceValue(request: FuzzRequest, draw: Draw): void {
  const value = draw.of(VALUES);
  if (!request.body) {
    request.body = Buffer.from(JSON.stringify(value));
    return;
  }
  let text = request.body.toString();
  try {
    const parsed: unknown = JSON.parse(text);
    replaceIn(parsed, value, draw);
    text = JSON.stringify(parsed);
  } catch {
    text += JSON.stringify(value);
  }
  request.body = Buffer.from(text);
}

function replaceIn(target: unknown, value: unknown, draw: Draw): void {
  if (typeof target !== 'object' || target === null) return;
  const keys = Object.keys(target);
  const key = keys.length === 0 || draw.chance(0.1) ? draw.of(['extra', 'toString', 'claim']) : draw.of(keys);
  const inner = (target as Record<string, unknown>)[key];
  if (typeof inner === 'object' && inner !== null && draw.chance(0.5)) replaceIn(inner, value, draw);
  else Object.assign(target, { [key]: value });
}

function flipped(bytes: Buffer, draw: Draw): Buffer {
  for (let left = 1 + draw.below(4); left > 0 && bytes.length > 0; left--) {
    bytes[draw.below(bytes.length)] = draw.below(256);
  }
  return bytes;
}

function nested(depth: number): string {
  return `{"service_name":"fuzzed-1","host":"127.0.0.1","port":80,"metadata":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;
}

function wide(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, index]));
}
