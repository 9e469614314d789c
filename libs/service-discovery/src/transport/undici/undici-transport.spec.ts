import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type AbortListener,
  CancelSource,
  Channel,
  InvalidConfigurationError,
  pendingInput,
} from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { TestServer } from '../../testing/test-server.js';
import { transportContract } from '../../testing/transport-contract.js';
import { onBodyEnd } from '../response-body.js';
import { type ServiceRequest } from '../transport.js';
import { UndiciTransport } from './undici-transport.js';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function transportWith(...args: ConstructorParameters<typeof UndiciTransport>): UndiciTransport {
  const transport = new UndiciTransport(...args);
  closers.push(() => transport.close());
  return transport;
}

async function serve(...args: Parameters<typeof TestServer.http>): Promise<TestServer> {
  const server = await TestServer.http(...args);
  closers.push(() => server.close());
  return server;
}

/** A server whose requests wait until the test answers them. */
async function holding(): Promise<{ server: TestServer; next: () => Promise<(text: string) => void> }> {
  const held = new Channel<(text: string) => void>();
  const server = await serve((_request, response) => held.push((text) => void response.end(text)));
  return { server, next: async () => (await held.next()).value as (text: string) => void };
}

const get = (path: string): ServiceRequest => ({ method: 'GET', path, headers: {} });

async function textOf(transport: UndiciTransport, to: ServiceInstance, path = '/'): Promise<string> {
  return (await transport.send(to, get(path))).body.text();
}

