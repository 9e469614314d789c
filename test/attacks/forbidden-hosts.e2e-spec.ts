import { type LookupFunction } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpModule } from '@nestjs/axios';
import { type INestApplication, Module } from '@nestjs/common';
import {
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { EventBus, UndiciTransport } from 'nest-service-discovery/core';
import { TestServer } from '../../libs/service-discovery/src/testing/test-server.js';
import { Apps, urlOf } from '../support/nest-app.js';
import { PLATFORMS, type RestApp, startRestApp } from '../support/rest-app.js';

/** A request that carries the caller's credentials. */
const CHARGE = {
  method: 'POST',
  path: '/charge',
  headers: { authorization: 'Bearer of-the-caller' },
  json: {},
} as const;

/**
 * Stands for a metadata service: it listens on 127.0.0.1, and the unspecified address, which is as forbidden as
 * 169.254.169.254, leads there too.
 */
let internal: TestServer;
let honest: TestServer;
const apps = new Apps();

beforeEach(async () => {
  internal = await TestServer.http((_request, response) => void response.setHeader('connection', 'close').end('{}'));
  honest = await TestServer.http((_request, response) => void response.end('{"charged":true}'));
});

afterEach(async () => {
  await apps.close();
  await Promise.all([internal.close(), honest.close()]);
});

async function start(options: ServiceDiscoveryOptions): Promise<INestApplication> {
  @Module({ imports: [HttpModule, ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false, ...options })] })
  class Caller {}
  return apps.listen(Caller);
}

/** Registers over REST, as a stranger with the right to write does. */
async function register(app: INestApplication, instance_id: string, host: string, port: number): Promise<number> {
  const { status } = await fetch(`${urlOf(app)}/service-discovery/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ service_name: 'payments', instance_id, host, port }),
  });
  return status;
}

describe('a name that is registered and then leads to a forbidden address', () => {
  let address: string;
  const lookup: LookupFunction = (_hostname, _options, callback) => callback(null, [{ address, family: 4 }]);

  it('gets no call and no credentials; another instance answers, and the log says so once', async () => {
    const app = await start({ transport: new UndiciTransport({}, { lookup }) });
    const refusals: object[] = [];
    app.get(EventBus).on('instance.unreachable', (event) => refusals.push(event));
    address = '0.0.0.0';
    expect(await register(app, 'evil', 'pay.evil.example', internal.port)).toBe(201);
    expect(await register(app, 'good', '127.0.0.1', honest.port)).toBe(201);
    const communicator = app.get(ServiceCommunicator);
    for (let call = 0; call < 10; call++) {
      expect(await communicator.callServiceJson('payments', CHARGE)).toEqual({ charged: true });
    }
    expect(internal.sockets).toHaveLength(0);
    expect(refusals).toEqual([
      expect.objectContaining({
        key: { serviceName: 'payments', instanceId: 'evil' },
        reason: expect.stringContaining('"pay.evil.example" is not allowed: it resolves to 0.0.0.0'),
      }),
    ]);
  });

  it('gets no call after it was rebound, once its connections are closed', async () => {
    const app = await start({ transport: new UndiciTransport({}, { lookup }), retry: false });
    address = '127.0.0.1';
    await register(app, 'evil', 'pay.evil.example', internal.port);
    const call = () => app.get(ServiceCommunicator).callServiceJson('payments', CHARGE);
    expect(await call()).toEqual({});
    address = '0.0.0.0';
    await expect(call()).rejects.toMatchObject({
      code: 'HOST_NOT_ALLOWED',
      service: 'payments',
      instanceId: 'evil',
      message: expect.stringMatching(/^POST \/charge of payments\/evil at pay\.evil\.example:\d+ could not be sent: /),
    });
    expect(internal.requests).toHaveLength(1);
  });
});

describe.each(['undici', 'axios'] as const)('a forbidden address in the registry, over %s', (transport) => {
  it('gets no call and no check, in whatever spelling', async () => {
    const app = await start({ transport, retry: false, healthCheck: {} });
    const checks = new Map<string, string | undefined>();
    const hosts = ['0.0.0.0', '0', '0x0', '::', '[::ffff:0:0]', '0:0:0:0:0:ffff:0.0.0.0'];
    const allChecked = new Promise<void>((resolve) => {
      app.get(EventBus).on('health.checked', ({ key, detail }) => {
        checks.set(key.instanceId, detail.reason);
        if (checks.size === hosts.length) resolve();
      });
    });
    for (const [index, host] of hosts.entries()) {
      const key = { serviceName: `payments-${index}`, instanceId: `evil-${index}` };
      // As written into Redis, past the REST API.
      await app.get(ServiceRegistry).register({ ...key, host, port: internal.port }, { heartbeat: 'manual' });
      const call = app.get(ServiceCommunicator).callServiceJson(key.serviceName, CHARGE);
      await expect(call).rejects.toMatchObject({ code: 'HOST_NOT_ALLOWED', instanceId: key.instanceId });
    }
    await allChecked;
    for (const reason of checks.values()) {
      expect(reason).toMatch(
        /^The host .* is not allowed: it is the unspecified address\. Register the address that callers use$/,
      );
    }
    expect(internal.sockets).toHaveLength(0);
  });

  it('gets no call where it is allowed in general and not by the list of this process', async () => {
    const app = await start({ transport, retry: false, allowedHosts: ['10.0.0.0/8', '.svc.cluster.local'] });
    const registry = app.get(ServiceRegistry);
    for (const host of ['127.0.0.1', 'localhost']) {
      await registry.register(
        { serviceName: 'payments', instanceId: host, host, port: internal.port },
        { heartbeat: 'manual' },
      );
    }
    const call = app.get(ServiceCommunicator).callServiceJson('payments', CHARGE);
    await expect(call).rejects.toMatchObject({
      code: 'HOST_NOT_ALLOWED',
      message: expect.stringContaining('List it in the option allowedHosts'),
    });
    expect(await register(app, 'evil', '127.0.0.1', internal.port)).toBe(400);
    expect(internal.sockets).toHaveLength(0);
  });

  it('is allowed if the process lists it itself in `services`', async () => {
    const services = [{ name: 'payments', targets: [`http://127.0.0.1:${honest.port}`] }];
    const app = await start({ transport, allowedHosts: ['10.0.0.0/8'], services });
    const answer = await app.get(ServiceCommunicator).callServiceJson('payments', CHARGE);
    expect(answer).toEqual({ charged: true });
  });
});

