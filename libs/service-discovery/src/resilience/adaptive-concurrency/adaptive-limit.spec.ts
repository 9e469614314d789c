import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConcurrencyLimitedError, DeadlineExceededError, InvalidConfigurationError } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type AdaptiveLimitOptions, ADAPTIVE_LIMIT_OPTIONS } from './adaptive-limit-options.js';
import { AdaptiveLimit, type ConcurrencyPermit } from './adaptive-limit.js';
import { type LoadSignal } from '../load-signal.js';

const hanging = (): Promise<never> => new Promise(() => undefined);

describe('AdaptiveLimit', () => {
  let clock: ManualClock;
  const create = (options: Partial<AdaptiveLimitOptions> = {}): AdaptiveLimit =>
    new AdaptiveLimit({ initial: 4, ...options }, { clock, name: 'users' });
  const failure = (promise: Promise<unknown>): Promise<Error> =>
    promise.then(
      () => Promise.reject(new Error('it was let through')),
      (error: Error) => error,
    );
  /** All the calls that it lets in. */
  const fill = (limit: AdaptiveLimit): ConcurrencyPermit[] => {
    const permits = [];
    for (let permit = limit.tryAcquire(); permit; permit = limit.tryAcquire()) permits.push(permit);
    return permits;
  };
  /** Calls in rounds, as many at once as it lets in, that take a time each and all end in one way. */
  const callInRounds = (limit: AdaptiveLimit, rounds: number, latencyMs: number, load: LoadSignal): void => {
    for (let round = 0; round < rounds; round++) {
      const permits = fill(limit);
      clock.advance(latencyMs);
      for (const permit of permits) permit.settle(load);
    }
  };

  beforeEach(() => {
    clock = new ManualClock();
  });

  it('admits calls up to the limit and refuses further ones', async () => {
    const limit = create();
    const permits = fill(limit);
    expect(permits).toHaveLength(4);
    const error = await failure(limit.acquire());
    expect(error).toBeInstanceOf(ConcurrencyLimitedError);
    expect(error).toMatchObject({
      code: 'CONCURRENCY_LIMITED',
      service: 'users',
      message:
        'The limit for "users" is 4 calls at once, as many as the callee was found to handle, and none may wait. Add instances, or let more calls wait (adaptiveConcurrency.maxQueue). See nest-service-discovery/docs/reference/errors.md#CONCURRENCY_LIMITED',
    });
    permits[0]?.settle('failed');
    permits[0]?.settle('answered');
    expect(limit.inFlight).toBe(3);
    expect(fill(limit)).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('queues calls in order for at most maxWait, and lets none overtake them', async () => {
    const limit = create({ maxQueue: 2, maxWait: '1s' });
    const [first, second] = fill(limit);
    const seen: string[] = [];
    const wait = (name: string, signal?: AbortSignal): void => {
      limit.acquire(signal).then(
        () => seen.push(name),
        (error: Error) => seen.push(`${name}: ${error.name}`),
      );
    };
    const controller = new AbortController();
    wait('a', controller.signal);
    wait('b');
    expect((await failure(limit.acquire())).message).toMatch(
      /2 calls wait already\. Add instances, or let more calls wait \(adaptiveConcurrency\.maxQueue\)\. See \S+$/,
    );
    controller.abort(new DeadlineExceededError(1));
    wait('c');
    first?.settle('answered');
    expect(limit.tryAcquire()).toBeNull();
    expect([limit.inFlight, limit.queued]).toEqual([4, 1]);
    await clock.advanceAsync(999);
    expect(seen).toEqual(['a: DeadlineExceededError', 'b']);
    await clock.advanceAsync(1);
    second?.settle('answered');
    expect(seen).toEqual(['a: DeadlineExceededError', 'b', 'c: ConcurrencyLimitedError']);
    expect([limit.inFlight, limit.queued, clock.pendingTimers]).toEqual([3, 0, 0]);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('uses the latency of answers and the drops, and nothing else', () => {
    const limitAfter = (latencyMs: number, load: LoadSignal): number => {
      const limit = create({ initial: 40, max: 60 });
      callInRounds(limit, 30, 50, 'answered');
      expect(limit.limit).toBeGreaterThan(40);
      const before = limit.limit;
      callInRounds(limit, 5, latencyMs, load);
      return limit.limit / before;
    };
    expect(limitAfter(50, 'answered')).toBeGreaterThan(1);
    expect(limitAfter(250, 'answered')).toBeLessThan(0.5);
    expect(limitAfter(50, 'overloaded')).toBeLessThan(0.5);
    for (const load of ['failed', 'unreachable', 'ignored'] as const) expect(limitAfter(250, load)).toBe(1);
  });

  it('queues the calls that a probe keeps out even without a queue, and admits them when it ends', async () => {
    const limit = create({ initial: 40, maxQueue: 0 });
    callInRounds(limit, 3, 50, 'answered');
    expect(limit.snapshot()).toMatchObject({ limit: 20, isProbing: true, inFlight: 0 });
    const permits = fill(limit);
    const waiting = Array.from({ length: 20 }, () => limit.acquire());
    expect((await failure(limit.acquire())).name).toBe('ConcurrencyLimitedError');
    expect(limit.snapshot()).toMatchObject({ inFlight: 20, queued: 20 });
    clock.advance(100);
    for (const permit of permits) permit.settle('answered');
    const next = await Promise.all(waiting);
    clock.advance(100);
    for (const permit of next) permit.settle('answered');
    expect(limit.snapshot()).toMatchObject({ limit: 40, isProbing: false, inFlight: 0, queued: 0 });
    expect(clock.pendingTimers).toBe(0);
  });

  it('admits every waiting call that fits when the limit rises', async () => {
    const limit = create({ initial: 40, maxQueue: 40 });
    callInRounds(limit, 3, 50, 'answered');
    const permits = fill(limit);
    const waiting = Array.from({ length: 60 }, () => limit.acquire());
    clock.advance(100);
    for (const permit of permits) permit.settle('answered');
    const next = await Promise.all(waiting.slice(0, 20));
    clock.advance(100);
    // With the last one, enough is known, and the limit is again what it was before it was lowered.
    for (const permit of next) permit.settle('answered');
    expect(limit.snapshot()).toMatchObject({ limit: 40, isProbing: false, inFlight: 40, queued: 0 });
    await Promise.all(waiting);
  });

  it('counts calls that span two windows', () => {
    const limit = create({ initial: 60 });
    callInRounds(limit, 5, 50, 'answered');
    expect(limit.snapshot()).toMatchObject({ baselineMs: 50, isProbing: false });
    const permits = fill(limit);
    clock.advance(100);
    for (const permit of permits.slice(0, 20)) permit.settle('answered');
    clock.advance(5_000);
    for (const permit of permits.slice(20, 40)) permit.settle('answered');
    expect(limit.snapshot().isProbing).toBe(true);
  });

  it('runs a function, and learns from how it ends', async () => {
    const limit = create();
    await expect(limit.execute(async () => limit.inFlight)).resolves.toBe(1);
    await expect(limit.execute(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(limit.inFlight).toBe(0);
    fill(limit);
    let called = false;
    expect((await failure(limit.execute(async () => (called = true)))).name).toBe('ConcurrencyLimitedError');
    expect(called).toBe(false);
  });

  it('frees the slot of a caller that aborts, though the function hangs', async () => {
    const limit = create();
    const controller = new AbortController();
    const call = failure(limit.execute(hanging, controller.signal));
    await Promise.resolve();
    expect(limit.inFlight).toBe(1);
    controller.abort(new Error('gone'));
    expect((await call).message).toBe('gone');
    expect((await failure(limit.execute(hanging, controller.signal))).message).toBe('gone');
    expect(limit.inFlight).toBe(0);
  });

  it('does not call the function for a caller that aborts just as it gets its permit', async () => {
    const limit = create({ maxQueue: 1 });
    const [permit] = fill(limit);
    const controller = new AbortController();
    let called = false;
    const call = failure(limit.execute(async () => (called = true), controller.signal));
    permit?.settle('answered');
    controller.abort(new Error('gone'));
    expect((await call).message).toBe('gone');
    expect([called, limit.inFlight]).toEqual([false, 3]);
  });

  it.each<[Partial<AdaptiveLimitOptions>, Partial<AdaptiveLimitOptions>]>([
    [{}, { initial: 20, min: 4, max: 1_000, window: 100, maxWait: 1_000 }],
    [{ max: 10 }, { initial: 10, min: 4, max: 10 }],
    [{ max: 2 }, { initial: 2, min: 2, max: 2 }],
    [{ min: 50 }, { initial: 50, min: 50, max: 1_000 }],
    [
      { window: '1s', maxWait: '2s' },
      { window: 1_000, maxWait: 2_000 },
    ],
  ])('takes for %j what fits in', (options, resolved) => {
    expect(ADAPTIVE_LIMIT_OPTIONS.resolve(options)).toMatchObject(resolved);
  });

  it.each<[Partial<AdaptiveLimitOptions>, RegExp]>([
    [{ initial: null as never }, /adaptiveConcurrency\.initial: expected a whole number from 4 to 1000, but got null/],
    [{ initial: 5, min: 10 }, /adaptiveConcurrency\.initial: expected a whole number from 10 to 1000, but got 5/],
    [{ initial: 30, max: 20 }, /initial: expected a whole number from 4 to 20, but got 30/],
    [{ min: 30, max: 20 }, /min: expected a whole number from 1 to 20, but got 30/],
    [
      { min: 50, max: 10 },
      /^Invalid configuration:\n.*min: expected a whole number from 1 to 10, but got 50\n {2}See \S+$/,
    ],
    [{ min: 0, max: 0.5 }, /max: .*\n.*min: /],
    [{ tolerance: 1, smoothing: 0 }, /tolerance: .*1\.1 to 10.*\n.*smoothing: .*0\.01 to 1/],
    [{ window: 1, maxQueue: -1, maxWait: 0 }, /window: .*10ms to 1m.*\n.*maxQueue: .*\n.*maxWait: .*1ms to 1h/],
    [{ initial: Number.NaN }, /initial: .*NaN/],
    [{ tolerence: 2 } as Partial<AdaptiveLimitOptions>, /adaptiveConcurrency\.tolerence: .*"tolerance"/],
  ])('refuses %j', (options, message) => {
    const resolve = (): unknown => ADAPTIVE_LIMIT_OPTIONS.resolve(options);
    expect(resolve).toThrow(InvalidConfigurationError);
    expect(resolve).toThrow(message);
  });
});
