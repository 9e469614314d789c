import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { HttpDrain } from './http-drain.js';

/** More than the buffers of a connection take. */
const LONG = 'x'.repeat(32 * 1_048_576);

describe('a server that drains', () => {
  let server: Server;
  let drain: HttpDrain;
  let closed: Promise<unknown>;
  const agent = new Agent({ keepAlive: true });

  const start = async (listener: RequestListener): Promise<void> => {
    server = createServer(listener).listen(0, '127.0.0.1');
    drain = new HttpDrain(server);
    closed = once(server, 'close');
    await once(server, 'listening');
  };
  const ask = async (path: string): Promise<IncomingMessage> => {
    const { port } = server.address() as AddressInfo;
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
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
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

  it('waits for nobody where all is delivered', async () => {
    await start((_request, response) => response.end());
    await text(await ask('/'));
    drain.begin();
    await expect(drain.delivered()).resolves.toBeUndefined();
  });
});
