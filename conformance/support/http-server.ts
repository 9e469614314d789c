import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

/** A server on loopback. */
export interface HttpServer {
  readonly origin: string;
  readonly port: number;
  close(): Promise<void>;
}

/** @param port 0: any that is free */
export async function startServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  port = 0,
): Promise<HttpServer> {
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    origin: `http://127.0.0.1:${bound}`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
