import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { Channel, readUpTo } from './async-iterables.js';

describe('Channel', () => {
  it('queues items that are pushed before they are read', async () => {
    const channel = new Channel<number>();
    channel.push(1);
    channel.push(2);
    expect(channel.size).toBe(2);
    expect([(await channel.next()).value, (await channel.next()).value]).toEqual([1, 2]);
    expect(channel.size).toBe(0);
  });

  it('serves a waiting read', async () => {
    const channel = new Channel<string>();
    const read = channel.next();
    channel.push('a');
    expect(await read).toEqual({ value: 'a', done: false });
    expect(channel.size).toBe(0);
  });

  it('serves waiting reads in order', async () => {
    const channel = new Channel<string>();
    const reads = Promise.all([channel.next(), channel.next(), channel.next()]);
    for (const item of ['a', 'b', 'c']) channel.push(item);
    expect((await reads).map(({ value }) => value as string)).toEqual(['a', 'b', 'c']);
  });

  it('carries undefined like any other item', async () => {
    const channel = new Channel<undefined>();
    channel.push(undefined);
    expect(await channel.next()).toEqual({ value: undefined, done: false });
  });

  it('ends waiting and later reads on close, and drops queued items', async () => {
    const channel = new Channel<string>();
    const reads = [channel.next(), channel.next()];
    channel.close();
    channel.push('too late');
    expect(await Promise.all([...reads, channel.next()])).toEqual(Array(3).fill({ value: undefined, done: true }));
    expect(channel.size).toBe(0);
  });

  it('notifies its producer once that the reader left', async () => {
    let closed = 0;
    const channel = new Channel<string>(() => closed++);
    channel.push('a');
    for await (const item of channel) {
      expect(item).toBe('a');
      break;
    }
    channel.close();
    expect(closed).toBe(1);
  });
});

describe('readUpTo', () => {
  it('reads a body that is exactly as long as it may be', async () => {
    expect(String(await readUpTo([Buffer.from('ab'), Buffer.from('cd')], 4))).toBe('abcd');
    expect(await readUpTo([], 0)).toHaveLength(0);
  });

  it('destroys a stream that is longer', async () => {
    const body = Readable.from([Buffer.from('ab'), Buffer.from('cd'), Buffer.from('ef')]);
    expect(await readUpTo(body, 3)).toBeUndefined();
    expect(body.destroyed).toBe(true);
  });
});
