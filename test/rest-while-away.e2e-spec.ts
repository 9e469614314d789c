import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FlakyRegistryStore } from '../libs/service-discovery/src/testing/flaky-registry-store.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { type Answer, PLATFORMS, type RestApp, startRestApp } from './support/rest-app.js';

const USER = { service_name: 'users', host: '10.0.0.7', port: 8080, instance_id: 'u1', ttl: 86_400 };

describe.each(PLATFORMS)('the REST API on %s, while the store behind it is away', (platform) => {
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
  const READS = [
    '/discover/users',
    '/services',
    '/services/healthy',
    '/services/by-tag/api',
    '/services/users',
    '/health/aggregated',
  ];

  it.each(READS)('GET %s says how old its answer is, in whole seconds, and only then', async (path) => {
    expect((await get(path)).headers.age).toBeUndefined();
    store.goAway();
    await rest.clock.advanceAsync(12_900);
    const answer = await get(path);
    expect([answer.status, answer.headers.age]).toEqual([200, '12']);
    store.comeBack();
    await rest.clock.advanceAsync(5_000);
    expect((await get(path)).headers.age).toBeUndefined();
  });

  it('aggregated health and the metrics tell of it, too', async () => {
    store.goAway();
    await rest.clock.advanceAsync(12_500);
    expect((await get('/health/aggregated')).body).toMatchObject({ registry: { connected: false, age_seconds: 12 } });
    const { text } = await get('/metrics');
    expect(text).toMatch(/^service_discovery_registry_snapshot_age_seconds 12\.5$/m);
    expect(text).toMatch(/^service_discovery_registry_connected 0$/m);
  });

  it('what is older than maxSnapshotAge is served no more, neither to readers nor to callers', async () => {
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
