import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { pollUntil } from './support/poll.js';
import { RedisSetting } from './support/redis-setting.js';
import { SlowLink, type SlowLinkOptions } from './support/slow-link.js';
import { report, sinceMs } from './support/timing.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

async function slowLink(options: SlowLinkOptions): Promise<SlowLink> {
  const link = await SlowLink.to(redis.server.port, options);
  redis.atEnd(() => link.close());
  return link;
}

describe('a link with 20 KB per second', () => {
  const BYTES_PER_SECOND = 20_000;
  // SLOW_LINK_INSTANCES=500 npm run test:long -- test/redis-slow-link
  const INSTANCES = Number(process.env.SLOW_LINK_INSTANCES ?? 120);
  // Registering an instance, and receiving and reading it, takes 1.5 KB if nothing is sent twice.
  const BOUND_MS = (2 * INSTANCES * 1_500 * 1_000) / BYTES_PER_SECOND;

  it(
    'registers all instances, and a new process sees them, in bounded time',
    async () => {
      await redis.startServer();
      const { url } = await slowLink({ bytesPerSecond: BYTES_PER_SECOND });
      // Too small for the registrations and for what a process reads.
      const open = () => redis.member(redis.openStore({ url, commandTimeout: '2s' }), { startTimeout: '1s' });
      const one = open();
      await one.registry.start();
      const outages: string[] = [];
      one.bus.on('registry.unavailable', ({ reason }) => void outages.push(reason));
      const start = systemClock.now();
      const registering = Array.from({ length: INSTANCES }, (_, index) => one.register(`instance-${index}`));
      const outcomes = await Promise.allSettled(registering);
      const registeredMs = sinceMs(start);
      const answered = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [`instance-${index}`] : []));
      const held = new Set(await redis.server.client().hkeys('sd:{default:users}:records'));
      expect(answered.filter((id) => !held.has(id))).toEqual([]);
      expect(answered).toHaveLength(INSTANCES);

      const two = open();
      two.bus.on('registry.unavailable', ({ reason }) => void outages.push(reason));
      const opened = systemClock.now();
      await two.registry.start();
      await two.until(() => two.ids.length === INSTANCES);
      const readMs = sinceMs(opened);
      report(
        `20 KB/s: ${INSTANCES} instances registered in ${registeredMs} ms, seen by a new process after ${readMs} ms`,
      );
      expect(outages).toEqual([]);
      expect(registeredMs + readMs).toBeLessThan(BOUND_MS + 5_000);
      expect(await redis.server.client().hlen('sd:{default:users}:records')).toBe(INSTANCES);
    },
    60_000 + 2 * BOUND_MS,
  );
});

describe('a link with a round trip of more than half the command timeout', () => {
  it('keeps the watch open', async () => {
    await redis.startServer();
    const { url } = await slowLink({ roundTripMs: 1_200 });
    const member = redis.member(redis.openStore({ url, commandTimeout: '2s' }), { heartbeatInterval: '30s' });
    const available = member.until(() => member.registry.snapshot.connected);
    await member.registry.start();
    await available;
    const outages: string[] = [];
    member.bus.on('registry.unavailable', ({ reason }) => void outages.push(reason));
    const pings = async (): Promise<number> => {
      const stats = await redis.server.client().info('commandstats');
      return Number(/cmdstat_ping:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const before = await pings();
    await pollUntil('three answers', async () => (await pings()) >= before + 4);
    await member.register('a');
    expect(outages).toEqual([]);
    expect(member.registry.snapshot.connected).toBe(true);
  });
});
