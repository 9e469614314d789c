import { EventEmitter } from 'node:events';
import { type IncomingMessage, Server as HttpServer, type ServerResponse } from 'node:http';
import { type Http2ServerResponse, type Http2Session } from 'node:http2';
import { Server as HttpsServer } from 'node:https';
import { Server as NetServer } from 'node:net';
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
  /** Whether no connection is served any more, such as one whose TLS handshake takes longer than all else took. */
  private shut = false;
  private readonly open = new Set<OpenResponse>();
  private readonly connections = new Set<Connection>();
  /** The connections of those who call by this library: they hear that the app ends, and close them then. */
  private readonly callers = new Set<Connection>();
  /** Connections on which nobody has asked for anything yet. */
  private readonly newcomers = new Set<Connection>();

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
  callersGone(): Promise<void> {
    return gone(() => this.callersThere());
  }

  /** Who connects from now on is refused, and knows that nothing was sent. Who is connected is still answered. */
  stopListening(): void {
    // That of HTTP would end connections, too, also those on which something is on its way.
    if (this.isListening && this.server instanceof NetServer) NetServer.prototype.close.call(this.server);
  }

  /** Resolves when those who have just connected are answered. It may be that they never ask. */
  newcomersGone(): Promise<void> {
    return gone(() => this.newcomersThere());
  }

  /** Resolves when nothing is being answered, also of what comes in meanwhile, but for streams of events. */
  idle(): Promise<void> {
    return gone(() => [...this.inFlight(), ...this.undelivered()]);
  }

  /** Ends the connections over which more requests could come in. */
  shutOut(): void {
    this.shut = true;
    for (const connection of this.newcomersThere()) connection.destroy();
    this.server.closeIdleConnections?.();
  }

  /** What is being answered, but for streams of events, which do not end by themselves. */
  inFlight(): OpenResponse[] {
    return [...this.open].filter((response) => !isEventStream(response));
  }

  /** Resolves when these are over. */
  ended(responses: readonly OpenResponse[]): Promise<void> {
    return gone(() => this.openOf(responses));
  }

  /** Resolves when every response that is complete has reached its reader, or the reader has gone. */
  delivered(): Promise<void> {
    return gone(() => this.undelivered());
  }

  /**
   * Ends those that are not over.
   * @returns what was asked for, such as `GET /users/1`; without the query, which may hold what is nobody's business
   */
  cut(responses: readonly OpenResponse[]): string[] {
    const cut = this.openOf(responses);
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
    this.newcomers.add(connection);
    connection.once('close', () => {
      this.connections.delete(connection);
      this.newcomers.delete(connection);
      this.callers.delete(connection);
    });
    if (this.shut) connection.destroy();
  }

  private enter(request: IncomingMessage, response: OpenResponse): void {
    const connection = connectionOf(response);
    // HTTP/1.1 at a server that speaks HTTP/2, too.
    if (!this.connections.has(connection)) this.welcome(connection);
    if (request.headers[DEADLINE_HEADER] !== undefined) this.callers.add(connection);
    this.newcomers.delete(connection);
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

  private openOf(responses: readonly OpenResponse[]): OpenResponse[] {
    return responses.filter((response) => this.open.has(response));
  }

  private undelivered(): OpenResponse[] {
    return [...this.open].filter(({ writableEnded }) => writableEnded);
  }

  /** A WebSocket never asks in the way of HTTP, but has sent something. */
  private newcomersThere(): Connection[] {
    return [...this.newcomers].filter((connection) => isSession(connection) || connection.bytesRead === 0);
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

/** Resolves when none is there any more. */
async function gone(look: () => readonly (Connection | OpenResponse)[]): Promise<void> {
  for (let there = look(); there.length > 0; there = look()) await Promise.all(there.map(closed));
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
