import 'reflect-metadata';
import { gzipSync } from 'node:zlib';
import { type INestApplication, type Type, VersioningType } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ServiceDiscoveryModule, type ServiceDiscoveryOptions } from 'nest-service-discovery';
import { type Answer, send } from './support/rest-app.js';

const gzipped = (text: string): string => gzipSync(text).toString('base64');
const PAGE = '<!doctype html><script type="module" src="./ui/index-abc.js"></script>';
const SCRIPT = 'export {};';

jest.unstable_mockModule('../libs/service-discovery/src/nest/dashboard/page-files.js', () => ({
  PAGE_FILES: { 'index.html': gzipped(PAGE), 'index-abc.js': gzipped(SCRIPT), 'index-abc.css': gzipped('a {}') },
}));

const ADAPTERS = { express: () => new ExpressAdapter(), fastify: () => new FastifyAdapter() };
type Platform = keyof typeof ADAPTERS;

describe.each(['express', 'fastify'] satisfies Platform[])('the dashboard on %s', (platform) => {
  let dashboard: Type;
  let app: INestApplication | undefined;

  beforeAll(async () => {
    ({ ServiceDiscoveryDashboardModule: dashboard } = await import('nest-service-discovery/dashboard'));
  });

  afterEach(() => app?.close());

  async function start(
    options: ServiceDiscoveryOptions = {},
    { imports = [dashboard], configure }: { imports?: Type[]; configure?: (app: INestApplication) => void } = {},
  ): Promise<(path: string, headers?: Record<string, string>) => Promise<Answer>> {
    const module = {
      module: class App {},
      imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, ...options }), ...imports],
    };
    app = await NestFactory.create(module, ADAPTERS[platform](), { logger: false, abortOnError: false });
    configure?.(app);
    await app.listen(0, '127.0.0.1');
    const origin = await app.getUrl();
    return (path, headers) => send(`${origin}${path}`, 'GET', { headers });
  }

  it('serves the page and its files, which no other site can frame, feed or read', async () => {
    const get = await start();
    const page = await get('/service-discovery/ui');
    expect(page.status).toBe(200);
    expect(page.text).toBe(PAGE);
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
        "base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
    });
    const script = await get('/service-discovery/ui/index-abc.js');
    expect(script.text).toBe(SCRIPT);
    expect(script.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
    const { headers } = await get('/service-discovery/ui/index-abc.css');
    expect(headers['content-type']).toBe('text/css; charset=utf-8');
  });

  it('sends files compressed to clients that take them so', async () => {
    const get = await start();
    const compressed = await get('/service-discovery/ui', { 'accept-encoding': 'br, gzip' });
    expect(compressed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' });
    const refused = await get('/service-discovery/ui', { 'accept-encoding': 'gzip;q=0' });
    expect(refused.headers['content-encoding']).toBeUndefined();
  });

  it('answers 404 for files that the page does not have', async () => {
    const get = await start();
    for (const name of ['index-old.js', 'constructor', '..%2fpackage.json', '%']) {
      expect([400, 404]).toContain((await get(`/service-discovery/ui/${name}`)).status);
    }
  });

  it('leads from a path with a slash at its end to the one that the files are relative to', async () => {
    const get = await start();
    const { status, headers } = await get('/service-discovery/ui/');
    expect([status, headers.location]).toEqual([308, '../ui']);
  });

  it('follows api.path and the global prefix, and needs no version', async () => {
    const get = await start(
      { api: { path: 'ops/registry' } },
      {
        configure: (made) =>
          made.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
      },
    );
    expect((await get('/api/ops/registry/ui')).text).toBe(PAGE);
    expect((await get('/api/ops/registry/services')).status).toBe(200);
    expect((await get('/ops/registry/ui')).status).toBe(404);
    expect((await get('/api/service-discovery/ui')).status).toBe(404);
  });

  it('is served to everyone, while its data needs the rights of the API', async () => {
    const get = await start({ api: { token: 'a-token-of-thirty-two-characters' } });
    const remote = { 'x-forwarded-for': '203.0.113.7' };
    expect((await get('/service-discovery/ui', remote)).status).toBe(200);
    expect((await get('/service-discovery/services', remote)).status).toBe(401);
  });

  it('is not there without the module', async () => {
    const get = await start({}, { imports: [] });
    expect((await get('/service-discovery/ui')).status).toBe(404);
  });

  it('stops the start of an app without the REST API, and says why', async () => {
    await expect(start({ api: false })).rejects.toThrow(
      /imports: expected the REST API in the same app.*`api: false`.*ServiceDiscoveryDashboardModule/,
    );
  });
});
