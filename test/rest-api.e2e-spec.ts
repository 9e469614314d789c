import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LoadBalancingStrategy } from 'nest-service-discovery';
import { EventReader } from './support/event-reader.js';
import { type Answer, PLATFORMS, type RestApp, startRestApp } from './support/rest-app.js';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const USER = { service_name: 'user-service', host: '10.0.0.7', port: 8080 };
const INSTANCE = '/services/user-service/instances/10.0.0.7:8080';

describe.each(PLATFORMS)('the REST API on %s', (platform) => {
  let rest: RestApp;

  beforeEach(async () => {
    rest = await startRestApp(platform);
  });
  afterEach(() => rest.close());

  const register = (more: object = {}): Promise<Answer> =>
    rest.send('POST', '/register', { json: { ...USER, ...more } });
  const health = (id: string, status: string, detail?: object): Promise<Answer> =>
    rest.send('PUT', `/services/user-service/instances/${id}/health`, { json: { status, detail } });

  describe('POST /register', () => {
    it('answers 201 with the address and lifetime of the instance', async () => {
      const answer = await register();
      expect(answer.status).toBe(201);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      expect(answer.body).toEqual({
        service_name: 'user-service',
        instance_id: '10.0.0.7:8080',
        generation: expect.any(Number),
        base_url: 'http://10.0.0.7:8080',
        status: 'unknown',
        ttl: 300,
        lease: 'checks',
      });
    });

    it('accepts every field of a registration, and shows it', async () => {
      const body = {
        service_name: 'user-service',
        host: 'users.internal',
        port: 443,
        protocol: 'https',
        path: '/api',
        health_check_path: '/ready',
        health_check: {
          type: 'http',
          interval: 5,
          down_interval: 60.5,
          timeout: 0.25,
          http_failures: 5,
          tcp_failures: 1,
          timeouts: 0,
          healthy_statuses: [200, [202, 204]],
          body: { path: 'db', equals: ['up', null] },
          tls: { reject_unauthorized: false, servername: 'users.internal' },
        },
        metadata: { team: 'x', nested: { list: [1, null, true] } },
        tags: ['api', 'user'],
        version: '1.4.2',
        weight: 7,
        zone: 'eu-1',
        tier: 'app',
        dependencies: ['order-service', 'mail'],
        instance_id: 'user-1',
        ttl: 12.5,
      };
      const answer = await rest.send('POST', '/register', { json: body });
      expect(answer.body).toMatchObject({
        instance_id: 'user-1',
        base_url: 'https://users.internal:443/api',
        ttl: 12.5,
      });
      const [instance] = (await rest.send('GET', '/services/user-service')).body.instances;
      expect(instance).toMatchObject(body);
    });

    it('checks a TCP connection only if the health check path is null', async () => {
      await register({ health_check_path: null });
      expect(rest.registry.getInstances('user-service')[0]?.healthCheckPath).toBeNull();
    });

    it('of the same instance answers 200 with a new generation, without a duplicate', async () => {
      const first = await register({ weight: 1 });
      const second = await register({ weight: 2 });
      expect([first.status, second.status]).toEqual([201, 200]);
      expect(second.body.generation).toBeGreaterThan(first.body.generation);
      const { instances, total_instances: total } = (await rest.send('GET', '/services/user-service')).body;
      expect([total, instances.length, instances[0]?.weight]).toEqual([1, 1, 2]);
    });

    it('with a claim yields to a later registration of the id', async () => {
      const first = (await register({ weight: 1 })).body.generation;
      expect((await register({ weight: 2, claim: first })).body.generation).toBeGreaterThan(first);
      const later = (await register({ weight: 3 })).body.generation;
      const refused = await register({ weight: 4, claim: first });
      expect([refused.status, refused.body.error.code]).toEqual([404, 'LEASE_LOST']);
      expect(rest.registry.getInstances('user-service')).toMatchObject([{ weight: 3, generation: later }]);
      expect((await register({ claim: '1' })).body.error.problems).toMatchObject([{ field: 'claim' }]);
    });

    it('is renewed by checks, with a ttl by heartbeats, or as the body says', async () => {
      const leaseOf = async (more: object): Promise<unknown> => (await register(more)).body.lease;
      expect(await leaseOf({})).toBe('checks');
      expect(await leaseOf({ ttl: 60 })).toBe('heartbeat');
      expect(await leaseOf({ ttl: 60, lease: 'checks' })).toBe('checks');
      expect(await leaseOf({ lease: 'heartbeat' })).toBe('heartbeat');
      const [problem] = (await register({ lease: 'never' })).body.error.problems;
      expect(problem).toMatchObject({ field: 'lease', value: 'never', expected: '"checks" or "heartbeat"' });
    });

    it('with a lease too short for the checks is renewed by heartbeats', async () => {
      const leaseOf = async (more: object): Promise<unknown> => (await register(more)).body.lease;
      // Checks come every 5 s here.
      expect(await leaseOf({ ttl: 10, lease: 'checks' })).toBe('checks');
      expect(await leaseOf({ ttl: 9, lease: 'checks' })).toBe('heartbeat');
      expect(await leaseOf({ health_check: { interval: 151 } })).toBe('heartbeat');
    });

    it('makes the instance discoverable at once', async () => {
      await register();
      expect((await rest.send('GET', '/discover/user-service')).body.status).toBe('unknown');
    });
  });

  describe('PUT .../heartbeat', () => {
    it('answers 200 and extends the lease', async () => {
      const { body } = await register({ ttl: 10 });
      await rest.clock.advanceAsync(9_999);
      const answer = await rest.send('PUT', `${INSTANCE}/heartbeat`);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        service_name: 'user-service',
        instance_id: '10.0.0.7:8080',
        generation: body.generation,
        status: 'unknown',
        ttl: 10,
        lease: 'heartbeat',
      });
      await rest.clock.advanceAsync(9_999);
      expect((await rest.send('PUT', `${INSTANCE}/heartbeat`)).status).toBe(200);
    });

    it('turns a registration renewed by checks into one renewed by heartbeats, visibly', async () => {
      const shown = async () => (await rest.send('GET', '/services/user-service')).body.instances[0];
      await register();
      const endOf = (ms: number): string => new Date(rest.clock.epoch() + ms).toISOString();
      expect(await shown()).toMatchObject({ lease: 'checks', expires_at: endOf(300_000) });
      await rest.clock.advanceAsync(1_000);
      expect((await rest.send('PUT', `${INSTANCE}/heartbeat`)).body).toMatchObject({ lease: 'heartbeat' });
      expect(await shown()).toMatchObject({ lease: 'heartbeat', expires_at: endOf(300_000) });
    });

    it('answers 404 after the lease has expired', async () => {
      await register({ ttl: 10 });
      await rest.clock.advanceAsync(10_000);
      const answer = await rest.send('PUT', `${INSTANCE}/heartbeat`);
      expect(answer.status).toBe(404);
      expect(answer.body.error).toMatchObject({
        code: 'LEASE_LOST',
        service: 'user-service',
        instance_id: '10.0.0.7:8080',
        problems: [],
      });
    });

    it('answers 404 for an unregistered instance', async () => {
      expect((await rest.send('PUT', `${INSTANCE}/heartbeat`)).status).toBe(404);
    });

    it('answers 404 for a generation that was replaced', async () => {
      const { body } = await register();
      await register();
      const answer = await rest.send('PUT', `${INSTANCE}/heartbeat`, { json: { generation: body.generation } });
      expect([answer.status, answer.body.error.code]).toEqual([404, 'LEASE_LOST']);
    });
  });

  describe('DELETE .../instances/:id', () => {
    it('answers 204 without a body, also when it is already gone', async () => {
      await register();
      for (const removed of ['true', 'false']) {
        const answer = await rest.send('DELETE', INSTANCE);
        expect([answer.status, answer.body]).toEqual([204, undefined]);
        expect(answer.headers['x-service-discovery-removed']).toBe(removed);
      }
      expect((await rest.send('GET', '/services')).body).toEqual({ services: [], total: 0 });
    });

    it('does not remove a newer generation', async () => {
      const { body } = await register();
      await register();
      const answer = await rest.send('DELETE', `${INSTANCE}?generation=${body.generation}`);
      expect([answer.status, answer.headers['x-service-discovery-removed']]).toEqual([204, 'false']);
      expect(rest.registry.getInstances('user-service')).toHaveLength(1);
    });

    it('accepts a 16-digit generation of a registry in Redis', async () => {
      await register();
      const answer = await rest.send('DELETE', `${INSTANCE}?generation=1764000000000000`);
      expect([answer.status, answer.headers['x-service-discovery-removed']]).toEqual([204, 'false']);
    });
  });

  describe('PUT .../status', () => {
    it.each(['maintenance', 'draining'])(
      '%s takes the instance out of discovery, up brings it back',
      async (status) => {
        await register();
        for (let time = 0; time < 2; time++) {
          const answer = await rest.send('PUT', `${INSTANCE}/status`, { json: { status } });
          expect(answer.status).toBe(200);
          expect(answer.body).toEqual({
            service_name: 'user-service',
            instance_id: '10.0.0.7:8080',
            status,
            operator_status: status,
          });
        }
        expect((await rest.send('GET', '/discover/user-service')).status).toBe(503);
        const up = await rest.send('PUT', `${INSTANCE}/status`, { json: { status: 'up' } });
        expect(up.body).toMatchObject({ status: 'unknown', operator_status: 'up' });
        expect((await rest.send('GET', '/discover/user-service')).status).toBe(200);
      },
    );

    it('answers 404 for an unregistered instance', async () => {
      const answer = await rest.send('PUT', `${INSTANCE}/status`, { json: { status: 'up' } });
      expect([answer.status, answer.body.error.code]).toEqual([404, 'INSTANCE_NOT_FOUND']);
    });
  });

  describe('PUT .../health', () => {
    it('accepts the result of an external check', async () => {
      await register();
      const answer = await health('10.0.0.7:8080', 'unhealthy', {
        checked_at: '2026-01-01T00:00:01.000Z',
        reason: 'status 503',
        latency_ms: 12,
        status_code: 503,
        data: { db: 'down' },
      });
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        service_name: 'user-service',
        instance_id: '10.0.0.7:8080',
        status: 'unhealthy',
        health_status: 'unhealthy',
      });
      const [instance] = (await rest.send('GET', '/services/user-service')).body.instances;
      expect(instance?.health).toEqual({
        checked_at: '2026-01-01T00:00:01.000Z',
        since: '2026-01-01T00:00:01.000Z',
        reason: 'status 503',
        latency_ms: 12,
        status_code: 503,
        data: { db: 'down' },
      });
    });

    it('answers 404 for an unregistered instance', async () => {
      expect((await health('unknown', 'healthy')).body.error.code).toBe('INSTANCE_NOT_FOUND');
    });
  });

  describe('POST /heartbeats', () => {
    it('renews many leases and reports lost ones', async () => {
      const { generation } = (await register()).body;
      const lease = { service_name: 'user-service', instance_id: '10.0.0.7:8080', generation };
      const answer = await rest.send('POST', '/heartbeats', {
        json: { leases: [{ ...lease, instance_id: 'unknown' }, lease, { ...lease, generation: 1 }] },
      });
      expect([answer.status, answer.body]).toEqual([200, { renewed: [false, true, false] }]);
      expect((await rest.send('POST', '/heartbeats', { json: { leases: [] } })).body).toEqual({ renewed: [] });
    });
  });

  describe('GET /discover/:name', () => {
    it('returns one complete instance', async () => {
      await register({ instance_id: 'user-1', version: '1.4.2', tags: ['api'] });
      await health('user-1', 'healthy');
      const answer = await rest.send('GET', '/discover/user-service');
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        service_name: 'user-service',
        instance_id: 'user-1',
        base_url: 'http://10.0.0.7:8080',
        status: 'healthy',
        operator_status: 'up',
        health_status: 'healthy',
        host: '10.0.0.7',
        port: 8080,
        protocol: 'http',
        path: '',
        health_check_path: '/health',
        metadata: {},
        tags: ['api'],
        version: '1.4.2',
        weight: 100,
        generation: expect.any(Number),
        ttl: 300,
        lease: 'checks',
        registered_at: expect.stringMatching(ISO),
        last_heartbeat: expect.stringMatching(ISO),
      });
    });

    it('filters by version, tags and zone', async () => {
      await register({ instance_id: 'old', version: '1.1.0', tags: ['api', 'eu'] });
      await register({ instance_id: 'new', version: '1.2.5', tags: ['api', 'us'], zone: 'b' });
      await register({ instance_id: 'next', version: '2.0.0', tags: ['api', 'us'], zone: 'a' });
      const found = async (query: string): Promise<unknown> =>
        (await rest.send('GET', `/discover/user-service?${query}`)).body.instance_id;
      expect(await found('version=^1.2')).toBe('new');
      expect(await found('tag=eu')).toBe('old');
      expect(await found('tag=us&tag=api&version=2.x')).toBe('next');
      expect(await found('zone=a')).toBe('next');
      expect(await found('zone=nowhere&version=&tag=eu')).toBe('old');
    });

    it('rotates with the requested strategy', async () => {
      for (const id of ['a', 'b', 'c']) await register({ instance_id: id });
      for (const strategy of ['', '?strategy=round_robin']) {
        const ids: string[] = [];
        for (let time = 0; time < 6; time++) {
          ids.push((await rest.send('GET', `/discover/user-service${strategy}`)).body.instance_id);
        }
        expect(ids.slice(0, 3).sort()).toEqual(['a', 'b', 'c']);
        expect(ids.slice(3)).toEqual(ids.slice(0, 3));
      }
      for (const strategy of Object.values(LoadBalancingStrategy)) {
        expect((await rest.send('GET', `/discover/user-service?strategy=${strategy}&key=k`)).status).toBe(200);
      }
    });

    it('answers 404 for an unregistered service', async () => {
      const answer = await rest.send('GET', '/discover/no-such-service');
      expect(answer.status).toBe(404);
      expect(answer.body).toEqual({
        error: {
          code: 'SERVICE_NOT_FOUND',
          message: 'No service named "no-such-service" is registered. Check the name, or start the service',
          page: 'nest-service-discovery/docs/reference/errors.md#SERVICE_NOT_FOUND',
          problems: [],
          service: 'no-such-service',
        },
        status_code: 404,
      });
    });

    it.each<[method: string, path: string, json: object | undefined]>([
      ['GET', '/discover/usr-service', undefined],
      ['GET', '/services/usr-service', undefined],
      ['GET', '/services/usr-service/split', undefined],
      ['PUT', '/services/usr-service/share', { share: 5 }],
      ['PUT', '/services/usr-service/rollout', { version: '2.0.0' }],
      ['GET', '/scaling/usr-service', undefined],
      ['GET', '/explain/usr-service', undefined],
      ['GET', '/pipeline/usr-service', undefined],
      ['PUT', '/circuit-breakers/usr-service', { state: 'isolated' }],
      ['PUT', '/circuit-breakers/usr-service/instances/a', { state: 'isolated' }],
    ])('suggests at %s %s the name that was meant', async (method, path, json) => {
      await register();
      expect((await rest.send(method, path, json && { json })).body.error.message).toBe(
        'No service named "usr-service" is registered (did you mean "user-service"?)',
      );
    });

    it.each([
      ['every instance is unhealthy', '', 'unhealthy'],
      ['none is of the version', '?version=^2', 'healthy'],
      ['none has the tag', '?tag=unknown', 'healthy'],
    ])('answers 503 when %s', async (_case, query, status) => {
      await register({ version: '1.0.0' });
      await health('10.0.0.7:8080', status);
      const answer = await rest.send('GET', `/discover/user-service${query}`);
      expect([answer.status, answer.body.error.code]).toEqual([503, 'NO_AVAILABLE_INSTANCE']);
    });
  });

  describe('the lists', () => {
    const names = (answer: Answer): unknown =>
      answer.body.services.map((service) => [
        service.service_name,
        service.instances.map((instance) => instance.instance_id),
      ]);

    beforeEach(async () => {
      await register({ instance_id: 'u1', tags: ['api', 'user'] });
      await register({ instance_id: 'u2', tags: ['user'] });
      await register({ service_name: 'order-service', instance_id: 'o1', tags: ['api'] });
      await health('u2', 'healthy');
    });

    it('GET /services lists every service with its instances', async () => {
      const answer = await rest.send('GET', '/services');
      expect(answer.status).toBe(200);
      expect(names(answer)).toEqual([
        ['order-service', ['o1']],
        ['user-service', ['u1', 'u2']],
      ]);
      expect(answer.body.total).toBe(2);
      expect(answer.body.services[1]).toMatchObject({
        service_name: 'user-service',
        base_url: 'http://10.0.0.7:8080',
        status: 'healthy',
        total_instances: 2,
        healthy_instances: 1,
      });
      expect(answer.body.services[0]?.status).toBe('unknown');
    });

    it('GET /services/healthy lists services with a healthy instance', async () => {
      const answer = await rest.send('GET', '/services/healthy');
      expect(names(answer)).toEqual([['user-service', ['u2']]]);
      expect(answer.body.total).toBe(1);
    });

    it('GET /services/by-tag/:tag lists services that have an instance with the tag', async () => {
      expect(names(await rest.send('GET', '/services/by-tag/api'))).toEqual([
        ['order-service', ['o1']],
        ['user-service', ['u1']],
      ]);
      expect((await rest.send('GET', '/services/by-tag/unknown')).body).toEqual({ services: [], total: 0 });
    });

    it('GET /services/:name shows one service, or answers 404', async () => {
      const answer = await rest.send('GET', '/services/user-service');
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ service_name: 'user-service', total_instances: 2, healthy_instances: 1 });
      expect(answer.body.instances.map((instance) => instance.instance_id)).toEqual(['u1', 'u2']);
      const unknown = await rest.send('GET', '/services/no-such-service');
      expect([unknown.status, unknown.body.error.code]).toEqual([404, 'SERVICE_NOT_FOUND']);
    });
  });

  describe('GET /health/aggregated', () => {
    it('is unknown before any check', async () => {
      await register();
      expect((await rest.send('GET', '/health/aggregated')).body).toMatchObject({
        overall_status: 'unknown',
        total_services: 1,
        healthy_services: 0,
        unhealthy_services: 0,
      });
    });

    it('aggregates services and instances', async () => {
      await register({ instance_id: 'u1' });
      await register({ service_name: 'order-service', instance_id: 'o1', port: 8081 });
      await health('u1', 'healthy', { latency_ms: 3, status_code: 200, data: { users: 7 } });
      await rest.send('PUT', '/services/order-service/instances/o1/health', {
        json: { status: 'unhealthy', detail: { reason: 'connection refused' } },
      });
      const answer = await rest.send('GET', '/health/aggregated');
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        overall_status: 'degraded',
        timestamp: expect.stringMatching(ISO),
        namespace: null,
        services: {
          'user-service': {
            status: 'healthy',
            endpoint: 'http://10.0.0.7:8080',
            last_heartbeat: expect.stringMatching(ISO),
            health_data: { users: 7 },
            expiry_held: null,
            dependencies: [],
            affected_by: [],
            instances: [
              {
                instance_id: 'u1',
                status: 'healthy',
                reasons: [{ source: 'active', status: 'healthy', reason: null, since: expect.stringMatching(ISO) }],
                endpoint: 'http://10.0.0.7:8080',
                last_heartbeat: expect.stringMatching(ISO),
                last_checked: expect.stringMatching(ISO),
                latency_ms: 3,
                status_code: 200,
                reason: null,
                flapping: false,
                health_data: { users: 7 },
              },
            ],
          },
          'order-service': {
            status: 'unhealthy',
            endpoint: 'http://10.0.0.7:8081',
            last_heartbeat: expect.stringMatching(ISO),
            health_data: null,
            expiry_held: null,
            dependencies: [],
            affected_by: [],
            instances: [expect.objectContaining({ instance_id: 'o1', reason: 'connection refused' })],
          },
        },
        total_services: 2,
        healthy_services: 1,
        degraded_services: 0,
        unhealthy_services: 1,
        unknown_services: 0,
        missing_services: [],
        faults: [{ services: ['order-service'], kind: 'unhealthy', cascades: [], at_risk: [] }],
        registry: { connected: true, age_seconds: 0 },
      });
    });
  });

  describe('GET /patterns', () => {
    it('shows the tier patterns, durations in seconds', async () => {
      const answer = await rest.send('GET', '/patterns');
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.body.patterns)).toEqual(['web', 'app', 'data', 'ml', 'monitoring']);
      expect(answer.body.patterns.web).toEqual({
        description: expect.any(String),
        load_balancing: 'p2c_ewma',
        timeout: 5,
        attempt_timeout: 2,
        retry: { max_attempts: 2, base_delay: 0.05, max_delay: 0.5 },
        circuit_breaker: { failure_threshold: 5, recovery_timeout: 10 },
        concurrency: 256,
      });
    });
  });

  describe('GET /circuit-breakers', () => {
    it('shows the breakers of the instances that this process called', async () => {
      expect((await rest.send('GET', '/circuit-breakers')).body).toEqual({ circuit_breakers: [], total: 0 });
      await register();
      await rest.communicator.callService('user-service', { method: 'GET', path: '/' });
      expect((await rest.send('GET', '/circuit-breakers')).body).toEqual({
        circuit_breakers: [
          {
            service_name: 'user-service',
            instance_id: '10.0.0.7:8080',
            state: 'closed',
            forced: null,
            failures: 0,
            held_closed: false,
            window: null,
            state_age_ms: 0,
            probes: 0,
            share: 1,
            retry_after_ms: null,
          },
        ],
        total: 1,
      });
    });
  });

  describe('GET /metrics', () => {
    it('answers in the text format of Prometheus', async () => {
      await register();
      const answer = await rest.send('GET', '/metrics');
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
      expect(answer.text).toMatch(/^service_discovery_registrations_total 1$/m);
    });
  });

  describe('GET /events', () => {
    it('streams new events by name', async () => {
      const events = await EventReader.open(`${rest.origin}/service-discovery/events`);
      expect(events.response.statusCode).toBe(200);
      expect(events.response.headers['content-type']).toMatch(/^text\/event-stream/);
      await register({ metadata: { api_key: 'k' } });
      await rest.send('PUT', `${INSTANCE}/status`, { json: { status: 'maintenance' } });
      await rest.send('DELETE', INSTANCE);
      rest.clock.advance(50);
      const about = { service_name: 'user-service', instance_id: '10.0.0.7:8080', at: expect.stringMatching(ISO) };
      expect(await events.next()).toEqual({
        type: 'instance.registered',
        data: {
          ...about,
          type: 'instance.registered',
          replaced: false,
          instance: expect.objectContaining({ base_url: 'http://10.0.0.7:8080', metadata: { api_key: '***' } }),
        },
      });
      expect(await events.next()).toEqual({
        type: 'instance.status_changed',
        data: { ...about, type: 'instance.status_changed', from: 'unknown', to: 'maintenance' },
      });
      expect(await events.next()).toEqual({
        type: 'operator.acted',
        data: { ...about, type: 'operator.acted', action: 'set_status', to: 'maintenance', by: 'local' },
      });
      expect(await events.next()).toEqual({
        type: 'instance.deregistered',
        data: { ...about, type: 'instance.deregistered' },
      });
      await events.close();
    });
  });

  it('disconnects a reader that reads nothing for two pings', async () => {
    const timers = rest.clock.pendingTimers;
    const server = rest.app.getHttpServer() as Server;
    const reader = connect(rest.port, '127.0.0.1').pause();
    const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    reader.write('GET /service-discovery/events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [, response] = await asked;
    const over = once(response, 'close');
    while (!response.writableNeedDrain) {
      rest.bus.emit('registry.unavailable', { reason: 'x'.repeat(1_048_576), hasSnapshot: true });
      rest.clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await rest.clock.advanceAsync(10_000);
    expect(response.destroyed).toBe(false);
    await rest.clock.advanceAsync(10_000);
    await over;
    await rest.clock.advanceAsync(0);
    expect(rest.clock.pendingTimers).toBe(timers);
    reader.destroy();
  });

  describe('GET /watch', () => {
    const watch = (query = ''): Promise<EventReader> =>
      EventReader.open(`${rest.origin}/service-discovery/watch${query}`);

    it('opens with a reset and continues with every change', async () => {
      await register({ metadata: { password: 'p' }, ttl: 300 });
      const events = await watch();
      const reset = await events.next();
      expect(reset).toMatchObject({ type: 'change', data: { type: 'reset', revision: 1 } });
      expect(reset?.data.instances).toMatchObject([{ instance_id: '10.0.0.7:8080', metadata: { password: 'p' } }]);
      await rest.send('PUT', `${INSTANCE}/status`, { json: { status: 'draining' } });
      await rest.send('PUT', `${INSTANCE}/heartbeat`);
      await rest.send('DELETE', INSTANCE);
      expect((await events.next())?.data).toMatchObject({ type: 'put', revision: 2, instance: { status: 'draining' } });
      expect((await events.next())?.data).toEqual({
        type: 'remove',
        revision: 4,
        service_name: 'user-service',
        instance_id: '10.0.0.7:8080',
        reason: 'deregistered',
      });
      await events.close();
    });

    it('contains the requested services and heartbeats', async () => {
      await register({ ttl: 300 });
      const events = await watch('?services=user-service,cart-service&renewals=true');
      await events.next();
      await register({ service_name: 'order-service' });
      await rest.send('PUT', `${INSTANCE}/heartbeat`);
      expect((await events.next())?.data).toEqual({
        type: 'renewed',
        revision: 3,
        keys: [{ service_name: 'user-service', instance_id: '10.0.0.7:8080' }],
        at: expect.stringMatching(ISO),
      });
      await events.close();
      const none = await watch('?services=');
      expect((await none.next())?.data).toMatchObject({ type: 'reset', instances: [] });
      await none.close();
    });

    it('pings every 10 s', async () => {
      const events = await watch();
      await events.next();
      await rest.clock.advanceAsync(10_000);
      expect((await events.next())?.type).toBe('ping');
      await rest.clock.advanceAsync(10_000);
      expect((await events.next())?.type).toBe('ping');
      await events.close();
    });

    it('ends when the app closes, and does not delay that', async () => {
      const events = await watch();
      await events.next();
      await rest.app.close();
      expect(await events.next()).toBeUndefined();
    });

    it('leaves nothing behind when its reader disconnects', async () => {
      const events = await watch();
      await events.next();
      const timers = rest.clock.pendingTimers;
      const gone = new Promise<void>((resolve) => {
        const server = rest.app.getHttpServer() as Server;
        server.once('request', (_request, response) => response.once('close', () => resolve()));
      });
      const second = await watch();
      await second.next();
      expect(rest.clock.pendingTimers).toBe(timers + 1);
      await second.close();
      await gone;
      await rest.clock.advanceAsync(0);
      expect(rest.clock.pendingTimers).toBe(timers);
      await events.close();
    });
  });

  it('answers HEAD where it answers GET, streams included', async () => {
    await register();
    for (const path of ['/services', '/discover/user-service', '/watch', '/events', '/metrics']) {
      const answer = await rest.send('HEAD', path);
      expect([path, answer.status, answer.body]).toEqual([path, 200, undefined]);
    }
  });
});
