/** The called instances, all in one process: as many servers as its argument says. Sends their ports to its parent. */
import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import { cannedHttpServer } from './canned-http.js';

const count = Number(process.argv[2]);
const servers = Array.from({ length: count }, () =>
  cannedHttpServer().listen({ port: 0, host: '127.0.0.1', backlog: 1_024 }),
);
await Promise.all(servers.map((server) => once(server, 'listening')));
process.on('disconnect', () => process.exit());
process.send?.(servers.map((server) => (server.address() as AddressInfo).port));
