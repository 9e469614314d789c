import { type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type LookupFunction } from 'node:net';
import { createSecureContext } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  closeServers,
  HTTP_SETTINGS,
  instanceAt,
  listen,
  overHttp,
  overTcp,
  pem,
  SERVER_TLS,
} from '../../../../../test/support/probed-server.js';
import { type TlsSettings } from '../../common/index.js';
import { type ServiceRegistration } from '../../model/index.js';
import { HttpProbe, type HttpProbeSettings } from './http-probe.js';
import { type ProbeResult } from './probe.js';

afterEach(closeServers);

function check(
  port: number,
  settings: Partial<HttpProbeSettings> = {},
  more: Partial<ServiceRegistration> = {},
  signal = new AbortController().signal,
): Promise<ProbeResult> {
  return probeWith(settings).check(instanceAt(port, more), signal);
}

function timeoutSignal(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error('timed out after 10 ms')) };
}

const { signal } = new AbortController();

function probeWith(settings: Partial<HttpProbeSettings>): HttpProbe {
  return new HttpProbe({ ...HTTP_SETTINGS, ...settings });
}

const JSON_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';

const ANOTHER_NAME = 'the certificate is for another name (tls.servername says which to expect)';
const UNTRUSTED = 'the certificate is of an authority that is not trusted (tls.ca names which to trust)';

