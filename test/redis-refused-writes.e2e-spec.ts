import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { HealthAggregator } from '../libs/service-discovery/src/health/index.js';
import { type EventName } from '../libs/service-discovery/src/model/index.js';
import { DiscoveryMetrics } from '../libs/service-discovery/src/observability/index.js';
import { pollUntil } from './support/poll.js';
import { RedisCluster } from './support/redis-cluster.js';
import { RedisSetting } from './support/redis-setting.js';
import { type RegistryMember } from './support/registry-member.js';
import { report, sinceMs } from './support/timing.js';
import { unavailable } from './support/unavailable.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

const LEASES = 'sd:{default:users}:leases';
/** Longer than sweeps may pause without counting as a stall. */
const OPTIONS = { heartbeatInterval: '300ms', serviceTtl: '5s' } as const;

/** A way to make Redis refuse writes, and accept them again. */
interface Refusal {
  readonly said: RegExp;
  readonly args?: readonly string[];
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
}

const set = (name: string, value: string): Promise<unknown> => redis.server.client().config('SET', name, value);

const REFUSALS: Readonly<Record<string, Refusal>> = {
  OOM: {
    said: /refuses: OOM command not allowed .*\(its memory is full: .*\)$/,
    begin: () => set('maxmemory', '1mb'),
    end: () => set('maxmemory', '0'),
  },
  NOREPLICAS: {
    said: /refuses: NOREPLICAS .*\(fewer replicas are in sync than min-replicas-to-write requires\)$/,
    begin: () => set('min-replicas-to-write', '1'),
    end: () => set('min-replicas-to-write', '0'),
  },
  MISCONF: {
    said: /refuses: MISCONF .*\(it cannot save its data to disk\)$/,
    args: ['--save', '3600 1000000'],
    begin: async () => {
      const client = redis.server.client();
      const [, directory = ''] = await client.config('GET', 'dir');
      await mkdir(join(directory, 'dump.rdb'));
      await client.bgsave();
      await pollUntil('a save that failed', async () =>
        (await client.info('persistence')).includes('rdb_last_bgsave_status:err'),
      );
    },
    end: () => set('stop-writes-on-bgsave-error', 'no'),
  },
  READONLY: {
    said: /refuses: READONLY .*\(it is a replica\)$/,
    begin: () => redis.server.client().replicaof('127.0.0.1', '1'),
    end: () => redis.server.client().replicaof('NO', 'ONE'),
  },
};

/** Resolves when all leases have expired, or all have been renewed. */
function leasesAre(state: 'over' | 'held'): Promise<void> {
  const client = redis.server.client();
  return pollUntil(`leases that are ${state}`, async () => {
    const [seconds] = (await client.time()).map(Number);
    const ends = (await client.zrange(LEASES, '0', '-1', 'WITHSCORES'))
      .filter((_, index) => index % 2 === 1)
      .map(Number);
    return ends.every((end) => (state === 'over' ? end < seconds! * 1_000 : end > (seconds! + 1) * 1_000));
  });
}

async function twoMembers(maxOfflineWrites = 0): Promise<[RegistryMember, RegistryMember]> {
  const options = { ...OPTIONS, maxOfflineWrites };
  const members: [RegistryMember, RegistryMember] = [
    redis.member(redis.openStore({ commandTimeout: '5s' }), options),
    redis.member(redis.openStore({ commandTimeout: '5s' }), options),
  ];
  for (const { registry } of members) await registry.start();
  await Promise.all([members[0].register('a'), members[1].register('b')]);
  await Promise.all(members.map((member) => member.until(() => member.ids.length === 2)));
  return members;
}

