/**
 * An instance like a Nest app: a node:http server that builds each response on request. Sends its port to its parent.
 */
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
// As in the proxies' configurations, so that no connection closes during another contender's turn.
server.keepAliveTimeout = 60_000;
server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
await once(server, 'listening');
process.on('disconnect', () => process.exit());
process.send?.([(server.address() as AddressInfo).port]);
