import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { toInstance, type ServiceInstance, type ServiceRegistration } from '../model/index.js';

/** A request that was received. */
export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values as sent. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** A real server on a free loopback port, which records its requests and connections. */
export class TestServer {
  /** All requests, in the order in which their bodies were complete. */
  readonly requests: ReceivedRequest[] = [];
  /** All connections, in order. */
  readonly sockets: Socket[] = [];

  private constructor(private readonly server: Server | TcpServer) {
    server.on('connection', (socket: Socket) => {
      this.sockets.push(socket);
      // Tests disconnect clients at any time.
      socket.on('error', () => undefined);
    });
  }

  /** An HTTP server. The body of a request is read and recorded before `listener` is called. */
  static http(listener: RequestListener): Promise<TestServer> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('error', () => undefined);
      request.on('end', () => {
        const { method = '', url = '', headers, rawHeaders } = request;
        started.requests.push({ method, url, headers, rawHeaders, body: Buffer.concat(chunks) });
        listener(request, response);
      });
    });
    // Otherwise idle connections would be closed depending on how long a test takes.
    server.keepAliveTimeout = 0;
    const started = new TestServer(server);
    return started.listen();
  }

  /** A TCP server. */
  static tcp(onConnection: (socket: Socket) => void): Promise<TestServer> {
    return new TestServer(createTcpServer(onConnection)).listen();
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** This server as an instance. */
  instance(more: Partial<ServiceRegistration> = {}): ServiceInstance {
    const registration = { serviceName: 'users', host: '127.0.0.1', port: this.port, instanceId: 'a', ...more };
    return toInstance(registration, { ttlMs: 10_000, now: 0 });
  }

  /** Resolves when a connection, by its index, is closed on both sides. */
  async socketClosed(index: number): Promise<void> {
    const socket = this.sockets[index];
    if (!socket) throw new Error(`Only ${this.sockets.length} connections were opened`);
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  }

  /** Stops listening and destroys all connections. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }
}