describe('HttpProbe', () => {
  it('passes on a 2xx status and keeps the JSON', async () => {
    let asked: string | undefined;
    const port = await overHttp((request, response) => {
      asked = `${request.method} ${request.url}`;
      response.setHeader('content-type', 'application/health+json; charset=utf-8').end('{"db":"up"}');
    });
    const result = await check(port, {}, { path: '/api', healthCheckPath: '/healthz' });
    expect(result).toEqual({ passed: true, reason: undefined, statusCode: 200, data: { db: 'up' } });
    expect(asked).toBe('GET /healthz');
  });

  it('uses an absolute path rather than one below the base path of the instance', async () => {
    const asked: (string | undefined)[] = [];
    const port = await overHttp(({ url }, response) => {
      asked.push(url);
      response.end();
    });
    const ask = (path: string | undefined, instance: object): Promise<unknown> => check(port, { path }, instance);
    await ask(undefined, { path: '/api/v1', healthCheckPath: '/health' });
    await ask(undefined, { path: '/api/v1', healthCheckPath: '/api/v1/health' });
    await ask('/ready', { path: '/api/v1', healthCheckPath: '/health' });
    await ask(undefined, { path: '/api/v1', healthCheckPath: null });
    expect(asked).toEqual(['/health', '/api/v1/health', '/ready', '/health']);
  });

  it('fails on another status and keeps the JSON with the cause', async () => {
    const port = await overHttp((_request, response) => {
      response.writeHead(503, { 'content-type': 'application/json' }).end('{"db":"down"}');
    });
    expect(await check(port)).toEqual({
      passed: false,
      kind: 'http',
      reason: 'status 503 at /health',
      statusCode: 503,
      data: { db: 'down' },
    });
  });

  it('names the path in the reason, without the query', async () => {
    const port = await overHttp((_request, response) => void response.writeHead(404).end());
    const result = await probeWith({ path: '/ready?token=s3cr3t' }).check(instanceAt(port, { path: '/api' }), signal);
    expect(result).toMatchObject({ reason: 'status 404 at /ready' });
  });

  it('uses the configured healthy statuses', async () => {
    const port = await overHttp((_request, response) => void response.writeHead(418).end());
    expect(await check(port, { healthyStatuses: [[418, 418]] })).toMatchObject({ passed: true, statusCode: 418 });
  });

  it('fails on a redirect without following it', async () => {
    const urls: string[] = [];
    const port = await overHttp((request, response) => {
      urls.push(request.url ?? '');
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await check(port)).toMatchObject({
      passed: false,
      reason: 'status 302 at /health: redirects are not followed',
    });
    expect(urls).toEqual(['/health']);
  });

  it('drops a body that is not JSON', async () => {
    const port = await overHttp((_request, response) => void response.setHeader('content-type', 'text/plain').end('1'));
    expect(await check(port)).toEqual({ passed: true, reason: undefined, statusCode: 200, data: undefined });
  });

  it('keeps JSON without a content type', async () => {
    const port = await overTcp((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"ok":1}'));
    expect(await check(port)).toMatchObject({ passed: true, data: { ok: 1 } });
  });

  it('reads no body with a limit of 0', async () => {
    const port = await overTcp((socket) => socket.write(`${JSON_HEAD}content-length: 100000\r\n\r\n[`));
    expect(await check(port, { bodyLimit: 0 })).toMatchObject({ passed: true, reason: undefined, data: undefined });
  });

  it('fails at once if the signal is already aborted', async () => {
    const { signal, abort } = timeoutSignal();
    abort();
    expect(await check(1, {}, {}, signal)).toEqual({ passed: false, kind: 'timeout', reason: 'timed out after 10 ms' });
  });

  it('accepts a response from an instance that half-closes after it', async () => {
    const port = await listen(
      createTcpServer({ allowHalfOpen: true }, (socket) => {
        socket.once('data', () => socket.end(`${JSON_HEAD}connection: close\r\n\r\n{"ok":true}`));
      }),
    );
    expect(await check(port)).toMatchObject({ passed: true, data: { ok: true } });
  });

  it('fails if an https instance speaks plain HTTP', async () => {
    const port = await overHttp((_request, response) => void response.end());
    const result = await check(port, {}, { protocol: 'https' });
    expect(result).toMatchObject({ passed: false, reason: expect.stringMatching(/TLS/) });
  });

  it('sends the configured method, headers and host', async () => {
    let asked: IncomingMessage | undefined;
    const port = await overHttp((request, response) => {
      asked = request;
      response.end();
    });
    const probe = probeWith({
      method: 'HEAD',
      path: '/ready',
      host: 'users.example',
      headers: { accept: 'text/plain', 'x-team': 'a' },
    });
    expect(await probe.check(instanceAt(port, { path: '/api' }), signal)).toMatchObject({
      passed: true,
      statusCode: 200,
    });
    expect(asked).toMatchObject({ method: 'HEAD', url: '/ready' });
    expect(asked?.headers).toEqual({
      host: 'users.example',
      accept: 'text/plain',
      'x-team': 'a',
      'accept-encoding': 'identity',
      'user-agent': 'nest-service-discovery-health-check',
      connection: 'close',
    });
  });

  it('uses the configured port and protocol', async () => {
    const port = await overHttp((request, response) => void response.end(`"${request.headers.host}"`));
    const instance = instanceAt(1, { protocol: 'https' });
    const result = await probeWith({ port, protocol: 'http' }).check(instance, signal);
    expect(result).toMatchObject({ passed: true, data: `127.0.0.1:${port}` });
  });

  it('sends no body with a method that has none', async () => {
    let length: string | undefined = 'none was asked for';
    const port = await overHttp((request, response) => {
      length = request.headers['content-length'];
      response.end();
    });
    await probeWith({ method: 'POST' }).check(instanceAt(port), signal);
    expect(length).toBe('0');
  });

  it('skips a response whose status is in neither list', async () => {
    const port = await overHttp(
      (request, response) => void response.writeHead(Number(request.headers['x-status'])).end(),
    );
    const resultOf = (status: number) =>
      probeWith({
        healthyStatuses: [[200, 299]],
        unhealthyStatuses: [[500, 599]],
        headers: { 'x-status': String(status) },
      }).check(instanceAt(port), signal);
    expect(await resultOf(200)).toMatchObject({ passed: true });
    expect(await resultOf(500)).toEqual({
      passed: false,
      kind: 'http',
      reason: 'status 500 at /health',
      statusCode: 500,
      data: undefined,
    });
    expect(await resultOf(429)).toEqual({
      passed: false,
      skipped: true,
      reason: 'status 429 at /health (not counted)',
      statusCode: 429,
      data: undefined,
    });
  });

  describe('with a condition on the body', () => {
    async function resultOf(
      condition: HttpProbeSettings['body'],
      body: string,
      headers: Record<string, string> = { 'content-type': 'application/json' },
      status = 200,
    ) {
      const port = await overHttp((_request, response) => void response.writeHead(status, headers).end(body));
      return probeWith({ body: condition }).check(instanceAt(port), signal);
    }

    it.each<[HttpProbeSettings['body'], string]>([
      [{ contains: 'up' }, '{"db":"up"}'],
      [{ path: 'db', equals: 'up' }, '{"db":"up"}'],
      [{ path: 'checks.1.ok', equals: true }, '{"checks":[{"ok":false},{"ok":true}]}'],
      [{ path: 'queue', equals: [0, 1] }, '{"queue":1}'],
      [{ path: 'error', equals: null }, '{"error":null}'],
      [({ data }) => (data as { queue: number }).queue < 10, '{"queue":9}'],
      [({ text }) => text.length === 2, '{}'],
    ])('%j is met by %s', async (condition, body) => {
      expect(await resultOf(condition, body)).toMatchObject({
        passed: true,
        reason: undefined,
        data: JSON.parse(body),
      });
    });

    it.each<[HttpProbeSettings['body'], string, string]>([
      [{ contains: 'up' }, '{"db":"down"}', 'the body does not contain "up"'],
      [{ path: 'db', equals: 'up' }, '{"db":"down"}', 'db is "down" in the body, not "up"'],
      [{ path: 'db', equals: ['up', 'warm'] }, '{"db":"down"}', 'db is "down" in the body, not "up" or "warm"'],
      [{ path: 'db', equals: 1 }, '{"db":"1"}', 'db is "1" in the body, not 1'],
      [{ path: 'db.status', equals: 'up' }, '{"db":"up"}', 'the body has no db.status'],
      [{ path: 'db.length', equals: 2 }, '{"db":"up"}', 'the body has no db.length'],
      [{ path: '__proto__.length', equals: 0 }, '[]', 'the body has no __proto__.length'],
      [{ path: 'db', equals: 'up' }, `{"db":"${'x'.repeat(100)}"}`, `db is "${'x'.repeat(62)}… in the body, not "up"`],
      [() => false, '{}', 'the body is not what a healthy one is'],
      [
        () => {
          throw new Error('the queue is full');
        },
        '{}',
        'the queue is full',
      ],
    ])('%j is not met by %s', async (condition, body, reason) => {
      expect(await resultOf(condition, body)).toMatchObject({ passed: false, reason, statusCode: 200 });
    });

    it('fails if the body has no JSON for a condition on it', async () => {
      const condition = { path: 'db', equals: 'up' };
      expect(await resultOf(condition, 'up', { 'content-type': 'text/plain' })).toMatchObject({
        passed: false,
        reason: 'the body is no JSON',
      });
      expect(
        await resultOf(condition, '{"db":"up"}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
      ).toMatchObject({
        passed: false,
        reason: 'the body is encoded and was not read',
      });
    });

    it('finds a text in a body that is not JSON', async () => {
      expect(await resultOf({ contains: 'OK' }, 'it is OK', { 'content-type': 'text/plain' })).toMatchObject({
        passed: true,
      });
    });

    it('ignores the body if the status is already unhealthy', async () => {
      expect(await resultOf({ contains: 'up' }, '{}', {}, 503)).toMatchObject({
        passed: false,
        reason: 'status 503 at /health',
      });
    });
  });

  describe('over TLS', () => {
    const context = createSecureContext({ ca: pem('ca.pem') });
    const secure = (): Promise<number> =>
      listen(createHttpsServer(SERVER_TLS, (_request, response) => void response.end('{}')));
    const resultOf = async (tls: TlsSettings, more: Partial<ServiceRegistration> = {}) =>
      probeWith({ tls }).check(instanceAt(await secure(), { protocol: 'https', ...more }), signal);

    it('passes with a certificate of a trusted authority', async () => {
      expect(await resultOf({ secureContext: context })).toMatchObject({ passed: true, data: {} });
      expect(await resultOf({ secureContext: context }, { host: 'localhost' })).toMatchObject({ passed: true });
    });

    it('fails with a certificate of any other authority', async () => {
      expect(await resultOf({})).toEqual({ passed: false, kind: 'tcp', reason: UNTRUSTED });
      const another = createSecureContext({ ca: pem('another-ca.pem') });
      expect(await resultOf({ secureContext: another })).toEqual({
        passed: false,
        kind: 'tcp',
        reason: UNTRUSTED,
      });
    });

    it('fails with a certificate for another name, unless that is the configured server name', async () => {
      const lookup: LookupFunction = (_hostname, _options, callback) =>
        callback(null, [{ address: '127.0.0.1', family: 4 }]);
      const check = async (tls: TlsSettings) => {
        const probe = new HttpProbe({ ...HTTP_SETTINGS, tls }, { lookup });
        return probe.check(instanceAt(await secure(), { protocol: 'https', host: 'users.example' }), signal);
      };
      expect(await check({ secureContext: context })).toEqual({ passed: false, kind: 'tcp', reason: ANOTHER_NAME });
      expect(await check({ secureContext: context, servername: 'localhost' })).toMatchObject({ passed: true });
    });

    it('accepts any certificate if verification is off', async () => {
      expect(await resultOf({ rejectUnauthorized: false })).toMatchObject({ passed: true });
    });

    it('presents its client certificate on request', async () => {
      const strict = { ...SERVER_TLS, ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true };
      const port = await listen(createHttpsServer(strict, (_request, response) => void response.end()));
      const instance = instanceAt(port, { protocol: 'https' });
      const own = createSecureContext({ ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') });
      expect(await probeWith({ tls: { secureContext: own } }).check(instance, signal)).toMatchObject({ passed: true });
      expect(await probeWith({ tls: { secureContext: context } }).check(instance, signal)).toMatchObject({
        passed: false,
      });
    });

    it('fails if an instance stops in the middle of the handshake', async () => {
      const { signal: limited, abort } = timeoutSignal();
      const port = await overTcp(abort);
      const result = await probeWith({}).check(instanceAt(port, { protocol: 'https' }), limited);
      expect(result).toEqual({ passed: false, kind: 'timeout', reason: 'timed out after 10 ms' });
    });
  });
});
