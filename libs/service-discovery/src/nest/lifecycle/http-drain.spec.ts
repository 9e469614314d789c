import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { HttpDrain } from './http-drain.js';

/** More than the buffers of a connection take. */
const LONG = 'x'.repeat(32 * 1_048_576);

describe('a server that drains', () => {
  let server: Server;
  let port: number;
  let drain: HttpDrain;
  let closed: Promise<unknown>;
  const agent = new Agent({ keepAlive: true });

  const start = async (listener: RequestListener): Promise<void> => {
    server = createServer(listener).listen(0, '127.0.0.1');
    drain = new HttpDrain(server);
    closed = once(server, 'close');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  };
  const ask = async (path: string): Promise<IncomingMessage> => {
    const [response] = (await once(get({ port, host: '127.0.0.1', path, agent }), 'response')) as [IncomingMessage];
    return response;
  };
  afterEach(() => {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });

  it('delivers a response that was complete before to a reader that is slow', async () => {
    await start((_request, response) => response.end(LONG));
    const slow = await ask('/');
    drain.begin();
    void drain.delivered().then(() => server.close());
    expect((await text(slow)).length).toBe(LONG.length);
    await closed;
  });

  it('does not cut off a response when another one is over', async () => {
    const finish = new Map<string, () => void>();
    await start((request, response) => {
      response.flushHeaders();
      finish.set(request.url!, () => response.end(request.url === '/long' ? LONG : 'short'));
    });
    const [long, short] = [await ask('/long'), await ask('/short')];
    drain.begin();
    server.close();
    finish.get('/long')!();
    finish.get('/short')!();
    expect(await text(short)).toBe('short');
    expect((await text(long)).length).toBe(LONG.length);
    await closed;
  });

  it('answers all requests that came in over one connection before it closes', async () => {
    const finish = new Map<string, () => void>();
    await start((request, response) => finish.set(request.url!, () => response.end(request.url)));
    const client = connect(port, '127.0.0.1');
    client.write(['/one', '/two'].map((path) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`).join(''));
    while (finish.size < 2) await once(server, 'request');
    finish.get('/one')!();
    drain.begin();
    await drain.delivered();
    server.close();
    finish.get('/two')!();
    expect((await text(client)).match(/\/one|\/two/g)).toEqual(['/one', '/two']);
    await closed;
  });

  it('still answers who has connected before it stops listening', async () => {
    await start((_request, response) => response.end('answer'));
    const client = connect(port, '127.0.0.1');
    await once(server, 'connection');
    drain.begin();
    drain.stopListening();
    expect(drain.isListening).toBe(false);
    const gone = drain.newcomersGone();
    client.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect(await text(client)).toContain('answer');
    await gone;
    await closed;
  });

  it('is idle when that is over, too, which came in while it waited', async () => {
    const finish = new Map<string, () => void>();
    await start((request, response) => {
      if (request.url === '/open') response.end();
      else finish.set(request.url!, () => response.end(request.url));
    });
    await Promise.all([ask('/open'), ask('/open')].map(async (opened) => text(await opened)));
    const one = ask('/one');
    await once(server, 'request');
    drain.begin();
    drain.stopListening();
    let isIdle = false;
    const idle = drain.idle().then(() => (isIdle = true));
    const two = ask('/two');
    await once(server, 'request');
    finish.get('/one')!();
    expect(await text(await one)).toBe('/one');
    expect(isIdle).toBe(false);
    finish.get('/two')!();
    expect(await text(await two)).toBe('/two');
    await idle;
  });

  it('shuts out connections that nothing goes over, and those that come late, but no WebSocket', async () => {
    await start((_request, response) => response.end());
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    });
    const headers = { connection: 'upgrade', upgrade: 'websocket' };
    const [, webSocket] = (await once(get({ port, host: '127.0.0.1', headers }), 'upgrade')) as [unknown, Socket];
    await text(await ask('/'));
    const silent = connect(port, '127.0.0.1').resume();
    await once(server, 'connection');
    drain.begin();
    drain.shutOut();
    await once(silent, 'close');
    await once(connect(port, '127.0.0.1').resume(), 'close');
    await expect(drain.newcomersGone()).resolves.toBeUndefined();
    expect(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(1);
    webSocket.destroy();
  });

  it('does not wait if everything is delivered', async () => {
    await start((_request, response) => response.end());
    await text(await ask('/'));
    drain.begin();
    await expect(drain.delivered()).resolves.toBeUndefined();
  });
});
