import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FlakyRegistryStore } from '../libs/service-discovery/src/testing/flaky-registry-store.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { type Answer, PLATFORMS, type RestApp, startRestApp } from './support/rest-app.js';
import { readsOfAll, readsOfService } from './support/routes.js';

const USER = { service_name: 'users', host: '10.0.0.7', port: 8080, instance_id: 'u1', ttl: 86_400 };

describe.each(PLATFORMS)('the REST API on %s, while its store is unreachable', (platform) => {
  let rest: RestApp;
  let store: FlakyRegistryStore;

  beforeEach(async () => {
    const clock = new ManualClock();
    store = new FlakyRegistryStore(clock);
    rest = await startRestApp(platform, { store, clock, registryOptions: { maxSnapshotAge: '60s' } });
    await rest.send('POST', '/register', { json: USER });
  });
  afterEach(() => rest.close());

  const get = (path: string): Promise<Answer> => rest.send('GET', path);
  /** They tell what this process does, not what is in the registry. */
  const OF_THE_PROCESS = [
    '/patterns',
    '/pipeline/users',
    '/circuit-breakers',
    '/ejections',
    '/calls',
    '/journal',
    '/metrics',
  ];
  const READS = [...readsOfAll('api'), ...readsOfService('users', 'u1')].filter(
    (path) => !OF_THE_PROCESS.includes(path),
  );

  it.each(READS)('GET %s reports the age of its answer in whole seconds, only then', async (path) => {
    expect((await get(path)).headers.age).toBeUndefined();
    store.goAway();
    await rest.clock.advanceAsync(12_900);
    const answer = await get(path);
    expect([answer.status, answer.headers.age]).toEqual([200, '12']);
    store.comeBack();
    await rest.clock.advanceAsync(5_000);
    expect((await get(path)).headers.age).toBeUndefined();
  });

  it('reports the age with 404 and 503 answers as well', async () => {
    await rest.send('PUT', '/services/users/instances/u1/status', { json: { status: 'maintenance' } });
    const askAll = async (): Promise<unknown[]> => {
      const answers = await Promise.all(['/services/unknown', '/discover/unknown', '/discover/users'].map(get));
      return answers.map(({ status, body, headers }) => [status, body.error.code, headers.age]);
    };
    const errors = (age?: string): unknown[] => [
      [404, 'SERVICE_NOT_FOUND', age],
      [404, 'SERVICE_NOT_FOUND', age],
      [503, 'NO_AVAILABLE_INSTANCE', age],
    ];
    expect(await askAll()).toEqual(errors());
    store.goAway();
    await rest.clock.advanceAsync(12_900);
    expect(await askAll()).toEqual(errors('12'));
    // Errors in a request are not affected by the outage.
    expect((await rest.send('POST', '/register', { json: {} })).headers.age).toBeUndefined();
    expect((await rest.send('POST', '/register', { json: USER })).headers.age).toBeUndefined();
  });

  it('reports it in aggregated health and metrics', async () => {
    store.goAway();
    await rest.clock.advanceAsync(12_500);
    expect((await get('/health/aggregated')).body).toMatchObject({ registry: { connected: false, age_seconds: 12 } });
    const { text } = await get('/metrics');
    expect(text).toMatch(/^service_discovery_registry_snapshot_age_seconds 12\.5$/m);
    expect(text).toMatch(/^service_discovery_registry_connected 0$/m);
  });

  it('serves nothing older than maxSnapshotAge, neither to readers nor to callers', async () => {
    rest.transport.answer(() => ({ body: { ok: true } }));
    const call = (): Promise<unknown> => rest.communicator.callServiceJson('users', { path: '/' });
    store.goAway();
    await rest.clock.advanceAsync(60_000);
    expect((await get('/discover/users')).status).toBe(200);
    expect(await call()).toEqual({ ok: true });
    await rest.clock.advanceAsync(1_000);
    for (const path of ['/discover/users', '/services', '/services/users']) {
      const { status, body } = await get(path);
      expect([status, body.error.code]).toEqual([503, 'REGISTRY_UNAVAILABLE']);
      expect(body.error.message).toMatch(/61 s old: more than the 60 s of maxSnapshotAge/);
    }
    await expect(call()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    expect((await get('/health/aggregated')).status).toBe(200);
    store.comeBack();
    await rest.clock.advanceAsync(5_000);
    expect(await call()).toEqual({ ok: true });
  });
});

describe.each(PLATFORMS)(
  'the REST API on %s, of a registry that keeps working while its store is unreachable',
  (platform) => {
    let rest: RestApp;
    let store: FlakyRegistryStore;

    beforeEach(async () => {
      const clock = new ManualClock();
      store = new FlakyRegistryStore(clock);
      rest = await startRestApp(platform, { store, clock, registryOptions: { maxOfflineWrites: 2 } });
      await rest.send('POST', '/register', { json: USER });
      store.goAway();
      await clock.advanceAsync(3_000);
    });
    afterEach(() => rest.close());

    const INSTANCE = '/services/users/instances';

    it('answers as usual, with an Age header since others do not see the changes yet', async () => {
      const registered = await rest.send('POST', '/register', { json: { ...USER, instance_id: 'u2' } });
      expect([registered.status, registered.headers.age]).toEqual([201, '3']);
      const { generation } = registered.body;
      expect(registered.body).toEqual({
        service_name: 'users',
        instance_id: 'u2',
        generation: expect.any(Number),
        base_url: 'http://10.0.0.7:8080',
        status: 'unknown',
        ttl: 86_400,
        lease: 'heartbeat',
      });
      const beat = await rest.send('PUT', `${INSTANCE}/u2/heartbeat`, { json: { generation } });
      expect([beat.status, beat.headers.age]).toEqual([200, '3']);
      const leases = [7, generation].map((held) => ({ service_name: 'users', instance_id: 'u2', generation: held }));
      const beats = await rest.send('POST', '/heartbeats', { json: { leases } });
      expect(beats.body).toEqual({ renewed: [false, true] });
      const status = await rest.send('PUT', `${INSTANCE}/u1/status`, { json: { status: 'maintenance' } });
      expect([status.status, status.headers.age, status.body.status]).toEqual([200, '3', 'maintenance']);
      expect((await rest.send('GET', '/discover/users')).body.instance_id).toBe('u2');
      const removed = await rest.send('DELETE', `${INSTANCE}/u2?generation=${generation}`);
      expect([removed.status, removed.headers.age, removed.headers['x-service-discovery-removed']]).toEqual([
        204,
        '3',
        'true',
      ]);
      store.comeBack();
      await rest.clock.advanceAsync(5_000);
      const { body } = await rest.send('GET', '/services/users');
      expect(body.instances.map(({ instance_id, status }) => [instance_id, status])).toEqual([['u1', 'maintenance']]);
    });

    it('rejects changes that do not fit into the queue', async () => {
      for (const [instance_id, expected] of [
        ['u2', 201],
        ['u3', 201],
        ['u4', 503],
      ]) {
        expect((await rest.send('POST', '/register', { json: { ...USER, instance_id } })).status).toBe(expected);
      }
      expect((await rest.send('GET', '/metrics')).text).toMatch(/^service_discovery_registry_offline_writes 2$/m);
    });
  },
);
