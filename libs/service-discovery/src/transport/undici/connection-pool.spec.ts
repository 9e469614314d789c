import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type RequestListener } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Channel, pendingInput } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { TestServer } from '../../testing/test-server.js';
import { type ResponseBody, type ServiceRequest } from '../transport.js';
import { type UndiciTransportOptions } from './options.js';
import { UndiciTransport } from './undici-transport.js';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const fine: RequestListener = (_request, response) => void response.end('fine');

async function serve(listener: RequestListener): Promise<TestServer> {
  const server = await TestServer.http(listener);
  closers.push(() => server.close());
  return server;
}

/** A transport, and how its requests end: with a text, or the code of an error. */
function caller(options: UndiciTransportOptions): {
  transport: UndiciTransport;
  ask: (to: ServiceInstance, more?: Partial<ServiceRequest>, signal?: AbortSignal) => Promise<string>;
} {
  const transport = new UndiciTransport(options);
  closers.push(() => transport.close());
  const ask = async (
    to: ServiceInstance,
    more: Partial<ServiceRequest> = {},
    signal?: AbortSignal,
  ): Promise<string> => {
    try {
      const { body } = await transport.send(to, { method: 'GET', path: '/', headers: {}, ...more }, signal);
      return await body.text();
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { transport, ask };
}

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

describe('ConnectionPool', () => {
  it('shows each request to the instrumentation of undici in its own async context, also if it waited', async () => {
    const server = await serve(fine);
    const storage = new AsyncLocalStorage<number>();
    const seen: (number | undefined)[] = [];
    const note = (): void => void seen.push(storage.getStore());
    subscribe('undici:request:create', note);
    const { ask } = caller({ connections: 1 });
    await Promise.all(times(3, (number) => storage.run(number, () => ask(server.instance()))));
    unsubscribe('undici:request:create', note);
    expect(seen).toEqual([0, 1, 2]);
  });

  it('uses the most recently used connection, so that the others can be closed', async () => {
    const held = new Channel<() => void>();
    const ports: (number | undefined)[] = [];
    const server = await serve((request, response) => {
      ports.push(request.socket.remotePort);
      if (request.url === '/held') held.push(() => void response.end('fine'));
      else response.end('fine');
    });
    const { ask } = caller({});
    const asked = times(3, () => ask(server.instance(), { path: '/held' }));
    for (let count = 0; count < 3; count++) ((await held.next()).value as () => void)();
    await Promise.all(asked);
    for (let count = 0; count < 5; count++) await ask(server.instance());
    expect(new Set(ports.slice(0, 3)).size).toBe(3);
    expect(new Set(ports.slice(3)).size).toBe(1);
    expect(server.sockets).toHaveLength(3);
  });

  it('opens another connection for each that the server closes after its response', async () => {
    const server = await serve((_request, response) => void response.setHeader('connection', 'close').end('fine'));
    const { ask } = caller({ connections: 2 });
    for (let count = 0; count < 3; count++) expect(await ask(server.instance())).toBe('fine');
    expect(await Promise.all(times(20, () => ask(server.instance())))).toEqual(times(20, () => 'fine'));
    expect(server.sockets).toHaveLength(23);
  });

  it('replaces connections that the server closes while they are idle', async () => {
    const server = await serve(fine);
    const { ask } = caller({ connections: 1 });
    for (let count = 1; count <= 3; count++) {
      expect(await ask(server.instance())).toBe('fine');
      expect(server.sockets).toHaveLength(count);
      server.sockets[count - 1]!.end();
      await server.socketClosed(count - 1);
      await pendingInput();
    }
  });

  it('loses no connection to aborted requests in any state', async () => {
    const begun = new Channel<string>();
    const server = await serve((request, response) => {
      if (request.url === '/fine') return void response.end('fine');
      if (request.url === '/half') response.write('half');
      begun.push(request.url!);
    });
    const { transport, ask } = caller({ connections: 2 });
    for (const path of ['/silent', '/half', '/silent', '/half', '/half']) {
      const controller = new AbortController();
      const given = times(5, () => ask(server.instance(), { path }, controller.signal));
      // Two are in flight; the others wait.
      for (let count = 0; count < 2; count++) await begun.next();
      controller.abort(Object.assign(new Error('given up'), { code: 'GIVEN_UP' }));
      expect(new Set(await Promise.all(given))).toEqual(new Set(['GIVEN_UP']));
    }
    expect(await Promise.all(times(4, () => ask(server.instance(), { path: '/fine' })))).toEqual(
      times(4, () => 'fine'),
    );
    expect(server.requests.filter(({ url }) => url !== '/fine')).toHaveLength(10);
    await transport.close();
  });

  it('handles any number of rejected requests in a row', async () => {
    const held = new Channel<() => void>();
    const server = await serve((request, response) => {
      if (request.url === '/held') held.push(() => void response.end('held'));
      else response.end('fine');
    });
    const { ask } = caller({ connections: 1 });
    const first = ask(server.instance(), { path: '/held' });
    const refused = times(20_000, () => ask(server.instance(), { headers: { 'no name': 'x' } }));
    const last = ask(server.instance());
    ((await held.next()).value as () => void)();
    expect(await first).toBe('held');
    expect(new Set(await Promise.all(refused))).toEqual(new Set(['INVALID_REQUEST']));
    expect(await last).toBe('fine');
    expect(server.sockets).toHaveLength(1);
  });

  it('fails all waiting requests if the instance is down, and connects once it is up', async () => {
    const server = await serve(fine);
    const gone = server.instance();
    await server.close();
    const { ask } = caller({ connections: 2 });
    expect(await Promise.all(times(50, () => ask(gone)))).toEqual(times(50, () => 'TRANSPORT_FAILURE'));
    const back = await serve(fine);
    expect(await ask({ ...back.instance(), instanceId: gone.instanceId })).toBe('fine');
  });

  it('closes when the last waiting request has ended, also if it is closed twice', async () => {
    const held = new Channel<() => void>();
    const server = await serve((request, response) => held.push(() => void response.end(request.url)));
    const { transport, ask } = caller({ connections: 1 });
    const controller = new AbortController();
    const asked = [ask(server.instance(), { path: '/1' }), ask(server.instance(), { path: '/2' })];
    void ask(server.instance(), { path: '/3' }, controller.signal);
    const answer = (await held.next()).value as () => void;
    transport.retain([]);
    const closing = transport.close();
    controller.abort(new Error('given up'));
    answer();
    ((await held.next()).value as () => void)();
    expect(await Promise.all(asked)).toEqual(['/1', '/2']);
    await closing;
    await server.socketClosed(0);
  });

  describe('with a paused response', () => {
    /** A server that closes the connection after its response, and a body that has not been read. */
    async function unread(
      transport: UndiciTransport,
      listener: RequestListener,
    ): Promise<{ server: TestServer; body: ResponseBody }> {
      const server = await serve((request, response) => {
        response.shouldKeepAlive = false;
        listener(request, response);
      });
      const { body } = await transport.send(server.instance(), { method: 'GET', path: '/', headers: {} });
      // By then, more has arrived than is buffered of an unread body.
      for (let turn = 0; turn < 50; turn++) await pendingInput();
      return { server, body };
    }

    for (const size of [66_000, 100_000, 130_000]) {
      it(`returns all of its ${size} bytes if the server closes the connection after it`, async () => {
        const { transport } = caller({});
        const { body } = await unread(
          transport,
          (_request, response) => void response.setHeader('content-length', size).end(Buffer.alloc(size)),
        );
        expect((await body.bytes()).length).toBe(size);
      });

      it(`returns all of its ${size} bytes if it ends with the connection`, async () => {
        const { transport } = caller({});
        const { body } = await unread(transport, (_request, response) => {
          response.useChunkedEncodingByDefault = false;
          response.removeHeader('transfer-encoding');
          response.end(Buffer.alloc(size));
        });
        expect((await body.bytes()).length).toBe(size);
      });
    }

    it('fails if the server resets the connection, and opens another one for the next request', async () => {
      const { transport, ask } = caller({ connections: 1 });
      const { server, body } = await unread(transport, (request, response) => {
        if (request.url === '/again') return void response.end('fine');
        response.setHeader('content-length', 200_000).write(Buffer.alloc(100_000));
      });
      server.sockets[0]!.resetAndDestroy();
      await server.socketClosed(0);
      for (let turn = 0; turn < 50; turn++) await pendingInput();
      await expect(body.bytes()).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: false });
      expect(await ask(server.instance(), { path: '/again' })).toBe('fine');
      await transport.close();
    });

    it('can be read while another response is being reported', async () => {
      const { transport } = caller({});
      const { body: held } = await unread(
        transport,
        (_request, response) => void response.end(Buffer.alloc(1_000_000)),
      );
      const { body } = await unread(transport, (_request, response) => void response.end(Buffer.alloc(1_000_000)));
      const { stream } = held;
      await once(stream, 'readable');
      let size = 0;
      body.stream.on('data', () => (size += (stream.read() as Buffer | null)?.length ?? 0));
      await once(body.stream, 'end');
      for await (const chunk of stream) size += (chunk as Buffer).length;
      expect(size).toBe(1_000_000);
    });
  });
});