describe.each(PLATFORMS)(
  "a registration of another machine's address where allowedHosts has 'peer', on %s",
  (platform) => {
    let rest: RestApp;
    const token = 'a-token-of-the-registry';
    afterEach(() => rest.close());

    const refusalOf = async (host: string): Promise<unknown> => {
      const { status, body } = await rest.send('POST', '/register', {
        json: { service_name: 'payments', host, port: 80 },
        headers: { authorization: `Bearer ${token}` },
      });
      return status === 201 ? undefined : [status, body.error.code, body.error.reason];
    };
    const REFUSED = [
      400,
      'HOST_NOT_ALLOWED',
      'not among the allowed hosts, and the request comes from ::ffff:192.0.2.7',
    ];

    it('is refused, with the address that the request came from', async () => {
      rest = await startRestApp(platform, { peer: '::ffff:192.0.2.7', api: { token, allowedHosts: ['peer'] } });
      for (const host of ['192.0.2.8', '127.0.0.1', 'localhost', 'payments.internal', '::1']) {
        expect([host, await refusalOf(host)]).toEqual([host, REFUSED]);
      }
      for (const host of ['192.0.2.7', '::ffff:c000:207', '0xC0000207']) {
        expect([host, await refusalOf(host)]).toEqual([host, undefined]);
      }
    });

    it('does not depend on any header of the client', async () => {
      rest = await startRestApp(platform, { peer: '::ffff:192.0.2.7', api: { token, allowedHosts: ['peer'] } });
      const { status } = await rest.send('POST', '/register', {
        json: { service_name: 'payments', host: '192.0.2.8', port: 80 },
        headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': '192.0.2.8', forwarded: 'for=192.0.2.8' },
      });
      expect(status).toBe(400);
    });

    it('leaves this machine its loopback names, and all clients the other entries', async () => {
      rest = await startRestApp(platform, { api: { token, allowedHosts: ['peer', '.internal'] } });
      for (const host of ['127.0.0.1', 'localhost', '::1', 'payments.internal']) {
        expect([host, await refusalOf(host)]).toEqual([host, undefined]);
      }
      expect(await refusalOf('192.0.2.8')).toMatchObject({ 1: 'HOST_NOT_ALLOWED' });
    });
  },
);
