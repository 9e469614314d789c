import { afterEach, describe, expect, it } from '@jest/globals';
import { pendingInput, systemClock } from '../libs/service-discovery/src/common/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { COMMAND_TIMEOUT_MS, idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';
import { type RegistryMember } from './support/registry-member.js';
import { TcpLink } from './support/tcp-link.js';
import { report, sinceMs } from './support/timing.js';
import { unavailable } from './support/unavailable.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

describe('when Redis is killed', () => {
  it('the last snapshot is served, and everything is back soon after Redis returns without its data', async () => {
    await redis.startServer();
    const processes = await redis.twoMembers();
    const sizes = new Set<number>();
    for (const process of processes) process.registry.onChange(() => void sizes.add(process.ids.length));

    const lost = Promise.all(processes.map((process) => process.next('registry.unavailable')));
    await redis.server.kill();
    await lost;
    await expect(processes[0].register('c')).rejects.toMatchObject(unavailable(/cannot be reached/));
    const regained = Promise.all(processes.map((process) => process.next('registry.available')));
    const recovered = Promise.all(processes.map((process) => process.next('lease.recovered')));
    const start = systemClock.now();
    await redis.server.startAgain();
    await Promise.all([regained, recovered]);
    report(`SIGKILL and return: all registered again after ${sinceMs(start)} ms`);
    const fresh = await redis.watching(redis.openStore());
    expect(idsOf(fresh).sort()).toEqual(['a', 'b']);
    // No call in the meantime found fewer.
    expect([...sizes]).toEqual([2]);
  });

  it('commands are answered within the command timeout, in any state of the connection', async () => {
    await redis.startServer();
    const store = redis.openStore();
    await store.put(instanceOf('a'), TTL_MS);
    await redis.server.kill();
    for (let attempt = 0; attempt < 3; attempt++) {
      const start = systemClock.now();
      await expect(store.put(instanceOf('a'), TTL_MS)).rejects.toMatchObject(unavailable(/Redis at redis:\/\/127/));
      expect(sinceMs(start)).toBeLessThan(COMMAND_TIMEOUT_MS + 200);
    }
  });
});

describe('while Redis is unreachable', () => {
  const held = (): string[] => process.getActiveResourcesInfo().filter((kind) => /^(Timeout|TCP)/.test(kind));

  it('failed attempts leave neither a timer nor a socket behind', async () => {
    await redis.startServer();
    const store = redis.openStore({}, { expiryClock: new ManualClock() });
    const lease = await store.put(instanceOf('a'), TTL_MS);
    const before = held().length;
    await redis.server.kill();
    for (let round = 0; round < 10; round++) {
      const renewals = Array.from({ length: 10 }, () => store.renew([lease]));
      await Promise.allSettled([...renewals, redis.watch(store).ended]);
    }
    // Either the timer of the next attempt, or that attempt, in place of the connection.
    expect(held().length).toBeLessThanOrEqual(before);
  });
});

describe('when Redis is flushed', () => {
  it('everything registers again, and no reader loses an instance', async () => {
    await redis.startServer();
    const processes = await redis.twoMembers();
    const sizes = new Set<number>();
    for (const process of processes) process.registry.onChange(() => void sizes.add(process.ids.length));
    const recovered = Promise.all(processes.map((process) => process.next('lease.recovered')));
    const start = systemClock.now();
    await redis.server.flush();
    await recovered;
    report(`FLUSHALL: all registered again after ${sinceMs(start)} ms, heartbeats every 500 ms`);
    expect(idsOf(await redis.watching(redis.openStore())).sort()).toEqual(['a', 'b']);
    expect([...sizes]).toEqual([2]);
  });
});

describe('when Redis lost its data and has had more changes since than before', () => {
  it('a reader keeps its instances until they are registered again', async () => {
    await redis.startServer();
    const links = [await TcpLink.to(redis.server.port), await TcpLink.to(redis.server.port)];
    for (const link of links) redis.atEnd(() => link.close());
    const [one, two] = links.map(({ port }) => redis.member(redis.openStore({ url: `redis://127.0.0.1:${port}` }))) as [
      RegistryMember,
      RegistryMember,
    ];
    await Promise.all([one.registry.start(), two.registry.start()]);
    await Promise.all([one.register('a'), two.register('b')]);
    await Promise.all([one, two].map((process) => process.until(() => process.ids.length === 2)));
    const sizes = new Set<number>();
    one.registry.onChange(() => void sizes.add(one.ids.length));

    const lost = Promise.all([one, two].map((process) => process.next('registry.unavailable')));
    for (const link of links) link.cut();
    await lost;
    await redis.server.flush();
    const other = redis.openStore();
    for (let count = 0; count < 20; count++) await other.put(instanceOf('c'), TTL_MS);
    const recovered = one.next('lease.recovered');
    links[0]!.heal();
    await recovered;
    await one.until(() => one.ids.length === 3);
    links[1]!.heal();
    const fresh = await redis.watching(redis.openStore());
    await fresh.until('all', () => idsOf(fresh).length === 3);
    expect(Math.min(...sizes)).toBe(2);
  });
});

