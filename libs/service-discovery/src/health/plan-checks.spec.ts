import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, instanceAt, listen, overHttp, pem, SERVER_TLS } from '../../../../test/support/probed-server.js';
import { type HealthCheckSpec, type ServiceInstance, type ServiceRegistration } from '../model/index.js';
import { type HealthCheckOptions, resolveHealthCheckOptions } from './options.js';
import { planChecks } from './plan-checks.js';
import { AliasProbe, CustomProbe } from './probes/custom-probe.js';
import { GrpcProbe } from './probes/grpc-probe.js';
import { HttpProbe } from './probes/http-probe.js';
import { type ProbeResult } from './probes/probe.js';
import { TcpProbe } from './probes/tcp-probe.js';

afterEach(closeServers);

const { signal } = new AbortController();

function plannerOf(options: Partial<HealthCheckOptions> = {}) {
  return planChecks(resolveHealthCheckOptions(options));
}

function aliasOf(serviceName: string): HealthCheckSpec {
  return { type: 'alias', aliasOf: serviceName };
}

describe('the plan of a check', () => {
  it('is HTTP for an instance with a health check path', () => {
    expect(plannerOf()(instanceAt(80)).probe).toBeInstanceOf(HttpProbe);
  });

  it('is TCP for one without', async () => {
    const instance = instanceAt(await listen(createTcpServer()), { healthCheckPath: null });
    const { probe } = plannerOf()(instance);
    expect(probe).toBeInstanceOf(TcpProbe);
    expect(await probe.check(instance, signal)).toEqual({ passed: true });
  });

  it.each<[HealthCheckSpec, unknown]>([
    [{ type: 'http' }, HttpProbe],
    [{ path: '/ready' }, HttpProbe],
    [{ type: 'tcp' }, TcpProbe],
    [{ type: 'grpc' }, GrpcProbe],
    [{ type: 'alias', aliasOf: 'orders' }, AliasProbe],
    [{ type: 'custom', probe: 'ping' }, CustomProbe],
  ])('follows the registration: %j', (healthCheck, probe) => {
    const planner = plannerOf({ probes: { ping: () => true } });
    expect(planner(instanceAt(80, { healthCheck })).probe).toBeInstanceOf(probe);
    expect(planner(instanceAt(80, { healthCheckPath: null, healthCheck })).probe).toBeInstanceOf(probe);
  });

  it.each<[ServiceRegistration['protocol'], unknown, unknown]>([
    ['http', HttpProbe, HttpProbe],
    ['https', HttpProbe, HttpProbe],
    ['grpc', GrpcProbe, HttpProbe],
    ['grpcs', GrpcProbe, HttpProbe],
    ['ws', TcpProbe, HttpProbe],
    ['wss', TcpProbe, HttpProbe],
    ['redis', TcpProbe, HttpProbe],
    ['tcp', TcpProbe, HttpProbe],
  ])('follows the protocol %s by default, and a health check path if given', (protocol, usual, withPath) => {
    const planner = plannerOf();
    expect(planner(instanceAt(80, { protocol })).probe).toBeInstanceOf(usual);
    expect(planner(instanceAt(80, { protocol, healthCheckPath: '/live' })).probe).toBeInstanceOf(withPath);
    expect(planner(instanceAt(80, { protocol, healthCheck: { path: '/live' } })).probe).toBeInstanceOf(withPath);
    expect(planner(instanceAt(80, { protocol, healthCheck: { type: 'tcp' } })).probe).toBeInstanceOf(TcpProbe);
  });

  it('uses TLS for protocols over TLS', async () => {
    const server = createHttpsServer(SERVER_TLS, (_request, response) => void response.end());
    const planner = plannerOf({ tls: { ca: pem('ca.pem') } });
    const port = await listen(server);
    const resultOf = (protocol: ServiceRegistration['protocol']): Promise<ProbeResult> => {
      const instance = instanceAt(port, { protocol, healthCheckPath: '/live' });
      return planner(instance).probe.check(instance, signal);
    };
    expect(await resultOf('wss')).toMatchObject({ passed: true });
    expect(await resultOf('ws')).toMatchObject({ passed: false });
  });

  it('prefers settings of the instance to those of the service to those for all', () => {
    const planner = plannerOf({
      interval: '40s',
      rise: 5,
      fall: 5,
      downInterval: '2m',
      httpFailures: 7,
      tcpFailures: 8,
      services: { users: { interval: '20s', fall: 4, timeout: '3s', tcpFailures: 1 } },
    });
    const healthCheck: HealthCheckSpec = { fall: 1, changingInterval: '2s', timeouts: 0 };
    expect(planner(instanceAt(1, { healthCheck })).schedule).toEqual({
      intervalMs: 20_000,
      changingIntervalMs: 2_000,
      downIntervalMs: 120_000,
      idleIntervalMs: 20_000,
      jitter: 0.1,
      timeoutMs: 2_000,
      rise: 5,
      fall: 1,
      fallOf: { http: 7, tcp: 1, timeout: 0 },
    });
    expect(planner(instanceAt(1)).schedule).toMatchObject({ intervalMs: 20_000, fall: 4, timeoutMs: 3_000 });
    expect(planner(instanceAt(1, { serviceName: 'orders' })).schedule).toMatchObject({ intervalMs: 40_000, fall: 5 });
  });

  it('follows cron times unless a service or an instance has an interval of its own', () => {
    const cron = { next: (after: number) => Math.floor(after / 4_000 + 1) * 4_000 };
    const planner = plannerOf({ cron, services: { orders: { interval: '20s' } } });
    expect(planner(instanceAt(1)).schedule).toMatchObject({ cron, intervalMs: 4_000 });
    expect(planner(instanceAt(1, { healthCheck: { fall: 1 } })).schedule).toMatchObject({ cron, fall: 1 });
    for (const instance of [
      instanceAt(1, { healthCheck: { interval: 20_000 } }),
      instanceAt(1, { serviceName: 'orders' }),
    ]) {
      const { schedule } = planner(instance);
      expect(schedule).toMatchObject({ intervalMs: 20_000 });
      expect(schedule).not.toHaveProperty('cron');
    }
  });

  it('merges request settings from all three sources', async () => {
    const asked: string[] = [];
    const port = await overHttp(({ method, url, headers }, response) => {
      asked.push(`${method} ${url} of ${headers.host} with ${String(headers['x-team'])}`);
      response.writeHead(418).end();
    });
    const planner = plannerOf({
      healthyStatuses: [418],
      services: { users: { method: 'PUT', path: '/service', headers: { 'x-team': 'a' } } },
    });
    const resultOf = (more: Partial<ServiceRegistration>): Promise<ProbeResult> => {
      const instance = instanceAt(port, more);
      return planner(instance).probe.check(instance, signal);
    };
    expect(await resultOf({})).toMatchObject({ passed: true });
    expect(await resultOf({ path: '/api', healthCheck: { path: '/own', host: 'users.example' } })).toMatchObject({
      passed: true,
    });
    expect(await resultOf({ healthCheck: { healthyStatuses: [200] } })).toMatchObject({ passed: false });
    expect(asked).toEqual([
      `PUT /service of 127.0.0.1:${port} with a`,
      'PUT /own of users.example with a',
      `PUT /service of 127.0.0.1:${port} with a`,
    ]);
  });

  it('merges TLS settings from all three sources', async () => {
    const names: unknown[] = [];
    const server = createHttpsServer(SERVER_TLS, (_request, response) => void response.end());
    const port = await listen(server.on('secureConnection', ({ servername }) => names.push(servername)));
    const planner = plannerOf({
      tls: { rejectUnauthorized: false },
      services: { users: { tls: { ca: pem('ca.pem') } } },
    });
    const resultOf = (instance: ServiceInstance): Promise<ProbeResult> =>
      planner(instance).probe.check(instance, signal);
    const [protocol, tls] = ['https', { servername: 'users.internal' }] as const;
    expect(await resultOf(instanceAt(port, { protocol, serviceName: 'orders' }))).toMatchObject({ passed: true });
    expect(await resultOf(instanceAt(port, { protocol, healthCheck: { tls } }))).toMatchObject({ passed: true });
    const strict = { servername: 'localhost', rejectUnauthorized: true };
    expect(await resultOf(instanceAt(port, { protocol, healthCheck: { tls: strict } }))).toMatchObject({
      passed: true,
    });
    expect(await resultOf(instanceAt(port, { protocol, healthCheck: { tls: { ...strict, ...tls } } }))).toMatchObject({
      passed: false,
      reason: 'the certificate is for another name (tls.servername says which to expect)',
    });
    expect(names.slice(0, 3)).toEqual([false, 'users.internal', 'localhost']);
  });

  it('requests the usual path if HTTP is asked for without a path', async () => {
    const urls: string[] = [];
    const port = await overHttp(({ url = '' }, response) => {
      urls.push(url);
      response.end();
    });
    const instance = instanceAt(port, { healthCheckPath: null, healthCheck: { type: 'http' } });
    await plannerOf()(instance).probe.check(instance, signal);
    expect(urls).toEqual(['/health']);
  });

  it('reads the body if the instance has a condition on it, even if bodies are not read otherwise', async () => {
    const port = await overHttp((_request, response) => void response.end('it is OK'));
    const instance = instanceAt(port, { healthCheck: { body: { contains: 'OK' } } });
    expect(await plannerOf({ bodyLimit: 0 })(instance).probe.check(instance, signal)).toMatchObject({ passed: true });
  });

  it('is shared by instances with equal settings, and kept when an instance changes', () => {
    const planner = plannerOf({ services: { orders: { fall: 1 } } });
    const healthCheck: HealthCheckSpec = { fall: 2 };
    expect(planner(instanceAt(1))).toBe(planner(instanceAt(2, { weight: 7 })));
    expect(planner(instanceAt(1, { healthCheck }))).toBe(planner(instanceAt(2, { healthCheck: { ...healthCheck } })));
    expect(planner(instanceAt(1, { serviceName: 'mail', healthCheck }))).toBe(planner(instanceAt(1, { healthCheck })));
    expect(planner(instanceAt(1, { serviceName: 'orders' }))).not.toBe(planner(instanceAt(1)));
    expect(planner(instanceAt(1, { healthCheckPath: null }))).not.toBe(planner(instanceAt(1)));
  });

  it('is cached within bounds, whatever registrants make up', () => {
    const planner = plannerOf();
    const first = planner(instanceAt(1, { healthCheck: { jitter: 0 } }));
    for (let index = 1; index <= 1_000; index++) planner(instanceAt(1, { healthCheck: { jitter: index / 10_000 } }));
    const again = planner(instanceAt(1, { healthCheck: { jitter: 0 } }));
    expect(again).not.toBe(first);
    expect(again.schedule).toEqual(first.schedule);
  });

  it('of an alias creates no plans for the instances that it refers to', async () => {
    const orders = Array.from({ length: 1_000 }, (_, index) =>
      instanceAt(1, { serviceName: 'orders', healthCheck: { jitter: index / 10_000 } }),
    );
    const instancesOf = (name: string): ServiceInstance[] => (name === 'orders' ? orders : []);
    const planner = planChecks(resolveHealthCheckOptions(), { instancesOf });
    const alias = instanceAt(1, { healthCheck: aliasOf('orders') });
    const plan = planner(alias);
    expect(await plan.probe.check(alias, signal)).toMatchObject({ data: { total_instances: 1_000 } });
    expect(planner(alias)).toBe(plan);
  });

  it.each<[HealthCheckSpec | undefined, string]>([
    [undefined, 'how orders is, is not known yet'],
    [aliasOf('users'), 'users is an alias of orders is an alias of users: there is nothing to go by'],
    [
      aliasOf('mail'),
      'users is an alias of orders is an alias of mail is an alias of users: there is nothing to go by',
    ],
    [{ type: 'tcp' }, 'how orders is, is not known yet'],
  ])(
    'of an alias minds what is said of a service, and what an instance says over it: %j',
    async (healthCheck, reason) => {
      const instancesOf = (serviceName: string): ServiceInstance[] => [
        instanceAt(1, { serviceName, healthCheck: serviceName === 'orders' ? healthCheck : undefined }),
      ];
      const services = { users: aliasOf('orders'), orders: aliasOf('stock'), mail: aliasOf('users') };
      const planner = planChecks(resolveHealthCheckOptions({ services }), { instancesOf });
      const alias = instanceAt(1);
      expect((await planner(alias).probe.check(alias, signal)).reason).toBe(reason);
    },
  );

  it('skips a custom check that this process does not have', async () => {
    const instance = instanceAt(1, { healthCheck: { type: 'custom', probe: 'ping' } });
    expect(await plannerOf()(instance).probe.check(instance, signal)).toEqual({
      passed: false,
      skipped: true,
      misconfigured: true,
      reason: 'the process that checks knows no probe ping: add it to healthCheck.probes there',
    });
  });
});
