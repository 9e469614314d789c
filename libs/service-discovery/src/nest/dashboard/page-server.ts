import { type IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { type AbstractHttpAdapter } from '@nestjs/core';
import { PAGE_FILES } from './page-files.js';

/** What the requests of Express and Fastify have in common. */
interface PageRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** What the responses of Express and Fastify have in common. */
interface PageResponse {
  status(code: number): this;
  header(name: string, value: string): this;
  send(body: Buffer | string): unknown;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

/** The page loads its own files, asks its own server, and cannot be framed; what it shows is never run. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const INDEX = 'index.html';
/** Names of all files but the index contain a hash of the content. */
const FOREVER = 'public, max-age=31536000, immutable';

/**
 * Serves the page at `path` and its files below, as routes of the platform: guards, interceptors and filters of the app are
 * for its data, and the files are the same for everyone.
 */
export function servePage(adapter: AbstractHttpAdapter, path: string): void {
  adapter.get(path, (request: PageRequest, response: PageResponse) => {
    // Relative to a path with a slash at its end, the page would not find its files.
    if (pathOf(request).endsWith('/')) redirectToPage(response);
    else sendFile(INDEX, request, response);
  });
  // To Express, it is the same path.
  adapter.get(`${path}/`, (_request: PageRequest, response: PageResponse) => redirectToPage(response));
  adapter.get(`${path}/:file`, (request: PageRequest, response: PageResponse) => {
    const file = pathOf(request);
    sendFile(file.slice(file.lastIndexOf('/') + 1), request, response);
  });
}

function pathOf({ url }: PageRequest): string {
  return url.split('?', 1)[0]!;
}

/** Behind a proxy, only the end of the path is known. */
function redirectToPage(response: PageResponse): void {
  withHeaders(response.status(308), { ...SECURITY_HEADERS, location: '../ui' }).send('');
}

function sendFile(name: string, request: PageRequest, response: PageResponse): void {
  withHeaders(response, SECURITY_HEADERS);
  const file = Object.hasOwn(PAGE_FILES, name) ? PAGE_FILES[name] : undefined;
  if (file === undefined) {
    response.status(404).header('content-type', 'text/plain; charset=utf-8').send('There is no such file');
    return;
  }
  const gzipped = Buffer.from(file, 'base64');
  const isGzipAccepted = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(request.headers['accept-encoding'] ?? '');
  withHeaders(response.status(200), {
    'content-type': TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
    'cache-control': name === INDEX ? 'no-cache' : FOREVER,
    vary: 'accept-encoding',
    ...(isGzipAccepted && { 'content-encoding': 'gzip' }),
  }).send(isGzipAccepted ? gzipped : gunzipSync(gzipped));
}

function withHeaders(response: PageResponse, headers: Readonly<Record<string, string>>): PageResponse {
  for (const [name, value] of Object.entries(headers)) response.header(name, value);
  return response;
}