describe('UndiciTransport', () => {
  for (const by of ['send', 'dispatch'] as const) {
    transportContract({ describe, it, beforeEach, afterEach }, () => new UndiciTransport(), by);
  }

  it('returns responses that can be spread, from send() and from dispatch()', async () => {
    const server = await serve((_request, response) => response.setHeader('x-many', ['a', 'b']).end('fine'));
    const transport = transportWith();
    const sent = { ...(await transport.send(server.instance(), get('/'))) };
    const dispatched = { ...(await transport.dispatch(server.instance(), get('/'))) };
    for (const { status, headers, body } of [sent, dispatched]) {
      expect([status, headers['x-many'], headers['content-length'], await body.text()]).toEqual([
        200,
        ['a', 'b'],
        '4',
        'fine',
      ]);
    }
  });

  it("leaves the raw headers to subscribers of undici's diagnostics channel, who may read them later", async () => {
    const server = await serve((_request, response) => response.setHeader('x-kept', 'yes').end('fine'));
    const kept: Buffer[][] = [];
    const keep = (message: unknown): void =>
      void kept.push((message as { response: { headers: Buffer[] } }).response.headers);
    subscribe('undici:request:headers', keep);
    closers.push(() => Promise.resolve(unsubscribe('undici:request:headers', keep)));
    await textOf(transportWith(), server.instance());
    expect(kept.map((headers) => headers.map(String))).toEqual([expect.arrayContaining(['x-kept', 'yes'])]);
  });

  it('rejects invalid options in the constructor', () => {
    expect(() => new UndiciTransport({ connections: 0 })).toThrow(InvalidConfigurationError);
  });

  it('keeps no async context of the caller that opened a connection, and exposes it to no other', async () => {
    const held = new Channel<() => void>();
    const server = await serve((_request, response) => {
      response.write('begun');
      held.push(() => void response.end());
    });
    const transport = transportWith();
    const callers = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    for (const caller of ['first', 'second']) {
      const { body } = await callers.run(caller, () => transport.send(server.instance(), get('/')));
      const ended = new Promise<void>((resolve) =>
        onBodyEnd(body, () => {
          seen.push(callers.getStore());
          resolve();
        }),
      );
      ((await held.next()).value as () => void)();
      await ended;
    }
    expect(seen).toEqual([undefined, undefined]);
  });

  it('names the address in an error, so that a wrong one is found', async () => {
    const server = await serve(() => undefined);
    const instance = server.instance();
    await server.close();
    await expect(transportWith().send(instance, get('/'))).rejects.toThrow(
      `GET / of users/a at 127.0.0.1:${instance.port} could not be sent: connect ECONNREFUSED`,
    );
  });

  it('connects to an instance at an IPv6 address', async () => {
    const server = createServer((request, response) => response.end(request.headers.host));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    // 127.0.0.1 as an IPv6 address, since not every machine has ::1.
    const host = '::ffff:7f00:1';
    const transport = transportWith();
    const instance = { ...(await serve(() => undefined)).instance(), host, port };
    expect(await textOf(transport, instance)).toBe(`[${host}]:${port}`);
    await transport.close();
  });

  describe('with all connections in use', () => {
    it('lets a request wait for a free one', async () => {
      const { server, next } = await holding();
      const transport = transportWith({ connections: 1 });
      const texts = [textOf(transport, server.instance(), '/1'), textOf(transport, server.instance(), '/2')];
      (await next())('one');
      (await next())('two');
      expect(await Promise.all(texts)).toEqual(['one', 'two']);
      expect(server.sockets).toHaveLength(1);
    });

    it('removes a request whose signal aborts at once and for good', async () => {
      const { server, next } = await holding();
      const transport = transportWith({ connections: 1 });
      const first = textOf(transport, server.instance(), '/1');
      const answer = await next();
      const controller = new AbortController();
      const reason = new Error('given up');
      const waiting = transport.send(server.instance(), get('/given-up'), controller.signal);
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);

      const third = textOf(transport, server.instance(), '/3');
      answer('one');
      (await next())('three');
      expect(await Promise.all([first, third])).toEqual(['one', 'three']);
      expect(server.requests.map(({ url }) => url)).toEqual(['/1', '/3']);
      expect(server.sockets).toHaveLength(1);
    });

    it('removes a request whose body fails while it waits', async () => {
      const { server, next } = await holding();
      const transport = transportWith({ connections: 1 });
      const first = textOf(transport, server.instance(), '/1');
      const answer = await next();
      const body = new Readable({ read: () => undefined });
      const waiting = transport.send(server.instance(), { ...get('/2'), method: 'POST', body });
      const cause = new Error('disk on fire');
      body.destroy(cause);
      await expect(waiting).rejects.toMatchObject({ code: 'INVALID_REQUEST', cause });
      answer('one');
      await first;
      const third = textOf(transport, server.instance(), '/3');
      (await next())('three');
      await third;
      expect(server.requests.map(({ url }) => url)).toEqual(['/1', '/3']);
    });

    it('has as many connections as before after rejected requests, also if they had waited', async () => {
      const { server, next } = await holding();
      const transport = transportWith({ connections: 1 });
      const refused = async (): Promise<void> => {
        const sent = transport.send(server.instance(), { ...get('/refused'), headers: { 'x-name': 'Łukasz' } });
        await expect(sent).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      };
      await refused();
      const first = textOf(transport, server.instance(), '/1');
      const answer = await next();
      const waiting = [refused(), textOf(transport, server.instance(), '/2')];
      answer('one');
      (await next())('two');
      await Promise.all([first, ...waiting]);
      expect(server.requests.map(({ url }) => url)).toEqual(['/1', '/2']);
      expect(server.sockets).toHaveLength(1);
    });

    it('has a free connection once a body is dumped', async () => {
      const server = await serve((_request, response) => void response.end('x'.repeat(100_000)));
      const transport = transportWith({ connections: 1 });
      for (let round = 0; round < 3; round++) await (await transport.send(server.instance(), get('/'))).body.dump();
      expect(server.sockets).toHaveLength(1);
    });
  });

  describe('with a cancellation', () => {
    /** Never converted to a signal; counts its listeners. */
    class BareCancellation extends CancelSource {
      readonly followers = new Set<AbortListener>();

      override get signal(): never {
        throw new Error('a signal was asked for');
      }

      override follow(listener: AbortListener): void {
        this.followers.add(listener);
        super.follow(listener);
      }

      override unfollow(listener: AbortListener): void {
        this.followers.delete(listener);
        super.unfollow(listener);
      }
    }

    it('responds, and removes its listener when the body is complete', async () => {
      const cancellation = new BareCancellation();
      let finish: () => void = () => undefined;
      const server = await serve((_request, response) => {
        response.write('first ');
        finish = () => response.end('last');
      });
      const { body } = await transportWith().dispatch(server.instance(), get('/'), cancellation);
      expect(cancellation.followers.size).toBe(1);
      finish();
      expect(await body.text()).toBe('first last');
      expect(cancellation.followers.size).toBe(0);
    });

    it('removes its listener when the request fails', async () => {
      const cancellation = new BareCancellation();
      const server = await serve((request) => request.socket.destroy());
      const sent = transportWith().dispatch(server.instance(), get('/'), cancellation);
      await expect(sent).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: false });
      expect(cancellation.followers.size).toBe(0);
    });

    it('aborts while it waits for the head', async () => {
      const cancellation = new BareCancellation();
      const { server, next } = await holding();
      const sent = transportWith().dispatch(server.instance(), get('/'), cancellation);
      await next();
      const reason = new Error('given up');
      cancellation.abort(reason);
      await expect(sent).rejects.toBe(reason);
      await server.socketClosed(0);
    });

    it('has the body of a small response together with its head', async () => {
      const server = await serve((_request, response) => void response.end('{"a":1}'));
      const { body } = await transportWith().send(server.instance(), get('/'));
      expect(body.arrived?.json()).toEqual({ a: 1 });
    });
  });

  it('reports a request that never got a connection as not sent', async () => {
    const clock = new ManualClock();
    const { server, next } = await holding();
    const transport = transportWith({ connections: 1, closeTimeout: '10s' }, { clock });
    const errors = ['/1', '/2'].map((path) => textOf(transport, server.instance(), path).catch((e: unknown) => e));
    await next();
    const closing = transport.close();
    clock.advance(10_000);
    await closing;
    expect(await Promise.all(errors)).toMatchObject([{ neverSent: false }, { neverSent: true }]);
  });

  describe('retain()', () => {
    it('closes idle connections to other instances', async () => {
      const [gone, stays] = [
        await serve((_, response) => response.end()),
        await serve((_, response) => response.end()),
      ];
      const transport = transportWith({ connections: 1 });
      for (const server of [gone, stays]) await textOf(transport, server.instance());
      transport.retain([stays.instance()]);
      await gone.socketClosed(0);
      await textOf(transport, stays.instance());
      expect(stays.sockets).toHaveLength(1);
    });

    it('lets requests in flight to other instances end, and close() waits for them', async () => {
      const { server, next } = await holding();
      const transport = transportWith();
      const text = textOf(transport, server.instance());
      const answer = await next();
      transport.retain([]);
      const closing = transport.close();
      answer('fine');
      expect(await text).toBe('fine');
      await closing;
    });

    it('allows an instance to return', async () => {
      const server = await serve((_request, response) => response.end('fine'));
      const transport = transportWith();
      await textOf(transport, server.instance());
      transport.retain([]);
      expect(await textOf(transport, server.instance())).toBe('fine');
    });
  });

  describe('close()', () => {
    it('aborts requests that are still in flight after the timeout', async () => {
      const clock = new ManualClock();
      const { server, next } = await holding();
      const transport = transportWith({ closeTimeout: '10s' }, { clock });
      const failure = textOf(transport, server.instance()).catch((error: unknown) => error);
      await next();
      const closing = transport.close();
      clock.advance(10_000);
      await closing;
      expect(await failure).toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: false });
      expect(clock.pendingTimers).toBe(0);
    });

    it('aborts a body that is not being read', async () => {
      const clock = new ManualClock();
      const server = await serve((_request, response) => void response.write('half'));
      const transport = transportWith({}, { clock });
      const { body } = await transport.send(server.instance(), get('/'));
      const closing = transport.close();
      clock.advance(10_000);
      await closing;
      await server.socketClosed(0);
      await expect(body.text()).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE' });
    });

    it('leaves no timer if nothing was in flight', async () => {
      const clock = new ManualClock();
      await transportWith({}, { clock }).close();
      expect(clock.pendingTimers).toBe(0);
    });
  });

  it('gives up a connection that does not open in time, reporting the request as not sent', async () => {
    // Reads, but never answers the TLS handshake.
    const server = await TestServer.tcp((socket) => void socket.resume());
    closers.push(() => server.close());
    const sent = transportWith({ connectTimeout: '50ms' }).send(server.instance({ protocol: 'https' }), get('/'));
    await expect(sent).rejects.toMatchObject({ code: 'TRANSPORT_FAILURE', neverSent: true });
    await server.socketClosed(0);
  });

  describe('a body that arrives slowly', () => {
    /** A response that the test sends in pieces. */
    async function inPieces(): Promise<{
      clock: ManualClock;
      transport: UndiciTransport;
      server: TestServer;
      stream: Readable;
      write: (piece: string | Buffer) => Promise<void>;
      end: () => void;
    }> {
      const clock = new ManualClock();
      const transport = transportWith({ bodyTimeout: '1s' }, { clock });
      const answered = new Channel<ServerResponse>();
      const server = await serve((_request, response) => {
        response.flushHeaders();
        answered.push(response);
      });
      const { body } = await transport.send(server.instance(), get('/'));
      const { stream } = body;
      const response = (await answered.next()).value as ServerResponse;
      const write = async (piece: string | Buffer): Promise<void> => {
        const read = once(stream, 'data');
        response.write(piece);
        await read;
      };
      return { clock, transport, server, stream, write, end: () => void response.end() };
    }

    it('is aborted when it makes no progress for longer than the limit', async () => {
      const { clock, server, stream, write } = await inPieces();
      const failure = once(stream, 'error');
      await write('one');
      clock.advance(999);
      await write('two');
      clock.advance(999);
      await pendingInput();
      expect(stream.destroyed).toBe(false);
      clock.advance(1);
      expect(await failure).toMatchObject([{ message: 'Body Timeout Error' }]);
      await server.socketClosed(0);
      expect(clock.pendingTimers).toBe(0);
    });

    it('is not aborted if data had arrived unread while the process was stalled', async () => {
      const { clock, stream, write, end } = await inPieces();
      await write('one');
      // As after a stall: due timers fire before sockets are read.
      await new Promise<void>((resolve) =>
        setTimeout(() => {
          resolve(write('two'));
          clock.advance(1_000);
        }),
      );
      const ended = once(stream, 'end');
      end();
      await ended;
    });

    it('is not aborted while reading is paused', async () => {
      const { clock, stream, write, end } = await inPieces();
      await write('one');
      stream.pause();
      // More than the stream buffers, so the connection is paused.
      const rest = write(Buffer.alloc(1_000_000));
      while (stream.readableLength < stream.readableHighWaterMark) await pendingInput();
      await clock.advanceAsync(60_000);
      expect(stream.destroyed).toBe(false);
      stream.resume();
      await rest;
      clock.advance(999);
      const ended = once(stream, 'end');
      end();
      await ended;
    });

    it('leaves no timer after it has arrived and the transport is closed', async () => {
      const { clock, transport, stream, write, end } = await inPieces();
      await write('one');
      const ended = once(stream, 'end');
      end();
      await ended;
      await transport.close();
      expect(clock.pendingTimers).toBe(0);
    });
  });
});
