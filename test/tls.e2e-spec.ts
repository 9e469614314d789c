import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { type TLSSocket } from 'node:tls';
import { HttpModule, HttpService } from '@nestjs/axios';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceInstance,
  type ServiceRegistration,
  type TransportTlsOptions,
} from 'nest-service-discovery';
import { DiscoveryHttpModule } from 'nest-service-discovery/axios';
import { firstValueFrom } from 'rxjs';
import { Apps, inRegistry } from './support/nest-app.js';
import { type Identity, TestAuthority } from './support/test-authority.js';

/** The authority of all services, and an unrelated one. */
let authority: TestAuthority;
let stranger: TestAuthority;
let service: Identity;
let client: Identity;
let wrongClient: Identity;

beforeAll(async () => {
  [authority, stranger] = await Promise.all([TestAuthority.create(), TestAuthority.create()]);
  service = await authority.issue('payment-service', { names: 'DNS:localhost,IP:127.0.0.1,DNS:payments.internal' });
  client = await authority.issue('order-service');
  wrongClient = await stranger.issue('order-service');
});
afterAll(() => Promise.all([authority.remove(), stranger.remove()]));

const apps = new Apps();
const servers: Server[] = [];
/** The certificate of each admitted request. */
let seen: { readonly client: string; readonly servername: unknown }[];
afterEach(async () => {
  await apps.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that requires a client certificate of the authority. */
async function serve(options: object = {}): Promise<number> {
  seen = [];
  const server = createServer({ ...mutual(service), ...options }, ({ socket }, response) => {
    note(socket as TLSSocket);
    response.setHeader('content-type', 'application/json').end('{"paid":true}');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function note(socket: TLSSocket): void {
  const { servername } = socket as TLSSocket & { readonly servername: unknown };
  seen.push({ client: String(socket.getPeerCertificate().subject.CN), servername });
}

function mutual({ cert, key }: Identity) {
  return { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true };
}

const filesOf = ({ certFile: cert, keyFile: key }: Identity) => ({ ca: authority.caFile, cert, key });
const textsOf = ({ cert, key }: Identity) => ({ ca: authority.ca, cert, key });

/** The ways to call, each with the TLS of the options. */
const WAYS = {
  undici: (tls: TransportTlsOptions) => ({ transport: { tls }, imports: [] }),
  axios: (tls: TransportTlsOptions) => ({ transport: { type: 'axios' as const, tls }, imports: [HttpModule] }),
  'HttpService of DiscoveryHttpModule': (tls: TransportTlsOptions) => ({
    transport: { tls },
    imports: [DiscoveryHttpModule.register()],
  }),
};

async function start(
  way: keyof typeof WAYS,
  tls: TransportTlsOptions,
  options: ServiceDiscoveryOptions = {},
): Promise<{ app: INestApplication; call: (name: string) => Promise<unknown> }> {
  const { transport, imports } = WAYS[way](tls);
  const root = ServiceDiscoveryModule.forRoot({ transport, logging: false, healthCheck: false, ...options });
  @Module({ imports: [root, ...imports] })
  class CallerModule {}
  const app = await apps.listen(CallerModule);
  const call = async (name: string): Promise<unknown> => {
    if (way !== 'HttpService of DiscoveryHttpModule')
      return app.get(ServiceCommunicator).callServiceJson(name, { path: '/payments' });
    return (await firstValueFrom(app.get(HttpService).get<unknown>(`http://${name}/payments`))).data;
  };
  return { app, call };
}

function register(
  app: INestApplication,
  port: number,
  more: Partial<ServiceRegistration> = {},
): Promise<ServiceInstance> {
  const registration = { serviceName: 'payment-service', host: '127.0.0.1', port, protocol: 'https' as const, ...more };
  return app.get(ServiceDiscovery).registerService(registration);
}

async function failureOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  return call.then(
    () => Promise.reject(new Error('the call went through')),
    (error: { code: string; message: string }) => error,
  );
}

describe.each(Object.keys(WAYS) as (keyof typeof WAYS)[])('TLS of calls by %s', (way) => {
  it("presents the caller's certificate, from files and from strings", async () => {
    const port = await serve();
    for (const tls of [filesOf(client), textsOf(client)]) {
      const { app, call } = await start(way, tls);
      await register(app, port);
      expect(await call('payment-service')).toEqual({ paid: true });
    }
    expect(seen.map((request) => request.client)).toEqual(['order-service', 'order-service']);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is refused with a certificate of another authority, over %s',
    async (maxVersion) => {
      const port = await serve({ maxVersion });
      const { app, call } = await start(way, filesOf(wrongClient), { retry: false });
      await register(app, port);
      const { code, message } = await failureOf(call('payment-service'));
      expect(code).toBe('TRANSPORT_FAILURE');
      expect(message).toMatch(
        /refuse the one that it was shown: tls\.cert and tls\.key|refuses the client certificate/,
      );
      expect(seen).toEqual([]);
    },
  );

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is rejected without a certificate, over %s', async (maxVersion) => {
    const port = await serve({ maxVersion });
    const { app, call } = await start(way, { ca: authority.ca }, { retry: false });
    await register(app, port);
    const { code, message } = await failureOf(call('payment-service'));
    expect(code).toBe('TRANSPORT_FAILURE');
    expect(message).toMatch(/asks? for a client certificate.*tls\.cert/);
    expect(seen).toEqual([]);
  });

  it('rejects a server with an expired certificate, one of another authority or for another name', async () => {
    const expired = await serve(await authority.issue('expired', { expired: true }));
    const unknown = await serve(await stranger.issue('payment-service'));
    const another = await serve(await authority.issue('other', { names: 'DNS:other.internal' }));
    const { app, call } = await start(way, filesOf(client), { retry: false });
    await register(app, expired, { serviceName: 'expired' });
    await register(app, unknown, { serviceName: 'unknown' });
    await register(app, another, { serviceName: 'another' });
    expect((await failureOf(call('expired'))).message).toMatch(
      /could not be sent: the certificate has expired\. Renew the certificate, or correct what is expected of it \(tls\)\. See \S+#\w+$/,
    );
    expect((await failureOf(call('unknown'))).message).toMatch(/authority that is not trusted \(tls\.ca names/);
    expect((await failureOf(call('another'))).message).toMatch(/for another name \(tls\.servername says/);
    expect(seen).toEqual([]);
  });

  it('requests the configured server name, and expects it in the certificate', async () => {
    const port = await serve();
    const { app, call } = await start(way, { ...filesOf(client), servername: 'payments.internal' });
    await register(app, port);
    expect(await call('payment-service')).toEqual({ paid: true });
    expect(seen).toEqual([{ client: 'order-service', servername: 'payments.internal' }]);
  });

  it('applies settings per service over those for all', async () => {
    const own = await authority.issue('ledger-client');
    const port = await serve();
    const services = {
      'ledger-service': { cert: own.cert, key: own.key },
      'stock-service': { servername: 'payments.internal' },
      'strange-service': { ca: stranger.ca },
    };
    const { app, call } = await start(way, { ...filesOf(client), services }, { retry: false });
    const names = ['payment-service', 'ledger-service', 'stock-service'];
    for (const serviceName of [...names, 'strange-service']) await register(app, port, { serviceName });
    for (const name of names) expect(await call(name)).toEqual({ paid: true });
    // All on the same origin: services with different TLS settings share no connection.
    expect(seen).toEqual([
      { client: 'order-service', servername: false },
      { client: 'ledger-client', servername: false },
      { client: 'order-service', servername: 'payments.internal' },
    ]);
    expect((await failureOf(call('strange-service'))).message).toMatch(/authority that is not trusted/);
  });

  it('speaks no TLS version older than the minimum', async () => {
    const port = await serve({ maxVersion: 'TLSv1.2' });
    const { app, call } = await start(way, { ...filesOf(client), minVersion: 'TLSv1.3' }, { retry: false });
    await register(app, port);
    expect((await failureOf(call('payment-service'))).message).toMatch(
      /no version of TLS that is allowed \(tls\.minVersion\)/,
    );
  });

  it('accepts any certificate of a service with verification off', async () => {
    const port = await serve(await stranger.issue('payment-service'));
    const services = { 'payment-service': { rejectUnauthorized: false } };
    const { app, call } = await start(way, { ...filesOf(client), services });
    await register(app, port);
    expect(await call('payment-service')).toEqual({ paid: true });
  });
});

describe('TLS between two Nest apps', () => {
  @Controller('payments')
  class PaymentController {
    @Get()
    pay(@Req() { socket }: { readonly socket: TLSSocket }): object {
      return { paidBy: socket.getPeerCertificate().subject.CN };
    }
  }
  @Module({ controllers: [PaymentController] })
  class PaymentModule {}

  it('admits the app with the right certificate, and not the one with a wrong one', async () => {
    const payments = await NestFactory.create(PaymentModule, { logger: false, httpsOptions: mutual(service) });
    await payments.listen(0, '127.0.0.1');
    try {
      const port = (payments.getHttpServer() as Server).address() as AddressInfo;
      const right = await start('undici', filesOf(client));
      await register(right.app, port.port);
      expect(await right.call('payment-service')).toEqual({ paidBy: 'order-service' });
      const wrong = await start('undici', filesOf(wrongClient), { retry: false });
      await register(wrong.app, port.port);
      expect(await failureOf(wrong.call('payment-service'))).toMatchObject({ code: 'TRANSPORT_FAILURE' });
    } finally {
      await payments.close();
    }
  });
});

describe('health checks over TLS', () => {
  const checked = (app: INestApplication, serviceName: string): Promise<ServiceInstance> =>
    inRegistry(app, ({ services }) =>
      services.get(serviceName)?.find(({ healthStatus }) => healthStatus !== 'unknown'),
    );

  it('present the certificate of calls, also the one for a service', async () => {
    const own = await authority.issue('ledger-client');
    const port = await serve();
    const services = { 'ledger-service': { cert: own.cert, key: own.key } };
    const healthCheck = { interval: '1s', services: { 'payment-service': { path: '/ready' } } } as const;
    const { app } = await start('undici', { ...filesOf(client), services }, { healthCheck });
    for (const serviceName of ['payment-service', 'ledger-service']) {
      await register(app, port, { serviceName });
      expect(await checked(app, serviceName)).toMatchObject({ healthStatus: 'healthy' });
    }
    expect(new Set(seen.map((request) => request.client))).toEqual(new Set(['order-service', 'ledger-client']));
  });

  it('use their own TLS settings if set, and an instance may name the expected server name', async () => {
    const checker = await authority.issue('checker');
    const port = await serve();
    const healthCheck = { interval: '1s', tls: { cert: checker.certFile, key: checker.keyFile } } as const;
    const { app } = await start('axios', filesOf(client), { healthCheck });
    await register(app, port, { healthCheck: { tls: { servername: 'payments.internal' } } });
    expect(await checked(app, 'payment-service')).toMatchObject({ healthStatus: 'healthy' });
    expect(seen[0]).toEqual({ client: 'checker', servername: 'payments.internal' });
  });

  it('fail if the certificate is wrong, and say what to look at', async () => {
    const port = await serve({ maxVersion: 'TLSv1.3' });
    const { app } = await start('undici', filesOf(wrongClient), { healthCheck: { interval: '1s' } });
    await register(app, port);
    const { healthStatus, health } = await checked(app, 'payment-service');
    expect(healthStatus).toBe('unhealthy');
    expect(health?.reason).toMatch(/client certificate/);
  });
});

it("the axios transport without TLS of its own uses the agent of the app's HttpModule", async () => {
  const { Agent } = await import('node:https');
  const httpsAgent = new Agent(textsOf(client));
  const port = await serve();
  const root = ServiceDiscoveryModule.forRoot({ transport: 'axios', logging: false, healthCheck: false });
  @Module({ imports: [root, HttpModule.register({ httpsAgent })] })
  class CallerModule {}
  const app = await apps.listen(CallerModule);
  await register(app, port);
  expect(await app.get(ServiceCommunicator).callServiceJson('payment-service', { path: '/payments' })).toEqual({
    paid: true,
  });
  httpsAgent.destroy();
});