describe('when Redis stops responding', () => {
  it('it is noticed within the command timeout, and recovers', async () => {
    await redis.startServer();
    const processes = await redis.twoMembers();
    const lost = Promise.all(processes.map((process) => process.next('registry.unavailable')));
    const start = systemClock.now();
    redis.server.pause();
    const put = processes[0].register('c');
    await expect(put).rejects.toMatchObject(unavailable(/did not answer within 500 ms/));
    expect(sinceMs(start)).toBeLessThan(COMMAND_TIMEOUT_MS + 300);
    await lost;
    report(`SIGSTOP: every watch noticed after ${sinceMs(start)} ms, command timeout ${COMMAND_TIMEOUT_MS} ms`);
    for (const { ids } of processes) expect([...ids].sort()).toEqual(['a', 'b']);

    const regained = Promise.all(processes.map((process) => process.next('registry.available')));
    const resumed = systemClock.now();
    redis.server.continue();
    await regained;
    report(`SIGCONT: watches again after ${sinceMs(resumed)} ms`);
    await processes[1].register('d');
    await processes[0].until(() => processes[0].ids.includes('d'));
  });
});

describe('when Redis stops responding while idle', () => {
  // How late a timer may fire on a busy machine.
  const NOISE_MS = 250;

  it.each([COMMAND_TIMEOUT_MS, 2_000])('a watch notices within the command timeout: %d ms', async (timeoutMs) => {
    await redis.startServer();
    const watcher = redis.member(redis.openStore({ commandTimeout: timeoutMs }), {});
    await watcher.registry.start();
    await watcher.register('a');
    const lost = watcher.next('registry.unavailable');
    const start = systemClock.now();
    redis.server.pause();
    await lost;
    const noticedMs = sinceMs(start);
    report(`SIGSTOP: an idle watch noticed after ${noticedMs} ms, command timeout ${timeoutMs} ms`);
    expect(noticedMs).toBeLessThanOrEqual(timeoutMs + NOISE_MS);
    expect(watcher.ids).toEqual(['a']);
    const regained = watcher.next('registry.available');
    const resumed = systemClock.now();
    redis.server.continue();
    await regained;
    report(`SIGCONT: a watch again after ${sinceMs(resumed)} ms`);
  });

  it('a process that was stalled itself does not take that for an outage', async () => {
    await redis.startServer();
    const one = redis.member();
    await one.registry.start();
    await one.register('a');
    let outages = 0;
    one.bus.on('registry.unavailable', () => (outages += 1));
    // Sent, and unanswered when this process is stalled.
    redis.server.pause();
    const registered = one.register('b');
    await pendingInput();
    redis.server.continue();
    standStill(2 * COMMAND_TIMEOUT_MS);
    await registered;
    await pendingInput();
    expect(outages).toBe(0);
    expect(one.registry.snapshot.connected).toBe(true);
  });
});

function standStill(ms: number): void {
  const end = systemClock.now() + ms;
  while (systemClock.now() < end);
}

describe('the reason of an outage', () => {
  const OF_THE_CLIENT = /max retries per request|Command aborted|Connection is closed|Stream isn't writeable/;

  it('is the lost connection for commands in flight when Redis is killed, not the retry limit of the client', async () => {
    await redis.startServer();
    const store = redis.openStore({}, { expiryClock: new ManualClock() });
    const member = redis.member(store);
    await member.registry.start();
    await store.put(instanceOf('a'), TTL_MS);
    const reasons: string[] = [];
    member.bus.on('registry.unavailable', ({ reason }) => void reasons.push(reason));
    redis.server.pause();
    const writes = Promise.allSettled(['b', 'c', 'd'].map((id) => store.put(instanceOf(id), TTL_MS)));
    await pendingInput();
    const lost = member.next('registry.unavailable');
    await redis.server.kill();
    for (const outcome of await writes) {
      if (outcome.status === 'rejected') reasons.push((outcome.reason as Error).message);
    }
    await lost;
    expect(reasons).toHaveLength(4);
    for (const reason of reasons) expect(reason).not.toMatch(OF_THE_CLIENT);
    for (const reason of reasons) expect(reason).toMatch(/the connection was lost|ECONNRESET|The watch .* was lost/);
  });
});
