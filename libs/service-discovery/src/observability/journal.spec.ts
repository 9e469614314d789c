import { beforeEach, describe, expect, it } from '@jest/globals';
import { toInstance } from '../model/index.js';
import { ManualClock } from '../testing/index.js';
import { EventBus } from './event-bus.js';
import { Journal, type JournalOptions } from './journal.js';

const START = Date.parse('2026-01-01T00:00:00Z');
const KEY = { serviceName: 'users', instanceId: 'u1' };

describe('Journal', () => {
  let clock: ManualClock;
  let bus: EventBus;
  let journal: Journal;
  const start = (options: JournalOptions | false = {}): void => {
    clock = new ManualClock(START);
    bus = new EventBus({ clock });
    journal = new Journal(bus, { process: 'host:1', service: () => undefined, tag: 't' }, options, clock);
  };
  beforeEach(() => start());

  const texts = (): string[] => journal.read({}).map(({ text }) => text);
  const fail = (times: number, status = 503): void => {
    for (let n = 0; n < times; n++) {
      bus.emit('call.completed', { service: 'users', ok: false, status, attempts: 1, durationMs: 1 });
    }
  };

  it('keeps the newest entries within maxEntries', () => {
    start({ maxEntries: 3 });
    for (let n = 0; n < 10; n++) bus.emit('instance.reached', { key: { ...KEY, instanceId: `u${n}` } });
    expect(texts()).toEqual([9, 8, 7].map((n) => `users/u${n} is reachable again`));
  });

  it('keeps the newest entries within maxBytes', () => {
    start({ maxBytes: 16_384 });
    for (let n = 0; n < 200; n++) {
      bus.emit('instance.unreachable', { key: KEY, reason: 'x'.repeat(1_000), avoidedForMs: n, failures: 1 });
    }
    const entries = journal.read({});
    expect(entries.length).toBeLessThan(16);
    expect(entries[0]?.data).toMatchObject({ avoided_for_ms: 199 });
    expect(Buffer.byteLength(JSON.stringify(entries))).toBeLessThan(16_500);
  });

  it('has one entry for a call that fails, and one a minute for its repeats, by service and cause', () => {
    fail(1);
    fail(1, 404);
    fail(499);
    expect(texts()).toHaveLength(2);
    clock.advance(60_000);
    expect(texts()).toHaveLength(3);
    expect(journal.read({})[0]).toMatchObject({
      data: { repeats: 499 },
      text: expect.stringContaining('(499 more') as unknown,
    });
    clock.advance(60_000);
    expect(clock.pendingTimers).toBe(0);
    fail(1);
    expect(texts()).toHaveLength(4);
  });

  it('has no entry for calls that succeed, and none for attempts', () => {
    bus.emit('call.completed', { service: 'users', ok: true, attempts: 1, durationMs: 1 });
    bus.emit('call.picked', { service: 'users', instanceId: 'u1', strategy: 'random', attempt: 1 });
    bus.emit('call.retried', { service: 'users', attempt: 2, delayMs: 0, reason: 'x' });
    expect(texts()).toEqual([]);
  });

  it('has ids that grow, also within a millisecond', () => {
    for (const ms of [0, 0, 5, 0]) {
      clock.advance(ms);
      bus.emit('registry.offline', {});
    }
    const ids = journal.read({}).map(({ id }) => id);
    expect(ids).toEqual([...ids].sort().reverse());
    expect(new Set(ids).size).toBe(4);
  });

  it('has a change of the registry once, however many processes report it, and again when it happens again', () => {
    const other = new Journal(new EventBus({ clock }), { process: 'p:2', service: () => 'x', tag: 'o' }, {}, clock);
    const instance = toInstance({ serviceName: 'users', host: '10.0.0.1', port: 1 }, { ttlMs: 1, now: START });
    bus.emit('instance.registered', { instance, replaced: false });
    bus.emit('instance.status_changed', { key: KEY, from: 'healthy', to: 'unhealthy' });
    const [changed, registered] = journal.read({});
    for (const entry of [registered!, changed!]) {
      other.add(entry);
      other.add(entry);
      other.add({ ...entry, id: `${entry.id}x` });
    }
    expect(other.read({})).toEqual([changed, registered]);
    other.add({ ...changed!, id: `${changed!.id}y`, at: new Date(START + 60_000).toISOString() });
    expect(other.read({})).toHaveLength(3);
  });

  it('gives entries that it adopts ids of its own', () => {
    bus.emit('registry.offline', {});
    const [entry] = journal.read({});
    journal.adopt({ ...entry!, id: '999999999999999-0-x' });
    expect(journal.read({ limit: 1 })[0]?.id).toMatch(/^0017672256/);
  });

  it('takes up nothing when it is off, nor after it was closed', () => {
    start(false);
    bus.emit('registry.offline', {});
    expect(texts()).toEqual([]);
    start();
    fail(3);
    journal.close();
    bus.emit('registry.offline', {});
    expect(texts()).toHaveLength(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([{ maxEntries: 0 }, { maxBytes: 1 }, { maxEntry: 1 }])('refuses the options %j', (options) => {
    expect(() => start(options as never)).toThrow(new RegExp(`journal.${Object.keys(options)[0]}`));
  });
});
