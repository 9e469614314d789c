import { afterEach, beforeAll, expect, it } from '@jest/globals';
import { type Socket } from 'node:net';
import { HostPolicy } from '../../model/index.js';
import { TestServer } from '../../testing/test-server.js';
import { loadUndici } from './load-undici.js';
import { SpareConnections } from './spare-connections.js';

let server: TestServer;

beforeAll(loadUndici);
afterEach(() => server.close());

it('does not use a spare connection for a request to another host name, which has another certificate', async () => {
  server = await TestServer.tcp((socket) => void socket.resume());
  const target = { hostname: '127.0.0.1', host: `127.0.0.1:${server.port}`, protocol: 'http:', port: `${server.port}` };
  const options = { connectTimeoutMs: 5_000, idleMs: 5_000, tls: {}, hosts: new HostPolicy() };
  const spares = new SpareConnections(`http://${target.host}`, options);
  const connect = (more: object): Promise<Socket> =>
    new Promise((resolve, reject) =>
      spares.connect({ ...target, ...more }, (error, socket) => (error ? reject(error) : resolve(socket))),
    );
  spares.openOne();
  const sockets = [await connect({ servername: 'other.example' })];
  expect(spares.size).toBe(1);
  sockets.push(await connect({}));
  expect(spares.size).toBe(0);
  for (const socket of sockets) socket.destroy();
});
