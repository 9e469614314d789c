import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Clock } from '../common/index.js';
import { ManualClock } from '../testing/index.js';
import { CallFigures, noFigures } from './call-figures.js';
import { EventBus } from './event-bus.js';
import { latencyBucket, LATENCY_BUCKETS, percentileOf } from './latency-histogram.js';

const START = Date.parse('2026-01-01T00:00:00Z');

describe('CallFigures', () => {
  let clock: ManualClock;
  let bus: EventBus;
  let figures: CallFigures;
  beforeEach(() => {
    clock = new ManualClock(START);
    bus = new EventBus({ clock });
    figures = new CallFigures(bus, () => 'orders', clock);
  });

  const call = (service: string, { ok = true, durationMs = 10, code = undefined as string | undefined } = {}): void =>
    bus.emit('call.completed', { service, ok, code, attempts: 1, durationMs });

  it('counts calls, errors, retries, hedges and shed load of a step', () => {
    call('users');
    call('users', { ok: false });
    bus.emit('call.retried', { service: 'users', attempt: 2, delayMs: 0, reason: 'x' });
    bus.emit('call.hedged', { service: 'users', attempt: 2, afterMs: 1 });
    bus.emit('call.refused', { service: 'users', stage: 'bulkhead', code: 'BULKHEAD_FULL' });
    expect(figures.edges().edges).toEqual([]);
    clock.advance(10_000);
    const { edges } = figures.edges();
    expect(edges).toMatchObject([{ caller: 'orders', service: 'users' }]);
    expect(edges[0]!.points).toMatchObject([{ at: START, calls: 2, errors: 1, retries: 1, hedges: 1, shed: 1 }]);
  });

  it('keeps an hour', () => {
    for (let step = 0; step < 400; step++) {
      call('users');
      clock.advance(10_000);
    }
    const { from, edges } = figures.edges();
    expect(from).toBe(START + 40 * 10_000);
    expect(edges[0]!.points).toHaveLength(360);
    expect(edges[0]!.points[0]!.at).toBe(from);
    expect(figures.edges(1).edges[0]!.points).toHaveLength(6);
    clock.advance(3_600_000);
    expect(figures.edges().edges).toEqual([]);
  });

  it('has no timer while no calls are made', () => {
    expect(clock.pendingTimers).toBe(0);
    call('users');
    expect(clock.pendingTimers).toBe(1);
    clock.advance(10_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends a step also where its timer fires before the wall clock reaches the end', () => {
    const hasty: Clock = {
      now: () => clock.now(),
      epoch: () => clock.epoch(),
      setTimer: (fn, ms) => clock.setTimer(fn, Math.max(1, ms - 1)),
    };
    const steps: number[] = [];
    const early = new CallFigures(bus, () => 'orders', hasty);
    early.onStep((step) => steps.push(step));
    for (let step = 0; step < 3; step++) {
      call('users');
      clock.advance(10_000);
    }
    expect(steps).toEqual([0, 1, 2].map((step) => START / 10_000 + step));
  });

  it('shows the last minute with the present step', () => {
    for (let step = 0; step < 20; step++) {
      for (let n = 0; n < 10; n++) call('users', { ok: n > 0, durationMs: step < 10 ? 1_000 : 10 });
      clock.advance(10_000);
    }
    for (let n = 0; n < 10; n++) call('users', { ok: n > 0 });
    clock.advance(5_000);
    const [edge] = figures.lastMinute();
    expect(edge).toMatchObject({ caller: 'orders', service: 'users', errorShare: 0.1 });
    expect(edge!.callsPerSecond).toBeCloseTo(60 / 55);
    expect(edge!.p99).toBeGreaterThan(9);
    expect(edge!.p99).toBeLessThan(11);
  });

  it('has no step of a report without calls, which would be a step at which all of them stopped', () => {
    const step = START / 10_000;
    figures.add(step, 'gateway', 'users', { ...noFigures(), calls: 3 });
    figures.add(step + 1, 'gateway', 'users', noFigures());
    clock.advance(20_000);
    expect(figures.edges().edges).toMatchObject([{ points: [{ at: START, calls: 3 }] }]);
  });

  it('merges what several processes of a service report, and leaves out what is too old or to come', () => {
    const reported = (durationMs: number): ReturnType<typeof noFigures> => {
      const one = { ...noFigures(), calls: 100, latencies: new Uint32Array(LATENCY_BUCKETS) };
      one.latencies[latencyBucket(durationMs)] = 100;
      return one;
    };
    const step = START / 10_000;
    figures.add(step, 'gateway', 'orders', reported(10));
    figures.add(step, 'gateway', 'orders', reported(1_000));
    figures.add(step - 360, 'gateway', 'users', reported(1));
    figures.add(step + 1_000, 'gateway', 'users', reported(1));
    clock.advance(10_000);
    const { edges } = figures.edges();
    expect(edges).toHaveLength(1);
    const [point] = edges[0]!.points;
    expect(point!.calls).toBe(200);
    expect(Math.abs(point!.p50! - 10)).toBeLessThan(1);
    expect(Math.abs(point!.p95! - 1_000)).toBeLessThan(90);
  });

  describe('by instance', () => {
    const at = (instanceId: string, { ok = true, attempts = 1, durationMs = 10 } = {}): void =>
      bus.emit('call.completed', { service: 'users', instanceId, ok, attempts, durationMs });

    it('counts calls and failed attempts at the instance where they ended', () => {
      at('u1');
      at('u1', { ok: false });
      // A first attempt at u2 failed, and u1 answered.
      bus.emit('call.failed_over', { service: 'users', from: 'u2', to: 'u1', reason: 'status 503' });
      at('u1', { attempts: 2, durationMs: 5_000 });
      // The whole service failed, and a fallback answered.
      bus.emit('call.failed_over', { service: 'users', from: 'users', to: 'backup', reason: 'status 503' });
      bus.emit('call.completed', { service: 'users', ok: false, code: 'BULKHEAD_FULL', attempts: 0, durationMs: 1 });
      expect(figures.instancesOf('users')).toEqual([]);
      clock.advance(10_000);
      expect(figures.instancesOf('users')).toEqual([
        { instanceId: 'u1', calls: 3, errors: 1, p95: expect.closeTo(10, -0.5) as unknown },
        { instanceId: 'u2', calls: 1, errors: 1, p95: null },
      ]);
      expect(figures.instancesOf('mail')).toEqual([]);
    });

    it('keeps an hour in slots of 5 minutes', () => {
      for (let minute = 0; minute < 90; minute++) {
        at('u1');
        clock.advance(60_000);
      }
      expect(figures.instancesOf('users', 60)).toMatchObject([{ calls: 60 }]);
      expect(figures.instancesOf('users', 7)).toMatchObject([{ calls: 10 }]);
      clock.advance(3_700_000);
      expect(figures.instancesOf('users')).toEqual([]);
    });

    it('drops those first that were not called for the longest', () => {
      for (let n = 0; n < 2_000; n++) at(`old-${n}`);
      at('one-too-many');
      clock.advance(300_000);
      at('old-0');
      at('new');
      clock.advance(10_000);
      const ids = figures.instancesOf('users').map(({ instanceId }) => instanceId);
      expect(ids).toHaveLength(2_000);
      expect(ids).toEqual(expect.arrayContaining(['old-0', 'old-2', 'new']));
      expect(ids).not.toContain('one-too-many');
      expect(ids).not.toContain('old-1');
    });
  });

  it('bounds callees and edges, and passes over names that may be made up', () => {
    call('no-such-service', { ok: false, code: 'SERVICE_NOT_FOUND' });
    for (let n = 0; n < 300; n++) call(`service-${n}`);
    const step = START / 10_000;
    for (let n = 0; n < 2_000; n++) figures.add(step, `caller-${n}`, 'users', { ...noFigures(), calls: 1 });
    clock.advance(10_000);
    const names = figures.edges().edges.filter(({ caller }) => caller === 'orders');
    expect(names.map(({ service }) => service)).not.toContain('no-such-service');
    expect(figures.edges().edges).toHaveLength(1_000);
    // An edge without calls for an hour makes room.
    clock.advance(3_600_000);
    call('users');
    clock.advance(10_000);
    expect(figures.edges().edges).toMatchObject([{ caller: 'orders', service: 'users' }]);
  });
});

describe('a histogram of latencies', () => {
  it.each([0.2, 1, 3.3, 47, 1_200, 90_000])('finds %f ms within 10 %%', (ms) => {
    const buckets = new Uint32Array(LATENCY_BUCKETS);
    buckets[latencyBucket(ms)] = 7;
    expect(Math.abs(percentileOf(buckets, 0.5)! - ms) / ms).toBeLessThan(0.1);
  });

  it('has a bucket for every latency, and no percentile without any', () => {
    for (const ms of [0, -1, NaN, 1e-9]) expect(latencyBucket(ms)).toBe(0);
    expect(latencyBucket(Infinity)).toBe(LATENCY_BUCKETS - 1);
    expect(percentileOf(new Uint32Array(LATENCY_BUCKETS), 0.5)).toBeNull();
  });

  it('tells the middle from the tail', () => {
    const buckets = new Uint32Array(LATENCY_BUCKETS);
    buckets[latencyBucket(5)] = 98;
    buckets[latencyBucket(500)] = 2;
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentileOf(buckets, share)!);
    expect([p50! < 6, p95! < 6, p99! > 450]).toEqual([true, true, true]);
  });
});
