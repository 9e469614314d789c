import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError, seededRandom, ThrottledError } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ClientThrottle, type ClientThrottleOptions } from './client-throttle.js';
import { type LoadSignal } from '../load-signal.js';

describe('ClientThrottle', () => {
  let clock: ManualClock;
  let draw: number;
  const create = (options: Partial<ClientThrottleOptions> = {}): ClientThrottle =>
    new ClientThrottle(options, { clock, random: () => draw, name: 'users' });
  /** Makes calls that all end in one way; those that are dropped are counted. */
  const call = (throttle: ClientThrottle, times: number, load: LoadSignal): number => {
    let dropped = 0;
    for (let made = 0; made < times; made++) {
      const permit = throttle.tryAcquire();
      if (permit) permit.settle(load);
      else dropped++;
    }
    return dropped;
  };

  beforeEach(() => {
    clock = new ManualClock();
    draw = 0.999;
  });

  it('drops the share of calls beyond k times the accepted ones', () => {
    const throttle = create();
    call(throttle, 10, 'answered');
    call(throttle, 10, 'overloaded');
    expect(throttle.rejection).toBe(0);
    call(throttle, 10, 'overloaded');
    expect(throttle.rejection).toBe(10 / 31);
    draw = 10 / 31;
    expect(throttle.tryAcquire()).not.toBeNull();
    draw = 10 / 31 - 1e-9;
    expect(call(create({}), 1, 'overloaded')).toBe(0);
    const strict = create({ k: 1 });
    call(strict, 10, 'answered');
    call(strict, 5, 'overloaded');
    expect(strict.rejection).toBe(5 / 16);
    expect(call(strict, 1, 'answered')).toBe(0);
    expect(strict.rejection).toBe(5 / 17);
    draw = 5 / 17 - 1e-9;
    expect(call(strict, 1, 'answered')).toBe(1);
  });

  it('counts dropped calls, so that the share rises to maxRejection and never beyond', () => {
    const throttle = create({ maxRejection: 0.75 });
    call(throttle, 10, 'overloaded');
    expect(throttle.rejection).toBe(0.75);
    draw = 0.7499;
    expect(call(throttle, 100, 'overloaded')).toBe(100);
    expect(throttle.snapshot()).toEqual({ requests: 110, dropped: 100, inFlight: 0, accepts: 0, rejection: 0.75 });
    draw = 0.75;
    expect(call(throttle, 100, 'overloaded')).toBe(0);
  });

  it.each<[LoadSignal, number]>([
    ['answered', 0],
    ['failed', 0],
    ['overloaded', 0.9],
    ['unreachable', 0.9],
    ['ignored', 0],
  ])('where calls end %s, drops up to %d of them', (load, rejection) => {
    const throttle = create();
    call(throttle, 1_000, load);
    expect(throttle.rejection).toBe(rejection);
    expect(throttle.snapshot().requests).toBe(load === 'ignored' ? 0 : 1_000);
  });

  it('drops nothing before it knows enough', () => {
    const throttle = create({ minRequests: 20 });
    call(throttle, 19, 'unreachable');
    expect(throttle.rejection).toBe(0);
    call(throttle, 1, 'unreachable');
    expect(throttle.rejection).toBe(0.9);
  });

  it('tolerates a burst after a quiet time, and notices a callee that hangs', () => {
    const throttle = create({ window: '2m' });
    const permits = Array.from({ length: 1_000 }, () => throttle.tryAcquire());
    for (const permit of permits.slice(0, 20)) permit?.settle('answered');
    expect(throttle.rejection).toBe(0);
    clock.advance(9_999);
    expect(throttle.rejection).toBe(0);
    clock.advance(1);
    expect(throttle.rejection).toBe(0.9);
    for (const permit of permits.slice(20)) permit?.settle('answered');
    expect(throttle.rejection).toBe(0);
  });

  it('forgets calls older than the window', () => {
    const throttle = create({ window: '24s' });
    call(throttle, 10, 'overloaded');
    clock.advance(12_000);
    call(throttle, 10, 'answered');
    clock.advance(11_999);
    expect(throttle.snapshot()).toMatchObject({ requests: 20, accepts: 10 });
    clock.advance(1);
    expect(throttle.snapshot()).toMatchObject({ requests: 10, accepts: 10 });
    clock.advance(12_000);
    expect(throttle.snapshot()).toEqual({ requests: 0, dropped: 0, inFlight: 0, accepts: 0, rejection: 0 });
  });

  it('is not misled by the end of a call that was forgotten', () => {
    const throttle = create({ window: '24s' });
    const late = throttle.tryAcquire();
    clock.advance(24_000);
    call(throttle, 10, 'overloaded');
    late?.settle('answered');
    expect(throttle.snapshot()).toMatchObject({ requests: 10, accepts: 0, inFlight: 0 });
  });

  it('uses only the first outcome of a call', () => {
    const throttle = create();
    const permit = throttle.tryAcquire();
    permit?.settle('overloaded');
    permit?.settle('answered');
    permit?.settle('ignored');
    expect(throttle.snapshot()).toEqual({ requests: 1, dropped: 0, inFlight: 0, accepts: 0, rejection: 0 });
  });

  it('sends an overloaded callee about k times what it accepts, and recovers by itself', () => {
    const random = seededRandom(7);
    const throttle = new ClientThrottle({ window: '30s' }, { clock, random });
    /** Offers 1,000 calls a second to a callee that can take so many of them; tells how many were sent, a second. */
    const offer = (seconds: number, capacity: number): number => {
      let sent = 0;
      let left = 0;
      for (let ms = 0; ms < seconds * 1_000; ms++) {
        if (ms % 100 === 0) left = capacity / 10;
        clock.advance(1);
        const permit = throttle.tryAcquire();
        if (!permit) continue;
        sent++;
        permit.settle(left-- > 0 ? 'answered' : 'overloaded');
      }
      return sent / seconds;
    };
    expect(offer(60, 1_000)).toBe(1_000);
    offer(60, 200);
    const sent = offer(60, 200);
    expect(sent).toBeGreaterThan(380);
    expect(sent).toBeLessThan(420);
    offer(30, 0);
    expect(offer(30, 0)).toBeLessThan(110);
    offer(60, 1_000);
    expect(offer(10, 1_000)).toBe(1_000);
  });

  it('runs a function, or drops the call without running it', async () => {
    const throttle = create();
    const run = (load: () => Promise<unknown>): Promise<unknown> => throttle.execute(load);
    await expect(run(async () => 'up')).resolves.toBe('up');
    const down = (): Promise<never> => Promise.reject(Object.assign(new Error('down'), { status: 503 }));
    for (let made = 0; made < 20; made++) await expect(run(down)).rejects.toThrow('down');
    expect(throttle.snapshot()).toMatchObject({ requests: 21, accepts: 1, rejection: 19 / 22 });
    draw = 0;
    let called = false;
    const error: unknown = await run(async () => (called = true)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ThrottledError);
    expect(error).toMatchObject({ code: 'THROTTLED', service: 'users' });
    expect((error as Error).message).toMatch(/^About 87% of the calls for "users" are dropped/);
    expect(called).toBe(false);
  });

  it('does not count a call that its caller gave up', async () => {
    const throttle = create();
    const controller = new AbortController();
    const call = throttle.execute(() => new Promise(() => undefined), controller.signal);
    expect(throttle.snapshot()).toMatchObject({ requests: 1, inFlight: 1 });
    controller.abort(new Error('gone'));
    await expect(call).rejects.toThrow('gone');
    let called = false;
    await expect(throttle.execute(async () => (called = true), controller.signal)).rejects.toThrow('gone');
    expect(called).toBe(false);
    expect(throttle.snapshot()).toMatchObject({ requests: 0, inFlight: 0 });
  });

  it('needs no timer', () => {
    call(create(), 100, 'overloaded');
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[Partial<ClientThrottleOptions>, RegExp]>([
    [
      { k: 0.9, window: '1ms', minRequests: 0, maxRejection: 1 },
      /k: .*1 to 100.*\n.*window: .*1s to 1h.*\n.*minRequests: .*\n.*maxRejection: .*0.01 to 0.99/,
    ],
    [{ k: Number.NaN }, /throttling\.k: .*NaN/],
    [{ maxRejections: 0.5 } as Partial<ClientThrottleOptions>, /throttling\.maxRejections: .*"maxRejection"/],
  ])('refuses %j', (options, message) => {
    expect(() => create(options)).toThrow(InvalidConfigurationError);
    expect(() => create(options)).toThrow(message);
  });
});
