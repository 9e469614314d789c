import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis, type RedisOptions } from 'ioredis';
import { pendingInput, systemClock } from '../libs/service-discovery/src/common/index.js';
import { type RedisRegistryStore, type RedisTrouble } from '../libs/service-discovery/src/store/index.js';
import { KeySpace } from '../libs/service-discovery/src/store/redis/keys.js';
import { sync } from '../libs/service-discovery/src/store/redis/lua-scripts.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';
import { pollUntil } from './support/poll.js';
import { RewrittenScripts } from './support/rewritten-scripts.js';
import { unavailable } from './support/unavailable.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

describe('when a connection breaks', () => {
  it('the watch resumes from its position, and reports nothing if nothing happened', async () => {
    await redis.startServer();
    const store = redis.openStore();
    const process = redis.member(store);
    await process.registry.start();
    await process.register('a');
    const lost = process.next('registry.unavailable');
    const regained = process.next('registry.available');
    await redis.server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await lost;
    await redis.openStore().put(instanceOf('b'), TTL_MS);
    await regained;
    await process.until(() => process.ids.length === 2);
    expect(store.troubleCounts).toEqual({
      bad_record: 0,
      unreadable_service: 0,
      unreadable_namespace: 0,
      gap: 0,
      correction: 0,
      restored: 0,
      evictable: 0,
      unsigned_record: 0,
      forged_record: 0,
      replayed_record: 0,
    });
  });

  it('changes that Redis no longer keeps are detected, and the service is read again', async () => {
    await redis.startServer();
    const store = redis.openStore();
    const recorder = await redis.watching(store);
    const writer = redis.openStore();
    await writer.put(instanceOf('a'), TTL_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));

    // As if five changes had been published while disconnected, and been trimmed since.
    const [changes, meta] = ['sd:{default:users}:changes', 'sd:{default:users}:meta'];
    await redis.server.client().multi().del(changes).hincrby(meta, 'sequence', 5).exec();
    await writer.put(instanceOf('b'), TTL_MS);
    await recorder.until('b', () => idsOf(recorder).includes('b'));
    expect(idsOf(recorder)).toEqual(['a', 'b']);
    expect(store.troubleCounts.gap).toBe(1);
  });
});

describe('watches', () => {
  const open = (store: RedisRegistryStore, signal: AbortSignal): Promise<unknown> => store.watch({}, signal).next();

  it('leave no connection behind if they end before they start', async () => {
    await redis.startServer();
    const client = new CopiedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(() => client.disconnect());
    const store = redis.openStore({ client }, { expiryClock: new ManualClock() });
    const leaving = new AbortController();
    const first = open(store, leaving.signal);
    await client.copied;
    // Waits for the connection that the first one opens.
    const second = open(store, leaving.signal);
    leaving.abort();
    await Promise.all([first, second]);
    for (const copy of client.copies) if (copy.status !== 'end') await once(copy, 'end');
    await pendingInput();
    expect(client.copies.map(({ status }) => status)).toEqual(['end']);
  });

  it('share one connection when they restart together', async () => {
    await redis.startServer();
    const client = new CopiedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(() => client.disconnect());
    const store = redis.openStore({ client }, { expiryClock: new ManualClock() });
    const leaving = new AbortController();
    // Its reader has not yet asked for the next change.
    const slow = store.watch({}, leaving.signal);
    await slow.next();
    const before = await redis.watching(store);
    await redis.server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect(before.ended).rejects.toMatchObject(unavailable(/was lost/));
    await Promise.all([redis.watching(store), redis.watching(store)]);
    expect(client.copies.map(({ status }) => status)).toEqual(['end', 'ready']);
    leaving.abort();
    await slow.return?.(undefined);
  });
});

describe('a change that was not published', () => {
  it('is found by an audit, applied, and counted', async () => {
    await redis.startServer();
    let passedMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + passedMs };
    const expiryClock = new ManualClock();
    const troubles: RedisTrouble[] = [];
    const store = redis.openStore({}, { clock, expiryClock, onTrouble: (trouble) => troubles.push(trouble) });
    const recorder = await redis.watching(store);
    await redis.openStore().put(instanceOf('a'), TTL_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
    const client = new MutedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(async () => client.disconnect());
    await redis.openStore({ client }).put(instanceOf('b'), TTL_MS);
    expect(idsOf(recorder)).toEqual(['a']);

    passedMs = 60_000;
    expiryClock.advance(1_100);
    await recorder.until('b', () => idsOf(recorder).includes('b'));
    expect(troubles).toEqual([{ kind: 'correction', serviceName: 'users', reason: expect.any(String) }]);
    expect(store.troubleCounts).toEqual({
      bad_record: 0,
      unreadable_service: 0,
      unreadable_namespace: 0,
      gap: 0,
      correction: 1,
      restored: 0,
      evictable: 0,
      unsigned_record: 0,
      forged_record: 0,
      replayed_record: 0,
    });
  });
});

describe('an unknown message on the channel of a service', () => {
  it('causes no loss, and the next change is delivered', async () => {
    await redis.startServer();
    const store = redis.openStore();
    const recorder = await redis.watching(store);
    await store.put(instanceOf('a'), TTL_MS);
    await redis.server.client().publish('sd:{default:users}:changes', 'hello');
    await store.put(instanceOf('b'), TTL_MS);
    await recorder.until('b', () => idsOf(recorder).includes('b'));
    expect(recorder.changes.map(({ type }) => type)).toEqual(['reset', 'put', 'put']);
  });
});

