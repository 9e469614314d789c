import { type IncomingMessage } from 'node:http';
import { type INestApplication, Controller, Get, Module } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { request } from 'undici';
import {
  HealthAggregator,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { Apps, inRegistry, startError, urlOf } from './support/nest-app.js';
import { closeServers, overHttp } from './support/probed-server.js';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

@Controller('orders')
class OrderController {
  constructor(private readonly communicator: ServiceCommunicator) {}

  @Get()
  read(): Promise<unknown> {
    return this.communicator.callServiceJson('users', { path: '/users/1', timeout: '5s' });
  }
}

describe('beside a mesh', () => {
  const apps = new Apps();
  let seen: IncomingMessage[];
  /** What the virtual name answers with, by path. */
  let answers: Record<string, number>;
  let arrivedAt: number;
  let port: number;
  beforeEach(async () => {
    seen = [];
    answers = {};
    port = await overHttp((incoming, response) => {
      arrivedAt = Date.now();
      if (incoming.url !== '/health') seen.push(incoming);
      response.statusCode = answers[incoming.url!] ?? 200;
      response.end('{"name":"Ada"}');
    });
  });
  afterEach(async () => {
    await apps.close();
    await closeServers();
  });

  const virtual = (name: string): { name: string; targets: string[] } => ({
    name,
    targets: [`http://localhost:${port}`],
  });
  async function start(options: ServiceDiscoveryOptions): Promise<INestApplication> {
    const all = { mode: 'memory_only', healthCheck: { interval: '100ms' }, logging: false, ...options } as const;
    @Module({ imports: [ServiceDiscoveryModule.forRoot(all)], controllers: [OrderController] })
    class Orders {}
    return apps.listen(Orders);
  }
  const statusOf = (app: INestApplication, status: string): Promise<true> =>
    inRegistry(app, ({ services }) => services.get('users')?.[0]?.status === status || undefined);

  it.each([
    ['of one service', {}, true],
    ['of all services', { mesh: true }, undefined],
    // What the tier `web` sets stays off, too.
    [
      'over other settings',
      { mesh: true, retry: { maxAttempts: 5, baseDelay: '1ms' }, circuitBreaker: { failureThreshold: 1 } },
      undefined,
    ],
  ] as const)('sends each call once to the virtual name, and never refuses one (%s)', async (_what, options, mesh) => {
    answers['/users/1'] = 503;
    const app = await start({ ...options, services: [{ ...virtual('users'), mesh, tier: 'web' }] });
    const communicator = app.get(ServiceCommunicator);
    for (let call = 1; call <= 8; call++) {
      expect((await communicator.callService('users', { path: '/users/1' })).status).toBe(503);
      expect(seen).toHaveLength(call);
    }
    expect(new Set(seen.map(({ headers }) => headers.host))).toEqual(new Set([`localhost:${port}`]));
    const stages = communicator.describePipeline('users').map(({ stage }) => stage as string);
    expect(stages).not.toContain('circuit_breaker');
    expect(stages).not.toContain('retry');
  });

  it('leaves the whole time of a call to the sidecar, and says when it ends', async () => {
    const app = await start({ services: [{ ...virtual('users'), mesh: true, tier: 'web' }] });
    const headers = { traceparent: TRACEPARENT, 'x-request-id': 'abc-1' };
    const before = Date.now();
    const { statusCode, body } = await request(`${urlOf(app)}/orders`, { headers, reset: true });
    expect([statusCode, await body.json()]).toEqual([200, { name: 'Ada' }]);
    expect(seen[0]!.headers).toMatchObject(headers);
    // The attempt timeout of the tier, 2 s, would cut off the retries of the sidecar.
    const deadline = Number(seen[0]!.headers['x-request-deadline']);
    expect(deadline - before).toBeGreaterThan(4_900);
    expect(deadline - arrivedAt).toBeLessThan(5_100);
  });

  it('retries calls to services whose own `mesh` is false', async () => {
    answers['/'] = 503;
    const retry = { maxAttempts: 3, baseDelay: '1ms' } as const;
    const app = await start({ mesh: true, retry, services: [{ ...virtual('legacy'), mesh: false }] });
    await app.get(ServiceCommunicator).callService('legacy', { path: '/' });
    expect(seen).toHaveLength(3);
  });

  it('falls back to another service', async () => {
    answers['/picks'] = 503;
    const app = await start({ mesh: true, services: [virtual('users'), virtual('bestsellers')] });
    const found = await app.get(ServiceCommunicator).callServiceWithFallback({
      primaryService: 'users',
      fallbackService: 'bestsellers',
      path: '/picks',
      fallbackRequest: { path: '/best' },
    });
    expect(found).toMatchObject({ data: { name: 'Ada' } });
    expect(seen.map(({ url }) => url)).toEqual(['/picks', '/best']);
  });

  it('checks the virtual name, and calls it also where the check fails', async () => {
    const app = await start({ services: [{ ...virtual('users'), mesh: true, healthCheckPath: '/health' }] });
    await statusOf(app, 'healthy');
    expect(app.get(HealthAggregator).getAggregatedHealth().overallStatus).toBe('healthy');
    answers['/health'] = 503;
    await statusOf(app, 'unhealthy');
    expect((await app.get(ServiceCommunicator).callService('users', { path: '/users/1' })).status).toBe(200);
  });

  it('refuses what no virtual name is', async () => {
    const services = [
      { ...virtual('users'), targets: ['http://10.0.0.1:80', 'http://10.0.0.2:80'], mesh: true },
      { ...virtual('mail'), targets: ['https://mail.shop:443'], mesh: true },
      { ...virtual('stock'), mesh: 'yes' as never },
    ];
    const error = (await startError(ServiceDiscoveryModule.forRoot({ mode: 'memory_only', services }))) as Error;
    expect(error.message).toContain('services[0].targets');
    expect(error.message).toContain('one URL, the virtual name that the mesh routes');
    expect(error.message).toContain('services[1].targets[0]');
    expect(error.message).toContain('the sidecar encrypts');
    expect(error.message).toContain('services[2].mesh');
  });
});
