import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type HttpAdapterHost } from '@nestjs/core';
import { messageOf } from '../../common/index.js';

/** The result of reading a request's body. */
export type BodyReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'malformed'; readonly problem: string }
  | { readonly kind: 'wrong_type'; readonly contentType: string }
  | { readonly kind: 'too_large'; readonly limitBytes: number };

/**
 * How much of a body is read and discarded after a response that was sent before its end, so that a client that is still
 * sending receives the response: up to `few` bytes the connection is kept, beyond `most` it is closed.
 */
const DROPPED_BYTES = { most: 4 * 1024 * 1024, few: 64 * 1024 };

/** A request whose body is read only after the guard has admitted it. */
interface UnreadBody {
  readonly stream: NodeJS.ReadableStream;
  /** The headers as the client sent them. */
  readonly headers: IncomingHttpHeaders;
}

const unread = new WeakMap<object, UnreadBody>();

interface RequestLike {
  readonly headers: IncomingHttpHeaders;
  readonly body?: unknown;
}

/** Bodies that have already been read, for example by a guard. */
const readings = new WeakMap<object, Promise<BodyReading>>();

/**
 * Reads the body of a request once, up to a limit. A body that the app's own parser has read is used as parsed.
 * @param limitBytes of what the client sends
 */
export function readBody(request: RequestLike, limitBytes: number): Promise<BodyReading> {
  let reading = readings.get(request);
  if (!reading) readings.set(request, (reading = readOnce(request, limitBytes)));
  return reading;
}

async function readOnce(request: RequestLike, limitBytes: number): Promise<BodyReading> {
  const body = unread.get(request);
  if (body) {
    unread.delete(request);
    try {
      return parse(body, await collect(body, limitBytes), limitBytes);
    } catch (error) {
      return { kind: 'malformed', problem: messageOf(error) };
    }
  }
  if (request.body === undefined || request.body === null) return { kind: 'none' };
  const contentType = request.headers['content-type'] ?? '';
  return isJson(contentType) ? { kind: 'json', value: request.body } : { kind: 'wrong_type', contentType };
}

/** Restores the headers that the client sent, after the app's parsers have skipped the request. */
export function restoreHeaders(request: RequestLike): void {
  const { headers } = unread.get(request) ?? {};
  if (headers) Object.assign(request.headers, headers);
}

type Next = (error?: unknown) => void;
type ExpressRequest = IncomingMessage & { body?: unknown };

interface FastifyRouteOptions {
  readonly url: string;
  bodyLimit?: number;
  preParsing?: unknown;
}
interface FastifyLike {
  addHook(name: 'onRoute', hook: (route: FastifyRouteOptions) => void): void;
}
interface FastifyRequest extends RequestLike {
  readonly raw: IncomingMessage;
}
interface ExpressLike {
  use(path: RegExp, handler: (request: ExpressRequest, response: ServerResponse, next: Next) => void): void;
}

/**
 * Makes the app's body parsers skip the API's routes: they would read a whole body before any guard runs, and reject a
 * malformed one outside of the controllers, in the app's own format and without naming a field. {@link readBody} reads it
 * instead, after the guard. Other routes are not affected.
 */
export class RequestBodyReader {
  private readonly route: RegExp;

  /** @param routes of the API that bodies come with, without slashes at their ends */
  constructor(host: HttpAdapterHost, routes: readonly string[]) {
    this.route = anyOf(routes);
    // Fires when the adapter is there, which is after this in an app made by a testing module, and before any parser
    // and route in both.
    host.init$.subscribe(() => this.attach(host));
  }

  private attach({ httpAdapter }: HttpAdapterHost): void {
    const type = httpAdapter?.getType();
    if (type === 'express') this.attachToExpress(httpAdapter.getInstance<ExpressLike>());
    if (type === 'fastify') this.attachToFastify(httpAdapter.getInstance<FastifyLike>());
  }

