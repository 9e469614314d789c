import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type RequestListener, type ServerResponse } from 'node:http';
import { type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { types } from 'node:util';
import { ServiceDiscoveryError, SignalCancellation, TransportError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type HttpMethod, type ServiceRequest, type ServiceResponse, type Transport } from '../transport/index.js';
import { type TestHarness } from './harness.js';
import { TestServer } from './test-server.js';

/**
 * Tests that every {@link Transport} has to pass, against real servers on the loopback interface.
 * @param harness the test runner, such as Jest's globals
 * @param create creates a transport for one test; the suite closes it
 * @param by the method that sends requests; a transport with `dispatch` has to pass with both
 */
export function transportContract(
  harness: TestHarness,
  create: () => Transport | Promise<Transport>,
  by: 'send' | 'dispatch' = 'send',
): void {
  const { describe, it, beforeEach, afterEach } = harness;
  let transport: Transport;
  let servers: TestServer[];

  const opened = async (starting: Promise<TestServer>): Promise<TestServer> => {
    const server = await starting;
    servers.push(server);
    return server;
  };
  const serve = (listener: RequestListener): Promise<TestServer> => opened(TestServer.http(listener));
  const serveTcp = (onConnection: (socket: Socket) => void): Promise<TestServer> =>
    opened(TestServer.tcp(onConnection));
  /** Answers 200 with an empty body. */
  const quiet = (): Promise<TestServer> => serve((_request, response) => void response.end());
  const sendTo = (to: ServiceInstance, request: ServiceRequest, signal?: AbortSignal): Promise<ServiceResponse> => {
    if (by === 'send') return transport.send(to, request, signal);
    assert.ok('dispatch' in transport, 'the transport has no dispatch');
    return transport.dispatch!(to, request, new SignalCancellation(signal ?? new AbortController().signal));
  };
  const send = (server: TestServer, request: Partial<ServiceRequest> = {}, signal?: AbortSignal) =>
    sendTo(server.instance(), requestOf(request), signal);
  /** Sends, reads the whole response, and returns what the server received. */
  const exchange = async (server: TestServer, request: Partial<ServiceRequest>) => {
    await (await send(server, request)).body.bytes();
    const received = server.requests.at(-1);
    assert.ok(received, 'nothing arrived');
    return received;
  };
  const answerOf = async (listener: RequestListener, request: Partial<ServiceRequest> = {}): Promise<ServiceResponse> =>
    send(await serve(listener), request);

  describe(`as a transport, by ${by}`, () => {
    beforeEach(async () => {
      servers = [];
      transport = await create();
    });
    afterEach(async () => {
      await Promise.all([...servers.map((server) => server.close()), transport.close()]);
    });

    describe('sending', () => {
      it('sends each method to the path below the base path', async () => {
        const server = await quiet();
        const methods: HttpMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
        for (const method of methods) {
          const response = await sendTo(server.instance({ path: '/api/' }), requestOf({ method, path: '/x' }));
          await response.body.dump();
        }
        const seen = server.requests.map(({ method, url }) => `${method} ${url}`);
        assert.deepEqual(
          seen,
          methods.map((method) => `${method} /api/x`),
        );
      });

      it('appends the query to that of the path: encoded, lists as repeated names, null omitted', async () => {
        const query = { q: 'a b&c=ü', tag: ['x', 'y'], page: 2, all: false, none: null, missing: undefined, empty: '' };
        const { url } = await exchange(await quiet(), { path: '/find?sort=asc', query });
        assert.equal(url, '/find?sort=asc&q=a%20b%26c%3D%C3%BC&tag=x&tag=y&page=2&all=false&empty=');
      });

      it('encodes what is not allowed in a URL, and leaves what is encoded', async () => {
        const { url } = await exchange(await quiet(), { path: '/käse/a b/%2F#x' });
        assert.equal(url, '/k%C3%A4se/a%20b/%2F%23x');
      });

      it('sends headers: a list as several lines, numbers as text, undefined omitted', async () => {
        const headers = { 'x-one': 'a', 'x-list': ['b', 'c'], 'x-number': 7, 'x-none': undefined };
        const { rawHeaders } = await exchange(await quiet(), { headers });
        const sent = pairs(rawHeaders).filter(([name]) => name.startsWith('x-'));
        assert.deepEqual(sent, [
          ['x-one', 'a'],
          ['x-list', 'b'],
          ['x-list', 'c'],
          ['x-number', '7'],
        ]);
      });

      const bodies: Record<string, () => ServiceRequest['body']> = {
        'a string': () => '{"name":"Ä"}',
        bytes: () => Buffer.from('{"name":"Ä"}'),
        'a stream': () => Readable.from([Buffer.from('{"name":'), Buffer.from('"Ä"}')]),
        'an async iterable': () => chunks('{"name":', '"Ä"}'),
      };
      for (const [what, make] of Object.entries(bodies)) {
        it(`sends ${what} as the body`, async () => {
          const headers = { 'content-type': 'application/json' };
          const received = await exchange(await quiet(), { method: 'POST', headers, body: make() });
          assert.equal(received.body.toString(), '{"name":"Ä"}');
          assert.equal(received.headers['content-type'], 'application/json');
        });
      }

      it('sends a long stream completely', async () => {
        const size = 64;
        const body = Readable.from(Array.from({ length: size }, (_, index) => Buffer.alloc(65_536, index)));
        const received = await exchange(await quiet(), { method: 'PUT', body });
        assert.equal(received.body.length, size * 65_536);
        for (let index = 0; index < size; index++) assert.equal(received.body[index * 65_536], index);
      });
    });

    describe('receiving', () => {
      it('returns status and headers, names in lower case, repeated cookies as a list', async () => {
        const { status, headers } = await answerOf((_request, response) => {
          response.writeHead(201, { 'X-Request-Id': 'r1', 'Set-Cookie': ['a=1', 'b=2'] }).end();
        });
        assert.equal(status, 201);
        assert.equal(headers['x-request-id'], 'r1');
        assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
      });

      for (const status of [400, 404, 429, 500, 503]) {
        it(`returns status ${status} like any other response`, async () => {
          const response = await answerOf((_request, answer) => void answer.writeHead(status).end('{"why":"so"}'));
          assert.equal(response.status, status);
          assert.deepEqual(await response.body.json(), { why: 'so' });
        });
      }

      it('does not follow redirects', async () => {
        const server = await serve((_request, response) => void response.writeHead(302, { location: '/other' }).end());
        const { status, headers, body } = await send(server);
        await body.dump();
        assert.equal(status, 302);
        assert.equal(headers.location, '/other');
        assert.equal(server.requests.length, 1);
      });

      it('resolves with the head while the body is still arriving', async () => {
        let finish: () => void = () => undefined;
        const response = await answerOf((_request, answer) => {
          answer.write('first ');
          finish = () => answer.end('last');
        });
        finish();
        assert.equal(await response.body.text(), 'first last');
      });

      it('returns the body as text, bytes and JSON, one after the other', async () => {
        const { body } = await answerOf((_request, response) => void response.end('{"a":"ü"}'));
        assert.deepEqual(await body.json(), { a: 'ü' });
        assert.equal(await body.text(), '{"a":"ü"}');
        assert.equal(Buffer.from(await body.bytes()).toString(), '{"a":"ü"}');
      });

      it('decodes a character that arrives in two pieces', async () => {
        const { body } = await answerOf((_request, response) => {
          const [head, tail] = [Buffer.from('ü').subarray(0, 1), Buffer.from('ü').subarray(1)];
          response.write(head, () => response.end(tail));
        });
        assert.equal(await body.text(), 'ü');
      });

      it('returns the body as a stream', async () => {
        const { body } = await answerOf((_request, response) => void response.end(Buffer.alloc(300_000, 'x')));
        let size = 0;
        for await (const chunk of body.stream as AsyncIterable<Uint8Array>) size += chunk.length;
        assert.equal(size, 300_000);
      });

      it('ignores informational responses such as early hints', async () => {
        const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n';
        const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine';
        const server = await serveTcp((socket) => void socket.once('data', () => socket.write(hints + answer)));
        const { status, headers, body } = await send(server);
        assert.equal(await body.text(), 'fine');
        assert.equal(status, 200);
        assert.equal(headers.link, undefined);
      });

      it('returns undefined as the JSON of an empty body', async () => {
        const { body } = await answerOf((_request, response) => void response.writeHead(204).end());
        assert.equal(await body.json(), undefined);
        const head = await answerOf((_request, response) => void response.end('long'), { method: 'HEAD' });
        assert.equal(await head.body.text(), '');
      });

      it('shows the body in the error if it is not JSON', async () => {
        const { body } = await answerOf((_request, response) => void response.writeHead(502).end('<html>Bad gateway'));
        const error = await rejection(body.json());
        assert.equal(codeOf(error), 'RESPONSE_BODY');
        assert.match((error as Error).message, /users\/a .*502.*<html>Bad gateway/);
      });
    });

    describe('refusing', () => {
      const refuses = async (request: Partial<ServiceRequest>): Promise<void> => {
        const server = await quiet();
        const error = await rejection(send(server, request));
        assert.equal(codeOf(error), 'INVALID_REQUEST');
        await exchange(server, { path: '/after' });
        assert.deepEqual(
          server.requests.map(({ url }) => url),
          ['/after'],
        );
      };
      const paths = {
        'is empty': '',
        'has no slash': 'users',
        'names another host': 'http://evil.example/users',
        'contains a line break': '/users HTTP/1.1\r\nx-evil: 1',
        'contains a null byte': '/users\0',
        'leaves the base path': '/../admin',
        'leaves the base path with escapes': '/x/%2E%2e/admin',
        'is half of a surrogate pair': '/\ud800',
      };
      for (const [what, path] of Object.entries(paths)) {
        it(`rejects a path that ${what}`, () => refuses({ path }));
      }

      it('rejects a line break in a header value', () => refuses({ headers: { 'x-a': 'b\r\nx-evil: 1' } }));

      it('rejects a line break in one of several header values', () =>
        refuses({ headers: { 'x-a': ['ok', 'b\nx-evil: 1'] } }));

      it('rejects a line break in a header name', () => refuses({ headers: { 'x-a: 1\r\nx-evil': '1' } }));

      it('encodes a line break in a query like any other text', async () => {
        const { url } = await exchange(await quiet(), { query: { q: '1 HTTP/1.1\r\nx-evil: 1' } });
        assert.equal(url, '/?q=1%20HTTP%2F1.1%0D%0Ax-evil%3A%201');
      });

      it('rejects a body that has already been read', async () => {
        const body = Readable.from(['x']);
        await body.toArray();
        await refuses({ method: 'POST', body });
      });

      it('sends a path with two leading slashes to the instance, not to the host that it resembles', async () => {
        const server = await quiet();
        const { url, headers } = await exchange(server, { path: '//evil.example/users' });
        assert.equal(url, '//evil.example/users');
        assert.equal(headers.host, `127.0.0.1:${server.port}`);
      });
    });

    describe('failing', () => {
      it('reports a request as never sent if the connection was refused', async () => {
        const server = await quiet();
        const instance = server.instance();
        await server.close();
        const error = await rejection(sendTo(instance, requestOf({ method: 'POST', body: 'x' })));
        const { neverSent, service, instanceId, cause } = asTransportError(error);
        assert.equal(neverSent, true);
        assert.deepEqual([service, instanceId], ['users', 'a']);
        assert.ok(types.isNativeError(cause));
      });

      it('reports a request without a response as possibly sent', async () => {
        const server = await serve((request) => request.socket.destroy());
        assert.equal(asTransportError(await rejection(send(server))).neverSent, false);
      });

      it('reports a request whose response head is cut off as possibly sent', async () => {
        const server = await serveTcp((socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nx-')));
        assert.equal(asTransportError(await rejection(send(server))).neverSent, false);
      });

      it('reports a request whose answer is not HTTP as possibly sent', async () => {
        const server = await serveTcp((socket) => void socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n')));
        assert.equal(asTransportError(await rejection(send(server))).neverSent, false);
      });

      it('fails reading a body that is reset midway', async () => {
        let cut: () => void = () => undefined;
        const { status, body } = await answerOf((request, response) => {
          response.write('half');
          cut = () => request.socket.resetAndDestroy();
        });
        assert.equal(status, 200);
        cut();
        assert.equal(asTransportError(await rejection(body.text())).neverSent, false);
      });

      it('fails reading a body that is shorter than announced', async () => {
        const head = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n';
        const server = await serveTcp((socket) => void socket.once('data', () => socket.end(`${head}half`)));
        const response = await send(server);
        assert.equal(asTransportError(await rejection(response.body.json())).neverSent, false);
      });

      it('attributes a failing request body to the caller', async () => {
        const broken = new Error('disk on fire');
        const server = await quiet();
        const body = Readable.from(failing('first', broken));
        const error = await rejection(send(server, { method: 'POST', body }));
        assert.equal(codeOf(error), 'INVALID_REQUEST');
        assert.equal((error as Error).cause, broken);
        assert.equal(server.requests.length, 0);
      });

      it('destroys a request body that is not needed any more', async () => {
        const server = await quiet();
        const instance = server.instance();
        await server.close();
        const body = new Readable({ read: () => undefined });
        await rejection(sendTo(instance, requestOf({ method: 'POST', body })));
        assert.equal(body.destroyed, true);
      });

      it('works again after a failure', async () => {
        let broken = true;
        const server = await serve((request, response) => {
          if (broken) request.socket.destroy();
          else response.end('fine');
        });
        await rejection(send(server));
        broken = false;
        assert.equal(await (await send(server)).body.text(), 'fine');
      });
    });

    describe('aborting', () => {
      const reason = new Error('given up');

      it('sends nothing if the signal has already aborted', async () => {
        const server = await quiet();
        const body = Readable.from(['x']);
        const sent = send(server, { method: 'POST', body }, AbortSignal.abort(reason));
        assert.equal(await rejection(sent), reason);
        assert.equal(body.destroyed, true);
        assert.equal(server.sockets.length, 0);
      });

      it('rejects with the reason while waiting for the head, and frees the connection', async () => {
        const controller = new AbortController();
        const server = await serve(() => controller.abort(reason));
        assert.equal(await rejection(send(server, {}, controller.signal)), reason);
        await server.socketClosed(0);
      });

      it('rejects with the reason of a timeout signal', async () => {
        const server = await serve(() => undefined);
        const error = await rejection(send(server, {}, AbortSignal.timeout(20)));
        assert.equal((error as Error).name, 'TimeoutError');
        await Promise.all(server.sockets.map((_, index) => server.socketClosed(index)));
      });

      it('ends a body being read with the reason, and frees the connection', async () => {
        const controller = new AbortController();
        const server = await serve((_request, response) => void response.write('half'));
        const { body } = await send(server, {}, controller.signal);
        const reading = rejection(body.text());
        controller.abort(reason);
        assert.equal(await reading, reason);
        await server.socketClosed(0);
      });

      it('frees the connection of a body that is not read', async () => {
        const controller = new AbortController();
        const server = await serve((_request, response) => void response.write('half'));
        const { body } = await send(server, {}, controller.signal);
        body.stream.on('error', () => undefined);
        controller.abort(reason);
        await server.socketClosed(0);
      });

      it('ends the request body too', async () => {
        const controller = new AbortController();
        const server = await serveTcp((socket) => void socket.once('data', () => controller.abort(reason)));
        const body = new Readable({ read: () => undefined });
        body.push('begun');
        const sent = rejection(send(server, { method: 'POST', body }, controller.signal));
        assert.equal(await sent, reason);
        assert.equal(body.destroyed, true);
      });

      it('leaves no listener on the signal after the response was read', async () => {
        const controller = new AbortController();
        const server = await serve((_request, response) => void response.end('done'));
        for (let round = 0; round < 3; round++) await (await send(server, {}, controller.signal)).body.text();
        assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
      });
    });

    describe('connections', () => {
      const answers: Record<string, (response: ServerResponse) => void> = {
        'an answer': (response) => response.end('fine'),
        'an empty answer': (response) => response.writeHead(204).end(),
        'an error status': (response) => response.writeHead(500).end('broken'),
      };
      for (const [what, answer] of Object.entries(answers)) {
        it(`are reused after ${what} was read`, async () => {
          const server = await serve((_request, response) => answer(response));
          for (let round = 0; round < 10; round++) await (await send(server)).body.bytes();
          assertReused(server);
        });

        it(`are reused after ${what} was dumped`, async () => {
          const server = await serve((_request, response) => answer(response));
          for (let round = 0; round < 10; round++) await (await send(server)).body.dump();
          assertReused(server);
        });
      }

      it('are closed rather than kept for an endless body that is dumped', async () => {
        const server = await serve((_request, response) => {
          const more = (): void => {
            while (response.write(Buffer.alloc(65_536)));
          };
          response.on('drain', more);
          more();
        });
        await (await send(server)).body.dump();
        await server.socketClosed(0);
      });

      it('that the server closed while idle cost no request', async () => {
        const server = await serve((_request, response) => void response.end('fine'));
        for (let round = 0; round < 3; round++) {
          await (await send(server, { method: 'POST', body: 'x' })).body.text();
          server.sockets[round]?.end();
          await server.socketClosed(round);
        }
        assert.equal(server.requests.length, 3);
        assert.equal(server.sockets.length, 3);
      });

      it('serve many requests concurrently', async () => {
        const waiting: ServerResponse[] = [];
        const server = await serve((request, response) => {
          response.setHeader('x-url', request.url ?? '');
          // Responds only once all requests have arrived.
          if (waiting.push(response) === 20) for (const held of waiting) held.end();
        });
        const urls = Array.from({ length: 20 }, (_, index) => `/${index}`);
        const responses = await Promise.all(urls.map((path) => send(server, { path })));
        await Promise.all(responses.map(({ body }) => body.dump()));
        assert.deepEqual(
          responses.map(({ headers }) => headers['x-url']),
          urls,
        );
      });
    });

    describe('closing', () => {
      it('waits for requests in flight, including bodies', async () => {
        let finish: () => void = () => undefined;
        const { body } = await answerOf((_request, response) => {
          response.write('first ');
          finish = () => response.end('last');
        });
        let closed = false;
        const closing = transport.close().then(() => (closed = true));
        const text = body.text();
        await nextTurn();
        assert.equal(closed, false);
        finish();
        assert.equal(await text, 'first last');
        await closing;
      });

      it('closes idle connections', async () => {
        const server = await quiet();
        await exchange(server, {});
        await transport.close();
        await server.socketClosed(0);
      });

      it('rejects later requests', async () => {
        const server = await quiet();
        await transport.close();
        assert.equal(asTransportError(await rejection(send(server))).neverSent, true);
        assert.equal(server.sockets.length, 0);
      });

      it('may be repeated', async () => {
        await transport.close();
        await transport.close();
      });
    });
  });
}

/** A client may notice late that a connection is free and open a second one, but no third. */
function assertReused(server: TestServer): void {
  assert.ok(server.sockets.length <= 2, `${server.sockets.length} connections were opened`);
}

function requestOf(request: Partial<ServiceRequest>): ServiceRequest {
  return { method: 'GET', path: '/', headers: {}, ...request };
}

function pairs(rawHeaders: readonly string[]): [name: string, value: string][] {
  const found: [string, string][] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) found.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']);
  return found;
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* failing(first: string, error: Error): AsyncGenerator<Uint8Array> {
  yield Buffer.from(first);
  throw error;
}

/** The reason with which a promise rejects. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail('it did not reject'),
    (error: unknown) => error,
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ServiceDiscoveryError ? error.code : undefined;
}

function asTransportError(error: unknown): TransportError {
  assert.ok(error instanceof TransportError, `a TransportError was expected, not ${String(error)}`);
  return error;
}
