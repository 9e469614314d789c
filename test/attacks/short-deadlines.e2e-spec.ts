import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, Param } from '@nestjs/common';
import { request } from 'undici';
import { ServiceCommunicator, ServiceDiscoveryModule, type ServiceDiscoveryOptions } from 'nest-service-discovery';
import { DEADLINE_HEADER } from 'nest-service-discovery/core';
import { DEADLINE_KEY_HEADER } from 'nest-service-discovery/core';
import { Apps, PLATFORMS, urlOf } from '../support/nest-app.js';

const ATTACKS = 60;
/** As many open a circuit, of each of the two instances. */
const FAILURES_OF_EACH = 5;
/** How long the attacker waits at most, and less than every other client does. */
const PATIENCE_MS = 3_000;
const TOKEN = 'c8a52f11d07e';
/** As a proxy on the same machine hands on the request of a stranger. */
const FROM_OUTSIDE = { 'x-forwarded-for': '203.0.113.9' };

@Controller('shop')
class ShopController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get(':page')
  read(@Param('page') page: string): Promise<object> {
    return this.communicator.callServiceJson('stock', { path: `/${page}` });
  }
}

describe.each(PLATFORMS)('a client that sends short deadlines on %s', (_name, adapter) => {
  const apps = new Apps();
  let instances: Server[];
  /** Tells the deadline that it was sent, and the key beside it; a report takes longer than an impatient client waits. */
  const answer = ({ url, headers }: IncomingMessage, response: ServerResponse): void => {
    const deadline = headers[DEADLINE_HEADER];
    if (url === '/report' && Number(deadline) < Date.now() + PATIENCE_MS) return;
    response.end(JSON.stringify({ deadline, key: headers[DEADLINE_KEY_HEADER] }));
  };

  beforeEach(async () => {
    instances = [createServer(answer), createServer(answer)];
    for (const server of instances) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    await apps.close();
    for (const server of instances) {
      server.closeAllConnections();
      server.close();
    }
  });

  function start(options: ServiceDiscoveryOptions): Promise<INestApplication> {
    const targets = instances.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    class Shop {}
    const services = [{ name: 'stock', targets }];
    const discovery = ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false, services, ...options });
    Module({ controllers: [ShopController], imports: [discovery] })(Shop);
    return apps.listen(Shop, adapter);
  }

  async function get(app: INestApplication, page: string, headers: Record<string, string> = {}) {
    const response = await request(`${urlOf(app)}/shop/${page}`, { headers, reset: true });
    const body = (await response.body.json()) as { readonly deadline?: string; readonly key?: string };
    return { status: response.statusCode, ...body };
  }

  const soon = (): string => String(Date.now() + PATIENCE_MS);
  const later = (): string => String(Date.now() + 5_000);

  it('opens no circuit and ejects no instance, and other users are served', async () => {
    const app = await start({ serviceCircuitBreaker: {} });
    await get(app, 'list');
    const attacks = Array.from({ length: ATTACKS }, () => get(app, 'report', { [DEADLINE_HEADER]: soon() }));
    const beside = Array.from({ length: ATTACKS }, () => get(app, 'list'));
    const cutShort = (await Promise.all(attacks)).filter(({ status }) => status === 500);
    expect(cutShort.length).toBeGreaterThan(FAILURES_OF_EACH * 2);
    const after = Array.from({ length: ATTACKS }, () => get(app, 'list'));
    const statuses = (await Promise.all([...beside, ...after])).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const communicator = app.get(ServiceCommunicator);
    expect(communicator.circuitBreakers().map(({ state, failures }) => ({ state, failures }))).toEqual(
      Array.from({ length: 3 }, () => ({ state: 'closed', failures: 0 })),
    );
    expect(communicator.ejections()).toEqual([]);
  });

  describe('where there is a shared token', () => {
    const withToken = { api: { token: TOKEN } };

    it('has its deadline ignored', async () => {
      const app = await start(withToken);
      const sent = later();
      const { deadline } = await get(app, 'list', { [DEADLINE_HEADER]: sent, ...FROM_OUTSIDE });
      expect(Number(deadline)).toBeGreaterThan(Number(sent));
      const guessed = { [DEADLINE_KEY_HEADER]: TOKEN, [DEADLINE_HEADER]: sent, ...FROM_OUTSIDE };
      expect(Number((await get(app, 'list', guessed)).deadline)).toBeGreaterThan(Number(sent));
    });

    it.each(['the key that calls of services with the same token carry', 'the token', 'no token, on this machine'])(
      'is obeyed when it shows %s',
      async (proof) => {
        const app = await start(withToken);
        const { key } = await get(app, 'list');
        expect(key).toMatch(/^[\w-]{22}$/);
        const headers: Record<string, Record<string, string>> = {
          'the key that calls of services with the same token carry': { [DEADLINE_KEY_HEADER]: key!, ...FROM_OUTSIDE },
          'the token': { authorization: `Bearer ${TOKEN}`, ...FROM_OUTSIDE },
        };
        const sent = later();
        const { deadline } = await get(app, 'list', { [DEADLINE_HEADER]: sent, ...headers[proof] });
        expect(deadline).toBe(sent);
      },
    );
  });

  it.each([undefined, TOKEN])("is obeyed where the app's own check says so, with the token %s", async (token) => {
    const inheritDeadline: ServiceDiscoveryOptions['inheritDeadline'] = ({ headers }) => headers['x-edge'] === 'yes';
    const app = await start({ api: { token }, inheritDeadline });
    const sent = later();
    const own = await get(app, 'list', { [DEADLINE_HEADER]: sent, 'x-edge': 'yes', ...FROM_OUTSIDE });
    expect(own.deadline).toBe(sent);
    const { deadline } = await get(app, 'list', { [DEADLINE_HEADER]: sent });
    expect(Number(deadline)).toBeGreaterThan(Number(sent));
  });
});
