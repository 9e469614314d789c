import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ServiceInstance, toInstance } from '../libs/service-discovery/src/model/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { ChangeRecorder, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { RedisServer } from './support/redis-server.js';
import { RegistryProcess } from './support/registry-process.js';

const TTL_MS = 60_000;
const instanceOf = (instanceId: string): ServiceInstance =>
  toInstance({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 }, { ttlMs: TTL_MS, now: 0 });

let server: RedisServer;
let toClose: (() => Promise<unknown> | void)[];
beforeEach(async () => {
  server = await RedisServer.start();
  toClose = [() => server.stop()];
});
afterEach(async () => {
  for (const close of toClose.reverse()) await close();
});

function openStore(): RedisRegistryStore {
  // Sweeps wait for a clock that stands still.
  const store = new RedisRegistryStore({ url: server.url }, { expiryClock: new ManualClock() });
  toClose.push(() => store.close());
  return store;
}

async function watching(store: RedisRegistryStore): Promise<ChangeRecorder> {
  const recorder = new ChangeRecorder(store);
  toClose.push(() => recorder.stop());
  await recorder.waitFor('a reset', ({ type }) => type === 'reset');
  return recorder;
}

const idsOf = (recorder: ChangeRecorder): string[] =>
  (recorder.snapshot.services.get('users') ?? []).map(({ instanceId }) => instanceId);

/** Dumps the data of Redis to restore it later, as on a replica that takes over without the latest changes. */
async function remember(): Promise<() => Promise<void>> {
  const redis = server.client();
  const keys = await redis.keys('*');
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  return async () => {
    await redis.flushall();
    await Promise.all(keys.map((key, index) => redis.restore(key, 0, dumps[index]!)));
  };
}

describe('a server that becomes a replica', () => {
  it('is disconnected at once, and used again when it is a primary', async () => {
    const process = await RegistryProcess.start({ url: server.url });
    toClose.push(() => process.close());
    await process.register('users', 'a');
    const lost = process.next('registry.unavailable');
    await server.client().replicaof('127.0.0.1', 1);
    await expect(process.register('users', 'b')).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(/READONLY/),
    });
    await lost;
    const regained = process.next('registry.available');
    await server.client().replicaof('NO', 'ONE');
    await process.registerAtLast('users', 'b');
    await regained;
    await process.until(() => process.ids('users').join() === 'a,b');
  });
});

describe('a server that took over without the latest changes', () => {
  it.each([2, 3])('is detected by a watch at change %d, although the number fits', async (changes) => {
    const writer = openStore();
    await writer.put(instanceOf('a'), TTL_MS);
    const takeOver = await remember();
    const recorder = await watching(openStore());
    for (const id of ['lost-1', 'lost-2']) await writer.put(instanceOf(id), TTL_MS);
    await recorder.until('both', () => idsOf(recorder).length === 3);

    await takeOver();
    // The last of these has the number of the last change that the watch knows, or the next one.
    for (let index = 0; index < changes; index++) await writer.put(instanceOf(`new-${index}`), TTL_MS);
    await expect(recorder.ended).rejects.toThrow(/lost the registry's data/);
  });

  it('is detected by a process that reconnects with its earlier position', async () => {
    const writer = openStore();
    await writer.put(instanceOf('a'), TTL_MS);
    const takeOver = await remember();
    const store = openStore();
    const before = await watching(store);
    await writer.put(instanceOf('lost'), TTL_MS);
    await before.until('lost', () => idsOf(before).includes('lost'));
    await before.stop();

    await takeOver();
    for (const id of ['b', 'c']) await writer.put(instanceOf(id), TTL_MS);
    const after = await watching(store);
    expect(idsOf(after)).toEqual(['a', 'b', 'c']);
    expect(after.changes[0]!.revision).toBeLessThan(before.changes.at(-1)!.revision);
  });

  it('does not bring back a deregistered instance, which any process that saw the removal removes again', async () => {
    const [witness, owner] = await Promise.all([1, 2].map(() => RegistryProcess.start({ url: server.url })));
    toClose.push(...[witness!, owner!].map((process) => () => process.close()));
    for (const id of ['a', 'gone']) await owner!.register('users', id);
    const takeOver = await remember();
    await owner!.registry.deregister({ serviceName: 'users', instanceId: 'gone' });
    await witness!.until(() => witness!.ids('users').join() === 'a');
    await owner!.close();
    const shown = new Set<string>();
    witness!.registry.onChange(() => witness!.ids('users').forEach((id) => shown.add(id)));

    await takeOver();
    const regained = witness!.next('registry.available');
    await server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await regained;
    // A change after everything that the witness did when it reconnected.
    await witness!.register('users', 'b');
    expect([...shown].sort()).toEqual(['a', 'b']);
    expect((await server.client().hkeys('sd:{default:users}:records')).sort()).toEqual(['a', 'b']);
  });

  it('assigns greater generations although its clock is behind, and others than such a server before it', async () => {
    const client = new ClockedRedis(server.port, '127.0.0.1');
    toClose.push(() => client.disconnect());
    const store = new RedisRegistryStore({ client }, { expiryClock: new ManualClock() });
    toClose.push(() => store.close());
    const at = Date.UTC(2026, 0, 1);
    await client.setTime(at);
    const { generation: first } = await store.put(instanceOf('a'), TTL_MS);
    const takeOver = await remember();
    await client.setTime(at - 60_000.123);
    const { generation: second } = await store.put(instanceOf('a'), TTL_MS);
    await takeOver();
    await client.setTime(at - 30_000.456);
    const { generation: third } = await store.put(instanceOf('a'), TTL_MS);
    expect(second).toBeGreaterThan(first);
    expect(third).toBeGreaterThan(first);
    expect(third).not.toBe(second);
  });
});
