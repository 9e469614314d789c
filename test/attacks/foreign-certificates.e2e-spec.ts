import 'reflect-metadata';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { portOf } from '../support/nest-app.js';
import { type Identity, TestAuthority } from '../support/test-authority.js';

const SPIFFE = 'spiffe://shop.example/ns/prod/sa/orders';

describe('a client certificate', () => {
  let app: INestApplication;
  let ours: TestAuthority;
  let foreign: TestAuthority;

  beforeAll(async () => {
    [ours, foreign] = await Promise.all([TestAuthority.create(), TestAuthority.create()]);
    const server = await ours.issue('registry');
    const api = {
      access: [
        {
          spiffe: 'spiffe://shop.example/ns/*/sa/orders',
          may: ['register'],
          services: ['orders'],
        },
        {
          subject: { CN: 'billing' },
          may: ['register'],
          services: ['billing'],
        },
      ],
    } as const;
    @Module({
      imports: [
        ServiceDiscoveryModule.forRoot({
          healthCheck: false,
          logging: false,
          api,
        }),
      ],
    })
    class Registry {}
    // Connections of strangers are let in, so that what the registry makes of them shows.
    const httpsOptions = {
      cert: server.cert,
      key: server.key,
      ca: ours.ca,
      requestCert: true,
      rejectUnauthorized: false,
    };
    app = await NestFactory.create(Registry, { httpsOptions, logger: false });
    await app.listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([ours.remove(), foreign.remove()]);
  });

  function register(service_name: string, identity?: Identity): Promise<{ status: number; text: string }> {
    const body = JSON.stringify({ service_name, host: '10.0.0.7', port: 8080 });
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    return new Promise((resolve, reject) => {
      request(
        {
          ...{
            host: '127.0.0.1',
            port: portOf(app),
            path: '/service-discovery/register',
            method: 'POST',
            headers,
          },
          ...{
            ca: ours.ca,
            cert: identity?.cert,
            key: identity?.key,
            agent: false,
          },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      )
        .on('error', reject)
        .end(body);
    });
  }

  it('of the trusted authority lets its service register, and the registry knows whose it is', async () => {
    expect((await register('orders', await ours.issue('a', { names: `URI:${SPIFFE}` }))).status).toBe(201);
    expect((await register('billing', await ours.issue('billing'))).status).toBe(201);
    const owners = ['orders', 'billing'].map((name) => app.get(ServiceRegistry).getInstances(name)[0]?.owner);
    expect(owners).toEqual([SPIFFE, 'subject:CN=billing']);
  });

  it.each([
    ['of another service', { names: 'URI:spiffe://shop.example/ns/prod/sa/users' }],
    ['of another trust domain', { names: 'URI:spiffe://evil.example/ns/prod/sa/orders' }],
    ['with more segments', { names: 'URI:spiffe://shop.example/ns/prod/x/sa/orders' }],
    ['with two identities', { names: `URI:${SPIFFE},URI:spiffe://shop.example/ns/prod/sa/users` }],
    ['with the identity as a name of a host', { names: 'DNS:spiffe://shop.example/ns/prod/sa/orders' }],
  ])('%s is refused', async (_what, options) => {
    const { status, text } = await register('orders', await ours.issue('b', options));
    expect([status, text]).toEqual([403, expect.stringContaining('ACCESS_DENIED')]);
  });

  it('of an untrusted authority gives no rights, whatever names it contains', async () => {
    for (const identity of [await foreign.issue('c', { names: `URI:${SPIFFE}` }), await foreign.issue('billing')]) {
      for (const name of ['orders', 'billing']) expect((await register(name, identity)).status).toBe(401);
    }
  });

  it('that has expired or is missing gives no rights', async () => {
    const expired = await ours.issue('d', {
      names: `URI:${SPIFFE}`,
      expired: true,
    });
    expect((await register('orders', expired)).status).toBe(401);
    expect((await register('orders')).status).toBe(401);
  });
});
