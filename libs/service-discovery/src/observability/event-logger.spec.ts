import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { InvalidConfigurationError } from '../common/index.js';
import { type InstanceKey, type InstanceStatus, toInstance } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { EventBus } from './event-bus.js';
import { type LogLevel } from './event-line.js';
import { EventLogger, type LoggerPort } from './event-logger.js';

type Line = [LogLevel, string, Record<string, unknown>];

const key = { serviceName: 'users', instanceId: 'a' };

describe('EventLogger', () => {
  let clock: ManualClock;
  let bus: EventBus;
  let lines: Line[];
  let logger: LoggerPort;

  beforeEach(() => {
    clock = new ManualClock();
    bus = new EventBus({ clock });
    lines = [];
    const at =
      (level: LogLevel) =>
      (message: string, fields: Record<string, unknown>): void =>
        void lines.push([level, message, fields]);
    logger = { debug: at('debug'), log: at('log'), warn: at('warn'), error: at('error') };
  });

  const unhealthy = (reason = 'status 500'): void =>
    bus.emit('instance.status_changed', { key, from: 'healthy', to: 'unhealthy', reason });

  it('names ten instances of a service that expire together, and counts the others once a second', () => {
    const eventLogger = new EventLogger(bus, logger, {}, { clock });
    const expire = (serviceName: string, from: number, to: number): void => {
      for (let n = from; n < to; n++) bus.emit('instance.expired', { key: { serviceName, instanceId: `i${n}` } });
    };
    expire('users', 0, 300);
    expire('orders', 0, 1);
    expect(lines).toHaveLength(11);
    clock.advance(500);
    expire('users', 300, 500);
    clock.advance(500);
    const told = 'more instances of users expired: their heartbeats stopped';
    const fields = { event: 'instance.expired', service: 'users' };
    expect(lines.slice(11)).toEqual([['warn', `490 ${told}`, { ...fields, count: 490 }]]);
    expire('users', 500, 502);
    clock.advance(1_000);
    expect(lines.slice(12)).toEqual([['warn', `2 ${told}`, { ...fields, count: 2 }]]);
    clock.advance(1_000);
    expire('users', 502, 503);
    expect(lines[13]?.[1]).toBe('users/i502 expired: its heartbeats stopped');
    eventLogger.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps an event on one line, whatever its reason contains', () => {
    new EventLogger(bus, logger, {}, { clock });
    const reason = 'a\r\nERROR b\u2028c';
    unhealthy(reason);
    bus.emit('registry.trouble', { kind: 'bad_record', service: 'users', instanceId: 'a', reason });
    expect(lines.map(([, message]) => message)).toEqual([
      'users/a is unhealthy, was healthy: a ERROR b c',
      'Registry trouble (users/a): a ERROR b c',
    ]);
  });

  it('writes one structured line per event at a fitting level', () => {
    new EventLogger(bus, logger, {}, { clock });
    const instance = toInstance({ serviceName: 'users', host: '::1', port: 80, instanceId: 'a' }, { ttlMs: 9, now: 1 });
    bus.emit('instance.registered', { instance, replaced: false });
    bus.emit('instance.deregistered', { key });
    bus.emit('instance.expired', { key });
    unhealthy();
    bus.emit('instance.status_changed', { key, from: 'unhealthy', to: 'healthy' });
    bus.emit('health.checked', { key, passed: true, detail: { checkedAt: 1, statusCode: 200, latencyMs: 3 } });
    bus.emit('health.checked', { key, passed: false, skipped: true, detail: { checkedAt: 1, reason: 'status 404' } });
    const misconfigured = {
      skipped: true,
      misconfigured: true,
      detail: { checkedAt: 1, reason: 'no such probe' },
    } as const;
    bus.emit('health.checked', { key, passed: false, ...misconfigured });
    bus.emit('expiry.held', { service: 'users', since: 1, overdue: 9, total: 10 });
    bus.emit('expiry.resumed', { service: 'users' });
    bus.emit('lease.recovered', { key });
    bus.emit('registry.unavailable', { reason: 'refused', hasSnapshot: true });
    bus.emit('registry.offline', {});
    bus.emit('registry.available', { downMs: 1_200 });
    bus.emit('registry.trouble', { kind: 'bad_record', service: 'users', instanceId: 'a', reason: 'no JSON' });
    bus.emit('registry.trouble', { kind: 'unreadable_namespace', reason: 'WRONGTYPE' });
    bus.emit('registry.trouble', { kind: 'gap', service: 'users', reason: 'changes were missed' });
    bus.emit('registry.reconciled', { applied: 3, superseded: 1, gone: 0, expired: 2 });
    bus.emit('api.limit_reached', { limit: 'services', option: 'api.limits.services', max: 9, caller: 'local' });
    bus.emit('circuit.opened', {
      service: 'users',
      instanceId: 'a',
      failures: 5,
      retryAfterMs: 60_000,
      reason: 'consecutive_failures',
    });
    bus.emit('circuit.half_opened', { service: 'users', instanceId: 'a', reason: 'recovery_time_over' });
    bus.emit('circuit.closed', { service: 'users', reason: 'probes_succeeded' });
    bus.emit('instance.ejected', {
      key,
      reason: 'success_rate',
      evidence: '70% of 100 calls succeeded',
      ejectedForMs: 31_234.5,
      ejections: 1,
    });
    bus.emit('instance.readmitted', { key });
    bus.emit('instance.ejected', {
      key,
      reason: 'latency',
      evidence: 'latency of 90 ms, of the others 9 ms',
      ejectedForMs: 30_000,
      ejections: 1,
      enforced: false,
    });
    bus.emit('instance.readmitted', { key, enforced: false });
    bus.emit('instance.unreachable', { key, reason: 'connect ECONNREFUSED', avoidedForMs: 1_234.5, failures: 1 });
    bus.emit('instance.loopback', { key, host: '127.0.0.1', reason: 'registered as 127.0.0.1' });
    bus.emit('instance.reached', { key });
    bus.emit('instance.flapping', { key, status: 'unhealthy' });
    bus.emit('instance.settled', { key, status: 'healthy' });
    bus.emit('balancing.panic', { service: 'users', healthyShare: 1 / 3 });
    bus.emit('balancing.panic_ended', { service: 'users', healthyShare: 2 / 3 });
    bus.emit('balancing.fail_open', { service: 'users', unhealthy: 3 });
    bus.emit('balancing.fail_open_ended', { service: 'users' });
    bus.emit('call.refused', { service: 'users', stage: 'rate_limit', code: 'RATE_LIMITED', retryAfterMs: 5 });
    bus.emit('call.retried', { service: 'users', attempt: 2, delayMs: 0, reason: 'status 503' });
    bus.emit('call.hedged', { service: 'users', attempt: 2, afterMs: 12.4 });
    bus.emit('call.failed_over', { service: 'users', from: 'a', to: 'b', reason: 'status 503' });
    bus.emit('call.answered_stale', { service: 'users', ageMs: 1_500, reason: 'CIRCUIT_OPEN' });
    bus.emit('call.completed', { service: 'users', ok: true, status: 200, attempts: 1, durationMs: 2 });
    bus.emit('call.completed', { service: 'users', ok: false, code: 'CIRCUIT_OPEN', attempts: 1, durationMs: 2 });
    expect(lines.map(([level, message]) => `${level} ${message}`)).toEqual([
      'log users/a registered at http://[::1]:80',
      'log users/a deregistered',
      'warn users/a expired: its heartbeats stopped',
      'warn users/a is unhealthy, was healthy: status 500',
      'log users/a is healthy, was unhealthy',
      'debug Health check of users/a passed',
      'debug Health check of users/a was skipped: status 404',
      'warn Health check of users/a was skipped: no such probe',
      'warn Expiry of users is held: 9 of 10 instances miss heartbeats',
      'log Expiry of users is resumed',
      'warn The lease of users/a was lost; it has been registered again',
      'warn The registry is unavailable; the last snapshot is served: refused',
      'warn The registry is unavailable; changes are queued in this process',
      'log The registry is available again after 1.2 s',
      'warn Registry trouble (users/a): no JSON',
      'warn Registry trouble: WRONGTYPE',
      'warn Registry trouble (users): changes were missed',
      'log Queued changes were sent to the registry: 3 applied; dropped: 1 superseded, 0 of instances that are gone, 2 expired',
      'warn The limit api.limits.services (9) is reached: requests of the caller local are refused',
      'warn Circuit of users/a opened after 5 failures, next try in 60 s',
      'log Circuit of users/a is half-open and allows a trial call',
      'log Circuit of users closed',
      'warn users/a is ejected for 31.2 s: 70% of 100 calls succeeded',
      'log users/a is readmitted',
      'warn users/a would be ejected for 30 s: latency of 90 ms, of the others 9 ms',
      'log users/a would be readmitted',
      'warn users/a is unreachable and avoided for 1.23 s: connect ECONNREFUSED',
      'warn users/a is registered as 127.0.0.1',
      'log users/a is reachable again',
      'warn users/a is flapping and now unhealthy: its health check results keep changing',
      'log users/a stopped flapping and is healthy',
      'warn Only 33% of users is healthy: calls also go to unhealthy instances',
      'log 67% of users is healthy again: calls go only to healthy instances',
      'warn No healthy instance of users can be called: calls go to its 3 unhealthy ones',
      'log Calls to users no longer go to unhealthy instances',
      'warn Call to users was rejected before sending: RATE_LIMITED by rate_limit',
      'warn Call to users is retried, attempt 2: status 503',
      'debug Call to users is hedged by attempt 2: no answer after 12 ms',
      'warn Call to users failed over from a to b: status 503',
      'warn Call to users failed and got a stale answer, 1.5 s old: CIRCUIT_OPEN',
      'debug Call to users succeeded after 1 attempt',
      'warn Call to users failed after 1 attempt in 2 ms: CIRCUIT_OPEN',
    ]);
    expect(lines[3]?.[2]).toEqual({
      event: 'instance.status_changed',
      service: 'users',
      instance: 'a',
      from: 'healthy',
      to: 'unhealthy',
      reason: 'status 500',
    });
  });

  it('counts one of a thing in the singular', () => {
    new EventLogger(bus, logger, {}, { clock });
    bus.emit('expiry.held', { service: 'users', since: 1, overdue: 1, total: 1 });
    bus.emit('circuit.opened', { service: 'users', instanceId: 'a', failures: 1, reason: 'consecutive_failures' });
    expect(lines.map(([, message]) => message)).toEqual([
      'Expiry of users is held: 1 of 1 instance misses heartbeats',
      'Circuit of users/a opened after 1 failure',
    ]);
  });

  it('writes picks if they have a level, once a minute per instance with the count', () => {
    new EventLogger(bus, logger, { levels: { 'call.picked': 'debug' } }, { clock });
    for (let n = 0; n < 100; n++) {
      const instanceId = n % 4 === 0 ? 'a' : 'b';
      bus.emit('call.picked', { service: 'users', instanceId, strategy: 'random', attempt: 1, failOpen: n % 4 === 0 });
    }
    const first = [
      'debug Attempt 1 of a call to users goes to a (random, unhealthy because no other is available)',
      'debug Attempt 1 of a call to users goes to b (random)',
    ];
    const written = (): string[] => lines.map(([level, message]) => `${level} ${message}`);
    expect(written()).toEqual(first);
    clock.advance(60_000);
    expect(written()).toEqual([
      ...first,
      `${first[0]} (24 like this in the last 60 s)`,
      `${first[1]} (74 like this in the last 60 s)`,
    ]);
  });

  it('neither writes picks nor subscribes to them by default', () => {
    const on = jest.spyOn(bus, 'on');
    new EventLogger(bus, logger, {}, { clock });
    expect(on.mock.calls.map(([type]) => type)).not.toContain('call.picked');
    bus.emit('call.picked', { service: 'users', instanceId: 'a', strategy: 'random', attempt: 1 });
    expect(lines).toEqual([]);
  });

  it('folds a thousand repeats into the first line and one count per minute', () => {
    new EventLogger(bus, logger, {}, { clock });
    for (let second = 0; second < 90; second++) {
      for (let n = 0; n < 10; n++) unhealthy(`failure ${second}`);
      clock.advance(1_000);
    }
    clock.advance(120_000);
    expect(lines.map(([, message, { repeats }]) => [message, repeats])).toEqual([
      ['users/a is unhealthy, was healthy: failure 0', undefined],
      ['users/a is unhealthy, was healthy: failure 59 (599 like this in the last 60 s)', 599],
      ['users/a is unhealthy, was healthy: failure 89 (300 like this in the last 60 s)', 300],
    ]);
  });

  it('formats only events that are written', () => {
    new EventLogger(bus, logger, {}, { clock });
    let reads = 0;
    const succeed = (attempts: number): void => {
      const payload = { service: 'users', ok: true, durationMs: 1 };
      const counted = Object.defineProperty(payload, 'attempts', { get: () => (reads++, attempts) });
      bus.emit('call.completed', counted as unknown as typeof payload & { attempts: number });
    };
    succeed(1);
    const readsOfOne = reads;
    for (let n = 0; n < 1_000; n++) succeed(2);
    expect([readsOfOne > 0, reads]).toEqual([true, readsOfOne]);
    clock.advance(60_000);
    expect(lines.map(([, message]) => message)).toEqual([
      'Call to users succeeded after 1 attempt',
      'Call to users succeeded after 2 attempts (1000 like this in the last 60 s)',
    ]);
  });

  it('distinguishes calls that failed for different causes, and those from calls that succeeded', () => {
    new EventLogger(bus, logger, {}, { clock });
    const answered = (status: number): object => ({ ok: false, code: 'RESPONSE_STATUS', status });
    const ends = [{ ok: true }, answered(404), answered(500), { ok: false, code: 'CIRCUIT_OPEN' }, { ok: false }];
    for (const end of [...ends, ...ends]) {
      bus.emit('call.completed', { service: 'users', attempts: 1, durationMs: 2, ...end } as never);
    }
    expect(lines.map(([, message]) => message)).toEqual([
      'Call to users succeeded after 1 attempt',
      'Call to users failed after 1 attempt in 2 ms: status 404',
      'Call to users failed after 1 attempt in 2 ms: status 500',
      'Call to users failed after 1 attempt in 2 ms: CIRCUIT_OPEN',
      'Call to users failed after 1 attempt in 2 ms: status unknown',
    ]);
  });

  it('names an address once, and one unhealthy instance as one', () => {
    new EventLogger(bus, logger, {}, { clock });
    const failed = { service: 'users', ok: false, status: 500, attempts: 1, durationMs: 2, address: '10.0.0.1:80' };
    bus.emit('call.completed', { ...failed, instanceId: '10.0.0.1:80' });
    bus.emit('call.completed', { ...failed, status: 503, instanceId: 'users-1' });
    bus.emit('balancing.fail_open', { service: 'users', unhealthy: 1 });
    expect(lines.map(([, message]) => message)).toEqual([
      'Call to users failed after 1 attempt in 2 ms: 500 from 10.0.0.1:80',
      'Call to users failed after 1 attempt in 2 ms: 503 from users-1 (10.0.0.1:80)',
      'No healthy instance of users can be called: calls go to an unhealthy one',
    ]);
  });

  const changeTo = (to: InstanceStatus, from: InstanceStatus, about: InstanceKey = key): void =>
    bus.emit('instance.status_changed', { key: about, from, to });
  const messages = (): string[] => lines.map(([, message]) => message);

  it('writes each change of an instance at once, after the repeats of the previous one', () => {
    new EventLogger(bus, logger, {}, { clock });
    changeTo('unhealthy', 'healthy');
    changeTo('healthy', 'unhealthy');
    changeTo('unhealthy', 'healthy');
    changeTo('unhealthy', 'healthy');
    changeTo('healthy', 'unhealthy');
    expect(messages()).toEqual([
      'users/a is unhealthy, was healthy',
      'users/a is healthy, was unhealthy',
      'users/a is unhealthy, was healthy',
      'users/a is unhealthy, was healthy (1 like this in the last 60 s)',
      'users/a is healthy, was unhealthy',
    ]);
  });

  it('ends with the latest state of an instance that left or returned within a window', () => {
    const eventLogger = new EventLogger(bus, logger, {}, { clock });
    const registered = { instance: fakeInstance({ serviceName: 'users', instanceId: 'a' }), replaced: false };
    bus.emit('instance.registered', registered);
    changeTo('healthy', 'maintenance');
    changeTo('healthy', 'maintenance');
    bus.emit('instance.deregistered', { key });
    eventLogger.close();
    expect(messages().slice(1)).toEqual([
      'users/a is healthy, was in maintenance',
      'users/a is healthy, was in maintenance (1 like this in the last 60 s)',
      'users/a deregistered',
    ]);
    new EventLogger(bus, logger, {}, { clock });
    bus.emit('instance.deregistered', { key });
    bus.emit('instance.registered', registered);
    bus.emit('instance.deregistered', { key });
    bus.emit('instance.registered', registered);
    expect(messages().at(-1)).toMatch(/^users\/a registered at/);
  });

  it('ends with the latest state of the registry too', () => {
    new EventLogger(bus, logger, {}, { clock });
    for (let n = 0; n < 3; n++) {
      bus.emit('registry.unavailable', { reason: 'refused', hasSnapshot: true });
      bus.emit('registry.available', { downMs: 1 });
    }
    expect(lines.map(([level]) => level)).toEqual(['warn', 'log', 'warn', 'log', 'warn', 'log']);
  });

  it('counts the changes of a flapping instance, says so, and ends with its state', () => {
    new EventLogger(bus, logger, {}, { clock });
    changeTo('unhealthy', 'healthy', { serviceName: 'users', instanceId: 'b' });
    for (let n = 0; n < 200; n++) {
      if (n % 2 === 0) changeTo('unhealthy', 'healthy');
      else changeTo('healthy', 'unhealthy');
      clock.advance(1_000);
    }
    clock.advance(60_000);
    changeTo('unhealthy', 'healthy');
    clock.advance(180_000);
    expect(messages().slice(1 + 10)).toEqual([
      'users/a is unhealthy, was healthy (many changes: further ones are counted and reported within 60 s)',
      'users/a is healthy, was unhealthy (49 more in the last 60 s)',
      'users/a is healthy, was unhealthy (60 more in the last 60 s)',
      'users/a is healthy, was unhealthy (60 more in the last 60 s)',
      'users/a is healthy, was unhealthy (20 more in the last 60 s)',
      'users/a is unhealthy, was healthy (1 more in the last 60 s)',
    ]);
    expect(clock.pendingTimers).toBe(0);
    changeTo('healthy', 'unhealthy');
    changeTo('unhealthy', 'healthy');
    expect(messages().slice(-2)).toEqual(['users/a is healthy, was unhealthy', 'users/a is unhealthy, was healthy']);
  });

  it('counts changes separately in each window', () => {
    new EventLogger(bus, logger, {}, { clock });
    for (let minute = 0; minute < 4; minute++) {
      for (let n = 0; n < 3; n++) {
        changeTo('unhealthy', 'healthy');
        changeTo('healthy', 'unhealthy');
      }
      changeTo('healthy', 'unhealthy');
      clock.advance(60_000);
    }
    expect(messages().filter((message) => message.includes('more'))).toEqual([]);
  });

  it('writes the count of each line at the end of its own minute', () => {
    new EventLogger(bus, logger, {}, { clock });
    unhealthy();
    unhealthy();
    clock.advance(1_000);
    bus.emit('instance.expired', { key: { serviceName: 'users', instanceId: 'b' } });
    bus.emit('instance.expired', { key: { serviceName: 'users', instanceId: 'b' } });
    clock.advance(60_000);
    expect(lines.map(([, , { event, repeats }]) => [event, repeats])).toEqual([
      ['instance.status_changed', undefined],
      ['instance.expired', undefined],
      ['instance.status_changed', 1],
      ['instance.expired', 1],
    ]);
  });

  it('holds no window and no timer once there are no events', () => {
    new EventLogger(bus, logger, {}, { clock });
    unhealthy();
    unhealthy();
    bus.emit('instance.expired', { key });
    clock.advance(120_000);
    expect(clock.pendingTimers).toBe(0);
    unhealthy();
    expect(lines).toHaveLength(4);
  });

  it('folds lines by event type if there are too many different ones within a window', () => {
    const eventLogger = new EventLogger(bus, logger, { maxLines: 2 }, { clock });
    for (let n = 0; n < 100; n++) bus.emit('instance.expired', { key: { serviceName: 'users', instanceId: `i${n}` } });
    eventLogger.close();
    expect(lines.map(([, message]) => message)).toEqual([
      'users/i0 expired: its heartbeats stopped',
      'users/i1 expired: its heartbeats stopped',
      'users/i2 expired: its heartbeats stopped',
      'users/i99 expired: its heartbeats stopped (97 like this in the last 60 s)',
    ]);
  });

  it('accepts another level, or none, for an event type', () => {
    const levels = { 'instance.expired': 'error', 'lease.recovered': false } as const;
    new EventLogger(bus, logger, { levels }, { clock });
    bus.emit('instance.expired', { key });
    bus.emit('lease.recovered', { key });
    expect(lines.map(([level]) => level)).toEqual(['error']);
  });

  it('writes pending counts on close(), and nothing afterwards', () => {
    const eventLogger = new EventLogger(bus, logger, {}, { clock });
    unhealthy();
    unhealthy();
    eventLogger.close();
    unhealthy();
    expect(lines.map(([, , { repeats }]) => repeats)).toEqual([undefined, 1]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('names all invalid options at once', () => {
    const make = (): unknown =>
      new EventLogger(bus, logger, { repeatWindow: 'soon' as never, maxLines: Number.NaN }, { clock });
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(/repeatWindow.*\n.*maxLines/);
  });

  it.each<[unknown, RegExp]>([
    [{ levels: null }, /levels: expected an object of options/],
    [{ levels: 'debug' }, /levels: expected an object of options/],
    [{ levels: { 'instance.expird': 'warn' } }, /instance\.expird: .*did you mean "instance\.expired"/],
    [{ levels: { 'instance.expired': 'info' } }, /instance\.expired: expected one of "debug", "log"/],
    [{ level: 'debug' }, /level: expected no option of this name \(did you mean "levels"/],
  ])('rejects %j', (options, message) => {
    const make = (): unknown => new EventLogger(bus, logger, options as never, { clock });
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(message);
  });

  it('uses the default for undefined', () => {
    new EventLogger(bus, logger, { fields: undefined, levels: { 'instance.expired': undefined } }, { clock }).close();
  });

  it("logs routine events of other processes' instances at debug", () => {
    const isOwn = ({ instanceId }: InstanceKey): boolean => instanceId === 'a';
    new EventLogger(bus, logger, {}, { clock, isOwn });
    for (const instanceId of ['a', 'b']) {
      const about = { serviceName: 'users', instanceId };
      bus.emit('instance.registered', { instance: fakeInstance(about), replaced: false });
      bus.emit('instance.status_changed', { key: about, from: 'healthy', to: 'unhealthy' });
    }
    expect(lines.map(([level, message]) => `${level} ${message.split(' ', 3).join(' ')}`)).toEqual([
      'log users/a registered at',
      'warn users/a is unhealthy,',
      'debug users/b registered at',
      'warn users/b is unhealthy,',
    ]);
  });

  it('keeps the level of results of its own calls to others', () => {
    new EventLogger(bus, logger, {}, { clock, isOwn: () => false });
    bus.emit('instance.unreachable', { key, reason: 'connect ECONNREFUSED', avoidedForMs: 1_000, failures: 1 });
    bus.emit('instance.reached', { key });
    bus.emit('instance.ejected', { key, reason: 'latency', evidence: 'slow', ejectedForMs: 1, ejections: 1 });
    bus.emit('instance.readmitted', { key });
    expect(lines.map(([level]) => level)).toEqual(['warn', 'log', 'warn', 'log']);
  });

  it("writes repeats at the level of the latest one: its own, or another's", () => {
    let isOwn = true;
    new EventLogger(bus, logger, {}, { clock, isOwn: () => isOwn });
    const register = (): void =>
      bus.emit('instance.registered', { instance: fakeInstance({ serviceName: 'users' }), replaced: true });
    register();
    isOwn = false;
    register();
    isOwn = true;
    clock.advance(60_000);
    expect(lines.map(([level]) => level)).toEqual(['log', 'debug']);
  });

  it('writes only the message if fields are off', () => {
    new EventLogger(bus, logger, { fields: false }, { clock });
    unhealthy();
    unhealthy();
    clock.advance(60_000);
    expect(lines.map(([, message, fields]) => [message.replace(/:.*? \(/, ' ('), fields])).toEqual([
      ['users/a is unhealthy, was healthy: status 500', {}],
      ['users/a is unhealthy, was healthy (1 like this in the last 60 s)', {}],
    ]);
  });
});