describe('a Redis that can be read but refuses writes', () => {
  it.each(Object.entries(REFUSALS))(
    '%s: the outage is reported once with its cause, nothing expires, and heartbeats continue after it',
    async (_code, { said, args, begin, end }) => {
      await redis.startServer({ args });
      const [one, two] = await twoMembers();
      const told: string[] = [];
      one.bus.on('registry.writes_refused', ({ reason }) => void told.push(reason));
      one.bus.on('registry.writes_accepted', () => void told.push('accepted'));
      const shown = new Set<number>();
      for (const member of [one, two]) member.registry.onChange(() => void shown.add(member.ids.length));
      const metrics = new DiscoveryMetrics(one.bus, one.registry);
      redis.atEnd(() => metrics.close());
      const health = new HealthAggregator(one.registry);
      redis.atEnd(() => health.close());

      const refused = one.next('registry.writes_refused');
      await begin();
      await refused;
      await expect(one.register('c')).rejects.toMatchObject(unavailable(said));
      expect(health.getSummary().registry.writeRefusal).toMatch(said);
      expect(await metrics.metrics()).toMatch(/^service_discovery_registry_writable 0$/m);
      await leasesAre('over');

      const accepted = [one, two].map((member) => member.next('registry.writes_accepted'));
      const start = systemClock.now();
      await end();
      await Promise.all(accepted);
      report(`writes taken again: noticed after ${sinceMs(start)} ms`);
      await leasesAre('held');
      await one.register('c');
      await two.until(() => two.ids.length === 3);
      expect(told).toEqual([expect.stringMatching(said), 'accepted']);
      expect(Math.min(...shown)).toBe(2);
      expect(health.getSummary().registry).toEqual({ connected: true, ageSeconds: 0 });
      expect(await metrics.metrics()).toMatch(/^service_discovery_registry_writable 1$/m);
    },
  );

  it('queues changes in hybrid mode, while earlier changes can be read', async () => {
    await redis.startServer();
    const [one, two] = await twoMembers(100);
    const offline: EventName[] = [];
    one.bus.on('registry.unavailable', () => void offline.push('registry.unavailable'));
    const refused = one.next('registry.writes_refused');
    await REFUSALS.NOREPLICAS!.begin();
    await refused;
    await one.register('c');
    expect(await one.registry.deregister({ serviceName: 'users', instanceId: 'a' })).toBe(true);
    expect([...one.ids].sort()).toEqual(['b', 'c']);
    expect([...two.ids].sort()).toEqual(['a', 'b']);
    expect(one.registry.offlineWrites).toBe(2);
    expect(offline).toEqual([]);

    const reconciled = one.next('registry.reconciled');
    await REFUSALS.NOREPLICAS!.end();
    await reconciled;
    await two.until(() => [...two.ids].sort().join() === 'b,c');
    expect(one.registry.offlineWrites).toBe(0);
  });
});

describe('a Cluster with one master that refuses writes', () => {
  it('accepts writes on the other masters, and the outage ends when that master accepts them again', async () => {
    const cluster = await RedisCluster.start();
    redis.atEnd(() => cluster.stop());
    const member = redis.member(redis.openStore({ url: cluster.url, commandTimeout: '5s' }), OPTIONS);
    const told: string[] = [];
    member.bus.on('registry.writes_refused', ({ reason }) => void told.push(reason));
    member.bus.on('registry.writes_accepted', () => void told.push('accepted'));
    await member.registry.start();
    const register = (serviceName: string): Promise<unknown> =>
      member.registry.register({ serviceName, instanceId: 'a', host: '127.0.0.1', port: 8080 });
    const names = ['users', 'orders', 'stock', 'billing', 'mail', 'search', 'cart', 'shop'];
    for (const name of names) await register(name);

    // It holds the keys of `users` but not the index of names, which registrations write to.
    const [, , full] = cluster.masters;
    expect(await full!.client().keys('*:records')).toContain('sd:{default:users}:records');
    const refused = member.next('registry.writes_refused');
    await full!.client().config('SET', 'maxmemory', '1mb');
    await refused;
    const outcomes = await Promise.allSettled(names.map(register));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['fulfilled', 'rejected']));

    const accepted = member.next('registry.writes_accepted');
    await full!.client().config('SET', 'maxmemory', '0');
    await accepted;
    for (const name of names) await register(name);
    expect(told).toEqual([expect.stringMatching(/refuses: OOM/), 'accepted']);
    expect(member.registry.listServices()).toHaveLength(names.length);
  });
});
