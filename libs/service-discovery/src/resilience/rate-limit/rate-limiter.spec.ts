import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError, RateLimitedError } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { RateLimiter, type RateLimiterOptions } from './rate-limiter.js';

describe('RateLimiter', () => {
  let clock: ManualClock;
  const create = (options: RateLimiterOptions): RateLimiter => new RateLimiter(options, { clock, name: 'users' });
  /** Calls until it is told to stop. */
  const exhaust = (limiter: RateLimiter): number => {
    let calls = 0;
    while (limiter.tryAcquire()) calls++;
    return calls;
  };
  const failure = (promise: Promise<unknown>): Promise<RateLimitedError> =>
    promise.then(
      () => Promise.reject(new Error('it was let through')),
      (error: RateLimitedError) => error,
    );
  /** Puts down when each call gets its turn. */
  const log = (limiter: RateLimiter, name: string, into: string[], signal?: AbortSignal): void => {
    const say = (what: string) => (): void => void into.push(`${name} ${what} at ${Math.round(clock.now())}`);
    limiter.acquire(signal).then(say('goes'), say('leaves'));
  };

  beforeEach(() => {
    clock = new ManualClock();
  });

  it('lets a burst through, then as many as the rate gives', () => {
    const limiter = create({ rate: 10, burst: 3 });
    expect(exhaust(limiter)).toBe(3);
    clock.advance(99);
    expect(limiter.tryAcquire()).toBe(false);
    clock.advance(1);
    expect(exhaust(limiter)).toBe(1);
    clock.advance(3_600_000);
    expect(exhaust(limiter)).toBe(3);
  });

  it('defaults burst to the rate, at least one', () => {
    expect(exhaust(create({ rate: 5 }))).toBe(5);
    expect(exhaust(create({ rate: 2.9, per: '1m' }))).toBe(2);
    expect(exhaust(create({ rate: 0.1 }))).toBe(1);
  });

  it('gives exactly the rate in the long run, in spite of binary fractions', () => {
    const limiter = create({ rate: 3, burst: 1 });
    let calls = 0;
    for (let ms = 0; ms < 30_000; ms++) {
      if (limiter.tryAcquire()) calls++;
      clock.advance(1);
    }
    // One is due each 333⅓ ms, and asked for at whole ones.
    expect(calls).toBe(90);
    const even = create({ rate: 10, burst: 1 });
    const times: number[] = [];
    const start = clock.now();
    while (times.length < 100) {
      if (even.tryAcquire()) times.push(clock.now() - start);
      clock.advance(0.1);
    }
    expect(times.map(Math.round)).toEqual(times.map((_, index) => index * 100));
  });

  it('refuses at once, and says when to try again', async () => {
    const limiter = create({ rate: 3, burst: 1 });
    await limiter.acquire();
    clock.advance(33);
    const error = await failure(limiter.acquire());
    expect(error).toBeInstanceOf(RateLimitedError);
    expect(error).toMatchObject({
      code: 'RATE_LIMITED',
      service: 'users',
      retryAfterMs: 301,
      message:
        'The limit of 3 calls per 1 s for "users" is used up. Try again in 301 ms, let calls wait (rateLimit.maxWait), or raise rateLimit.rate. See nest-service-discovery/docs/reference/errors.md#RATE_LIMITED',
    });
    clock.advance(300);
    expect((await failure(limiter.acquire())).retryAfterMs).toBe(1);
    clock.advance(1);
    await limiter.acquire();
    expect(clock.pendingTimers).toBe(0);
  });

  it('queues calls in order, and lets none overtake them', async () => {
    const limiter = create({ rate: 10, burst: 1, maxWait: '300ms' });
    const seen: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) log(limiter, name, seen);
    expect(limiter.waiting).toBe(3);
    expect(await failure(limiter.acquire())).toMatchObject({ retryAfterMs: 400 });
    await clock.advanceAsync(100);
    expect(limiter.tryAcquire()).toBe(false);
    log(limiter, 'e', seen);
    await clock.advanceAsync(1_000);
    expect(seen).toEqual(['a goes at 0', 'b goes at 100', 'c goes at 200', 'd goes at 300', 'e goes at 400']);
    expect(clock.pendingTimers).toBe(0);
  });

  it("refuses at once when the token would come after the end of the call's time", async () => {
    const limiter = create({ rate: 10, burst: 1, maxWait: '1s' });
    await limiter.acquire(undefined, 0);
    expect(await failure(limiter.acquire(undefined, 99))).toMatchObject({ retryAfterMs: 100 });
    const waiting = limiter.acquire(undefined, 100);
    await clock.advanceAsync(100);
    await waiting;
  });

  it('moves later calls up when one leaves, and takes no token for it', async () => {
    const limiter = create({ rate: 10, burst: 1, maxWait: '1s' });
    const seen: string[] = [];
    const first = new AbortController();
    const third = new AbortController();
    log(limiter, 'now', seen);
    log(limiter, 'a', seen, first.signal);
    log(limiter, 'b', seen);
    log(limiter, 'c', seen, third.signal);
    log(limiter, 'd', seen);
    await clock.advanceAsync(50);
    first.abort();
    third.abort();
    await clock.advanceAsync(1_000);
    expect(seen).toEqual(['now goes at 0', 'a leaves at 50', 'c leaves at 50', 'b goes at 100', 'd goes at 200']);
  });

  it('keeps no timer and no listener when the last one leaves', async () => {
    const limiter = create({ rate: 1, maxWait: '10s' });
    const { signal } = new AbortController();
    await limiter.acquire(signal);
    const aborter = new AbortController();
    const waiting = failure(limiter.acquire(aborter.signal));
    const other = limiter.acquire(signal);
    aborter.abort(new Error('gone'));
    expect((await waiting).message).toBe('gone');
    expect(clock.pendingTimers).toBe(1);
    await clock.advanceAsync(1_000);
    await other;
    expect([clock.pendingTimers, limiter.waiting]).toEqual([0, 0]);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(getEventListeners(aborter.signal, 'abort')).toHaveLength(0);
  });

  it('takes no token for a caller that has already aborted', async () => {
    const limiter = create({ rate: 1 });
    await expect(limiter.acquire(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(limiter.tryAcquire()).toBe(true);
  });

  it('lets no more through than are due, however late its timer is', async () => {
    const limiter = create({ rate: 10, burst: 2, maxWait: '10s' });
    const seen: string[] = [];
    for (let call = 0; call < 20; call++) log(limiter, `call ${call}`, seen);
    const late = clock.setTimer.bind(clock);
    clock.setTimer = (fn, ms) => late(fn, ms + 5_000);
    await clock.advanceAsync(100);
    expect(seen).toHaveLength(3);
    await clock.advanceAsync(5_100);
    // A stall counts as a quiet time: a burst, not all that would have been due during it.
    expect(seen).toHaveLength(5);
  });

  it('runs a function once there is a token, and not when the call is refused or aborted', async () => {
    const limiter = create({ rate: 10, burst: 1, maxWait: '100ms' });
    let runs = 0;
    const run = async (): Promise<number> => ++runs;
    await expect(limiter.execute(run)).resolves.toBe(1);
    const controller = new AbortController();
    const waiting = failure(limiter.execute(run, controller.signal));
    expect((await failure(limiter.execute(run))).code).toBe('RATE_LIMITED');
    clock.advance(100);
    // It got its turn, and aborts before it could go.
    controller.abort(new Error('gone'));
    expect((await waiting).message).toBe('gone');
    clock.advance(100);
    const hanging = limiter.execute(() => new Promise(() => undefined), AbortSignal.timeout(1));
    await expect(hanging).rejects.toThrow('timeout');
    expect(runs).toBe(1);
  });

  it('shows how many calls it would admit', async () => {
    const limiter = create({ rate: 10, burst: 2, maxWait: '1s' });
    const shown = { rate: 10, perMs: 1_000, burst: 2 };
    expect(limiter.snapshot()).toEqual({ ...shown, available: 2, waiting: 0, waitMs: 0 });
    const calls = [limiter.acquire(), limiter.acquire(), limiter.acquire()];
    expect(limiter.snapshot()).toMatchObject({ available: 0, waiting: 1 });
    expect(limiter.snapshot().waitMs).toBeCloseTo(200, 3);
    await clock.advanceAsync(300);
    await Promise.all(calls);
    expect(limiter.snapshot()).toEqual({ ...shown, available: 2, waiting: 0, waitMs: 0 });
  });

  it.each<[Partial<RateLimiterOptions>, RegExp]>([
    [{}, /rateLimit\.rate: .*0\.001 to 1000000.* but got nothing/],
    [{ rate: 0, per: 0, burst: 0.5, maxWait: -1 }, /rate: .*\n.*per: .*1ms to 1d.*\n.*burst: .*\n.*maxWait: .*to 1d/],
    [{ rate: Number.NaN, burst: Number.NaN }, /rate: .*NaN\n.*burst: .*NaN/],
    [{ rate: 1_001, per: '1ms' }, /rate: expected at most 1000 calls a millisecond, but got 1001/],
    [{ rate: 1, bursts: 2 } as RateLimiterOptions, /rateLimit\.bursts: .*did you mean "burst"/],
  ])('refuses %j', (options, message) => {
    expect(() => create(options as RateLimiterOptions)).toThrow(InvalidConfigurationError);
    expect(() => create(options as RateLimiterOptions)).toThrow(message);
  });
});
