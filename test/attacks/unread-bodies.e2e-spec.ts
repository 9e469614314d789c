import { readFileSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, type INestApplication, Module } from '@nestjs/common';
import { request } from 'undici';
import { ServiceDiscoveryModule, ServiceRegistry, type ServiceDiscoveryOptions } from 'nest-service-discovery';
import { printP99 } from '../support/good-clients.js';
import { Apps, PLATFORMS, portOf, urlOf } from '../support/nest-app.js';
import { pollUntil } from '../support/poll.js';

const TOKEN = 'c8a52f11d07e';
const ATTACKS = 24;
const ATTACK_BYTES = 4 * 1024 * 1024;
/** As a proxy on the same machine hands on the request of a stranger. */
const FROM_OUTSIDE = 'x-forwarded-for: 203.0.113.9';
const WITH_TOKEN = `authorization: Bearer ${TOKEN}`;

const DESCRIPTION = join(import.meta.dirname, '../../libs/service-discovery/openapi.json');
const { paths } = JSON.parse(readFileSync(DESCRIPTION, 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};
/** The request lines of all routes but those for `GET`. */
const WRITING_ROUTES = Object.entries(paths).flatMap(([path, operations]) =>
  Object.keys(operations)
    .filter((method) => method !== 'get')
    .map((method) => `${method.toUpperCase()} /service-discovery${path.replace(/\{\w+\}/g, 'a')}`),
);

const connectionsOf = (server: Server): Promise<number> => promisify(server.getConnections.bind(server))();

describe.each(PLATFORMS)('a body that is longer than it may be, on %s', (_name, adapter) => {
  const apps = new Apps();
  const sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await apps.close();
  });

  function start(api: ServiceDiscoveryOptions['api'] = { token: TOKEN }): Promise<INestApplication> {
    class Registry {}
    const options: ServiceDiscoveryOptions = { healthCheck: false, logging: false, api };
    Module({ imports: [ServiceDiscoveryModule.forRoot(options)] })(Registry);
    return apps.listen(Registry, adapter);
  }

  /** Begins a request, and sends as much of its body. */
  function begin(app: INestApplication, line: string, headers: readonly string[], body: string): Socket {
    const socket = connect(portOf(app), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    const head = [`${line} HTTP/1.1`, 'host: 127.0.0.1', 'content-type: application/json', ...headers, '', ''];
    socket.write(head.join('\r\n') + body);
    return socket;
  }

  function statusOf(socket: Socket): Promise<string> {
    return new Promise((resolve, reject) => {
      socket.once('data', (answer) => resolve(answer.toString('latin1').slice(9, 12)));
      socket.once('close', () => reject(new Error('closed without an answer')));
    });
  }

  const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`;

  const REGISTER = 'POST /service-discovery/register';
  const PUT = 'PUT /service-discovery/services/users/instances/a';

  it.each([
    ['without a token', [FROM_OUTSIDE], '401'],
    ['with a wrong token', ['authorization: Bearer x'], '403'],
    ['with a valid token, as its length is announced', [WITH_TOKEN], '413'],
  ])('is refused before it arrives: %s', async (_case, headers, status) => {
    const app = await start();
    const socket = begin(app, REGISTER, [...headers, `content-length: ${ATTACK_BYTES}`], '{"service_name": "');
    expect(await statusOf(socket)).toBe(status);
  });

  it.each(WRITING_ROUTES)('is refused before it arrives: %s', async (line) => {
    const app = await start();
    const socket = begin(app, line, [FROM_OUTSIDE, `content-length: ${ATTACK_BYTES}`], '{');
    expect(await statusOf(socket)).toBe('401');
  });

  it("is refused by the app's own guard before it arrives", async () => {
    const lengths: unknown[] = [];
    const guard: CanActivate = {
      canActivate: (context: ExecutionContext) => {
        const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
        lengths.push(headers['content-length'], headers['content-type']);
        return false;
      },
    };
    const app = await start({ guard });
    const socket = begin(app, REGISTER, [`content-length: ${ATTACK_BYTES}`], '{');
    expect(await statusOf(socket)).toBe('403');
    expect(lengths).toEqual([String(ATTACK_BYTES), expect.stringContaining('application/json')]);
  });

  it.each([
    [REGISTER, 256],
    [`${PUT}/status`, 4],
    [`${PUT}/heartbeat`, 4],
    [`${PUT}/health`, 256],
    ['PUT /service-discovery/circuit-breakers/users', 4],
  ])('is cut off at its limit where its length is not announced: %s, %i KiB', async (line, limitKib) => {
    const app = await start();
    const socket = begin(app, line, [WITH_TOKEN, 'transfer-encoding: chunked'], chunk(limitKib * 1024 + 1));
    expect(await statusOf(socket)).toBe('413');
  });

  it('ends the connection of a client that goes on sending', async () => {
    const app = await start();
    const socket = begin(app, REGISTER, [FROM_OUTSIDE, 'transfer-encoding: chunked'], '');
    const more = chunk(65_536);
    const send = (): void => {
      while (socket.writable && socket.write(more));
    };
    socket.on('drain', send);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const status = statusOf(socket);
    send();
    expect(await status).toBe('401');
    await closed;
  });

  it('keeps no other client from registering', async () => {
    const app = await start();
    const register = async (index: number): Promise<number> => {
      const began = performance.now();
      const body = JSON.stringify({ service_name: 'users', host: '127.0.0.1', port: 8_000 + index });
      const { statusCode, body: answer } = await request(`${urlOf(app)}/service-discovery/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      await answer.dump();
      expect(statusCode).toBe(201);
      return performance.now() - began;
    };
    const attack = async (): Promise<string> => {
      const body = ' '.repeat(ATTACK_BYTES);
      const socket = begin(app, REGISTER, [FROM_OUTSIDE, `content-length: ${ATTACK_BYTES}`], body);
      return statusOf(socket);
    };
    await register(0);
    const attacks = Array.from({ length: ATTACKS }, attack);
    const times: number[] = [];
    for (let index = 1; index <= ATTACKS; index++) times.push(await register(index));
    expect(new Set(await Promise.all(attacks))).toEqual(new Set(['401']));
    expect(app.get(ServiceRegistry).getInstances('users')).toHaveLength(ATTACKS + 1);
    printP99(`registering beside ${ATTACKS} refused bodies of 4 MiB`, times);
  });

  it('leaves no connection behind, even if its client sends another request at once and leaves', async () => {
    const app = await start();
    const body = ' '.repeat(128 * 1024);
    const socket = begin(app, REGISTER, [FROM_OUTSIDE, `content-length: ${body.length}`], body);
    expect(await statusOf(socket)).toBe('401');
    socket.write(
      `GET /service-discovery/services HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${ATTACK_BYTES}\r\n\r\n`,
    );
    socket.write(' '.repeat(ATTACK_BYTES / 2));
    socket.destroySoon();
    const server = app.getHttpServer() as Server;
    await pollUntil('all connections to be closed', () => connectionsOf(server).then((count) => count === 0));
  });

  it('does not affect the next request on a connection if it arrived completely', async () => {
    const app = await start();
    const socket = begin(app, REGISTER, [FROM_OUTSIDE, 'content-length: 2'], '{}');
    expect(await statusOf(socket)).toBe('401');
    socket.write(`GET /service-discovery/services HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    expect(await statusOf(socket)).toBe('200');
  });
});
