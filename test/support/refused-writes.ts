import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { systemClock } from '../../libs/service-discovery/src/common/index.js';
import { HealthAggregator } from '../../libs/service-discovery/src/health/index.js';
import { DiscoveryMetrics } from '../../libs/service-discovery/src/observability/index.js';
import { pollUntil } from './poll.js';
import { RedisSetting } from './redis-setting.js';
import { type RegistryMember } from './registry-member.js';
import { report, sinceMs } from './timing.js';
import { unavailable } from './unavailable.js';

export const redis = new RedisSetting();

const LEASES = 'sd:{default:users}:leases';
/** Longer than sweeps may pause without counting as a stall. */
export const OPTIONS = { heartbeatInterval: '300ms', serviceTtl: '5s' } as const;

/** A way to make Redis refuse writes, and accept them again. */
interface Refusal {
  readonly said: RegExp;
  readonly args?: readonly string[];
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
}

const set = (name: string, value: string): Promise<unknown> => redis.server.client().config('SET', name, value);

export const REFUSALS = {
  OOM: {
    said: /refuses: OOM command not allowed .*\(its memory is full: .*\)(?:\. See \S+)?$/,
    begin: () => set('maxmemory', '1mb'),
    end: () => set('maxmemory', '0'),
  },
  NOREPLICAS: {
    said: /refuses: NOREPLICAS .*\(fewer replicas are in sync than min-replicas-to-write requires\)(?:\. See \S+)?$/,
    begin: () => set('min-replicas-to-write', '1'),
    end: () => set('min-replicas-to-write', '0'),
  },
  MISCONF: {
    said: /refuses: MISCONF .*\(it cannot save its data to disk\)(?:\. See \S+)?$/,
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
    said: /refuses: READONLY .*\(it is a replica\)(?:\. See \S+)?$/,
    begin: () => redis.server.client().replicaof('127.0.0.1', '1'),
    end: () => redis.server.client().replicaof('NO', 'ONE'),
  },
} satisfies Readonly<Record<string, Refusal>>;

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

export async function twoMembers(maxOfflineWrites = 0): Promise<[RegistryMember, RegistryMember]> {
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

/** Tests of an outage of writes, for each of its causes. */
export function testRefusals(...codes: readonly (keyof typeof REFUSALS)[]): void {
  it.each(codes)(
    '%s: the outage is reported once with its cause, nothing expires, and heartbeats continue after it',
    async (code) => {
      const { said, args, begin, end }: Refusal = REFUSALS[code];
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
}
