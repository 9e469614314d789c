import { createServer, type Server as TlsServer } from 'node:https';
import { type AddressInfo, type LookupFunction } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpService } from '@nestjs/axios';
import { type INestApplication, Module } from '@nestjs/common';
import { ServiceDiscoveryModule } from 'nest-service-discovery';
import { DiscoveryHttpModule, type DiscoveryHttpOptions } from 'nest-service-discovery/axios';
import { type AxiosRequestConfig } from 'axios';
import { TestServer } from '../../libs/service-discovery/src/testing/test-server.js';
import { Apps, urlOf } from '../support/nest-app.js';
import { TestAuthority } from '../support/test-authority.js';

const HEADERS = { authorization: 'Bearer of-the-caller' };

const apps = new Apps();
let authority: TestAuthority;
let attacker: TestServer;

beforeAll(async () => {
  authority = await TestAuthority.create();
});
afterAll(() => authority.remove());

beforeEach(async () => {
  attacker = await TestServer.http((_request, response) => void response.end('"stolen"'));
});
afterEach(async () => {
  await apps.close();
  await attacker.close();
});

async function start(options?: DiscoveryHttpOptions): Promise<INestApplication> {
  const root = ServiceDiscoveryModule.forRoot({
    logging: false,
    healthCheck: false,
    retry: false,
    transport: { tls: { ca: authority.caFile } },
  });
  @Module({ imports: [root, DiscoveryHttpModule.register(options)] })
  class Caller {}
  return apps.listen(Caller);
}

/** Registers over REST, as a stranger with the right to write does. */
async function register(app: INestApplication, service_name: string, port: number, protocol = 'http'): Promise<void> {
  const { status } = await fetch(`${urlOf(app)}/service-discovery/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ service_name, instance_id: protocol, host: 'localhost', port, protocol }),
  });
  expect(status).toBe(201);
}

async function post(app: INestApplication, url: string, config: AxiosRequestConfig = {}): Promise<unknown> {
  return (await app.get(HttpService).axiosRef.post<unknown>(url, {}, { headers: HEADERS, ...config })).data;
}

describe('a registration under the name of another host', () => {
  const failing: LookupFunction = (hostname, _options, callback) =>
    callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), '', 4);

  it.each(['api.stripe.com', 'billing.internal'])('gets no call to https://%s, nor its key', async (host) => {
    const app = await start();
    await register(app, host, attacker.port);
    const config = { lookup: failing as AxiosRequestConfig['lookup'] };
    for (const url of [`https://${host}/v1/charges`, `https://${host}:443/v1/charges`]) {
      await expect(post(app, url, config)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    }
    expect(attacker.requests).toHaveLength(0);
  });

  it('does not redirect calls to this machine', async () => {
    const app = await start();
    const own = await TestServer.http((_request, response) => void response.end('"own"'));
    for (const name of ['localhost', '127.0.0.1', '2130706433', '0x7f000001']) {
      await register(app, name, attacker.port);
      expect(await post(app, `http://${name}:${own.port}/`)).toBe('own');
    }
    expect(attacker.requests).toHaveLength(0);
    await own.close();
  });

  it('is called where the app lists the name', async () => {
    const app = await start({ services: ['users.shop', 'localhost'] });
    for (const name of ['users.shop', 'localhost', 'user-service']) {
      await register(app, name, attacker.port);
      expect(await post(app, `http://${name}/`)).toBe('stolen');
    }
  });

  it('stops the start if the list contains an invalid name', async () => {
    const starting = start({ services: ['users.shop', 'https://api.stripe.com', 7 as never] });
    await expect(starting).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      problems: [{ path: 'DiscoveryHttpModule services[1]' }, { path: 'DiscoveryHttpModule services[2]' }],
    });
  });
});

describe('a registration over http under the name of a service that is called over https', () => {
  let server: TlsServer;

  beforeEach(async () => {
    const { cert, key } = await authority.issue('payments');
    server = createServer({ cert, key }, (_request, response) => void response.end('"charged"'));
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each(['https://payments/charge', 'https://payments:8443/charge'])('gets no call to %s', async (url) => {
    const app = await start();
    await register(app, 'payments', attacker.port);
    await expect(post(app, url)).rejects.toMatchObject({
      code: 'NO_AVAILABLE_INSTANCE',
      message:
        'No instance of "payments" can take a call: none is registered with https, which was asked for: register it so, or ask for http. ' +
        '`npx nest-service-discovery doctor payments` says what to do. ' +
        'See nest-service-discovery/docs/reference/errors.md#NO_AVAILABLE_INSTANCE',
    });
    await register(app, 'payments', (server.address() as AddressInfo).port, 'https');
    for (let call = 0; call < 6; call++) expect(await post(app, url)).toBe('charged');
    expect(attacker.requests).toHaveLength(0);
    // An http: URL goes to instances of both kinds.
    const answers = new Set<unknown>();
    for (let call = 0; call < 4; call++) answers.add(await post(app, 'http://payments/charge'));
    expect(answers).toEqual(new Set(['charged', 'stolen']));
  });
});
