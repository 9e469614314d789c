import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  toInstance,
  type ServiceInstance,
  type ServiceRegistration,
} from '../../libs/service-discovery/src/model/index.js';

const closers: (() => Promise<unknown>)[] = [];

/** Registers a cleanup for the end of the test. */
export function atEnd(close: () => Promise<unknown>): void {
  closers.push(close);
}

/** Call this after each test. */
export async function closeServers(): Promise<void> {
  for (const close of closers.splice(0)) await close();
}

/** Listens, and closes with every connection at the end of the test. @returns the port */
export async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

export const overHttp = (listener: RequestListener): Promise<number> => listen(createHttpServer(listener));

/** A server with arbitrary behaviour once it has received something. */
export const overTcp = (onRequest: (socket: Socket) => void): Promise<number> =>
  listen(createTcpServer((socket) => void socket.once('data', () => onRequest(socket))));

/** Writes the same bytes repeatedly, as fast as they are read, until the connection is closed. */
export function pump(socket: Socket, bytes: string | Buffer): void {
  const write = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on('drain', write);
  write();
}

/** An instance on a local port. */
export function instanceAt(port: number, more: Partial<ServiceRegistration> = {}): ServiceInstance {
  return toInstance({ serviceName: 'users', host: '127.0.0.1', port, ...more }, { ttlMs: 1_000, now: 0 });
}

/** A certificate or key for tests: `server` is for `localhost` and 127.0.0.1, issued by the authority `ca`. */
export function pem(name: string): string {
  return readFileSync(new URL(`./tls/${name}`, import.meta.url), 'utf8');
}

/** The identity of a test's TLS server. */
export const SERVER_TLS = { cert: pem('server.pem'), key: pem('server.key') };

/** Defaults of an HTTP check. */
export const HTTP_SETTINGS = { healthyStatuses: [[200, 299]], bodyLimit: 65_536 } as const;
