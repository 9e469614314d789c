import { createServer as createHttpServer, type RequestListener } from 'node:http';
import {
  createServer as createTcpServer,
  type AddressInfo,
  type LookupFunction,
  type Server,
  type Socket,
} from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { toInstance, type ServiceInstance, type ServiceRegistration } from '../../model/index.js';
import { HttpProbe } from './http-probe.js';
import { resolveHealthCheckOptions, type HealthCheckOptions } from '../options.js';
import { planChecks } from '../plan-checks.js';
import { type ProbeResult } from './probe.js';

import { TcpProbe } from './tcp-probe.js';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Listens, and at the end of the test closes together with every connection. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

const overHttp = (listener: RequestListener): Promise<number> => listen(createHttpServer(listener));
/** A server that writes raw bytes once something was sent to it. */
const overTcp = (onRequest: (socket: Socket) => void): Promise<number> =>
  listen(createTcpServer((socket) => void socket.once('data', () => onRequest(socket))));

function at(port: number, more: Partial<ServiceRegistration> = {}): ServiceInstance {
  return toInstance({ serviceName: 'users', host: '127.0.0.1', port, ...more }, { ttlMs: 1_000, now: 0 });
}

function check(
  port: number,
  options: Partial<HealthCheckOptions> = {},
  more: Partial<ServiceRegistration> = {},
  signal = new AbortController().signal,
): Promise<ProbeResult> {
  return new HttpProbe(resolveHealthCheckOptions(options)).check(at(port, more), signal);
}

function timeoutSignal(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error('timed out after 10 ms')) };
}

const JSON_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';

