import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TransportError } from 'nest-service-discovery';
import { systemClock } from '../../libs/service-discovery/src/common/index.js';
import { type ServiceDiscoveryEvent } from '../../libs/service-discovery/src/model/index.js';
import { EventReader } from '../support/event-reader.js';
import { readsOfAll, readsOfService } from '../support/routes.js';
import { type Answer, PLATFORMS, type RestApp, startRestApp } from '../support/rest-app.js';

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });
/** Of a deployment that has been taken over. */
const ATTACKER = bearer('attacker');
const BILLING = bearer('billing');
const OTHER_ORDERS = bearer('other-orders');
const OPERATOR = bearer('operator');

const HOST = '10.6.6.6';
const id = (name: string): string => `${name}-1`;
const instance = (name: string): string => `/services/${name}/instances/${id(name)}`;

/** Every request of the API that changes an instance which is there. */
const CHANGES: readonly (readonly [what: string, method: string, end: string, json: object | undefined])[] = [
  ['renew', 'PUT', '/heartbeat', {}],
  ['put under maintenance', 'PUT', '/status', { status: 'maintenance' }],
  ['drain', 'PUT', '/status', { status: 'draining' }],
  ['take out of maintenance', 'PUT', '/status', { status: 'up' }],
  ['report as unhealthy', 'PUT', '/health', { status: 'unhealthy' }],
  ['deregister', 'DELETE', '', undefined],
];

