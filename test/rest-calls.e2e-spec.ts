import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CircuitOpenError, TransportError } from 'nest-service-discovery';
import { type Answer, PLATFORMS, type RestApp, startRestApp } from './support/rest-app.js';

const [A, B] = ['10.0.0.7:8080', '10.0.0.8:8080'];

describe.each(PLATFORMS)('the REST API for calls of this process, on %s', (platform) => {
  let rest: RestApp;
  beforeEach(async () => {
    rest = await startRestApp(platform);
    for (const host of ['10.0.0.7', '10.0.0.8']) {
      await rest.registry.register(
        { serviceName: 'users', host, port: 8080, version: host === '10.0.0.7' ? '1.0.0' : '2.0.0' },
        { heartbeat: 'manual' },
      );
    }
  });
  afterEach(() => rest.close());

  const bodyOf = async (path: string): Promise<Record<string, unknown>> =>
    (await rest.send('GET', path)).body as unknown as Record<string, unknown>;
  const force = (path: string, state: unknown): Promise<Answer> =>
    rest.send('PUT', `/circuit-breakers/${path}`, { json: { state } });
  const targets = async (calls: number): Promise<string[]> => {
    rest.transport.sent.length = 0;
    for (let n = 0; n < calls; n++) await rest.communicator.callService('users', { path: '/' });
    return [...new Set(rest.transport.targets)].sort();
  };

  describe('PUT /circuit-breakers', () => {
    it('excludes an instance from all calls, and readmits it', async () => {
      const answer = await force(`users/instances/${A}`, 'isolated');
      expect([answer.status, answer.body]).toEqual([200, { service_name: 'users', instance_id: A, state: 'isolated' }]);
      expect(await targets(4)).toEqual([B]);
      expect(await bodyOf('/circuit-breakers')).toMatchObject({
        circuit_breakers: expect.arrayContaining([
          expect.objectContaining({ instance_id: A, state: 'isolated', forced: 'isolated', retry_after_ms: null }),
        ]) as unknown,
      });
      expect((await force(`users/instances/${A}`, 'automatic')).status).toBe(200);
      expect(await targets(4)).toEqual([A, B]);
    });

    it('keeps a circuit closed that calls would open', async () => {
      await force(`users/instances/${A}`, 'closed');
      await force(`users/instances/${B}`, 'closed');
      rest.transport.answer(() => {
        throw new TransportError('socket hang up', false);
      });
      for (let n = 0; n < 20; n++) {
        await rest.communicator.callService('users', { method: 'POST', path: '/' }).catch(() => undefined);
      }
      expect(rest.transport.sent).toHaveLength(20);
    });

    it('stops all calls to a service, and resumes them', async () => {
      const answer = await force('users', 'isolated');
      expect([answer.status, answer.body]).toEqual([
        200,
        { service_name: 'users', instance_id: null, state: 'isolated' },
      ]);
      await expect(rest.communicator.callService('users', { path: '/' })).rejects.toThrow(CircuitOpenError);
      expect(rest.transport.sent).toEqual([]);
      expect(await bodyOf('/circuit-breakers')).toMatchObject({
        circuit_breakers: [expect.objectContaining({ service_name: 'users', instance_id: null, forced: 'isolated' })],
      });
      expect(await bodyOf('/explain/users')).toMatchObject({ refused_by: 'service_circuit_breaker' });
      await force('users', 'automatic');
      expect(await targets(2)).toEqual([A, B]);
    });

    it('tells the journal who did it and why', async () => {
      await rest.send('PUT', `/circuit-breakers/users/instances/${A}`, {
        json: { state: 'isolated', reason: 'a new disk', by: 'ada' },
      });
      await rest.send('PUT', `/services/users/instances/${B}/status`, { json: { status: 'maintenance' } });
      const { entries } = (await bodyOf('/journal?type=operator.acted')) as { entries: object[] };
      expect(entries).toEqual([
        expect.objectContaining({
          instance_id: B,
          by: 'local',
          reason: null,
          text: `local set users/${B} to maintenance`,
        }),
        expect.objectContaining({
          instance_id: A,
          by: 'ada (local)',
          reason: 'a new disk',
          text: `ada (local) set the circuit of users/${A} to isolated: a new disk`,
        }),
      ]);
    });

    it('keeps the drain of a process that shuts down out of the actions of operators', async () => {
      const { body } = await rest.send('POST', '/register', {
        json: { service_name: 'mail', host: '10.0.0.9', port: 80, instance_id: 'm' },
      });
      expect(body.instance_id).toBe('m');
      await rest.send('PUT', '/services/mail/instances/m/status', {
        json: { status: 'draining', reason: 'shutting down' },
      });
      expect(await bodyOf('/journal?type=operator.acted')).toEqual({ entries: [], next: null });
    });

    it('accepts no other state, in code either', () => {
      expect(() => rest.communicator.forceCircuit('users', A, 'open' as never)).toThrow(/state: .*"automatic"/);
    });

    it.each([
      ['unknown', 'SERVICE_NOT_FOUND'],
      ['unknown/instances/x', 'SERVICE_NOT_FOUND'],
      ['users/instances/x', 'INSTANCE_NOT_FOUND'],
    ])('answers 404 for %s', async (path, code) => {
      const { status, body } = await force(path, 'isolated');
      expect([status, body.error.code]).toEqual([404, code]);
    });

    it.each(['open', '', null, 1, undefined])('rejects the state %j', async (state) => {
      const { status, body } = await force('users', state);
      expect([status, body.error.code]).toEqual([400, 'INVALID_REQUEST']);
      expect(body.error.problems).toEqual([
        { field: 'state', value: state ?? null, expected: 'one of isolated, closed, automatic' },
      ]);
    });
  });

  describe('GET /explain/:name', () => {
    const standing = async (query = ''): Promise<unknown> => {
      const { instances } = (await bodyOf(`/explain/users${query}`)) as { instances: Record<string, unknown>[] };
      return instances.map(({ instance_id: id, taken, stage }) => [id, taken, stage]);
    };

    it('reports for each instance whether a call would use it, and why not', async () => {
      expect(await standing()).toEqual([
        [A, true, undefined],
        [B, true, undefined],
      ]);
      expect(await standing('?version=^2')).toEqual([
        [A, false, 'version'],
        [B, true, undefined],
      ]);
      await force(`users/instances/${B}`, 'isolated');
      const answer = await bodyOf('/explain/users');
      expect(answer).toMatchObject({
        service_name: 'users',
        strategy: 'round_robin',
        panic: false,
        retries_left: expect.any(Number) as unknown,
        instances: [
          { instance_id: A, taken: true, weight: expect.any(Number) as unknown, slow_start: 1, active: 0 },
          { instance_id: B, taken: false, reason: expect.stringContaining('circuit') as unknown },
        ],
      });
    });

    it('changes nothing', async () => {
      const before = await bodyOf('/explain/users?key=k&client_ip=10.0.0.9&path=/x');
      expect(await bodyOf('/explain/users?key=k&client_ip=10.0.0.9&path=/x')).toEqual(before);
      expect(rest.transport.sent).toEqual([]);
    });

    it('answers 404 for an unregistered service', async () => {
      const { status, body } = await rest.send('GET', '/explain/unknown');
      expect([status, body.error.code]).toEqual([404, 'SERVICE_NOT_FOUND']);
    });

    it.each(['path=x', 'path=/%20', 'version=new', 'zone=', 'colour=red'])('validates the query %s', async (query) => {
      const { status, body } = await rest.send('GET', `/explain/users?${query}`);
      // An empty parameter counts as absent.
      if (query === 'zone=') expect(status).toBe(200);
      else expect([status, body.error.code]).toEqual([400, 'INVALID_REQUEST']);
    });
  });

  it('GET /pipeline/:name lists the stages around a call, outermost first', async () => {
    const answer = (await bodyOf('/pipeline/users')) as unknown as {
      stages: { stage: string; per: string; purpose: string; options: object }[];
    };
    expect(answer.stages.map(({ stage, per }) => `${stage} per ${per}`)).toEqual([
      'deadline per service',
      'retry per service',
      'load_balancing per service',
      'circuit_breaker per instance',
      'attempt_timeout per instance',
    ]);
    for (const { purpose } of answer.stages) expect(purpose).toMatch(/\.$/);
    const optionsOf = (name: string) => answer.stages.find(({ stage }) => stage === name)?.options;
    // In seconds, under the names of GET /patterns.
    expect(optionsOf('deadline')).toMatchObject({ timeout: 30 });
    expect(optionsOf('retry')).toMatchObject({ max_attempts: 3, base_delay: 1, max_delay: 60, budget: { window: 10 } });
    expect(optionsOf('circuit_breaker')).toMatchObject({ recovery_timeout: 60, max_recovery_timeout: 300 });
    expect((await rest.send('GET', '/pipeline/unknown')).status).toBe(404);
  });

  it('GET /ejections is empty without outliers', async () => {
    expect(await bodyOf('/ejections')).toEqual({ ejections: [], total: 0 });
  });

  it('GET /ejections reports who is ejected, for how long and why', async () => {
    const wary = rest.communicator.withOptions({ outlierDetection: { consecutiveFailures: 3 }, circuitBreaker: false });
    rest.transport.answer((instance) => {
      if (instance.instanceId === A) throw new TransportError('socket hang up', false);
      return {};
    });
    for (let n = 0; n < 20; n++) await wary.callService('users', { path: '/' });
    const { ejections, total } = (await bodyOf('/ejections')) as { ejections: object[]; total: number };
    expect(total).toBe(1);
    expect(ejections[0]).toMatchObject({
      service_name: 'users',
      instance_id: A,
      ejected: true,
      reason: expect.any(String) as unknown,
      ejected_for_ms: expect.any(Number) as unknown,
    });
  });
});