describe('HttpProbe', () => {
  it('passes on a 2xx status and keeps the JSON', async () => {
    let asked: string | undefined;
    const port = await overHttp((request, response) => {
      asked = `${request.method} ${request.url}`;
      response.setHeader('content-type', 'application/health+json; charset=utf-8').end('{"db":"up"}');
    });
    const result = await check(port, {}, { path: '/api', healthCheckPath: '/healthz' });
    expect(result).toEqual({ passed: true, reason: undefined, statusCode: 200, data: { db: 'up' } });
    expect(asked).toBe('GET /api/healthz');
  });

  it('fails on another status and keeps the JSON that says why', async () => {
    const port = await overHttp((_request, response) => {
      response.writeHead(503, { 'content-type': 'application/json' }).end('{"db":"down"}');
    });
    expect(await check(port)).toEqual({ passed: false, reason: 'status 503', statusCode: 503, data: { db: 'down' } });
  });

  it('takes the statuses that it is told to be healthy', async () => {
    const port = await overHttp((_request, response) => void response.writeHead(418).end());
    expect(await check(port, { healthyStatuses: [418] })).toMatchObject({ passed: true, statusCode: 418 });
  });

  it('does not follow a redirect and fails', async () => {
    const urls: string[] = [];
    const port = await overHttp((request, response) => {
      urls.push(request.url ?? '');
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await check(port)).toMatchObject({ passed: false, reason: 'status 302: redirects are not followed' });
    expect(urls).toEqual(['/health']);
  });

  it('keeps no data of a body that is no JSON', async () => {
    const port = await overHttp((_request, response) => void response.setHeader('content-type', 'text/plain').end('1'));
    expect(await check(port)).toEqual({ passed: true, reason: undefined, statusCode: 200, data: undefined });
  });

  it('keeps JSON that comes without a content type', async () => {
    const port = await overTcp((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"ok":1}'));
    expect(await check(port)).toMatchObject({ passed: true, data: { ok: 1 } });
  });

  it('passes with a note when the body is broken JSON', async () => {
    const port = await overTcp((socket) => socket.end(`${JSON_HEAD}content-length: 5\r\n\r\n{"ok"`));
    expect(await check(port)).toEqual({
      passed: true,
      reason: 'the body is not valid JSON',
      statusCode: 200,
      data: undefined,
    });
  });

  it('does not keep JSON that is nested deeper than anybody needs', async () => {
    const depth = 20_000;
    const port = await overHttp((_request, response) => {
      response.setHeader('content-type', 'application/json').end('['.repeat(depth) + ']'.repeat(depth));
    });
    expect(await check(port)).toMatchObject({
      passed: true,
      reason: 'the body is nested deeper than 32 levels and was not kept',
      data: undefined,
    });
  });

  it('reads no more than the limit of a 10 MB body, and closes the connection', async () => {
    let written = 0;
    let closed: Promise<void> | undefined;
    const port = await overHttp((_request, response) => {
      closed = new Promise((resolve) => response.on('close', resolve));
      response.setHeader('content-type', 'application/json');
      const chunk = Buffer.alloc(65_536, 'a');
      const write = (): void => {
        while (written < 10_485_760) {
          written += chunk.length;
          if (!response.write(chunk)) return;
        }
        response.end();
      };
      response.on('drain', write);
      write();
    });
    expect(await check(port, { bodyLimit: 1_000 })).toMatchObject({
      passed: true,
      reason: 'the body is longer than 1000 bytes and was not kept',
      data: undefined,
    });
    await closed;
  });

  it('stops at the limit of a body that never ends', async () => {
    const port = await overTcp((socket) => {
      socket.write(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\n`);
      const chunk = `1000\r\n${'a'.repeat(0x1000)}\r\n`;
      const pump = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pump);
      pump();
    });
    expect(await check(port)).toMatchObject({ passed: true, reason: expect.stringContaining('longer than 65536') });
  });

  it('reads no body at all with a limit of 0', async () => {
    const port = await overTcp((socket) => socket.write(`${JSON_HEAD}content-length: 100000\r\n\r\n[`));
    expect(await check(port, { bodyLimit: 0 })).toMatchObject({ passed: true, reason: undefined, data: undefined });
  });

  it('fails with the reason of the signal when the body trickles past the timeout', async () => {
    const { signal, abort } = timeoutSignal();
    const port = await overTcp((socket) => {
      socket.write(`${JSON_HEAD}content-length: 100\r\n\r\n[`);
      abort();
    });
    expect(await check(port, {}, {}, signal)).toEqual({ passed: false, reason: 'timed out after 10 ms' });
  });

  it('fails with the reason of the signal when no answer comes, and closes the connection', async () => {
    const { signal, abort } = timeoutSignal();
    let closed: Promise<void> | undefined;
    const port = await overTcp((socket) => {
      closed = new Promise((resolve) => socket.on('close', () => resolve()));
      abort();
    });
    expect(await check(port, {}, {}, signal)).toEqual({ passed: false, reason: 'timed out after 10 ms' });
    await closed;
  });

  it('fails at once for a signal that has aborted already', async () => {
    const { signal, abort } = timeoutSignal();
    abort();
    expect(await check(1, {}, {}, signal)).toEqual({ passed: false, reason: 'timed out after 10 ms' });
  });

  it.each([
    ['resets before it answers', (socket: Socket) => void socket.resetAndDestroy()],
    ['closes before it answers', (socket: Socket) => void socket.end()],
    ['closes in the middle of the head', (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\nconten')],
    ['closes in the middle of the body', (socket: Socket) => void socket.end(`${JSON_HEAD}content-length: 9\r\n\r\n{`)],
    [
      'resets in the middle of the body',
      (socket: Socket) =>
        void socket.write(`${JSON_HEAD}content-length: 9\r\n\r\n{`, () => void socket.resetAndDestroy()),
    ],
  ])('fails when the instance %s', async (_, onRequest) => {
    const result = await check(await overTcp(onRequest));
    expect(result.passed).toBe(false);
    expect(result.reason).toMatch(/^connection (reset|closed before the answer was complete)$/);
  });

  it('takes an answer from an instance that half-closes after it', async () => {
    const port = await listen(
      createTcpServer({ allowHalfOpen: true }, (socket) => {
        socket.once('data', () => socket.end(`${JSON_HEAD}connection: close\r\n\r\n{"ok":true}`));
      }),
    );
    expect(await check(port)).toMatchObject({ passed: true, data: { ok: true } });
  });

  it('fails when the answer is not HTTP', async () => {
    const port = await overTcp((socket) => socket.end('220 smtp.example ESMTP\r\n'));
    expect(await check(port)).toEqual({ passed: false, reason: 'the answer is not HTTP' });
  });

  it('fails when the headers never end, without reading them all', async () => {
    const port = await overTcp((socket) => {
      const pump = (): void => {
        while (!socket.destroyed && socket.write(`x: ${'a'.repeat(1_000)}\r\n`));
      };
      socket.write('HTTP/1.1 200 OK\r\n');
      socket.on('drain', pump);
      pump();
    });
    expect(await check(port)).toEqual({ passed: false, reason: 'headers too large' });
  });

  it('fails when an https instance speaks plain HTTP', async () => {
    const port = await overHttp((_request, response) => void response.end());
    const result = await check(port, {}, { protocol: 'https' });
    expect(result).toMatchObject({ passed: false, reason: expect.any(String) });
  });
});

describe.each([
  ['HttpProbe', (lookup?: LookupFunction) => new HttpProbe(resolveHealthCheckOptions(), { lookup })],
  ['TcpProbe', (lookup?: LookupFunction) => new TcpProbe({ lookup })],
])('%s', (_, make) => {
  const signal = new AbortController().signal;
  const answering =
    (...addresses: string[]): LookupFunction =>
    (_hostname, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );

  it('fails when the connection is refused', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await closers.pop()?.();
    expect(await make().check(at(port), signal)).toEqual({ passed: false, reason: 'connection refused' });
  });

  it.each(['169.254.169.254', 'metadata.google.internal'])('never connects to %s', async (host) => {
    const result = await make().check(at(80, { host }), signal);
    expect(result).toEqual({ passed: false, reason: expect.stringContaining('is not allowed') });
  });

  it('connects to none of the addresses when a name resolves to one that is refused', async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections++;
      socket.destroy();
    });
    const port = await listen(server);
    const probe = make(answering('127.0.0.1', '::ffff:169.254.169.254'));
    const result = await probe.check(at(port, { host: 'users.example' }), signal);
    expect(result).toEqual({ passed: false, reason: expect.stringContaining('is not allowed') });
    expect(connections).toBe(0);
  });

  it('resolves a name once and connects to what was checked', async () => {
    let lookups = 0;
    const rebinding: LookupFunction = (hostname, options, callback) => {
      lookups++;
      answering(lookups === 1 ? '127.0.0.1' : '169.254.169.254')(hostname, options, callback);
    };
    const port = await overHttp((_request, response) => void response.end());
    const result = await make(rebinding).check(at(port, { host: 'users.example' }), signal);
    expect(result.passed).toBe(true);
    expect(lookups).toBe(1);
  });

  it('fails when the name cannot be found', async () => {
    const missing: LookupFunction = (_hostname, _options, callback) =>
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '', 4);
    const result = await make(missing).check(at(80, { host: 'users.example' }), signal);
    expect(result).toEqual({ passed: false, reason: 'host name not found' });
  });

  it('does not wait for a look-up that hangs', async () => {
    const { signal: limited, abort } = timeoutSignal();
    const hanging: LookupFunction = () => queueMicrotask(abort);
    const result = await make(hanging).check(at(80, { host: 'users.example' }), limited);
    expect(result).toEqual({ passed: false, reason: 'timed out after 10 ms' });
  });
});

describe('the choice of a probe', () => {
  const planner = planChecks(resolveHealthCheckOptions());

  it('is HTTP for an instance with a health check path', () => {
    expect(planner(at(80)).probe).toBeInstanceOf(HttpProbe);
  });

  it('is TCP for one without', async () => {
    const instance = at(await listen(createTcpServer()), { healthCheckPath: null });
    const { probe } = planner(instance);
    expect(probe).toBeInstanceOf(TcpProbe);
    expect(await probe.check(instance, new AbortController().signal)).toEqual({ passed: true });
  });
});
