import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, Injectable, Module } from '@nestjs/common';
import { type AccessQuestion, registrationOf, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { Apps, inRegistry, PLATFORMS, urlOf } from '../support/nest-app.js';
import { RedisServer } from '../support/redis-server.js';

const apps = new Apps();
const servers: Server[] = [];

afterEach(async () => {
  await apps.close();
  for (const server of servers.splice(0)) server.close();
});

/** A server that notes the credentials that checks bring. */
async function listen(): Promise<{
  port: number;
  seen: (string | undefined)[];
}> {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers['x-probe-key'] as string | undefined);
    response.end('{}');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, seen };
}

function register(
  url: string,
  token: string,
  service_name: string,
  port: number,
  instance_id?: string,
): Promise<Response> {
  return fetch(`${url}/service-discovery/register`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({
      service_name,
      host: '127.0.0.1',
      port,
      instance_id,
    }),
  });
}

describe('credentials of health checks', () => {
  it('are not sent to instances of callers that may not register the service', async () => {
    @Module({
      imports: [
        ServiceDiscoveryModule.forRoot({
          logging: false,
          healthCheck: {
            interval: '1s',
            services: { billing: { headers: { 'x-probe-key': 'secret' } } },
          },
          api: {
            access: [
              { token: 'billing', may: ['register'], services: ['billing'] },
              { token: 'orders', may: ['register'], services: ['orders-*'] },
            ],
          },
        }),
      ],
    })
    class Registry {}
    const app = await apps.listen(Registry);
    const [billing, attacker] = [await listen(), await listen()];
    expect((await register(urlOf(app), 'orders', 'billing', attacker.port)).status).toBe(403);
    expect((await register(urlOf(app), 'orders', 'orders-1', attacker.port)).status).toBe(201);
    expect((await register(urlOf(app), 'billing', 'billing', billing.port)).status).toBe(201);
    for (const name of ['billing', 'orders-1']) {
      await inRegistry(app, ({ services }) => services.get(name)?.find(({ status }) => status === 'healthy'));
    }
    expect(new Set(billing.seen)).toEqual(new Set(['secret']));
    expect(new Set(attacker.seen)).toEqual(new Set([undefined]));
  });
});

describe.each(PLATFORMS)('a guard of the app on %s', (_name, adapter) => {
  it('sees the registration, and `authorize` the caller and the action', async () => {
    const seen: unknown[] = [];
    const asked: AccessQuestion[] = [];
    @Injectable()
    class OrdersOnly implements CanActivate {
      async canActivate(context: ExecutionContext): Promise<boolean> {
        const registration = await registrationOf(context.switchToHttp().getRequest());
        seen.push(registration?.host);
        return registration?.serviceName === 'orders';
      }
    }
    const authorize = (question: AccessQuestion): boolean => asked.push(question) > 0 && question.host !== '10.6.6.6';
    class Registry {}
    Module({
      imports: [
        ServiceDiscoveryModule.forRoot({
          healthCheck: false,
          logging: false,
          api: { guard: OrdersOnly, authorize },
        }),
      ],
    })(Registry);
    const app = await apps.listen(Registry, adapter);
    expect((await register(urlOf(app), 'none', 'billing', 1)).status).toBe(403);
    expect((await register(urlOf(app), 'none', 'orders', 1, 'one')).status).toBe(201);
    expect(seen).toEqual(['127.0.0.1', '127.0.0.1']);
    expect(asked).toEqual([
      {
        caller: { kind: 'guard', id: 'guard' },
        action: 'register',
        serviceName: 'orders',
        instanceId: 'one',
        host: '127.0.0.1',
        peer: '127.0.0.1',
      },
    ]);
  });
});

describe('the owner of an instance', () => {
  it('keeps it over Redis against callers of another process', async () => {
    const redis = await RedisServer.start();
    const api = {
      access: [
        { token: 'a', name: 'a', may: ['register'] },
        { token: 'b', name: 'b', may: ['register'] },
      ],
    } as const;
    const start = () => {
      class Registry {}
      const options = {
        mode: 'redis_backed',
        redis: { url: redis.url },
        healthCheck: false,
        logging: false,
        api,
      } as const;
      Module({ imports: [ServiceDiscoveryModule.forRoot(options)] })(Registry);
      return apps.listen(Registry);
    };
    const [one, other] = [await start(), await start()];
    expect((await register(urlOf(one), 'a', 'orders', 1, 'i')).status).toBe(201);
    const shown = await inRegistry(other, ({ services }) => services.get('orders')?.[0]);
    expect(shown.owner).toBe('token:a');
    expect((await register(urlOf(other), 'b', 'orders', 2, 'i')).status).toBe(403);
    const path = '/service-discovery/services/orders/instances/i';
    const remove = (token: string): Promise<Response> =>
      fetch(urlOf(other) + path, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
      });
    expect((await remove('b')).status).toBe(403);
    expect(other.get(ServiceRegistry).getInstances('orders')).toEqual([shown]);
    expect((await remove('a')).status).toBe(204);
    await apps.close();
    await redis.stop();
  });
});
