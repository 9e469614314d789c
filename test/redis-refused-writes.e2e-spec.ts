import { afterEach, describe, expect, it } from '@jest/globals';
import { type EventName } from '../libs/service-discovery/src/model/index.js';
import { RedisCluster } from './support/redis-cluster.js';
import { OPTIONS, redis, REFUSALS, testRefusals, twoMembers } from './support/refused-writes.js';

afterEach(() => redis.end());

describe('a Redis that can be read but refuses writes', () => {
  testRefusals('OOM');

  it('queues changes in hybrid mode, while earlier changes can be read', async () => {
    await redis.startServer();
    const [one, two] = await twoMembers(100);
    const offline: EventName[] = [];
    one.bus.on('registry.unavailable', () => void offline.push('registry.unavailable'));
    const refused = one.next('registry.writes_refused');
    await REFUSALS.NOREPLICAS.begin();
    await refused;
    await one.register('c');
    expect(await one.registry.deregister({ serviceName: 'users', instanceId: 'a' })).toBe(true);
    expect([...one.ids].sort()).toEqual(['b', 'c']);
    expect([...two.ids].sort()).toEqual(['a', 'b']);
    expect(one.registry.offlineWrites).toBe(2);
    expect(offline).toEqual([]);

    const reconciled = one.next('registry.reconciled');
    await REFUSALS.NOREPLICAS.end();
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
