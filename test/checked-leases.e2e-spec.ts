import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CheckShare } from '../libs/service-discovery/src/health/index.js';
import { seededRandom, systemClock, type Clock } from '../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore, RemoteRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { pollUntil } from './support/poll.js';
import { RedisServer } from './support/redis-server.js';
import { type RestApp, type RestAppOptions, startRestApp } from './support/rest-app.js';

/** The minimal registration of a service that only knows its address. */
const BODY = {
  service_name: 'user-service',
  host: 'localhost',
  port: 8080,
  protocol: 'http',
  path: '/api/v1',
  health_check_path: '/health',
  metadata: { version: '1.0.0', environment: 'production' },
  tags: ['api', 'user', 'web'],
};
const TTL_MS = 300_000;
const TEN_MINUTES_MS = 600_000;

/** A process that takes registrations and one that reads them, which may be the same. */
interface Setting {
  readonly api: RestApp;
  readonly reader: RestApp;
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Results of the checks, and how many there were. */
class Endpoint {
  isWell = true;
  asked = 0;

  get checks(): NonNullable<RestAppOptions['checks']> {
    const probe = (): boolean => {
      this.asked += 1;
      return this.isWell;
    };
    return { services: { 'user-service': { type: 'custom', probe } } };
  }
}

async function inMemory(endpoint: Endpoint): Promise<Setting> {
  const api = await startRestApp('express', { checks: endpoint.checks });
  return { api, reader: api, advance: (ms) => api.clock.advanceAsync(ms), close: () => api.close() };
}

async function remote(endpoint: Endpoint): Promise<Setting> {
  const registry = await startRestApp('express', { checks: endpoint.checks });
  const store = new RemoteRegistryStore({ url: registry.origin });
  const api = await startRestApp('fastify', { mode: 'remote', store, clock: systemClock });
  return {
    api,
    reader: registry,
    advance: (ms) => registry.clock.advanceAsync(ms),
    close: async () => {
      await api.close();
      await registry.close();
    },
  };
}

/** Processes sharing one Redis, each with its own clock. */
class OverRedis implements Setting {
  readonly apps: RestApp[] = [];
  private readonly client: ClockedRedis;
  private time = Date.UTC(2026, 0, 1);

  constructor(port: number) {
    this.client = new ClockedRedis(port, '127.0.0.1');
  }

  async start(endpoint: Endpoint): Promise<this> {
    await this.client.setTime(this.time);
    const clock = new ManualClock();
    const store = new RedisRegistryStore(
      { client: this.client },
      { clock: { ...systemClock, now: () => clock.now() }, expiryClock: clock },
    );
    const share = (own: Clock): CheckShare =>
      new CheckShare(store, { clock: own, random: seededRandom(this.apps.length), intervalMs: 30_000 });
    const app = await startRestApp('express', { mode: 'redis_backed', store, clock, share, checks: endpoint.checks });
    this.apps.push(app);
    return this;
  }

  get api(): RestApp {
    return this.apps[0]!;
  }

  get reader(): RestApp {
    return this.apps.at(-1)!;
  }

  /** @param running processes whose time advances; the others are frozen, as if dead */
  async advance(ms: number, running: readonly RestApp[] = this.apps): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      this.time += Math.min(left, 1_000);
      await this.client.setTime(this.time);
      for (const { clock } of running) await clock.advanceAsync(Math.min(left, 1_000));
      // Answers on a connection are in order, so earlier requests have been answered.
      for (let turn = 0; turn < 3; turn++) await this.client.ping();
    }
  }

  async close(): Promise<void> {
    for (const app of this.apps) await app.close();
    this.client.disconnect();
  }
}

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());

const overRedis = async (endpoint: Endpoint): Promise<OverRedis> => {
  await server.flush();
  return new OverRedis(server.port).start(endpoint);
};

const listed = async (app: RestApp) => {
  const { status, body } = await app.send('GET', '/services/user-service');
  return status === 404 ? undefined : body.instances[0];
};

describe.each<[string, (endpoint: Endpoint) => Promise<Setting>]>([
  ['in memory', inMemory],
  ['over Redis', overRedis],
  ['of a remote registry', remote],
])('a registration by a single POST, %s', (_where, open) => {
  let endpoint: Endpoint;
  let setting: Setting;
  beforeEach(async () => {
    endpoint = new Endpoint();
    setting = await open(endpoint);
    const answer = await setting.api.send('POST', '/register', { json: BODY });
    expect([answer.status, answer.body]).toEqual([201, expect.objectContaining({ ttl: 300, lease: 'checks' })]);
  });
  afterEach(() => setting.close());

  it('is listed 10 minutes later with passing checks and no heartbeat', async () => {
    await setting.advance(TEN_MINUTES_MS);
    for (const app of [setting.api, setting.reader]) {
      await pollUntil('a healthy instance', async () => (await listed(app))?.status === 'healthy');
      const { lease, last_heartbeat: renewedAt, expires_at: endsAt } = (await listed(app))!;
      expect(lease).toBe('checks');
      expect(Date.parse(endsAt!) - Date.parse(renewedAt)).toBe(TTL_MS);
    }
    expect(endpoint.asked).toBeGreaterThanOrEqual(18);
  });

  it('expires after its TTL with failing checks, and not earlier', async () => {
    await setting.advance(60_000);
    endpoint.isWell = false;
    // Renewals are delayed by up to a second, and checks are at most 33 s apart.
    await setting.advance(TTL_MS - 35_000);
    await pollUntil('an unhealthy instance', async () => (await listed(setting.reader))?.status === 'unhealthy');
    await setting.advance(36_000);
    for (const app of [setting.api, setting.reader]) {
      await pollUntil('the end', async () => (await listed(app)) === undefined);
    }
  });

  it('expires after its TTL if only one heartbeat follows', async () => {
    await setting.api.send('PUT', '/services/user-service/instances/localhost:8080/heartbeat');
    await setting.advance(TTL_MS - 1_000);
    await pollUntil('a healthy instance', async () => (await listed(setting.reader))?.status === 'healthy');
    expect((await listed(setting.reader))?.lease).toBe('heartbeat');
    await setting.advance(2_000);
    await pollUntil('the end', async () => (await listed(setting.reader)) === undefined);
  });
});

describe('over Redis, a registration renewed by checks', () => {
  let endpoints: Endpoint[];
  let setting: OverRedis;
  beforeEach(async () => {
    endpoints = [new Endpoint(), new Endpoint()];
    setting = await overRedis(endpoints[0]!);
    await setting.start(endpoints[1]!);
    await setting.advance(10_000);
    await setting.api.send('POST', '/register', { json: BODY });
  });
  afterEach(() => setting.close());

  it('survives the death of the checking process when another one takes over', async () => {
    await setting.advance(60_000);
    const checking = endpoints[0]!.asked > 0 ? 0 : 1;
    expect(endpoints[1 - checking]!.asked).toBe(0);
    await setting.advance(TEN_MINUTES_MS, [setting.apps[1 - checking]!]);
    expect(endpoints[1 - checking]!.asked).toBeGreaterThan(10);
    expect((await listed(setting.apps[1 - checking]!))?.status).toBe('healthy');
  });

  it('returns after Redis lost everything', async () => {
    await setting.advance(60_000);
    const before = (await listed(setting.reader))!.generation;
    await server.flush();
    await setting.advance(60_000);
    for (const app of setting.apps) {
      await pollUntil('a new registration', async () => ((await listed(app))?.generation ?? 0) > before);
      expect((await listed(app))?.lease).toBe('checks');
    }
  });
});
