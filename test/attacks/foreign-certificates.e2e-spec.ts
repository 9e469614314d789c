import { once } from 'node:events';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, type Server } from 'node:net';
import { HttpModule } from '@nestjs/axios';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import {
  EventBus,
  ServiceCommunicator,
  ServiceDiscovery,
  type ServiceDiscoveryError,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceInstance,
  type ServiceRegistration,
} from 'nest-service-discovery';
import { RemoteRegistryStore, type TlsOptions } from 'nest-service-discovery/core';
import { fakeInstance } from 'nest-service-discovery/testing';
import { Apps, inRegistry, startError } from '../support/nest-app.js';
import { type Identity, TestAuthority } from '../support/test-authority.js';

const IDENTITY = 'spiffe://corp.example/ns/*/sa/{service}';

let authority: TestAuthority;
let stranger: TestAuthority;
let orders: Identity;
let cart: Identity;
let expired: Identity;
let forged: Identity;

const spiffe = (name: string): string => `URI:spiffe://corp.example/ns/shop/sa/${name}`;

beforeAll(async () => {
  [authority, stranger] = await Promise.all([TestAuthority.create(), TestAuthority.create()]);
  orders = await authority.issue('orders', { names: spiffe('orders') });
  // It may be reached under the address of any service, as a workload on the same machine.
  cart = await authority.issue('cart', { names: `${spiffe('cart')},IP:127.0.0.1,DNS:localhost` });
  expired = await authority.issue('expired', { names: spiffe('orders'), expired: true });
  forged = await stranger.issue('orders', { names: spiffe('orders') });
});
afterAll(() => Promise.all([authority.remove(), stranger.remove()]));

const apps = new Apps();
/** Servers over HTTP, with or without TLS. */
type HttpServer = Server & { closeAllConnections(): void };
const servers: HttpServer[] = [];
/** The requests that a server with the wrong certificate got. */
let stolen: string[] = [];
afterEach(async () => {
  await apps.close();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
  stolen = [];
});

async function listen(server: HttpServer): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const honest = (): Promise<number> =>
  listen(createServer(keyPair(orders), (_request, response) => response.end('"from orders"')));
const thief = (identity: Identity, more: object = {}): Promise<number> =>
  listen(
    createServer({ ...keyPair(identity), ...more }, ({ url = '' }, response) => {
      stolen.push(url);
      response.end('"from a thief"');
    }),
  );
const plainThief = (): Promise<number> =>
  listen(
    createPlainServer(({ url = '' }, response) => {
      stolen.push(url);
      response.end('"from a thief"');
    }),
  );

function keyPair({ cert, key }: Identity): { cert: string; key: string } {
  return { cert, key };
}

async function start(options: ServiceDiscoveryOptions): Promise<INestApplication> {
  const root = ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false, ...options });
  @Module({ imports: [root, HttpModule] })
  class CallerModule {}
  return apps.listen(CallerModule);
}

function register(
  app: INestApplication,
  port: number,
  more: Partial<ServiceRegistration> = {},
): Promise<ServiceInstance> {
  const address = { host: '127.0.0.1', port, protocol: 'https' as const };
  return app.get(ServiceDiscovery).registerService({ serviceName: 'orders', ...address, ...more });
}

const ask = (app: INestApplication, method: 'GET' | 'POST' = 'GET'): Promise<unknown> =>
  app.get(ServiceCommunicator).callServiceJson('orders', { path: '/secret', method });

const checked = (app: INestApplication): Promise<ServiceInstance> =>
  inRegistry(app, ({ services }) => services.get('orders')?.find(({ health }) => health !== undefined));

describe.each(['undici', 'axios'] as const)('a server at the address of a service, called over %s,', (type) => {
  it.each<[what: string, identity: () => Identity, cause: RegExp | string, reason: RegExp]>([
    [
      'with the valid certificate of another service',
      () => cart,
      'ERR_TLS_CERT_IDENTITY',
      /the certificate is of "URI:spiffe:\/\/corp\.example\/ns\/shop\/sa\/cart, .*, and not of spiffe:.*orders/,
    ],
    ['with an expired certificate of the service', () => expired, 'CERT_HAS_EXPIRED', /the certificate has expired/],
    [
      'with a certificate of the service by a foreign authority',
      () => forged,
      /SELF_SIGNED|UNABLE_TO/,
      /authority that is not trusted/,
    ],
  ])('%s gets no request, and the call fails with CERTIFICATE_REJECTED', async (_what, identity, cause, reason) => {
    const app = await start({ transport: { type, tls: { ca: authority.ca, identity: IDENTITY } } });
    await register(app, await thief(identity()));
    const error: unknown = await ask(app).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'CERTIFICATE_REJECTED',
      neverSent: true,
      cause: { code: typeof cause === 'string' ? cause : expect.stringMatching(cause) },
      message: expect.stringMatching(reason),
    });
    expect((error as { attempts: number }).attempts).toBeLessThanOrEqual(3);
    expect(stolen).toEqual([]);
  });

  it('is passed over for an instance with the right certificate, whatever the method', async () => {
    const app = await start({ transport: { type, tls: { ca: authority.ca, identity: IDENTITY } } });
    await register(app, await thief(cart), { instanceId: 'thief' });
    await register(app, await honest(), { instanceId: 'honest' });
    for (let call = 0; call < 4; call++) expect(await ask(app, 'POST')).toBe('from orders');
    expect(stolen).toEqual([]);
  });

  it('that speaks no newer TLS than 1.1 gets no request', async () => {
    const app = await start({ transport: { type, tls: { ca: authority.ca, identity: IDENTITY } }, retry: false });
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await register(app, await thief(orders, old));
    await expect(ask(app)).rejects.toThrow(/no version of TLS that is allowed/);
    expect(stolen).toEqual([]);
  });

  it('shares no connection with the service that it belongs to', async () => {
    const app = await start({ transport: { type, tls: { ca: authority.ca, identity: IDENTITY } }, retry: false });
    const port = await thief(cart);
    await register(app, port, { serviceName: 'cart' });
    await register(app, port);
    expect(await app.get(ServiceCommunicator).callServiceJson('cart', { path: '/' })).toBe('from a thief');
    await expect(ask(app)).rejects.toMatchObject({ code: 'CERTIFICATE_REJECTED' });
    expect(stolen).toEqual(['/']);
  });
});

