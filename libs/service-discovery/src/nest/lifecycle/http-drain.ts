import { EventEmitter } from 'node:events';
import { type IncomingMessage, Server as HttpServer, type ServerResponse } from 'node:http';
import { type Http2ServerResponse, type Http2Session } from 'node:http2';
import { Server as HttpsServer } from 'node:https';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { type ListeningServer } from './server-address.js';

/** What a client is connected by: a socket, or a session of HTTP/2. */
type Connection = ServerResponse['req']['socket'] | Http2Session;
/** A response that is not over. */
export type OpenResponse = ServerResponse | Http2ServerResponse;

/**
 * Knows what a server has under way, so that it closes as soon as that is over, and no sooner. By itself Node would wait
 * for the connections of calls that are in flight when it closes, since clients keep them open for seconds in case there
 * is another call; would cut off responses that are complete but that their readers have not taken yet; would close
 * connections that a client is just writing to; and would wait for ever for what never ends.
 */
export class HttpDrain {
  private draining = false;
  private readonly open = new Set<OpenResponse>();
  private readonly connections = new Set<Connection>();
  /** The connections of those who call by this library: they hear that the app ends, and close them then. */
  private readonly callers = new Set<Connection>();

  constructor(private readonly server: ListeningServer) {
    if (!(server instanceof EventEmitter)) return;
    if (server instanceof HttpsServer) server.on('secureConnection', (socket) => this.welcome(socket));
    else if (server instanceof HttpServer) server.on('connection', (socket) => this.welcome(socket));
    else server.on('session', (session: Http2Session) => this.welcome(session));
    server.prependListener('request', (request: IncomingMessage, response: OpenResponse) =>
      this.enter(request, response),
    );
  }

  get isListening(): boolean {
    return this.server.listening === true;
  }

  /** From now on, connections end with the response that they carry. A client that is told does not use one again. */
  begin(): void {
    this.draining = true;
    for (const response of this.open) announceEnd(response);
    for (const connection of this.connections) if (isSession(connection)) connection.close();
  }

  /** Resolves when those who call by this library have closed their connections: they write to none that is closed. */
  async callersGone(): Promise<void> {
    for (let there = this.callersThere(); there.length > 0; there = this.callersThere()) {
      await Promise.all(there.map(closed));
    }
  }

  /** What is being answered, but for streams of events, which do not end by themselves. */
  inFlight(): OpenResponse[] {
    return [...this.open].filter((response) => !isEventStream(response));
  }

  /** Resolves when these are over. */
  async ended(responses: readonly OpenResponse[]): Promise<void> {
    const waiting = responses.filter((response) => this.open.has(response));
    await Promise.all(waiting.map(closed));
  }

  /** Resolves when every response that is complete has reached its reader, or the reader has gone. */
  async delivered(): Promise<void> {
    const complete = (): OpenResponse[] => [...this.open].filter(({ writableEnded }) => writableEnded);
    for (let waiting = complete(); waiting.length > 0; waiting = complete()) await this.ended(waiting);
  }

  /**
   * Ends those that are not over.
   * @returns what was asked for, such as `GET /users/1`; without the query, which may hold what is nobody's business
   */
  cut(responses: readonly OpenResponse[]): string[] {
    const cut = responses.filter((response) => this.open.has(response));
    for (const response of cut) destroy(response);
    return cut.map(({ req: { method, url } }) => `${method} ${url?.split('?')[0]}`);
  }

  /** Ends the connections on which nothing is being answered: they are idle, or carry what never ends by itself. */
  cutIdle(): void {
    const busy = new Set(this.inFlight().map(connectionOf));
    for (const connection of this.connections) if (!busy.has(connection)) connection.destroy();
  }

  private welcome(connection: Connection): void {
    this.connections.add(connection);
    connection.once('close', () => {
      this.connections.delete(connection);
      this.callers.delete(connection);
    });
  }

  private enter(request: IncomingMessage, response: OpenResponse): void {
    const connection = connectionOf(response);
    // HTTP/1.1 at a server that speaks HTTP/2, too.
    if (!this.connections.has(connection)) this.welcome(connection);
    if (request.headers[DEADLINE_HEADER] !== undefined) this.callers.add(connection);
    this.open.add(response);
    if (this.draining) announceEnd(response);
    response.once('close', () => this.leave(response, connection));
  }

  private leave(response: OpenResponse, connection: Connection): void {
    this.open.delete(response);
    // What is still used had promised to be kept open; who has that promise may be writing to it while the server listens.
    if (!this.draining || this.server.listening !== false || isSession(connection)) return;
    if (![...this.open].some((other) => connectionOf(other) === connection)) connection.destroySoon();
  }

  /** Those that carry a stream of events are open until the server ends it. */
  private callersThere(): Connection[] {
    const streaming = new Set([...this.open].filter(isEventStream).map(connectionOf));
    return [...this.callers].filter((connection) => !streaming.has(connection));
  }
}

function connectionOf(response: OpenResponse): Connection {
  // A stream that is over has no session any more.
  return isHttp2(response) ? response.stream.session! : response.req.socket;
}

function closed(what: Connection | OpenResponse): Promise<void> {
  return new Promise((resolve) => what.once('close', resolve));
}

function announceEnd(response: OpenResponse): void {
  if (isHttp2(response)) response.stream.session?.close();
  else if (!response.headersSent) response.shouldKeepAlive = false;
}

function destroy(response: OpenResponse): void {
  if (isHttp2(response)) response.stream.destroy();
  else response.destroy();
}

/** `EventSource` asks for nothing else; who asks for more, too, may get an answer that ends. */
function isEventStream(response: OpenResponse): boolean {
  const { method, headers } = response.req;
  if (method === 'GET' && headers.accept === 'text/event-stream') return true;
  return String(response.getHeader('content-type')).startsWith('text/event-stream');
}

function isHttp2(response: OpenResponse): response is Http2ServerResponse {
  return 'stream' in response;
}

function isSession(connection: Connection): connection is Http2Session {
  return 'goaway' in connection;
}
