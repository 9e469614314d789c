import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { type Clock, RegistryUnavailableError } from '../../common/index.js';
import { CLOCK } from '../tokens.js';

/** One event of a stream. */
export interface OutgoingEvent {
  /** Its name: letters, digits, `.`, `_`. */
  readonly type: string;
  /** Written as JSON. */
  readonly data: unknown;
}

/** How often a stream that has nothing to say shows that it is alive. */
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
  private readonly open = new Set<AbortController>();
  private closing = false;

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /**
   * Resolves when the stream has ended.
   * @param response the platform's own response object
   * @param source makes the events; they end when the signal aborts
   * @throws RegistryUnavailableError when the app is shutting down
   */
  async send(
    request: Pick<IncomingMessage, 'method'>,
    response: unknown,
    source: (signal: AbortSignal) => AsyncIterable<OutgoingEvent>,
  ): Promise<void> {
    if (this.closing) throw new RegistryUnavailableError('The registry is shutting down');
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
    const reader = new AbortController();
    const leave = (): void => reader.abort();
    raw.once('close', leave);
    this.open.add(reader);
    const stopPinging = this.ping(raw);
    try {
      for await (const { type, data } of source(reader.signal)) {
        if (!raw.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)) await drained(raw, reader.signal);
      }
    } finally {
      stopPinging();
      this.open.delete(reader);
      raw.off('close', leave);
      raw.end();
    }
  }

  beforeApplicationShutdown(): void {
    this.closing = true;
    for (const reader of this.open) reader.abort();
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

/** Node's own response; Fastify is told to leave it alone, and the headers that its plugins have set are kept. */
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

/** Resolves when more can be written, or when nobody reads any more. */
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
