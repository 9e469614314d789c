import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A proxy to a port that a test can cut, so that only some clients lose their connection. */
export class TcpProxy {
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(private target: number) {}

  /** A proxy whose target is set later, by {@link lead}. */
  static async start(): Promise<TcpProxy> {
    const proxy = new TcpProxy(0);
    proxy.port = await proxy.listen(0);
    return proxy;
  }

  port = 0;

  lead(target: number): void {
    this.target = target;
  }

  /** Closes all connections and accepts no more. */
  async cut(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  async heal(): Promise<void> {
    await this.listen(this.port);
  }

  private async listen(port: number): Promise<number> {
    this.server = createServer((from) => {
      const to = connect(this.target, '127.0.0.1');
      for (const [socket, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    }).listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }
}
