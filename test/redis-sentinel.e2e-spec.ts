import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { type RedisRegistryStoreOptions } from '../libs/service-discovery/src/store/index.js';
import { pollUntil } from './support/poll.js';
import { DOWN_AFTER_MS, MASTER_NAME, RedisSentinels } from './support/redis-sentinel.js';
import { RegistryProcess } from './support/registry-process.js';
import { report, sinceMs } from './support/timing.js';

const HEARTBEAT_MS = 2_000;
const users = (instanceId: string): { serviceName: string; instanceId: string } => ({
  serviceName: 'users',
  instanceId,
});

let sentinels: RedisSentinels;
let toClose: (() => Promise<unknown> | void)[];

beforeEach(async () => {
  sentinels = await RedisSentinels.start();
  toClose = [() => sentinels.stop()];
});
afterEach(async () => {
  for (const close of toClose.reverse()) await close();
});

async function start(options: RedisRegistryStoreOptions = { url: sentinels.url }): Promise<RegistryProcess> {
  const process = await RegistryProcess.start(options, `${HEARTBEAT_MS}ms`);
  toClose.push(() => process.close());
  return process;
}

/** Everything that a process shows of `users` from now on. */
function recordIds(process: RegistryProcess): Set<string> {
  const shown = new Set(process.ids('users'));
  process.registry.onChange(() => process.ids('users').forEach((id) => shown.add(id)));
  return shown;
}

const allShow = (processes: RegistryProcess[], ids: string[]): Promise<unknown> =>
  Promise.all(processes.map((process) => process.until(() => process.ids('users').join() === ids.join())));

describe('when the primary is killed and Sentinel promotes a replica', () => {
  it('writes and watches continue there, nothing live is lost, and nothing deregistered comes back', async () => {
    const [one, two] = [await start(), await start()];
    for (const id of ['a', 'b', 'gone']) await one.register('users', id);
    await two.register('users', 'c');
    await one.registry.deregister(users('gone'));
    await allShow([one, two], ['a', 'b', 'c']);
    const fewest = new Set<number>();
    for (const process of [one, two]) process.registry.onChange(() => void fewest.add(process.ids('users').length));
    const shown = recordIds(two);

    const begin = systemClock.now();
    await sentinels.primary.server.client().wait(2, 5_000);
    const failover = sentinels.failover().then(() => sinceMs(begin));
    await sentinels.primary.server.kill();
    const written = one.registerAtLast('users', 'd').then(() => sinceMs(begin));
    const seen = two.until(() => two.ids('users').includes('d')).then(() => sinceMs(begin));
    const [failoverMs, writtenMs, seenMs] = await Promise.all([failover, written, seen]);
    report(
      `the primary killed, Sentinels wait ${DOWN_AFTER_MS} ms: another one after ${failoverMs} ms, ` +
        `a write went well after ${writtenMs} ms, and was seen elsewhere after ${seenMs} ms`,
    );
    expect(writtenMs).toBeLessThan(failoverMs + 2_000);
    expect(seenMs).toBeLessThan(failoverMs + 2_000);
    await allShow([one, two, await start()], ['a', 'b', 'c', 'd']);
    expect(Math.min(...fewest)).toBe(3);
    expect([...shown].sort()).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('when a primary that was cut off accepted writes after a failover', () => {
  it('all live instances, and no others, are there within a heartbeat of its return', async () => {
    const { server, proxy } = sentinels.primary;
    // Processes on its side of the partition bypass the proxy.
    const client = new Redis({
      sentinels: sentinels.addresses,
      name: MASTER_NAME,
      natMap: { [`127.0.0.1:${proxy.port}`]: { host: '127.0.0.1', port: server.port } },
    });
    client.on('error', () => undefined);
    toClose.push(() => client.disconnect());
    const isolated = await start({ client });
    const [one, two] = [await start(), await start()];
    await isolated.register('users', 'x');
    await isolated.register('users', 'ended-there');
    await one.register('users', 'a');
    await one.register('users', 'ended-here');
    await two.register('users', 'b');
    await allShow([isolated, one, two], ['a', 'b', 'ended-here', 'ended-there', 'x']);

    // Data that has not been replicated by now is not affected by the partition.
    await server.client().wait(2, 5_000);
    await proxy.cut();
    await isolated.register('users', 'born-there');
    await isolated.registry.deregister(users('ended-there'));
    await sentinels.failover();
    await one.registerAtLast('users', 'born-here');
    await one.registry.deregister(users('ended-here'));
    await allShow([isolated], ['a', 'b', 'born-there', 'ended-here', 'x']);
    await allShow([two], ['a', 'b', 'born-here', 'ended-there', 'x']);
    const shown = recordIds(isolated);

    const demoted = isolated.next('registry.unavailable');
    const begin = systemClock.now();
    await proxy.heal();
    await demoted;
    const demotedAt = systemClock.now();
    const live = ['a', 'b', 'born-here', 'born-there', 'x'];
    await allShow([isolated, one, two], live);
    const convergedMs = sinceMs(demotedAt);
    report(
      `an isolated primary demoted ${Math.round(demotedAt - begin)} ms after the cut healed: ` +
        `all views equal after another ${convergedMs} ms, heartbeats every ${HEARTBEAT_MS} ms`,
    );
    expect(convergedMs).toBeLessThan(HEARTBEAT_MS);
    await allShow([await start()], live);
    // Instances that ended on its own side did not come back in its view either.
    expect(shown).not.toContain('ended-there');
  });
});

describe('when the primary is killed', () => {
  it('no error names the retry limit of the Redis client', async () => {
    const one = await start();
    await one.register('users', 'a');
    const reasons: string[] = [];
    one.bus.on('registry.unavailable', ({ reason }) => void reasons.push(reason));
    const failover = sentinels.failover();
    sentinels.primary.server.pause();
    const underWay = one.register('users', 'b').catch((error: Error) => void reasons.push(error.message));
    await sentinels.primary.server.kill();
    await underWay;
    const note = (error: Error): boolean => {
      reasons.push(error.message);
      return false;
    };
    const written = pollUntil('a registration', () => one.register('users', 'c').then(() => true, note));
    await Promise.all([failover, written]);
    expect(reasons.length).toBeGreaterThan(1);
    expect(reasons.filter((reason) => /max retries|Command aborted|Connection is closed/.test(reason))).toEqual([]);
    report(`reasons of a failover: ${[...new Set(reasons)].join(' | ')}`);
  });
});
