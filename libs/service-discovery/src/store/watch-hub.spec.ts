import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Change } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { WatchHub, type ResetChange } from './watch-hub.js';

let revision: number;
let known: boolean;
let hub: WatchHub;

beforeEach(() => {
  revision = 0;
  known = true;
  hub = new WatchHub(() => (known ? { type: 'reset', revision, instances: [] } : null), 3);
});

/** Publishes a change as a source does: applied first, then published. */
function publish(serviceName = 'users'): void {
  revision += 1;
  hub.publish({ type: 'put', revision, instance: fakeInstance({ serviceName }) });
}

async function take(stream: AsyncIterator<Change>, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let index = 0; index < count; index++) {
    const { value, done } = await stream.next();
    if (done) break;
    taken.push(`${value.type} ${value.revision}`);
  }
  return taken;
}

describe('WatchHub', () => {
  it('starts each stream with the state at the time of reading, followed by later changes', async () => {
    const stream = hub.open({});
    publish();
    publish();
    expect(await take(stream, 1)).toEqual(['reset 2']);
    publish();
    expect(await take(stream, 1)).toEqual(['put 3']);
  });

  it('serves a reader that is already waiting', async () => {
    const stream = hub.open({});
    const taken = take(stream, 3);
    await Promise.resolve();
    publish();
    await Promise.resolve();
    publish();
    expect(await taken).toEqual(['reset 0', 'put 1', 'put 2']);
  });

  it('answers overlapping reads in order', async () => {
    const stream = hub.open({});
    const reads = [stream.next(), stream.next(), stream.next()];
    publish();
    publish();
    const values = (await Promise.all(reads)).map(({ value }) => (value as Change).revision);
    expect(values).toEqual([0, 1, 2]);
  });

  it('starts a stream only once there is a state', async () => {
    known = false;
    const stream = hub.open({});
    const first = take(stream, 1);
    publish();
    known = true;
    hub.publish({ type: 'reset', revision, instances: [] } satisfies ResetChange);
    expect(await first).toEqual(['reset 1']);
  });

  it('lets each reader go at its own pace', async () => {
    const [slow, fast] = [hub.open({}), hub.open({})];
    await Promise.all([take(slow, 1), take(fast, 1)]);
    publish();
    expect(await take(fast, 1)).toEqual(['put 1']);
    publish();
    expect(await take(fast, 1)).toEqual(['put 2']);
    expect(await take(slow, 2)).toEqual(['put 1', 'put 2']);
  });

  it('gives a reader that falls too far behind a new reset instead of a growing backlog', async () => {
    const stream = hub.open({});
    await take(stream, 1);
    for (let index = 0; index < 3; index++) publish();
    expect(await take(stream, 1)).toEqual(['put 1']);
    publish();
    expect(await take(stream, 1)).toEqual(['put 2']);
    for (let index = 0; index < 5; index++) publish();
    expect(await take(stream, 1)).toEqual(['reset 9']);
    publish();
    expect(await take(stream, 1)).toEqual(['put 10']);
  });

  it('does not count changes out of scope against a reader', async () => {
    const stream = hub.open({ services: ['orders'] });
    await take(stream, 1);
    for (let index = 0; index < 10; index++) publish('users');
    publish('orders');
    expect(await take(stream, 1)).toEqual(['put 11']);
  });

  it('starts every stream over after a reset', async () => {
    const stream = hub.open({});
    await take(stream, 1);
    publish();
    revision = 50;
    hub.publish({ type: 'reset', revision, instances: [] });
    expect(await take(stream, 1)).toEqual(['reset 50']);
  });

  it('sends renewals only to streams that ask for them, within their scope', async () => {
    const [all, some, none] = [
      hub.open({ renewals: true }),
      hub.open({ renewals: true, services: ['b'] }),
      hub.open({}),
    ];
    for (const stream of [all, some, none]) await stream.next();
    const keys = ['a', 'b'].map((serviceName) => ({ serviceName, instanceId: 'x' }));
    hub.publish({ type: 'renewed', revision: 0, keys, at: 1 });
    publish('b');
    expect((await all.next()).value).toMatchObject({ type: 'renewed', keys });
    expect((await some.next()).value).toMatchObject({ type: 'renewed', keys: [keys[1]] });
    expect((await none.next()).value).toMatchObject({ type: 'put' });
  });

  it('sends a hold to streams with the service in their scope', async () => {
    const [all, some, none] = [hub.open({}), hub.open({ services: ['b'] }), hub.open({ services: ['a'] })];
    for (const stream of [all, some, none]) await stream.next();
    hub.publish({ type: 'hold', revision: 1, serviceName: 'b', hold: null });
    publish('a');
    for (const stream of [all, some]) expect((await stream.next()).value).toMatchObject({ type: 'hold' });
    expect((await none.next()).value).toMatchObject({ type: 'put' });
  });

  describe('a stream', () => {
    it('ends when its signal aborts, also for a waiting reader, and drops its backlog', async () => {
      const controller = new AbortController();
      const stream = hub.open({}, controller.signal);
      await take(stream, 1);
      const waiting = stream.next();
      controller.abort();
      publish();
      expect((await waiting).done).toBe(true);
      expect((await stream.next()).done).toBe(true);
    });

    it('shares one listener with all others of its signal, and leaves none behind', () => {
      const { signal } = new AbortController();
      const streams = Array.from({ length: 12 }, () => hub.open({}, signal));
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      for (const stream of streams) void stream.return?.();
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });

    it('ends when its reader leaves the loop', async () => {
      const stream = hub.open({});
      for await (const change of stream) {
        expect(change.type).toBe('reset');
        break;
      }
      publish();
      expect((await stream.next()).done).toBe(true);
    });

    it('ends when the hub closes, as does one opened later', async () => {
      const stream = hub.open({});
      const waiting = take(stream, 5);
      hub.close();
      expect(await waiting).toEqual(['reset 0']);
      expect((await hub.open({}).next()).done).toBe(true);
    });

    it('of an aborted signal ends at once', async () => {
      expect((await hub.open({}, AbortSignal.abort()).next()).done).toBe(true);
    });
  });
});