describe.each(PLATFORMS)('the holder of a token that may register orders-*, on %s', (platform) => {
  let rest: RestApp;
  let generation: Record<string, number>;
  const refusals: Extract<ServiceDiscoveryEvent, { type: 'api.refused' }>[] = [];

  beforeAll(async () => {
    rest = await startRestApp(platform, {
      clock: systemClock,
      api: {
        token: 'shared',
        access: [
          { token: 'attacker', name: 'attacker', may: ['read', 'register'], services: ['orders-*'] },
          { token: 'other-orders', may: ['read', 'register'], services: ['orders-*'] },
          { token: 'billing', may: ['read', 'register'], services: ['billing'] },
          { token: 'operator', may: ['read', 'operate'] },
        ],
      },
    });
    rest.bus.on('api.refused', (event) => refusals.push(event));
    generation = {
      billing: await register('billing', BILLING, '10.0.0.1'),
      'orders-eu': await register('orders-eu', OTHER_ORDERS, '10.0.0.2'),
    };
  });
  afterAll(() => rest.close());

  const send = (headers: Record<string, string>, method: string, path: string, json?: object): Promise<Answer> =>
    rest.send(method, path, { headers, json });

  async function register(name: string, headers: Record<string, string>, host: string): Promise<number> {
    const json = { service_name: name, instance_id: id(name), host, port: 8080, ttl: 3_600 };
    const { status, body } = await send(headers, 'POST', '/register', json);
    expect(status).toBeLessThan(300);
    return body.generation;
  }

  const shown = (name: string): unknown => rest.registry.getInstances(name);

  it.each(['/discover/orders-e', '/services/orders-e'])('learns no service names at %s', async (path) => {
    const { status, body } = await send(ATTACKER, 'GET', path);
    expect([status, body.error.message]).toEqual([
      404,
      'No service named "orders-e" is registered. Check the name, or start the service',
    ]);
  });

  /** What a request is answered, and that it changed nothing. */
  async function isRefused(name: string, asking: () => Promise<Answer>): Promise<string> {
    const before = shown(name);
    refusals.length = 0;
    const { status, body } = await asking();
    expect([status, body.error.code]).toEqual([403, 'ACCESS_DENIED']);
    expect(shown(name)).toBe(before);
    expect(refusals).toMatchObject([{ caller: 'token:attacker', message: body.error.message }]);
    return body.error.message;
  }

  it('registers its own service, and renews and removes what it registered', async () => {
    await register('orders-us', ATTACKER, '10.0.0.9');
    for (const [, method, end, json] of CHANGES) {
      expect((await send(ATTACKER, method, instance('orders-us') + end, json)).status).toBeLessThan(300);
    }
    expect(shown('orders-us')).toEqual([]);
  });

  it.each(['billing', 'orders', 'Orders-eu', 'ORDERS-EU', 'orders_eu', 'my.orders-eu', 'xorders-eu'])(
    'does not join %s',
    async (name) => {
      const json = { service_name: name, host: HOST, port: 8080 };
      const message = await isRefused(name, () => send(ATTACKER, 'POST', '/register', json));
      expect(message).toMatch(
        new RegExp(`^token:attacker may not register ${name}\\..*api\\.access.*may: \\['register'\\]`),
      );
    },
  );

  it.each([
    'orders-eu/../billing',
    'orders-eu\u0000',
    'orders-eu ',
    ' orders-eu',
    'orders-\u212Aeu',
    'orders-*',
    '__proto__',
  ])('does not join a service by the name %j', async (name) => {
    const before = rest.registry.snapshot;
    const { status } = await send(ATTACKER, 'POST', '/register', { service_name: name, host: HOST, port: 8080 });
    expect([400, 403]).toContain(status);
    expect(rest.registry.snapshot).toBe(before);
  });

  it('cannot join a service by naming two services in its body', async () => {
    const raw = `{"service_name":"orders-eu","service_name":"billing","host":"${HOST}","port":1}`;
    await isRefused('billing', () => rest.send('POST', '/register', { headers: ATTACKER, raw }));
  });

  it('does not replace the instance of another caller, even in its own service', async () => {
    const json = { service_name: 'orders-eu', instance_id: id('orders-eu'), host: HOST, port: 8080 };
    for (const claim of [undefined, 0, generation['orders-eu'], Number.MAX_SAFE_INTEGER]) {
      const message = await isRefused('orders-eu', () => send(ATTACKER, 'POST', '/register', { ...json, claim }));
      expect(message).toMatch(/^token:attacker may not change orders-eu\/orders-eu-1.*may: \['operate'\]/);
    }
  });

  it('does not replace it by the id that its address gives', async () => {
    const json = { service_name: 'orders-at', host: '10.0.0.2', port: 8080 };
    expect((await send(OTHER_ORDERS, 'POST', '/register', json)).status).toBe(201);
    await isRefused('orders-at', () => send(ATTACKER, 'POST', '/register', json));
  });

  it('cannot choose the owner of an instance that it registers', async () => {
    const json = { service_name: 'orders-us', host: HOST, port: 8080, owner: 'token:billing' };
    const { status, body } = await send(ATTACKER, 'POST', '/register', json);
    expect([status, body.error.problems]).toEqual([400, [expect.objectContaining({ field: 'owner' })]]);
  });

  describe.each(['billing', 'orders-eu'])('and an instance of %s that another caller registered', (name) => {
    it.each(CHANGES)('does not %s it', async (_what, method, end, json) => {
      await isRefused(name, () => send(ATTACKER, method, instance(name) + end, json));
    });

    it('does not deregister it by its generation', async () => {
      const path = `${instance(name)}?generation=${generation[name]}`;
      await isRefused(name, () => send(ATTACKER, 'DELETE', path));
    });

    it('does not renew it among leases of its own', async () => {
      const own = await register('orders-own', ATTACKER, '10.0.0.9');
      const before = shown(name);
      const leases = [
        { service_name: name, instance_id: id(name), generation: generation[name] },
        { service_name: 'orders-own', instance_id: id('orders-own'), generation: own },
        { service_name: name, instance_id: id(name), generation: generation[name] },
      ];
      refusals.length = 0;
      const { body } = await send(ATTACKER, 'POST', '/heartbeats', { leases });
      expect(body).toEqual({ renewed: [false, true, false] });
      expect(shown(name)).toBe(before);
      expect(refusals).toMatchObject([{ action: 'operate', reason: 'not_owner', caller: 'token:attacker' }]);
    });
  });

  it.each([
    '/services/orders-eu%2f..%2fbilling/instances/billing-1',
    '/services/orders-eu/..%2fbilling/instances/billing-1',
    '/services/orders-us/instances/..%2f..%2f..%2fservices%2fbilling%2finstances%2fbilling-1',
    '/services/%62illing/instances/billing-1',
    '/services/orders-us/../billing/instances/billing-1',
    '/services//billing/instances/billing-1',
    '/services/billing%00/instances/billing-1',
    '/services/billing;x=orders-eu/instances/billing-1',
    '/SERVICES/billing/instances/billing-1',
  ])('does not deregister billing by the path %s', async (path) => {
    const before = shown('billing');
    expect(await statusOf(rest.port, 'DELETE', `/service-discovery${path}`, ATTACKER)).not.toBe(500);
    expect(shown('billing')).toBe(before);
  });

  it.each([
    ['PUT', '/circuit-breakers/billing', { state: 'isolated' }],
    ['PUT', '/circuit-breakers/orders-eu', { state: 'isolated' }],
    ...readsOfService('billing', 'billing-1').map((path) => ['GET', path, undefined] as const),
    ['GET', '/events', undefined],
    ['GET', '/metrics', undefined],
  ])('is refused %s %s', async (method, path, json) => {
    await isRefused('billing', () => send(ATTACKER, method, path, json));
  });

  it('finds no other service in lists and the aggregated health', async () => {
    const lists = readsOfAll().filter((path) => path !== '/metrics');
    for (const path of [...lists, '/health/aggregated?service=billing']) {
      const { status, text } = await send(ATTACKER, 'GET', path);
      expect(status).toBe(200);
      expect(text).not.toContain('billing');
    }
    expect((await send(ATTACKER, 'GET', '/services')).text).toContain('orders-eu');
    expect((await send(BILLING, 'GET', '/health/aggregated')).text).toContain('billing');
  });

  it('sees no fault of a service that it may not read', async () => {
    const json = {
      service_name: 'orders-us',
      instance_id: id('orders-us'),
      host: HOST,
      port: 1,
      dependencies: ['payments'],
    };
    expect((await send(ATTACKER, 'POST', '/register', json)).status).toBe(201);
    const faultsFor = async (caller: Record<string, string>): Promise<unknown> =>
      (JSON.parse((await send(caller, 'GET', '/health/aggregated')).text) as { readonly faults: unknown }).faults;
    expect(await faultsFor(OPERATOR)).toMatchObject([{ services: ['payments'] }]);
    expect(await faultsFor(ATTACKER)).toEqual([]);
    expect((await send(ATTACKER, 'DELETE', instance('orders-us'))).status).toBe(204);
  });

  it('finds no other service in the journal, its stream, calls and topology', async () => {
    const stream = await EventReader.open(`${rest.origin}/service-discovery/journal/stream`, ATTACKER);
    const call = { ok: false, attempts: 1, durationMs: 1, status: 503 };
    for (const service of ['billing', 'orders-eu']) rest.bus.emit('call.completed', { service, ...call });
    rest.bus.emit('registry.unavailable', { reason: 'billing is down', hasSnapshot: true });
    rest.bus.emit('circuit.opened', { service: 'orders-eu', reason: 'failure_rate', failures: 1 });
    expect((await stream.next())?.data).toMatchObject({ type: 'call.completed', service_name: 'orders-eu' });
    expect((await stream.next())?.data).toMatchObject({ type: 'circuit.opened', process: null, caller: null });
    await stream.close();
    for (const path of ['/journal', '/journal?service=billing', '/topology', '/overview', '/calls']) {
      const { status, text } = await send(ATTACKER, 'GET', path);
      expect([status, text]).toEqual([200, expect.not.stringContaining('billing')]);
    }
    expect((await send(ATTACKER, 'GET', '/journal')).text).toContain('orders-eu');
    expect((await send(OPERATOR, 'GET', '/journal')).text).toContain('billing is down');
    // Calls of shop, which the attacker may not read.
    expect((await send(ATTACKER, 'GET', '/topology')).body).toMatchObject({ edges: [] });
  });

  it('reports only for services of which it registered an instance, and only about services that it may read', async () => {
    await register('orders-us', ATTACKER, '10.0.0.9');
    const entry = {
      id: '999999999999999-0-x',
      at: '2026-01-01T00:00:00Z',
      type: 'circuit.opened',
      severity: 'warning',
      service_name: 'orders-us',
      instance_id: null,
      process: 'billing:1',
      caller: 'billing',
      text: '<img src=x onerror=alert(1)>',
      by: null,
      reason: null,
      data: {},
    };
    const report = {
      version: 1,
      reporter: 'r',
      process: 'evil:1',
      steps: [],
      entries: [entry, { ...entry, service_name: 'billing' }],
    };
    for (const name of ['billing', 'orders-eu']) {
      await isRefused(name, () => send(ATTACKER, 'POST', '/reports', { ...report, service_name: name }));
    }
    expect((await send(ATTACKER, 'POST', '/reports', { ...report, service_name: 'orders-us' })).status).toBe(204);
    const { entries } = (await send(OPERATOR, 'GET', '/journal?type=circuit.opened')).body as unknown as {
      readonly entries: readonly { readonly text: string; readonly id: string }[];
    };
    const forged = entries.filter(({ text }) => text === entry.text);
    // It cannot pass for another process, nor stay the newest for ever.
    expect(forged).toEqual([
      { ...entry, id: expect.not.stringMatching(/^9/) as unknown, process: 'evil:1', caller: 'orders-us' },
    ]);
    expect((await send(ATTACKER, 'DELETE', instance('orders-us'))).status).toBe(204);
  });

  it('finds no other service in a watch, whether it names it or not', async () => {
    const url = `${rest.origin}/service-discovery/watch`;
    const readers = [
      await EventReader.open(url, ATTACKER),
      await EventReader.open(`${url}?services=billing,orders-eu`, ATTACKER),
      await EventReader.open(url, ATTACKER, { services: ['billing', 'orders-eu'] }),
    ];
    for (const reader of readers) {
      const { data } = (await reader.next())!;
      expect(JSON.stringify(data)).toContain('orders-eu');
      expect(JSON.stringify(data)).not.toContain('billing');
    }
    generation.billing = await register('billing', BILLING, '10.0.0.1');
    generation['orders-eu'] = await register('orders-eu', OTHER_ORDERS, '10.0.0.2');
    for (const reader of readers) {
      expect((await reader.next())?.data).toMatchObject({ type: 'put', instance: { service_name: 'orders-eu' } });
      await reader.close();
    }
  });

  it('is not shown who owns an instance', async () => {
    for (const path of ['/services', '/services/orders-eu', '/discover/orders-eu']) {
      expect((await send(ATTACKER, 'GET', path)).text).not.toMatch(/"owner"|token:/);
    }
  });

  it('does not touch what a process registered without the API', async () => {
    await rest.registry.register({ serviceName: 'orders-in', instanceId: id('orders-in'), host: '10.0.0.3', port: 1 });
    for (const [, method, end, json] of CHANGES) {
      await isRefused('orders-in', () => send(ATTACKER, method, instance('orders-in') + end, json));
    }
  });

  it('has no more rights from this machine than from elsewhere', async () => {
    const { status, headers, body } = await send({}, 'DELETE', instance('billing'));
    expect([status, body.error.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(headers['www-authenticate']).toMatch(/^Bearer /);
    expect((await send(bearer('made-up'), 'DELETE', instance('billing'))).status).toBe(403);
  });

  it('is refused where an operator and the shared token are not', async () => {
    expect((await send(OPERATOR, 'PUT', `${instance('billing')}/status`, { status: 'maintenance' })).status).toBe(200);
    expect((await send(OPERATOR, 'POST', '/register', { service_name: 'orders-x', host: HOST, port: 1 })).status).toBe(
      403,
    );
    expect((await send(bearer('shared'), 'DELETE', instance('billing'))).status).toBe(204);
    expect(shown('billing')).toEqual([]);
  });
});

describe('the reads of all services by the holder of a token for orders-*', () => {
  let alone: RestApp;
  /** With billing as well, of which each list has something to tell. */
  let beside: RestApp;

  beforeAll(async () => {
    const access = [{ token: 'attacker', may: ['read'], services: ['orders-*'] }] as const;
    const api = { token: 'shared', access };
    [alone, beside] = [await startRestApp('express', { api }), await startRestApp('express', { api })];
    for (const { registry, bus } of [alone, beside]) {
      await registry.register({ ...at('10.0.0.1'), serviceName: 'orders-eu', ttl: '1h' }, { heartbeat: 'manual' });
      // A fault, whose view names the services that depend on it.
      await registry.setStatus({ serviceName: 'orders-eu', instanceId: '10.0.0.1:8080' }, 'unhealthy');
      bus.emit('circuit.opened', { service: 'orders-eu', reason: 'failure_rate', failures: 1 });
    }
    await addBilling(beside);
    for (const { clock } of [alone, beside]) await clock.advanceAsync(30_000);
  });
  afterAll(() => Promise.all([alone, beside].map((rest) => rest.close())));

  const at = (host: string) => ({ host, port: 8080, tags: ['eu'] });

  async function addBilling({ registry, communicator, transport, bus, clock, send }: RestApp): Promise<void> {
    // Four leases that end at once are held.
    for (const host of ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']) {
      await registry.register(
        { ...at(host), serviceName: 'billing', ttl: '30s', dependencies: ['billing-db', 'orders-eu'] },
        { heartbeat: 'manual' },
      );
      await registry.setStatus({ serviceName: 'billing', instanceId: `${host}:8080` }, 'healthy');
    }
    const wary = communicator.withOptions({ outlierDetection: { consecutiveFailures: 3 } });
    transport.answer(({ host }) => {
      if (host === '10.0.0.2') throw new TransportError('socket hang up', false);
      return {};
    });
    for (let call = 0; call < 40; call++) await wary.callService('billing', { path: '/' });
    bus.emit('circuit.opened', { service: 'billing', reason: 'failure_rate', failures: 1 });
    const headers = bearer('shared');
    await send('PUT', '/circuit-breakers/billing', { headers, json: { state: 'isolated' } });
    const step = Math.floor(clock.epoch() / 10_000);
    for (const [name, service_name] of [
      ['billing', 'orders-eu'],
      ['orders-eu', 'billing'],
    ] as const) {
      const who = { version: 1, reporter: name, process: `${name}:1`, service_name: name };
      const calls = [{ service_name, calls: 9, latencies: [] }];
      const json = { ...who, steps: [{ step, calls }], entries: [] };
      expect((await send('POST', '/reports', { headers, json })).text).toBe('');
    }
  }

  const read = async (rest: RestApp, path: string, token: string): Promise<string> => {
    const { status, text } = await rest.send('GET', path, { headers: bearer(token) });
    expect(status).toBe(200);
    return text;
  };

  it.each(readsOfAll('eu').filter((path) => path !== '/metrics'))(
    'is the same whether there is another service or not: %s',
    async (path) => {
      expect(await read(beside, path, 'attacker')).toBe(await read(alone, path, 'attacker'));
      // There is something to tell.
      if (path !== '/patterns') expect(await read(beside, path, 'shared')).toContain('billing');
    },
  );
});

/** Sends a path as it stands, which other clients would tidy up. */
function statusOf(port: number, method: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ port, method, path, headers, host: '127.0.0.1', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}
