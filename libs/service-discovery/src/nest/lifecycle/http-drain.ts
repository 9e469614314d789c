import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type ListeningServer } from './server-address.js';

/** What Node's HTTP and HTTPS servers have, and HTTP/2 servers have not. */
interface KeepAliveServer extends ListeningServer {
  closeIdleConnections(): void;
  prependListener(event: 'request', listener: (request: IncomingMessage, response: ServerResponse) => void): unknown;
}

/**
 * Lets a server close as soon as its last response is out, and no sooner. By itself it would wait for the connections
 * of calls that are in flight when it closes, since clients keep them open for seconds in case there is another call;
 * and it would cut off responses that are complete but that their readers have not taken yet.
 */
export class HttpDrain {
  private draining = false;
  private readonly open = new Set<ServerResponse>();

  constructor(server: ListeningServer) {
    if (!isKeepAliveServer(server)) return;
    server.prependListener('request', (_request, response) => {
      this.open.add(response);
      // A client that is told does not reuse the connection, and so cannot do so in the moment that it closes.
      if (this.draining) response.shouldKeepAlive = false;
      response.once('close', () => this.leave(response));
    });
  }

  /** From now on, connections end with the response that they carry. */
  begin(): void {
    this.draining = true;
    for (const response of this.open) if (!response.headersSent) response.shouldKeepAlive = false;
  }

  /** Resolves when every response that is complete has reached its reader, or the reader has gone. */
  async delivered(): Promise<void> {
    for (let waiting = this.undelivered(); waiting.length > 0; waiting = this.undelivered()) {
      await Promise.all(waiting.map((response) => new Promise((resolve) => response.once('close', resolve))));
    }
  }

  private undelivered(): ServerResponse[] {
    return [...this.open].filter(({ writableEnded }) => writableEnded);
  }

  private leave(response: ServerResponse): void {
    this.open.delete(response);
    const { socket } = response.req;
    // Another request may have come in over the same connection before this one was answered.
    if (this.draining && ![...this.open].some(({ req }) => req.socket === socket)) socket.destroySoon();
  }
}

function isKeepAliveServer(server: ListeningServer): server is KeepAliveServer {
  const { closeIdleConnections, prependListener } = server as Partial<KeepAliveServer>;
  return typeof closeIdleConnections === 'function' && typeof prependListener === 'function';
}
