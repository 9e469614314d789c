import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { type ServiceDiscoveryEvent } from '../model/index.js';
import { ManualClock } from '../testing/manual-clock.js';
import { EventBus } from './event-bus.js';

const key = { serviceName: 'users', instanceId: 'a' };

describe('EventBus', () => {
  it('stamps each event with the wall clock and delivers it to listeners of its type and of all types', () => {
    const clock = new ManualClock(1_000);
    const bus = new EventBus({ clock });
    const seen: unknown[] = [];
    bus.onAny((event) => seen.push(['any', event]));
    bus.on('instance.expired', (event) => seen.push(['typed', event]));
    clock.advance(5);
    bus.emit('instance.expired', { key });
    bus.emit('lease.recovered', { key });
    expect(seen).toEqual([
      ['typed', { type: 'instance.expired', at: 1_005, key }],
      ['any', { type: 'instance.expired', at: 1_005, key }],
      ['any', { type: 'lease.recovered', at: 1_005, key }],
    ]);
  });

  it('copies a frozen payload', () => {
    const bus = new EventBus({ clock: new ManualClock(1_000) });
    const seen: unknown[] = [];
    bus.onAny((event) => seen.push(event));
    const payload = Object.freeze({ key });
    bus.emit('instance.expired', payload);
    expect([seen, payload]).toEqual([[{ type: 'instance.expired', at: 1_000, key }], { key }]);
  });

  it('isolates and reports errors of listeners', () => {
    const reported: unknown[] = [];
    const bus = new EventBus({
      onListenerError: (error) => {
        reported.push(error);
        throw new Error('the reporter fails as well');
      },
    });
    let reached = 0;
    bus.on('instance.expired', () => {
      throw new Error('listener');
    });
    bus.on('instance.expired', () => reached++);
    expect(() => bus.emit('instance.expired', { key })).not.toThrow();
    expect(reached).toBe(1);
    expect(reported).toEqual([new Error('listener')]);
  });

  it('delivers an event published by a listener after the current one', () => {
    const bus = new EventBus();
    const order: string[] = [];
    bus.on('instance.expired', () => bus.emit('lease.recovered', { key }));
    bus.onAny((event) => order.push(event.type));
    bus.emit('instance.expired', { key });
    expect(order).toEqual(['instance.expired', 'lease.recovered']);
  });

  it('delivers events published by listeners in order, and none twice', () => {
    const bus = new EventBus();
    const seen: string[] = [];
    bus.on('instance.expired', ({ key: { instanceId } }) => {
      if (instanceId.length >= 3) return;
      for (const next of ['x', 'y']) bus.emit('instance.expired', { key: { ...key, instanceId: instanceId + next } });
    });
    bus.on('instance.expired', (event) => seen.push(event.key.instanceId));
    bus.emit('instance.expired', { key });
    bus.emit('instance.expired', { key: { ...key, instanceId: 'end' } });
    expect(seen).toEqual(['a', 'ax', 'ay', 'axx', 'axy', 'ayx', 'ayy', 'end']);
  });

  it('turns the payload into the event without a copy', () => {
    const bus = new EventBus();
    const payload = { key };
    let seen: unknown;
    bus.onAny((event) => (seen = event));
    bus.emit('instance.expired', payload);
    expect(seen).toBe(payload);
  });

  it('never calls a removed listener, even one removed by an earlier listener of the same event', () => {
    const bus = new EventBus();
    let calls = 0;
    bus.on('instance.expired', () => stop());
    const stop = bus.on('instance.expired', () => calls++);
    bus.emit('instance.expired', { key });
    stop();
    bus.emit('instance.expired', { key });
    expect(calls).toBe(0);
  });

  it('lets a reader iterate over events from the subscription on, until it aborts', async () => {
    const bus = new EventBus();
    const controller = new AbortController();
    const events = bus.subscribe(controller.signal);
    bus.emit('instance.expired', { key });
    const types: string[] = [];
    for await (const event of events) {
      types.push(event.type);
      if (types.length === 1) bus.emit('lease.recovered', { key });
      else controller.abort();
    }
    expect(types).toEqual(['instance.expired', 'lease.recovered']);
  });

  it('removes a reader that leaves its loop', async () => {
    const bus = new EventBus();
    const events = bus.subscribe();
    bus.emit('instance.expired', { key });
    for await (const _ of events) break;
    bus.emit('lease.recovered', { key });
    expect(await events.next()).toEqual({ value: undefined, done: true });
  });

  it('has one listener on a signal shared by many readers, and leaves none behind', () => {
    const { signal } = new AbortController();
    const bus = new EventBus();
    const readers = Array.from({ length: 12 }, () => bus.subscribe(signal));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const reader of readers) void reader.return?.();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('ends at once if its signal has already aborted', async () => {
    const events = new EventBus().subscribe(AbortSignal.abort());
    expect(await events.next()).toEqual({ value: undefined, done: true });
  });

  it('queues at most the capacity for a stalled reader, and continues once it reads again', async () => {
    const bus = new EventBus();
    const events = bus.subscribe(undefined, { capacity: 2 });
    for (const instanceId of ['1', '2', '3']) bus.emit('instance.expired', { key: { serviceName: 's', instanceId } });
    const ids: string[] = [];
    const take = async (): Promise<void> => {
      const event = (await events.next()).value as Extract<ServiceDiscoveryEvent, { type: 'instance.expired' }>;
      ids.push(event.key.instanceId);
    };
    await take();
    await take();
    bus.emit('instance.expired', { key: { serviceName: 's', instanceId: '4' } });
    await take();
    expect(ids).toEqual(['1', '2', '4']);
  });
});
