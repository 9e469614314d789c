/** Instances as Nest apps are: a server of node:http that makes each answer when it is asked. It tells its port. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { bodyOf, bytesOf } from './answers.js';

const bodies = new Map<number, object>();

function answerTo(path: string): string {
  const bytes = bytesOf(path);
  let body = bodies.get(bytes);
  if (!body) bodies.set(bytes, (body = bodyOf(bytes)));
  return JSON.stringify(body);
}

const server = createServer((request, response) => {
  const answer = (): void => {
    const text = answerTo(request.url ?? '');
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text);
  };
  if (request.method === 'POST') request.on('end', answer).resume();
  else answer();
});
// As proxies are set, so that no connection is closed while another contender has its turn.
server.keepAliveTimeout = 60_000;
server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
await once(server, 'listening');
process.on('disconnect', () => process.exit());
process.send?.([(server.address() as AddressInfo).port]);
