import { once } from 'node:events';
import { copyFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TLSSocket } from 'node:tls';
import { HttpModule } from '@nestjs/axios';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type DynamicModule, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  EventBus,
  type EventOf,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { type Identity, TestAuthority } from './support/test-authority.js';

let authority: TestAuthority;
let identities: Identity[];
let tls: { ca: string; cert: string; key: string };

beforeAll(async () => {
  authority = await TestAuthority.create();
  identities = [await authority.issue('first'), await authority.issue('second')];
  const live = (name: string): string => join(authority.directory, name);
  tls = { ca: authority.caFile, cert: live('live.pem'), key: live('live.key') };
});
afterAll(() => authority.remove());

async function install({ certFile, keyFile }: Identity): Promise<void> {
  await copyFile(keyFile, tls.key);
  await copyFile(certFile, tls.cert);
}

/** What servers accept: only clients of the authority. */
async function mutual(name: string): Promise<object> {
  const { cert, key } = await authority.issue(name);
  return { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true };
}

async function start(options: ServiceDiscoveryOptions, httpsOptions?: object): Promise<INestApplication> {
  @Module({})
  class AppModule {}
  const imports: (DynamicModule | typeof HttpModule)[] = [ServiceDiscoveryModule.forRoot(options), HttpModule];
  const app = await NestFactory.create({ module: AppModule, imports }, { logger: false, httpsOptions });
  await app.listen(0, '127.0.0.1');
  return app;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Resolves when a rotation is told, and some client has shown the new certificate after it. */
function rotation(app: INestApplication, use: EventOf<'tls.rotated'>['use']): Promise<unknown> {
  return new Promise<void>((resolve) => {
    app.get(EventBus).on('tls.rotated', (event) => {
      if (event.use === use) resolve();
    });
  });
}

it('calls over axios, health checks and the remote registry go on over a certificate that is rotated', async () => {
  await install(identities[0]!);
  const seen: { by: string; path: string }[] = [];
  const payments = createServer(await mutual('payment-service'), ({ socket, url = '' }, response) => {
    seen.push({ by: String((socket as TLSSocket).getPeerCertificate().subject.CN), path: url });
    response.end('{}');
  });
  payments.listen(0, '127.0.0.1');
  await once(payments, 'listening');
  const registry = await start({ healthCheck: { interval: '200ms', tls }, logging: false }, await mutual('registry'));
  const server = registry.getHttpServer() as Server;
  const connections: string[] = [];
  server.on('secureConnection', (socket: TLSSocket) =>
    connections.push(String(socket.getPeerCertificate().subject.CN)),
  );
  const app = await start({
    registryUrl: `https://127.0.0.1:${portOf(server)}`,
    remote: { tls, requestTimeout: '1m' },
    transport: { type: 'axios', tls },
    heartbeatInterval: '100ms',
    logging: false,
  });
  const address = { host: '127.0.0.1', port: portOf(payments), protocol: 'https' as const };
  await app.get(ServiceDiscovery).registerService({ serviceName: 'payments', ...address, healthCheckPath: '/ready' });
  await app.get(ServiceDiscovery).waitForService('payments');
  expect(new Set(connections)).toEqual(new Set(['first']));

  const events = [rotation(app, 'calls'), rotation(app, 'registry'), rotation(registry, 'health_checks')];
  await install(identities[1]!);
  let isOver = false;
  const rotated = Promise.all(events).then(() => (isOver = true));
  const pay = (): Promise<unknown> => app.get(ServiceCommunicator).callServiceJson('payments', { path: '/pay' });
  while (!isOver) await pay();
  await rotated;
  seen.length = 0;
  await pay();
  await expect(app.get(ServiceRegistry).register({ serviceName: 'late', ...address })).resolves.toBeDefined();
  while (!seen.some(({ path }) => path === '/ready')) await once(payments, 'request');
  expect(new Set(seen.map(({ by }) => by))).toEqual(new Set(['second']));
  expect(connections.at(-1)).toBe('second');

  await app.close();
  await registry.close();
  payments.close();
  payments.closeAllConnections();
});