  private attachToExpress(app: ExpressLike): void {
    // By its path, so that other requests of the app pay for no handler.
    app.use(this.route, (request, response, next) => {
      // A body that was already read (by a serverless platform, say) can't be read again.
      if (mayHaveBody(request) && request.body === undefined) {
        dropRestAfter(response, request);
        unread.set(request, { stream: request, headers: { ...request.headers } });
        // Parsers recognize a body by these headers.
        delete request.headers['content-length'];
        delete request.headers['transfer-encoding'];
      }
      next();
    });
  }

  private attachToFastify(app: FastifyLike): void {
    app.addHook('onRoute', (route) => {
      if (!this.route.test(route.url)) return;
      route.bodyLimit = Number.MAX_SAFE_INTEGER;
      route.preParsing = async (
        request: FastifyRequest,
        reply: { readonly raw: ServerResponse },
        payload: NodeJS.ReadableStream,
      ) => {
        dropRestAfter(reply.raw, request.raw);
        unread.set(request, { stream: payload, headers: { ...request.headers } });
        request.headers['content-type'] &&= 'application/json';
        // Fastify goes on to parse what it gets; an empty object passes its checks whatever was sent.
        return Object.assign(Readable.from([Buffer.from('{}')]), {
          receivedEncodedLength: Number(request.headers['content-length'] ?? 2),
        });
      };
    });
  }
}

/** Over HTTP/2, a body needs no `content-length` or `transfer-encoding`. */
function mayHaveBody({ headers, httpVersionMajor }: IncomingMessage): boolean {
  return httpVersionMajor > 1 || headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

/**
 * Any of the routes, wherever the app's prefixes put them, with parameters as values or as names. The pattern only looks ahead:
 * what it matched, Express would cut off the URL.
 */
function anyOf(routes: readonly string[]): RegExp {
  return routes.length === 0 ? NO_ROUTE : new RegExp(`^(?=.*/(?:${routes.map(patternOf).join('|')})/?$)`, 'i');
}

const NO_ROUTE = /(?!)/;

/** @param route such as `registry/register` or `:tenant/registry/services/:name/split` */
function patternOf(route: string): string {
  return route
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')))
    .join('/');
}

/**
 * Reads on after an answer that comes before the end of its request's body, without keeping what comes, and closes the
 * connection. Closed at once, it would take the answer with it.
 */
function dropRestAfter(response: ServerResponse, request: IncomingMessage): void {
  // Before Node's own listener, which would read on for ever.
  response.prependOnceListener('finish', () => {
    if (request.complete) return;
    let dropped = 0;
    request.on('data', (chunk: Buffer) => {
      dropped += chunk.length;
      if (dropped > DROPPED_BYTES.most) request.destroy();
    });
    request.on('end', () => {
      // Once the answer is out. A socket that is only ended would wait for its client, and not read a next request's body.
      if (dropped > DROPPED_BYTES.few) request.socket.destroySoon();
    });
    request.on('error', () => undefined);
    // It counts as read from now on, so that Node leaves it alone.
    request.read();
    request.resume();
  });
}

/** @throws SyntaxError */
function parse({ headers }: UnreadBody, bytes: Buffer | undefined, limitBytes: number): BodyReading {
  if (bytes === undefined) return { kind: 'too_large', limitBytes };
  if (bytes.length === 0) return { kind: 'none' };
  const contentType = headers['content-type'] ?? '';
  const encoding = headers['content-encoding'] ?? 'identity';
  if (!isJson(contentType)) return { kind: 'wrong_type', contentType };
  if (encoding !== 'identity') return { kind: 'wrong_type', contentType: `${contentType} (${encoding})` };
  return { kind: 'json', value: JSON.parse(bytes.toString('utf8')) };
}

/** All of a stream; undefined when it is longer than the limit: then no more of it is read here. */
function collect({ stream, headers }: UnreadBody, limitBytes: number): Promise<Buffer | undefined> {
  if (Number(headers['content-length'] ?? 0) > limitBytes) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= limitBytes) return;
      stream.off('data', onData);
      stream.pause();
      resolve(undefined);
    };
    stream.on('data', onData);
    stream.on('end', () => resolve(Buffer.concat(chunks, length)));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the client closed the connection before its body ended')));
  });
}

function isJson(contentType: string): boolean {
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return mediaType === 'application/json' || mediaType.endsWith('+json');
}
