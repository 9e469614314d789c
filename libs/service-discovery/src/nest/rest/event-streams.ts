import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { type Clock, RegistryUnavailableError } from '../../common/index.js';
import { EventBus } from '../../observability/index.js';
import { CLOCK } from '../tokens.js';
import { callerOf } from './access/index.js';
import { API_OPTIONS, type ApiOptions } from './api-options.js';
import { TooManyStreamsError } from './rest-error.js';

/** The client of a stream. */
export interface StreamReader {
  /** Aborts when it has left. */
  readonly signal: AbortSignal;
  /** Ends its connection. */
  cutOff(): void;
}

/** The kinds of streams, each with its own limit: `api.maxEventReaders`, `api.maxWatches`. */
export type StreamKind = 'events' | 'watches';

const LIMITS = {
  events: { name: 'maxEventReaders', limit: 'event_readers' },
  watches: { name: 'maxWatches', limit: 'watches' },
} as const satisfies Record<StreamKind, object>;

/**
 * One event as it is sent.
 * @param type its name: letters, digits, `.`, `_`
 * @param data written as JSON
 * @param id what a reader that comes back sends as `Last-Event-ID`
 */
export function frameOf(type: string, data: unknown, id?: string): string {
  const frame = `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  return id === undefined ? frame : `id: ${id}\n${frame}`;
}

/** Interval of pings on an idle stream. */
const PING_INTERVAL_MS = 10_000;

interface FastifyReplyLike {
  readonly raw: ServerResponse;
  getHeaders(): Record<string, string | number | string[] | undefined>;
  hijack(): void;
}

/**
 * Sends event streams (WHATWG HTML, "Server-sent events"), at the pace of each reader: the source waits while a
 * connection is full. A reader that takes nothing for two pings is cut off.
 *
 * The streams end before the server stops listening, else it would wait for them for ever; yet after the instances of
 * this process have drained and deregistered, so that readers hear of it.
 */
@Injectable()
export class EventStreams implements BeforeApplicationShutdown {
  private readonly open: Readonly<Record<StreamKind, Set<AbortController>>> = {
    events: new Set(),
    watches: new Set(),
  };
  private closing = false;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(API_OPTIONS) private readonly api: ApiOptions,
    @Inject(EventBus) private readonly events: EventBus,
  ) {}

  /**
   * Resolves when the stream has ended.
   * @param response the platform's own response object
   * @param source makes the frames; they end when the reader's signal aborts
   * @throws RegistryUnavailableError when the app is shutting down; TooManyStreamsError at the limit
   */
  async send(
    kind: StreamKind,
    request: Pick<IncomingMessage, 'method'>,
    response: unknown,
    source: (reader: StreamReader) => AsyncIterable<string | Uint8Array>,
  ): Promise<void> {
    if (this.closing) throw new RegistryUnavailableError('The registry is shutting down');
    this.assertRoom(kind, request);
    const raw = takeOver(response);
    // A connection that the stream's end leaves open would hold up the server's close. HTTP/2 has no such header.
    if (raw.req.httpVersionMajor < 2) raw.setHeader('connection', 'close');
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    if (request.method === 'HEAD') {
      raw.end();
      return;
    }
    raw.flushHeaders();
    // While a body is unread, nothing tells that the reader has left.
    raw.req.resume();
    const reader = new AbortController();
    const leave = (): void => reader.abort();
    raw.once('close', leave);
    this.open[kind].add(reader);
    const stopPinging = this.ping(raw);
    try {
      for await (const frames of source({ signal: reader.signal, cutOff: () => void raw.destroy() })) {
        if (!raw.write(frames)) await drained(raw, reader.signal);
      }
    } finally {
      stopPinging();
      this.open[kind].delete(reader);
      raw.off('close', leave);
      raw.end();
    }
  }

  beforeApplicationShutdown(): void {
    this.closing = true;
    for (const readers of Object.values(this.open)) for (const reader of readers) reader.abort();
  }

  private assertRoom(kind: StreamKind, request: object): void {
    const { name, limit } = LIMITS[kind];
    const [max, option] = [this.api[name], `api.${name}`];
    if (this.open[kind].size < max) return;
    this.events.emit('api.limit_reached', { limit, max, option, caller: callerOf(request)?.id });
    throw new TooManyStreamsError(max, option);
  }

  private ping(raw: ServerResponse): () => void {
    let stuck = false;
    const beat = (): void => {
      if (raw.writableNeedDrain && stuck) {
        raw.destroy();
        return;
      }
      stuck = raw.writableNeedDrain;
      if (!stuck) raw.write(': ping\n\n');
      timer = this.clock.setTimer(beat, PING_INTERVAL_MS, { keepAlive: false });
    };
    let timer = this.clock.setTimer(beat, PING_INTERVAL_MS, { keepAlive: false });
    return () => timer.cancel();
  }
}

/** Node's response. Hijacks Fastify's reply, and keeps the headers that its plugins have set. */
function takeOver(response: unknown): ServerResponse {
  if (!isFastifyReply(response)) return response as ServerResponse;
  response.hijack();
  for (const [name, value] of Object.entries(response.getHeaders())) {
    if (value !== undefined) response.raw.setHeader(name, value);
  }
  return response.raw;
}

function isFastifyReply(response: unknown): response is FastifyReplyLike {
  return typeof (response as Partial<FastifyReplyLike>).hijack === 'function';
}

/** Resolves when more can be written, or when the reader has disconnected. */
function drained(raw: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      raw.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    raw.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
