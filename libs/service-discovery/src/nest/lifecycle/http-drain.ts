import { EventEmitter } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { type Http2ServerResponse, type Http2Session } from 'node:http2';
import { Server as HttpsServer } from 'node:https';
import { Server as NetServer } from 'node:net';
import { DEADLINE_HEADER } from '../../communicator/index.js';
import { type ListeningServer } from './server-address.js';

/** The connection of a client: a socket, or an HTTP/2 session. */
type Connection = ServerResponse['req']['socket'] | Http2Session;
/** An unfinished response. */
export type OpenResponse = ServerResponse | Http2ServerResponse;

/**
 * Tracks a server's work so that it can close as soon as that is done. On its own, Node would wait for keep-alive
 * connections of calls in flight, cut off complete responses that are still being read, close connections that a client
 * is writing to, and wait forever for endless responses.
 */
export class HttpDrain {
  private draining = false;
  /** Whether no more connections are served, even those that have just completed a slow TLS handshake. */
  private shut = false;
  private readonly connections = new Set<Connection>();
  /** Connections of callers that use this library: they learn of the shutdown and close them. */
  private readonly callers = new Set<Connection>();
  /** Sessions without a request so far. */
  private readonly newSessions = new Set<Connection>();
  /** Unfinished responses over HTTP/2. Over HTTP/1.1 the connection knows its own, so that a request costs nothing here. */
  private readonly streams = new Set<Http2ServerResponse>();
  /** Responses whose end may end their connection. */
  private readonly last = new WeakSet<OpenResponse>();

  constructor(private readonly server: ListeningServer) {
    if (!(server instanceof EventEmitter)) return;
    if (server instanceof HttpsServer) server.on('secureConnection', (socket) => this.welcome(socket));
    else if (server instanceof http.Server) server.on('connection', (socket) => this.welcome(socket));
    else {
      server.on('session', (session: Http2Session) => this.welcome(session));
      server.prependListener('request', (_request, response: OpenResponse) => this.enter(response));
    }
    server.prependListener('request', (request: IncomingMessage, response: OpenResponse) => {
      if (request.headers[DEADLINE_HEADER] !== undefined) this.callers.add(connectionOf(response));
      if (this.draining) this.endWith(response);
    });
  }

  get isListening(): boolean {
    return this.server.listening === true;
  }

  /** From now on, connections close with their response, and clients are told not to reuse them. */
  begin(): void {
    this.draining = true;
    for (const response of this.open()) this.endWith(response);
    for (const connection of this.connections) if (isSession(connection)) connection.close();
  }

  /** Resolves when callers that use this library have closed their connections; they never write to a closed one. */
  callersGone(): Promise<void> {
    return gone(() => this.callersThere());
  }

  /** Refuses new connections, so that clients know that nothing was sent. Existing connections are still served. */
  stopListening(): void {
    // The method of HTTP servers would also close connections, even those with data in transit.
    if (this.isListening && this.server instanceof NetServer) NetServer.prototype.close.call(this.server);
  }

  /** Resolves when new connections have been served; some may never send a request. */
  newcomersGone(): Promise<void> {
    return gone(() => this.newcomersThere());
  }

  /** Resolves when no request is being served, including new ones, except event streams. */
  idle(): Promise<void> {
    return gone(() => [...this.inFlight(), ...this.undelivered()]);
  }

  /** Closes connections over which more requests could arrive. */
  shutOut(): void {
    this.shut = true;
    for (const connection of this.newcomersThere()) connection.destroy();
    this.server.closeIdleConnections?.();
  }

  /** Requests being served, except event streams, which do not end by themselves. */
  inFlight(): OpenResponse[] {
    return this.open().filter((response) => !isEventStream(response));
  }

  /** Resolves when these have ended. */
  ended(responses: readonly OpenResponse[]): Promise<void> {
    return gone(() => this.openOf(responses));
  }

  /** Resolves when every complete response has been delivered, or its reader has disconnected. */
  delivered(): Promise<void> {
    return gone(() => this.undelivered());
  }

  /**
   * Aborts unfinished responses.
   * @returns the requests, such as `GET /users/1`; without the query, which may contain private data
   */
  cut(responses: readonly OpenResponse[]): string[] {
    const cut = this.openOf(responses);
    for (const response of cut) destroy(response);
    return cut.map(({ req: { method, url } }) => `${method} ${url?.split('?')[0]}`);
  }

  /** Closes connections without a request being served: idle ones, and those with endless streams. */
  cutIdle(): void {
    const busy = new Set(this.inFlight().map(connectionOf));
    for (const connection of this.connections) if (!busy.has(connection)) connection.destroy();
  }

  private welcome(connection: Connection): void {
    this.connections.add(connection);
    if (isSession(connection)) this.newSessions.add(connection);
    connection.once('close', () => {
      this.connections.delete(connection);
      this.newSessions.delete(connection);
      this.callers.delete(connection);
    });
    if (this.shut) connection.destroy();
  }

  /** A request to a server with HTTP/2, which may take HTTP/1.1 as well. */
  private enter(response: OpenResponse): void {
    const connection = connectionOf(response);
    if (!this.connections.has(connection)) this.welcome(connection);
    if (!isHttp2(response)) return;
    this.newSessions.delete(connection);
    this.streams.add(response);
    response.once('close', () => this.streams.delete(response));
  }

  /** Closes the connection after this response, or as soon as the server listens no more. */
  private endWith(response: OpenResponse): void {
    if (this.last.has(response)) return;
    this.last.add(response);
    announceEnd(response);
    const connection = connectionOf(response);
    response.once('close', () => this.leave(connection));
  }

  private leave(connection: Connection): void {
    if (isSession(connection)) return;
    // The next one of requests that came in together.
    const next = responseOn(connection);
    if (next) this.endWith(next);
    // A keep-alive connection may be written to while the server listens, so keep it.
    else if (this.server.listening === false) connection.destroySoon();
  }

  private open(): OpenResponse[] {
    const responses = [...this.connections].flatMap((connection) =>
      isSession(connection) ? [] : (responseOn(connection) ?? []),
    );
    return [...responses, ...this.streams];
  }

  private openOf(responses: readonly OpenResponse[]): OpenResponse[] {
    return responses.filter((response) => (isHttp2(response) ? this.streams.has(response) : !response.closed));
  }

  private undelivered(): OpenResponse[] {
    return this.open().filter(({ writableEnded }) => writableEnded);
  }

  /** A WebSocket sends no HTTP request, but has sent data. */
  private newcomersThere(): Connection[] {
    const sockets = [...this.connections].filter((connection) => !isSession(connection) && connection.bytesRead === 0);
    return [...sockets, ...this.newSessions];
  }

  /** Connections with an event stream stay open until the server ends it. */
  private callersThere(): Connection[] {
    const streaming = new Set(this.open().filter(isEventStream).map(connectionOf));
    return [...this.callers].filter((connection) => !streaming.has(connection));
  }
}

function connectionOf(response: OpenResponse): Connection {
  // A closed stream has no session.
  return isHttp2(response) ? response.stream.session! : response.req.socket;
}

/**
 * The response that an HTTP/1.1 connection is busy with: Node's own record of it, the only one, which other libraries for
 * shutdown go by as well.
 */
function responseOn(socket: ServerResponse['req']['socket']): ServerResponse | undefined {
  return (socket as { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

/** Resolves when none is left. */
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

/** `EventSource` accepts nothing else; a client that accepts more may receive a finite response. */
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
