import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type Random, seededRandom } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { WrrScheduler } from './wrr-scheduler.js';

const loads = new LoadTracker();

function listOf(weights: Record<string, number>): Candidate[] {
  return Object.entries(weights).map(([instanceId, weight]) => {
    const instance = fakeInstance({ instanceId, weight });
    return { instance, load: loads.of(instanceId), weight };
  });
}

function pick(scheduler: WrrScheduler, count: number): string {
  return Array.from({ length: count }, () => scheduler.pick().instance.instanceId).join('');
}

/** Returns a scheduler for each list, which continues the one before. */
function succession(random: Random): (weights: Record<string, number>) => WrrScheduler {
  let last: WrrScheduler | undefined;
  return (weights) => (last = new WrrScheduler(listOf(weights), random, last));
}

describe('WrrScheduler', () => {
  const three = { a: 1, b: 1, c: 1 };

  it('keeps the lag of an absent candidate, so that its share is exact over many absences', () => {
    for (const absence of [1, 2, 5, 17]) {
      const next = succession(seededRandom(absence));
      let picked = '';
      for (let round = 0; round < 300; round++) {
        picked += pick(next({ ...three, d: 3 }), 1);
        pick(next(three), absence);
      }
      expect(Math.abs(picked.split('d').length - 1 - 150)).toBeLessThanOrEqual(2);
    }
  });

  it('owes a candidate at most one pick after an absence of any length', () => {
    for (let absence = 1; absence <= 40; absence++) {
      for (let seed = 0; seed < 10; seed++) {
        const next = succession(seededRandom(seed));
        pick(next({ ...three, d: 1 }), 7);
        pick(next(three), absence);
        expect(pick(next({ ...three, d: 1 }), 8)).not.toContain('dd');
      }
    }
  });

  it('does not pick a returning candidate first in all processes', () => {
    const positions = new Map<number, number>();
    for (let seed = 0; seed < 400; seed++) {
      const next = succession(seededRandom(seed));
      pick(next({ ...three, d: 1 }), 7);
      pick(next(three), 40);
      const position = pick(next({ ...three, d: 1 }), 8).indexOf('d');
      positions.set(position, (positions.get(position) ?? 0) + 1);
    }
    for (const position of [0, 1, 2, 3]) expect(positions.has(position)).toBe(true);
    for (const count of positions.values()) expect(count).toBeLessThan(400 * 0.45);
  });

  it('remembers as many absent candidates as the list has members, those that left last', () => {
    const next = succession(seededRandom(1));
    for (const gone of ['u', 'v', 'w', 'x', 'y']) pick(next({ ...three, [gone]: 1 }), 3);
    const before = next(three);
    const draws: string[] = [];
    const isDrawn: Random = () => {
      draws.push('drawn');
      return 0.5;
    };
    new WrrScheduler(listOf({ ...three, w: 1, x: 1, y: 1 }), isDrawn, before);
    expect(draws).toEqual([]);
    new WrrScheduler(listOf({ ...three, v: 1 }), isDrawn, before);
    expect(draws).not.toEqual([]);
  });

  it('gives each candidate its share of the picks for which it is listed, whatever the lists and their order', () => {
    // At least half of all, so that every absent one is remembered.
    const lists = fc.array(fc.shuffledSubarray([...'abcdef'], { minLength: 3 }), { minLength: 1, maxLength: 12 });
    const step = fc.record({ calls: fc.integer({ min: 0, max: 9 }), weight: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(lists, fc.array(step, { minLength: 12, maxLength: 12 }), fc.nat(), (sequence, steps, seed) => {
        const next = succession(seededRandom(seed));
        const owed = new Map<string, number>();
        next(Object.fromEntries([...'abcdef'].map((id) => [id, 1])));
        for (const [index, ids] of sequence.entries()) {
          const { calls, weight } = steps[index]!;
          const weights = Object.fromEntries(ids.map((id, place) => [id, place === 0 ? weight : 1]));
          const picked = pick(next(weights), calls);
          const total = ids.length - 1 + weight;
          for (const id of ids) {
            const due = (calls * weights[id]!) / total;
            owed.set(id, (owed.get(id) ?? 0) + due - (picked.split(id).length - 1));
          }
        }
        // Lags stay between -1 and 1 or little beyond, so they differ by less than 2 from what they were at first.
        for (const difference of owed.values()) expect(Math.abs(difference)).toBeLessThan(2.5);
      }),
      modelRuns('successions', 1_000),
    );
  });

  it('measures how much two lists have in common', () => {
    const scheduler = new WrrScheduler(listOf(three), seededRandom(1));
    expect(scheduler.overlapWith(listOf({ c: 7, a: 1, b: 2 }))).toBe(1);
    expect(scheduler.overlapWith(listOf({ a: 1 }))).toBeCloseTo(1 / 3);
    expect(scheduler.overlapWith(listOf({ a: 1, b: 1, c: 1, d: 1 }))).toBe(0.75);
    expect(scheduler.overlapWith(listOf({ d: 1 }))).toBe(0);
  });
});
