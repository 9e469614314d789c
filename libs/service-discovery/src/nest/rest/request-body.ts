import { type IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { type HttpAdapterHost } from '@nestjs/core';
import { messageOf } from '../../common/index.js';

/** What the body of a request turned out to be. */
export type BodyReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'malformed'; readonly problem: string }
  | { readonly kind: 'wrong_type'; readonly contentType: string }
  | { readonly kind: 'too_large' };

/**
 * The longest body that is read. Far above what is valid, so that a client whose metadata is too long is told so by
 * field; the parsers of the platforms give up at 100 kB or 1 MiB and know nothing of fields.
 */
export const BODY_LIMIT_BYTES = 4 * 1024 * 1024;

const readings = new WeakMap<object, BodyReading>();

interface RequestLike {
  readonly headers: IncomingHttpHeaders;
  readonly body?: unknown;
}

/** What the body of a request is, as read by {@link RequestBodyReader}, else as the app's own parser left it. */
export function bodyOfRequest(request: RequestLike): BodyReading {
  const reading = readings.get(request);
  if (reading) return reading;
  if (request.body === undefined || request.body === null) return { kind: 'none' };
  const contentType = request.headers['content-type'] ?? '';
  return isJson(contentType) ? { kind: 'json', value: request.body } : { kind: 'wrong_type', contentType };
}

type Next = (error?: unknown) => void;
type IncomingBody = NodeJS.ReadableStream & {
  readonly method?: string;
  readonly url?: string;
  readonly headers: IncomingHttpHeaders;
};

interface FastifyRouteOptions {
  readonly url: string;
  bodyLimit?: number;
  preParsing?: unknown;
}
interface FastifyLike {
  addHook(name: 'onRoute', hook: (route: FastifyRouteOptions) => void): void;
}
interface ExpressLike {
  use(handler: (request: IncomingBody & { body?: unknown }, response: unknown, next: Next) => void): void;
}

/**
 * Reads the bodies of the API's own routes before the app's parsers do. A parser that fails answers from outside of
 * every controller, in the app's own shape and without naming a field; here a bad body arrives at the controller, after
 * the guard, and is refused like any other bad input. Other routes are left alone.
 */
export class RequestBodyReader {
  private readonly route: RegExp;

  /** @param paths of the API's controllers */
  constructor(host: HttpAdapterHost, paths: Iterable<string>) {
    this.route = writingRoute(paths);
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
    app.use((request, _response, next) => {
      const path = request.url?.split('?', 1)[0] ?? '';
      // A body that somebody has read already (a serverless platform, say) can't be read again.
      if (request.body !== undefined || !this.route.test(path)) next();
      else void readBody(request, request.headers).then((reading) => settle(request, reading, next), next);
    });
  }

  private attachToFastify(app: FastifyLike): void {
    app.addHook('onRoute', (route) => {
      if (!this.route.test(route.url)) return;
      route.bodyLimit = Number.MAX_SAFE_INTEGER;
      route.preParsing = async (request: RequestLike, _reply: unknown, payload: NodeJS.ReadableStream) => {
        readings.set(request, await readBody(payload, request.headers));
        request.headers['content-type'] &&= 'application/json';
        // Fastify goes on to parse what it gets; an empty object passes its checks whatever was sent.
        return Object.assign(Readable.from([Buffer.from('{}')]), {
          receivedEncodedLength: Number(request.headers['content-length'] ?? 2),
        });
      };
    });
  }
}

/**
 * The routes with bodies, wherever the app's prefixes put them; parameters may stand there as values or as names. Without a
 * path before them, they could be routes of the app's own: those bodies are left to the app's parser.
 */
function writingRoute(paths: Iterable<string>): RegExp {
  const patterns = [...paths].map(patternOf).filter((pattern) => pattern !== '');
  if (patterns.length === 0) return NO_ROUTE;
  return new RegExp(
    `/(?:${patterns.join('|')})/(?:register|heartbeats|watch|services/[^/]+/instances/[^/]+/(?:heartbeat|status|health))/?$`,
    'i',
  );
}

const NO_ROUTE = /(?!)/;

/** @param path of a controller, such as `registry` or `:tenant/registry` */
function patternOf(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '');
  return segments
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')))
    .join('/');
}

function settle(request: object, reading: BodyReading, next: Next): void {
  readings.set(request, reading);
  next();
}

async function readBody(stream: NodeJS.ReadableStream, headers: IncomingHttpHeaders): Promise<BodyReading> {
  const bytes = await collect(stream);
  if (bytes === undefined) return { kind: 'too_large' };
  if (bytes.length === 0) return { kind: 'none' };
  const contentType = headers['content-type'] ?? '';
  const encoding = headers['content-encoding'] ?? 'identity';
  if (!isJson(contentType)) return { kind: 'wrong_type', contentType };
  if (encoding !== 'identity') return { kind: 'wrong_type', contentType: `${contentType} (${encoding})` };
  try {
    return { kind: 'json', value: JSON.parse(bytes.toString('utf8')) };
  } catch (error) {
    return { kind: 'malformed', problem: messageOf(error) };
  }
}

/** All of a stream; undefined when it is longer than the limit, and then read to its end so that the peer hears the answer. */
function collect(stream: NodeJS.ReadableStream): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > BODY_LIMIT_BYTES) chunks.length = 0;
      else chunks.push(chunk);
    });
    stream.on('end', () => resolve(length > BODY_LIMIT_BYTES ? undefined : Buffer.concat(chunks, length)));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('The client closed the connection before its body ended')));
  });
}

function isJson(contentType: string): boolean {
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return mediaType === 'application/json' || mediaType.endsWith('+json');
}
