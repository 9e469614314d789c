import { afterEach, describe, expect, it } from '@jest/globals';
import { TransportError } from 'nest-service-discovery';
import { latencyBucket } from '../libs/service-discovery/src/observability/latency-histogram.js';
import { type RestViews } from '../libs/service-discovery/src/nest/rest/index.js';
import { EventReader } from './support/event-reader.js';
import { PLATFORMS, type RestApp, type RestAppOptions, startRestApp } from './support/rest-app.js';

describe.each(PLATFORMS)('the journal, call figures and topology over REST, on %s', (platform) => {
  let rest: RestApp;
  const start = async (options?: RestAppOptions): Promise<RestApp> => (rest = await startRestApp(platform, options));
  afterEach(() => rest.close());

  const bodyOf = async <T>(path: string): Promise<T> => (await rest.send('GET', path)).body as unknown as T;
  const journal = (query = ''): Promise<RestViews.JournalView> => bodyOf(`/journal${query}`);
  const register = async (
    serviceName: string,
    fields: { dependencies?: string[]; tier?: string } = {},
  ): Promise<void> => {
    await rest.registry.register(
      { serviceName, instanceId: `${serviceName}-1`, host: '10.0.0.7', port: 8080, ...fields },
      { heartbeat: 'manual' },
    );
  };
  const setHealth = (serviceName: string, status: string): Promise<unknown> =>
    rest.send('PUT', `/services/${serviceName}/instances/${serviceName}-1/health`, {
      json: { status, detail: { reason: 'no answer' } },
    });

  it('keep what happened, the newest first, by service, type, time and page', async () => {
    await start();
    await register('users');
    rest.clock.advance(1_000);
    await register('mail');
    rest.clock.advance(1_000);
    await setHealth('users', 'unhealthy');
    const { entries, next } = await journal();
    expect(next).toBeNull();
    expect(entries.map(({ type, service_name: service }) => [type, service])).toEqual([
      ['instance.status_changed', 'users'],
      ['instance.registered', 'mail'],
      ['instance.registered', 'users'],
    ]);
    const [changed, ofMail, ofUsers] = entries;
    expect(changed).toMatchObject({
      severity: 'warning',
      instance_id: 'users-1',
      process: 'host:1',
      caller: 'shop',
      text: 'users/users-1 is unhealthy, was unknown: no answer',
      reason: 'no answer',
      data: { from: 'unknown', to: 'unhealthy' },
    });
    expect((await journal('?service=mail')).entries).toEqual([ofMail]);
    expect((await journal('?type=instance.status_changed')).entries).toEqual([changed]);
    expect((await journal(`?since=${ofMail!.at}`)).entries).toEqual([changed, ofMail]);
    expect((await journal(`?since=${ofMail!.id}`)).entries).toEqual([changed]);
    const first = await journal('?limit=2');
    expect(first).toEqual({ entries: [changed, ofMail], next: ofMail!.id });
    expect(await journal(`?limit=2&before=${first.next}`)).toEqual({ entries: [ofUsers], next: null });
  });

  it.each(['limit=0', 'limit=1001', 'since=yesterday', 'before=1', 'service=no%20name', 'level=warning'])(
    'refuse the query %s with the name of what is wrong',
    async (query) => {
      await start();
      const { status, body } = await rest.send('GET', `/journal?${query}`);
      expect([status, body.error.problems?.[0]?.field]).toEqual([400, query.split('=')[0]]);
    },
  );

  it('stream entries, and resume after Last-Event-ID', async () => {
    await start();
    const url = `${rest.origin}/service-discovery/journal/stream`;
    const reader = await EventReader.open(url);
    await register('users');
    const seen = (await reader.next())!;
    expect(seen).toMatchObject({ type: 'instance.registered', data: { service_name: 'users', id: seen.id } });
    await reader.close();
    await register('mail');
    const again = await EventReader.open(url, { 'last-event-id': seen.id! });
    expect((await again.next())?.data).toMatchObject({ service_name: 'mail' });
    await register('web');
    expect((await again.next())?.data).toMatchObject({ service_name: 'web' });
    await again.close();
  });

  it('count calls by edge and step', async () => {
    await start();
    await register('users');
    for (let n = 0; n < 3; n++) await rest.communicator.callService('users', { path: '/' });
    rest.transport.answer(() => {
      throw new TransportError('socket hang up', false);
    });
    await rest.communicator.callService('users', { method: 'POST', path: '/' }).catch(() => undefined);
    expect((await bodyOf<RestViews.CallFiguresView>('/calls')).edges).toEqual([]);
    rest.clock.advance(10_000);
    const { step_seconds: step, edges } = await bodyOf<RestViews.CallFiguresView>('/calls?service=users&minutes=1');
    expect(step).toBe(10);
    expect(edges).toEqual([
      {
        caller: 'shop',
        service_name: 'users',
        points: [expect.objectContaining({ calls: 4, errors: 1, retries: 0, hedges: 0, shed: 0, p50_ms: 0.0917 })],
        retry_budget: 1,
      },
    ]);
    expect((await bodyOf<RestViews.CallFiguresView>('/calls?service=mail')).edges).toEqual([]);
  });

  it('say what all callers asked of a service in the last minute, in numbers that a scaler reads', async () => {
    await start();
    await register('users');
    const idle = { service_name: 'users', in_flight: 0, calls_per_second: 0, p99_ms: 0, queued: 0 };
    expect(await bodyOf('/scaling/users')).toEqual(idle);
    const latencies = [latencyBucket(500), 600];
    const step = Math.floor(rest.clock.epoch() / 10_000);
    const json = {
      ...{ version: 1, reporter: 'r', process: 'other:1', service_name: 'users', entries: [] },
      steps: [{ step, calls: [{ service_name: 'users', calls: 600, queued: 12, latencies }] }],
    };
    expect((await rest.send('POST', '/reports', { json })).status).toBe(204);
    for (let n = 0; n < 60; n++) await rest.communicator.callService('users', { path: '/' });
    rest.clock.advance((step + 1) * 10_000 - rest.clock.epoch());
    const { in_flight: inFlight, ...asked } = await bodyOf<RestViews.ScalingView>('/scaling/users');
    // 600 calls of half a second in 50 s, within the width of a bucket.
    expect(Math.abs(inFlight - 6)).toBeLessThan(0.6);
    expect(asked).toEqual({
      service_name: 'users',
      calls_per_second: 13.2,
      p99_ms: expect.closeTo(500, -2),
      queued: 2,
    });
    expect((await rest.send('GET', '/scaling/none')).body.error.code).toBe('SERVICE_NOT_FOUND');
    const { text } = await rest.send('GET', '/metrics');
    expect(text).toContain('service_discovery_calls_in_flight{service="users"} 0');
    expect(text).toContain('service_discovery_calls_queued{service="users"} 0');
  });

  it('list the instances that speak HTTP as targets of Prometheus', async () => {
    await start();
    const common = { serviceName: 'users', version: '1.2.0', zone: 'eu-1', tier: 'web', tags: ['api', 'v1'] };
    const manual = { heartbeat: 'manual' } as const;
    await rest.registry.register(
      { ...common, instanceId: 'a', host: '10.0.0.7', port: 8080, metadata: { metrics_path: '/internal/metrics' } },
      manual,
    );
    await rest.registry.register(
      {
        serviceName: 'users',
        instanceId: 'b',
        host: '::1',
        port: 443,
        protocol: 'https',
        metadata: { metrics_path: 7 },
      },
      manual,
    );
    await rest.registry.register({ serviceName: 'cache', host: '10.0.0.9', port: 6379, protocol: 'tcp' }, manual);
    await rest.registry.setStatus({ serviceName: 'users', instanceId: 'b' }, 'draining');
    expect(await bodyOf('/sd/prometheus')).toEqual([
      {
        targets: ['10.0.0.7:8080'],
        labels: {
          __meta_service_discovery_service: 'users',
          __meta_service_discovery_instance: 'a',
          __meta_service_discovery_version: '1.2.0',
          __meta_service_discovery_zone: 'eu-1',
          __meta_service_discovery_tier: 'web',
          __meta_service_discovery_tags: ',api,v1,',
          __meta_service_discovery_status: 'unknown',
          __metrics_path__: '/internal/metrics',
        },
      },
      {
        targets: ['[::1]:443'],
        labels: {
          __meta_service_discovery_service: 'users',
          __meta_service_discovery_instance: 'b',
          __meta_service_discovery_status: 'draining',
          __scheme__: 'https',
        },
      },
    ]);
  });

  it('show the share of calls of each instance beside its share of the weights', async () => {
    await start();
    for (const [id, weight] of [
      ['u1', 1],
      ['u2', 3],
      ['u3', 4],
    ] as const) {
      const registration = { serviceName: 'users', instanceId: id, host: '10.0.0.7', port: 8080, weight };
      await rest.registry.register(registration, { heartbeat: 'manual' });
    }
    await rest.registry.setStatus({ serviceName: 'users', instanceId: 'u3' }, 'maintenance');
    for (const instanceId of ['u1', 'u2', 'u2', 'gone'])
      rest.bus.emit('call.completed', { service: 'users', instanceId, ok: true, attempts: 1, durationMs: 20 });
    rest.clock.advance(10_000);
    const { instances } = await bodyOf<RestViews.CallFiguresView>('/calls?service=users');
    const p95 = expect.closeTo(20, -0.5) as unknown;
    expect(instances).toEqual([
      { instance_id: 'u1', calls: 1, errors: 0, p95_ms: p95, share: 0.25, weight_share: 0.25 },
      { instance_id: 'u2', calls: 2, errors: 0, p95_ms: p95, share: 0.5, weight_share: 0.75 },
      { instance_id: 'u3', calls: 0, errors: 0, p95_ms: null, share: 0, weight_share: 0 },
      { instance_id: 'gone', calls: 1, errors: 0, p95_ms: p95, share: 0.25, weight_share: null },
    ]);
    expect((await bodyOf<RestViews.CallFiguresView>('/calls')).instances).toEqual([]);
  });

  it('show which service calls which, what is not well since when, and what depends on it', async () => {
    await start();
    const began = new Date(rest.clock.epoch()).toISOString();
    await register('users', { tier: 'data' });
    await register('orders', { dependencies: ['users', 'mail'] });
    await register('shop', { dependencies: ['orders'] });
    await rest.communicator.callService('users', { path: '/' });
    rest.clock.advance(5_000);
    const since = new Date(rest.clock.epoch()).toISOString();
    await setHealth('users', 'unhealthy');
    rest.clock.advance(5_000);
    const { nodes, edges, faults } = await bodyOf<RestViews.TopologyView>('/topology');
    expect(nodes).toContainEqual({
      service_name: 'users',
      status: 'unhealthy',
      instances: 1,
      healthy_instances: 0,
      tier: 'data',
      since,
      tags: [],
      zones: [],
      versions: [],
      expiry_held: false,
    });
    expect(nodes).toContainEqual(expect.objectContaining({ service_name: 'mail', status: 'not_registered' }));
    expect(edges).toContainEqual(expect.objectContaining({ from: 'orders', to: 'mail', source: 'declared' }));
    expect(edges).toContainEqual(
      expect.objectContaining({ from: 'shop', to: 'users', source: 'calls', error_share: 0 }),
    );
    expect(faults).toEqual([
      expect.objectContaining({
        service_name: 'mail',
        status: 'not_registered',
        since: began,
        breaks: ['orders', 'shop'],
      }),
      {
        service_name: 'users',
        status: 'unhealthy',
        since,
        text: '1 of 1 instance of users cannot be called: no answer',
        caused_by: [],
        breaks: ['orders', 'shop'],
      },
    ]);
    expect(await bodyOf('/overview')).toEqual({
      registry: { mode: 'memory_only', connected: true, age_seconds: 0, replicas: 1, held_expiry: [] },
      counts: {
        services: 3,
        healthy_services: 0,
        degraded_services: 0,
        unhealthy_services: 1,
        instances: 3,
        healthy_instances: 0,
      },
      faults,
      forced_circuits: [],
      rights: { operate: true },
      process: 'host:1',
    });
  });

  it('say which circuits an operator holds, since when, and who did it and why, as far as the journal has it', async () => {
    await start();
    await register('users');
    await register('mail');
    const forced = async (): Promise<unknown> => (await bodyOf<RestViews.OverviewView>('/overview')).forced_circuits;
    const since = new Date(rest.clock.epoch()).toISOString();
    const json = { state: 'isolated', by: 'ada', reason: 'a wrong build' };
    rest.communicator.forceCircuit('mail', undefined, 'closed');
    await rest.send('PUT', '/circuit-breakers/users/instances/users-1', { json });
    rest.clock.advance(1_000);
    const ofUsers = { service_name: 'users', instance_id: 'users-1', state: 'isolated' };
    const ofMail = { service_name: 'mail', instance_id: null, state: 'closed' };
    const unknown = { since: null, by: null, reason: null };
    expect(await forced()).toEqual([
      { ...ofUsers, since, by: expect.stringMatching(/^ada/), reason: 'a wrong build' },
      { ...ofMail, ...unknown },
    ]);
    // What an operator did before is no answer to who holds it now.
    rest.communicator.forceCircuit('users', 'users-1', 'closed');
    await rest.send('PUT', '/circuit-breakers/mail', { json: { state: 'automatic' } });
    expect(await forced()).toEqual([{ ...ofUsers, state: 'closed', ...unknown }]);
  });
});