describe('a service that Redis no longer knows', () => {
  it('is not read any more, and does not lower the revision', async () => {
    await redis.startServer();
    let passedMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + passedMs };
    const expiryClock = new ManualClock();
    const compare = (): void => {
      passedMs += 60_000;
      expiryClock.advance(1_100);
    };
    const client = new ListeningRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(() => client.disconnect());
    const store = redis.openStore({ client }, { clock, expiryClock });
    await store.put(instanceOf('o', { serviceName: 'orders' }), TTL_MS);
    await store.remove(await store.put(instanceOf('a'), TTL_MS));
    const recorder = await redis.watching(store);
    const { revision } = recorder.snapshot;

    // As it is a day later.
    await redis.server.client().zrem('sd:{default}:names', 'users');
    await redis.server.client().del('sd:{default:users}:meta', 'sd:{default:users}:changes');
    compare();
    await recorder.waitFor('another reset', ({ type }) => type === 'reset', 1);
    expect(recorder.snapshot.revision).toBeGreaterThanOrEqual(revision);
    client.synced.clear();
    await pollUntil('all is compared', () => {
      compare();
      return client.synced.has('sd:{default:orders}:records');
    });
    expect([...client.synced]).toEqual(['sd:{default:orders}:records']);
  });
});

/** Reports which services are read, by the first of their keys. */
class ListeningRedis extends Redis {
  readonly synced = new Set<unknown>();
  private readonly wanted = sync(new KeySpace('default').of('any'), '', 0, '', 0, 0).script.sha;

  override pipeline(commands?: unknown[][]): ReturnType<Redis['pipeline']> {
    const pipeline = super.pipeline(commands);
    const evalsha = pipeline.evalsha.bind(pipeline) as (...args: unknown[]) => typeof pipeline;
    pipeline.evalsha = (...args: unknown[]) => {
      if (args[0] === this.wanted) this.synced.add(args[2]);
      return evalsha(...args);
    };
    return pipeline;
  }
}

/** A Redis whose scripts publish nothing. */
class MutedRedis extends RewrittenScripts {
  protected rewrite(source: string): string {
    return source.replaceAll("redis.call('PUBLISH',", 'type(');
  }
}

describe('when Redis comes back without its data', () => {
  it('a message before a service was read does not count as a loss for this connection', async () => {
    await redis.startServer();
    const client = new GatedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(async () => client.disconnect());
    const store = redis.openStore({ client }, { expiryClock: new ManualClock() });
    const writer = redis.openStore();
    for (let change = 0; change < 5; change++) await writer.put(instanceOf('a'), TTL_MS);
    const before = await redis.watching(store);

    // The next watch subscribes, and then gets no answer to its read.
    const asked = client.hold();
    await redis.server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect(before.ended).rejects.toMatchObject(unavailable(/was lost/));
    const next = redis.watch(store);
    await asked;
    await redis.server.flush();
    await writer.put(instanceOf('b'), TTL_MS);
    await writer.put(instanceOf('c'), TTL_MS);
    client.release();
    await next.until('b and c', () => idsOf(next).length === 2);
    expect(idsOf(next)).toEqual(['b', 'c']);
  });

  it('it counts as unreachable while it loads its data, and its data not as unreadable', async () => {
    await redis.startServer();
    const process = redis.member();
    await process.registry.start();
    await process.register('a');
    const filler = redis.server.client().pipeline();
    for (let index = 0; index < 500; index++) filler.set(`filler:${index}`, 'x'.repeat(100));
    await filler.exec();
    await redis.server.client().save();

    const lost = process.next('registry.unavailable');
    await redis.server.kill();
    await lost;
    const regained = process.next('registry.available');
    const loads = ['--key-load-delay', '4000', '--loading-process-events-interval-bytes', '1024'];
    const loaded = redis.server.startAgain(loads);
    let refused: unknown;
    for (let isLoading = true; isLoading && !String(refused).includes('LOADING');) {
      refused = await process.register('b').then(
        () => (isLoading = false),
        (error: unknown) => error,
      );
    }
    expect(refused).toMatchObject(unavailable(/LOADING/));
    await Promise.all([loaded, regained]);
    expect(process.store.troubleCounts).toEqual({
      bad_record: 0,
      unreadable_service: 0,
      unreadable_namespace: 0,
      gap: 0,
      correction: 0,
      restored: 0,
      evictable: 0,
      unsigned_record: 0,
      forged_record: 0,
      replayed_record: 0,
    });
    await process.until(() => process.ids.includes('a'));
  });
});

/** Keeps the connections that are duplicated from it. */
class CopiedRedis extends Redis {
  readonly copies: Redis[] = [];
  private tell: () => void = () => undefined;
  /** Resolves when there is one. */
  readonly copied = new Promise<void>((resolve) => (this.tell = resolve));

  override duplicate(options?: Partial<RedisOptions>): Redis {
    const copy = super.duplicate(options);
    this.copies.push(copy);
    this.tell();
    return copy;
  }
}

/** Holds back script calls on request. */
class GatedRedis extends Redis {
  private asked: () => void = () => undefined;
  private gate: Promise<void> | undefined;
  release: () => void = () => undefined;

  /** Resolves when a script was called. */
  hold(): Promise<void> {
    this.gate = new Promise((resolve) => (this.release = resolve));
    return new Promise((resolve) => (this.asked = resolve));
  }

  override pipeline(commands?: unknown[][]): ReturnType<Redis['pipeline']> {
    const pipeline = super.pipeline(commands);
    const { gate } = this;
    if (!gate) return pipeline;
    const exec = pipeline.exec.bind(pipeline);
    pipeline.exec = () => gate.then(() => exec());
    this.asked();
    return pipeline;
  }
}
