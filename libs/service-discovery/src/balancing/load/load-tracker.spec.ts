import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  ConcurrencyLimitedError,
  InvalidConfigurationError,
  type Outcome,
  RateLimitedError,
  ServiceDiscoveryError,
  ThrottledError,
} from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type InstanceLoad, LoadTracker } from './load-tracker.js';

const DECAY_MS = 10_000;

const response = (latencyMs: number, status = 200): Outcome => ({ kind: 'response', status, latencyMs });
const failed = (error: unknown, latencyMs = 1): Outcome => ({ kind: 'error', error, latencyMs, neverSent: false });
const abandoned = (error: unknown): Outcome => ({
  kind: 'error',
  error,
  latencyMs: 1,
  neverSent: false,
  abandoned: true,
});
const listed = (...ids: string[]) => ids.map((instanceId) => fakeInstance({ instanceId }));

describe('LoadTracker', () => {
  let clock: ManualClock;
  let tracker: LoadTracker;

  const call = (id: string, outcome: Outcome): void => {
    const load = tracker.of(id);
    load.begin();
    load.end(outcome);
  };
  const latencyOf = (id: string): number => tracker.of(id).ewmaMs(clock.now());

  beforeEach(() => {
    clock = new ManualClock();
    tracker = new LoadTracker({ clock, decayMs: DECAY_MS });
  });

  it('expects the usual latency of an instance again after forgive()', () => {
    for (let n = 0; n < 3; n++) call('a', response(20));
    call('b', failed(new Error('refused')));
    call('c', response(5));
    expect(latencyOf('b')).toBeGreaterThanOrEqual(1_000);
    tracker.forgive('b');
    const usual = latencyOf('b');
    expect(usual).toBeGreaterThan(5);
    expect(usual).toBeLessThanOrEqual(20);
    tracker.forgive('c');
    expect(latencyOf('c')).toBe(5);
    tracker.forgive('unknown');
    // A new instance starts with the mean of all.
    expect(latencyOf('d')).toBeCloseTo((20 + usual + 5) / 3);
  });

  describe('calls in flight', () => {
    it('are counted per instance and never drop below 0', () => {
      const [a, b] = [tracker.of('a'), tracker.of('b')];
      a.begin();
      a.begin();
      b.begin();
      a.end(response(1));
      b.end(response(1));
      b.end(response(1));
      expect([a.active, b.active]).toEqual([1, 0]);
    });

    it.each<[string, Outcome]>([
      ['an answer', response(1)],
      ['a failure', failed(new Error('reset'))],
      ['an abort', failed(new DOMException('gone', 'AbortError'))],
      ['a refusal of our own', failed(new BulkheadFullError({ limit: 1, queue: 0 }))],
      ['a latency that is no number', response(Number.NaN)],
    ])('end with %s', (_what, outcome) => {
      call('a', outcome);
      expect(tracker.of('a').active).toBe(0);
    });
  });

  describe('latency', () => {
    it('is 0 while no instance has been measured', () => {
      expect(latencyOf('a')).toBe(0);
    });

    it('rises to a slower response at once', () => {
      call('a', response(10));
      call('a', response(250));
      expect(latencyOf('a')).toBe(250);
    });

    it('approaches faster responses, with 1/e of the difference left after the decay time', () => {
      call('a', response(100));
      clock.advance(DECAY_MS);
      call('a', response(20));
      expect(latencyOf('a')).toBeCloseTo(100 / Math.E + 20 * (1 - 1 / Math.E), 9);
    });

    it('is not lowered by many fast responses at one time', () => {
      call('a', response(100));
      for (let made = 0; made < 1_000; made++) call('a', response(1));
      expect(latencyOf('a')).toBe(100);
    });

    it('uses the time passed in and reads the clock only without one', () => {
      const load = tracker.of('a');
      const looks = jest.spyOn(clock, 'now');
      load.end(response(100), 0);
      load.end(response(20), DECAY_MS);
      expect(looks).not.toHaveBeenCalled();
      expect(load.ewmaMs(DECAY_MS)).toBeCloseTo(100 / Math.E + 20 * (1 - 1 / Math.E), 9);
      load.end(response(20));
      expect(looks).toHaveBeenCalledTimes(1);
    });

    it('decays over time, so that an instance that was slow is tried again', () => {
      call('a', response(1_000));
      clock.advance(DECAY_MS);
      expect(latencyOf('a')).toBeCloseTo(1_000 / Math.E, 9);
      clock.advance(3_600_000);
      expect(latencyOf('a')).toBeLessThan(1e-100);
    });

    it('starts at the mean of the others for a new instance, since 0 would attract all calls', () => {
      call('a', response(30));
      call('b', response(50));
      expect(latencyOf('c')).toBe(40);
      call('c', response(5));
      expect(latencyOf('c')).toBe(5);
      call('b', response(85));
      expect(latencyOf('d')).toBe(40);
    });

    it('starts at the mean also for an instance that was there before any was measured', () => {
      expect(latencyOf('c')).toBe(0);
      call('a', response(30));
      expect(latencyOf('c')).toBe(30);
    });

    it.each<[string, unknown]>([
      ['a broken connection', new Error('reset')],
      ['a refused connection', Object.assign(new Error(), { code: 'ECONNREFUSED' })],
      ['an attempt that timed out', new AttemptTimeoutError(50)],
      ['something thrown that is no error', 'oops'],
    ])('counts %s as a slow response, so that failing fast does not attract calls', (_what, error) => {
      call('a', failed(error, 1));
      expect(latencyOf('a')).toBe(1_000);
      call('b', failed(error, 4_000));
      expect(latencyOf('b')).toBe(12_000);
    });

    it.each([500, 503, 429])('counts status %i as a slow response', (status) => {
      call('a', response(1, status));
      expect(latencyOf('a')).toBe(1_000);
    });

    it.each([200, 302, 400, 404])('counts status %i as the response of a working instance', (status) => {
      call('a', response(7, status));
      expect(latencyOf('a')).toBe(7);
    });

    it('counts a failure as twice the usual latency if the service is slow', () => {
      call('a', response(3_000));
      call('b', failed(new Error('reset')));
      expect(latencyOf('b')).toBe(6_000);
    });

    it('does not include failures in the usual latency', () => {
      call('a', response(800));
      for (let made = 0; made < 10; made++) call('b', failed(new Error('reset')));
      expect(latencyOf('b')).toBe(1_600);
    });

    it.each<[string, Outcome]>([
      ['an abort', failed(new DOMException('gone', 'AbortError'))],
      ['an abort of the library', failed(new ServiceDiscoveryError('ABORTED', 'closed'))],
      ["a caller's abort with an error of its own", abandoned(new Error('the user left'))],
    ])('counts %s as a slower response if it took longer than expected, and ignores it otherwise', (_what, outcome) => {
      call('a', response(100));
      call('a', { ...outcome, latencyMs: 10 });
      expect(latencyOf('a')).toBe(100);
      call('a', { ...outcome, latencyMs: 300 });
      expect(latencyOf('a')).toBe(900);
    });

    it.each<[string, unknown]>([
      ['a full bulkhead', new BulkheadFullError({ limit: 1, queue: 0 })],
      ['a rate limit', new RateLimitedError({ rate: 1, perMs: 1_000 })],
      ['throttling', new ThrottledError({ probability: 0.5 })],
      ['a limit of concurrency', new ConcurrencyLimitedError({ limit: 1, queue: 0 })],
      ['an open circuit', new CircuitOpenError('open')],
      ['a wrong request', new ServiceDiscoveryError('INVALID_REQUEST', 'bad')],
    ])('ignores %s, which did not reach the instance', (_what, error) => {
      call('a', response(100));
      call('a', failed(error, 5_000));
      expect(latencyOf('a')).toBe(100);
    });

    it.each([Number.NaN, -1])('ignores a latency of %p', (latencyMs) => {
      call('a', response(100));
      call('a', response(latencyMs));
      expect(latencyOf('a')).toBe(100);
    });
  });

  describe('as instances come and go', () => {
    it('keeps the loads of instances that stay', () => {
      const a = tracker.of('a');
      a.begin();
      call('a', response(70));
      tracker.retain(listed('a', 'b', 'c'));
      tracker.retain(listed('c', 'a'));
      expect(tracker.of('a')).toBe(a);
      expect([a.active, latencyOf('a')]).toEqual([1, 70]);
    });

    it('forgets instances that are gone, also in the mean', () => {
      call('a', response(10));
      call('b', response(1_000));
      tracker.retain(listed('a'));
      expect(latencyOf('c')).toBe(10);
      expect(latencyOf('b')).toBe(10);
    });

    it('does not count late responses of an instance that is gone for the one that took over its row', () => {
      tracker.retain(listed('x', 'a'));
      const [, gone] = [tracker.of('x'), tracker.of('a')];
      gone.begin();
      gone.begin();
      call('a', response(20));
      tracker.retain(listed('x', 'b'));
      const taken = tracker.of('b');
      expect(taken.row).toBe(1);
      expect([gone.isForgotten, gone.active, gone.ewmaMs(clock.now())]).toEqual([true, 2, 20]);
      taken.begin();
      gone.end(response(5_000));
      tracker.retain(listed('x', 'b'));
      expect([gone.active, taken.active, taken.ewmaMs(clock.now())]).toEqual([1, 1, 0]);
    });

    it('keeps the loads of many instances apart', () => {
      const loads = Array.from({ length: 100 }, (_, index) => tracker.of(String(index)));
      loads.forEach((load, index) => {
        load.begin();
        if (index % 2 === 0) load.end(response(1 + index));
      });
      expect(loads.map((load) => load.active)).toEqual(loads.map((_, index) => index % 2));
      loads.forEach((load, index) => index % 2 === 0 && expect(load.ewmaMs(clock.now())).toBe(1 + index));
    });

    it('ignores the end of a call to an instance that is gone', () => {
      const gone: InstanceLoad = tracker.of('b');
      gone.begin();
      gone.begin();
      call('b', response(20));
      call('a', response(10));
      tracker.retain(listed('a'));
      gone.end(response(5_000));
      expect(latencyOf('c')).toBe(10);
      tracker.retain([]);
      gone.end(response(5_000));
      expect(latencyOf('d')).toBe(0);
    });
  });

  it.each([0, -1, Number.NaN, Infinity])('rejects a decay time of %p', (decayMs) => {
    expect(() => new LoadTracker({ decayMs })).toThrow(InvalidConfigurationError);
  });

  it('peekMs() returns the expected latency without side effects', () => {
    const clock = new ManualClock();
    const loads = new LoadTracker({ clock });
    const [known, fresh] = [loads.of('known'), loads.of('fresh')];
    expect(fresh.peekMs(clock.now())).toBe(0);
    known.begin();
    known.end({ kind: 'response', status: 200, latencyMs: 100 });
    expect(fresh.peekMs(clock.now())).toBe(100);
    clock.advance(5_000);
    // With a side effect, it would have started to decay when it was read.
    expect(fresh.peekMs(clock.now())).toBe(100);
    expect(known.peekMs(clock.now())).toBeCloseTo(100 * Math.exp(-0.5), 9);
    expect(known.peekMs(clock.now())).toBe(known.ewmaMs(clock.now()));
  });
});
