import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Outcome, type Random, seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { createLoadBalancer } from '../load-balancing.js';
import { type LoadBalancer } from '../load-balancer.js';
import { LoadTracker } from '../load/load-tracker.js';

const answered = (latencyMs: number): Outcome => ({ kind: 'response', status: 200, latencyMs });

describe('p2c ewma', () => {
  let clock: ManualClock;
  let loads: LoadTracker;
  let balancer: LoadBalancer;

  const create = (ids: string, random: Random, more: Partial<ServiceInstance> = {}): void => {
    loads = new LoadTracker({ clock });
    balancer = createLoadBalancer('p2c_ewma', { clock, random, loads });
    balancer.update([...ids].map((instanceId) => fakeInstance({ instanceId, ...more })));
  };
  /** Always the same two of three: the draws are the index of the first, and that of the second among the others. */
  const drawing = (first: number, second: number): Random => {
    let calls = 0;
    return () => (calls++ % 2 === 0 ? (first + 0.5) / 3 : (second + 0.5) / 2);
  };
  const measure = (id: string, latencyMs: number): void => loads.of(id).end(answered(latencyMs));
  const pick = (outcome?: Outcome): string => {
    const result = balancer.pick();
    if (result.kind !== 'picked') throw new Error(result.reason);
    if (outcome) result.done(outcome);
    return result.instance.instanceId;
  };

  beforeEach(() => {
    clock = new ManualClock();
  });

  it('uses the time given by the caller without reading the clock', () => {
    let looks = 0;
    const now = (): number => {
      looks++;
      return 0;
    };
    const watched = { now, epoch: () => 0, setTimer: () => ({ cancel: () => undefined }) };
    loads = new LoadTracker({ clock: watched });
    balancer = createLoadBalancer('p2c_ewma', { clock: watched, random: drawing(0, 0), loads });
    balancer.update([...'abc'].map((instanceId) => fakeInstance({ instanceId })));
    measure('a', 20);
    looks = 0;
    for (const exclude of [undefined, new Set(['c'])]) {
      const picked = balancer.pick({ now: 5, exclude });
      if (picked.kind === 'picked') picked.done(answered(1), 6);
    }
    expect(looks).toBe(0);
    pick(answered(1));
    expect(looks).toBe(2);
  });

  it('chooses the faster of two in either order', () => {
    for (const [first, second] of [
      [0, 0],
      [1, 0],
    ] as const) {
      create('abc', drawing(first, second));
      measure('a', 20);
      measure('b', 10);
      measure('c', 1);
      expect(pick()).toBe('b');
    }
  });

  it('never compares an instance with itself', () => {
    for (let first = 0; first < 3; first++) {
      for (let second = 0; second < 2; second++) {
        create('abc', drawing(first, second));
        [...'abc'].forEach((id, index) => measure(id, index === first ? 1_000 : 10));
        expect(pick()).not.toBe('abc'[first]);
      }
    }
  });

  it('multiplies latency by the calls in flight including this one', () => {
    create('ab', () => 0);
    measure('a', 10);
    measure('b', 25);
    expect([pick(), pick(), pick(), pick()]).toEqual(['a', 'a', 'b', 'a']);
  });

  it('compares calls in flight before any latency is known', () => {
    create('ab', seededRandom(1));
    const ids = Array.from({ length: 10 }, () => pick());
    expect([ids.filter((id) => id === 'a').length, ids.filter((id) => id === 'b').length]).toEqual([5, 5]);
  });

  const balance = (weights: Record<string, number>, random: Random): void => {
    create('', random);
    balancer.update(Object.entries(weights).map(([instanceId, weight]) => fakeInstance({ instanceId, weight })));
  };
  /** Every pair of evenly spaced draws. */
  const everyDraw = (steps: number): Random => {
    let calls = 0;
    return () => {
      const step = calls % 2 === 0 ? Math.floor(calls / 2 / steps) : (calls >> 1) % steps;
      calls++;
      return (step + 0.5) / steps;
    };
  };
  const sharesOf = (calls: number): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (let call = 0; call < calls; call++) {
      const id = pick(answered(10));
      counts[id] = (counts[id] ?? 0) + 1;
    }
    return counts;
  };

  it('gives shares in proportion to the weights if all are equally fast', () => {
    balance({ a: 600, b: 300, c: 100 }, everyDraw(20));
    for (const id of 'abc') measure(id, 10);
    expect(sharesOf(400)).toEqual({ a: 240, b: 120, c: 40 });
  });

  it('does not overload a light instance that is faster, and avoids a heavy one that is stuck', () => {
    balance({ heavy: 95, light: 5 }, everyDraw(20));
    measure('heavy', 10);
    measure('light', 2);
    expect(sharesOf(400)).toEqual({ heavy: 380, light: 20 });
    balance({ heavy: 95, light: 5 }, everyDraw(20));
    measure('heavy', 2_000);
    measure('light', 10);
    expect(pick()).toBe('light');
  });

  it('fills instances in proportion to their weights', () => {
    balance({ a: 300, b: 100 }, seededRandom(1));
    for (const id of 'ab') measure(id, 10);
    const ids = Array.from({ length: 400 }, () => pick());
    expect(ids.filter((id) => id === 'a').length).toBeGreaterThan(290);
    expect(ids.filter((id) => id === 'a').length).toBeLessThan(310);
  });

  it('does not prefer an instance that fails fast', () => {
    create('ab', seededRandom(1));
    const failed: Outcome = { kind: 'error', error: new Error('refused'), latencyMs: 0, neverSent: true };
    measure('a', 50);
    loads.of('b').end(failed);
    expect(Array.from({ length: 20 }, () => pick(answered(50)))).toEqual(Array.from({ length: 20 }, () => 'a'));
  });

  it('tries an instance again some time after it was slow', () => {
    create('ab', seededRandom(1));
    measure('a', 10);
    measure('b', 2_000);
    let calls = 0;
    while (pick(answered(10)) !== 'b' && calls < 1_000) {
      clock.advance(1_000);
      calls++;
    }
    // A latency decays to 1/e in 10 s: after 54 s, 2 s are less than the 10 ms of a second ago.
    expect(calls).toBe(54);
  });

  it('sends no more calls to an instance that got stuck, and spreads them over the others', () => {
    create('abcdefghijk', seededRandom(5));
    const counts: Record<string, number> = {};
    for (let call = 0; call < 11_000; call++) {
      clock.advance(1);
      const result = balancer.pick();
      if (result.kind !== 'picked') continue;
      const id = result.instance.instanceId;
      counts[id] = (counts[id] ?? 0) + 1;
      const latencyMs = id === 'k' ? 2_000 : 160;
      clock.setTimer(() => result.done(answered(latencyMs)), latencyMs);
    }
    const { k = 0, ...others } = counts;
    // An even share would be 1,000 calls.
    expect(k).toBeLessThan(150);
    for (const calls of Object.values(others)) expect(calls).toBeGreaterThan(900);
  });
});