describe('a health check', () => {
  const healthCheck = { interval: '1s' as const };

  it('trusts no certificate of another service, although the registration says that it should', async () => {
    const tls = { ca: authority.ca, identity: IDENTITY };
    const app = await start({ transport: { tls }, healthCheck });
    await register(app, await thief(cart), { healthCheck: { tls: { rejectUnauthorized: false } } });
    expect((await checked(app)).health).toMatchObject({ reason: expect.stringMatching(/^the certificate is of/) });
    expect(stolen).toEqual([]);
  });

  it('finds an instance healthy that has the certificate of its service', async () => {
    const app = await start({ healthCheck: { ...healthCheck, tls: { ca: authority.ca, identity: IDENTITY } } });
    await register(app, await honest());
    expect((await checked(app)).healthStatus).toBe('healthy');
  });

  it('is not made over http with requireTls, and says so', async () => {
    const app = await start({ requireTls: true, healthCheck });
    const reason = new Promise((resolve) =>
      app.get(EventBus).on('health.checked', ({ detail }) => resolve(detail.reason)),
    );
    await register(app, await plainThief(), { protocol: 'http', healthCheckPath: '/health' });
    expect(await reason).toMatch(/^requireTls is set, and the check would go over HTTP without TLS/);
    expect(stolen).toEqual([]);
  });
});

describe('with requireTls, an instance that is registered with http', () => {
  it('gets no call, and the error and the explanation say why', async () => {
    const app = await start({ requireTls: true });
    await register(app, await plainThief(), { protocol: 'http' });
    await expect(ask(app)).rejects.toMatchObject({
      code: 'UNSUPPORTED_PROTOCOL',
      message: expect.stringMatching(/^requireTls allows calls over https alone, and "orders" is registered with http/),
    });
    expect(app.get(ServiceCommunicator).explain('orders').instances).toMatchObject([
      { taken: false, stage: 'protocol', reason: 'speaks http, and requireTls is set' },
    ]);
    expect(stolen).toEqual([]);
  });

  it('is left out where others are registered with https', async () => {
    const app = await start({ requireTls: true, transport: { tls: { ca: authority.ca, identity: IDENTITY } } });
    await register(app, await plainThief(), { protocol: 'http', instanceId: 'thief' });
    await register(app, await honest(), { instanceId: 'honest' });
    for (let call = 0; call < 4; call++) expect(await ask(app)).toBe('from orders');
    expect(stolen).toEqual([]);
  });
});

describe('a remote registry', () => {
  /** What a process that registers there is told. */
  async function failureAt(port: number, tls: TlsOptions): Promise<string> {
    const store = new RemoteRegistryStore({ url: `https://127.0.0.1:${port}`, token: 'secret', tls });
    const error = await store.put(fakeInstance(), 1_000).then(
      () => new Error('it was registered'),
      (thrown: unknown) => thrown as ServiceDiscoveryError,
    );
    await store.close();
    expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    return error.message;
  }

  it('with the certificate of another workload gets no token and no registration', async () => {
    const identity = 'spiffe://corp.example/ns/shop/sa/registry';
    expect(await failureAt(await thief(cart), { ca: authority.ca, identity })).toMatch(
      /cannot be reached: the certificate is of "URI:.*sa\/cart, .*, and not of spiffe:.*sa\/registry \(tls\.identity\)$/,
    );
    expect(stolen).toEqual([]);
  });

  it('with a certificate of a foreign authority, or none, is refused in words', async () => {
    expect(await failureAt(await thief(forged), { ca: authority.ca })).toMatch(/: the certificate is of an authority/);
    expect(await failureAt(await thief(expired), { ca: authority.ca })).toMatch(/: the certificate has expired$/);
    expect(await failureAt(await plainThief(), { ca: authority.ca })).toMatch(/: the server does not speak TLS$/);
    expect(stolen).toEqual([]);
  });

  it.each<[options: ServiceDiscoveryOptions, problem: RegExp]>([
    [
      { registryUrl: 'http://registry:3000', requireTls: true },
      /- registryUrl: expected a URL that begins with https, since requireTls is set, but got "http:\/\/registry:3000"$/,
    ],
    [
      { registryUrl: 'http://registry:3000', remote: { tls: {} } },
      /- remote\.tls: expected a URL that begins with https, which http:\/\/registry:3000 does not/,
    ],
    [
      { registryUrl: 'https://registry:3000', remote: { tls: { identity: IDENTITY } } },
      /- remote\.tls\.identity: expected no \{service\}: /,
    ],
    [
      { registryUrl: 'https://registry:3000', remote: { tls: { ca: '/no/ca.pem' } } },
      /- remote\.tls\.ca: expected PEM, or the path of a file .* but got "\/no\/ca\.pem"$/,
    ],
  ])('is refused at the start with %j', async (options, problem) => {
    expect(await startError(ServiceDiscoveryModule.forRoot(options))).toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(problem),
    });
  });
});
