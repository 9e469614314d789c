import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type Random, seededRandom } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { TurnQueue } from './turn-queue.js';

const loads = new LoadTracker();

function listOf(weights: Record<string, number>): Candidate[] {
  return Object.entries(weights).map(([instanceId, weight]) => {
    const instance = fakeInstance({ instanceId, weight });
    return { instance, load: loads.of(instanceId), weight };
  });
}

function take(queue: TurnQueue, count: number): string {
  return Array.from({ length: count }, () => queue.take().instance.instanceId).join('');
}

/** A queue for each list in turn, each of which goes on from the one before. */
function succession(random: Random): (weights: Record<string, number>) => TurnQueue {
  let last: TurnQueue | undefined;
  return (weights) => (last = new TurnQueue(listOf(weights), random, last));
}

describe('TurnQueue', () => {
  const three = { a: 1, b: 1, c: 1 };

  it('keeps the account of one that is away, so that its share is exact over many absences', () => {
    for (const absence of [1, 2, 5, 17]) {
      const next = succession(seededRandom(absence));
      let taken = '';
      for (let round = 0; round < 300; round++) {
        taken += take(next({ ...three, d: 3 }), 1);
        take(next(three), absence);
      }
      expect(Math.abs(taken.split('d').length - 1 - 150)).toBeLessThanOrEqual(2);
    }
  });

  it('owes one that was away no more than one pick, however long that was', () => {
    for (let absence = 1; absence <= 40; absence++) {
      for (let seed = 0; seed < 10; seed++) {
        const next = succession(seededRandom(seed));
        take(next({ ...three, d: 1 }), 7);
        take(next(three), absence);
        expect(take(next({ ...three, d: 1 }), 8)).not.toContain('dd');
      }
    }
  });

  it('takes in one that was away anywhere, not in all processes first', () => {
    const places = new Map<number, number>();
    for (let seed = 0; seed < 400; seed++) {
      const next = succession(seededRandom(seed));
      take(next({ ...three, d: 1 }), 7);
      take(next(three), 40);
      const place = take(next({ ...three, d: 1 }), 8).indexOf('d');
      places.set(place, (places.get(place) ?? 0) + 1);
    }
    for (const place of [0, 1, 2, 3]) expect(places.has(place)).toBe(true);
    for (const count of places.values()) expect(count).toBeLessThan(400 * 0.45);
  });

  it('remembers as many who have left as there are, those who left last', () => {
    const next = succession(seededRandom(1));
    for (const gone of ['u', 'v', 'w', 'x', 'y']) take(next({ ...three, [gone]: 1 }), 3);
    const before = next(three);
    const draws: string[] = [];
    const isDrawn: Random = () => {
      draws.push('drawn');
      return 0.5;
    };
    new TurnQueue(listOf({ ...three, w: 1, x: 1, y: 1 }), isDrawn, before);
    expect(draws).toEqual([]);
    new TurnQueue(listOf({ ...three, v: 1 }), isDrawn, before);
    expect(draws).not.toEqual([]);
  });

  it('knows everybody who stays by id, wherever they stand, and whoever is away', () => {
    const lists = fc.array(fc.shuffledSubarray([...'abcdef'], { minLength: 1 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(lists, fc.nat(), (sequence, seed) => {
        const random = seededRandom(seed);
        const lastPicks = new Map<string, number>();
        let before: TurnQueue | undefined;
        for (const ids of sequence) {
          const weights = Object.fromEntries(ids.map((id) => [id, 1 + Math.floor(3 * random())]));
          const queue = new TurnQueue(listOf(weights), random, before);
          const { accounts, away } = queue;
          const known = new Set([
            ...(before?.list ?? []).map(({ instance }) => instance.instanceId),
            ...(before?.away.keys() ?? []),
          ]);
          for (const [place, id] of ids.entries()) {
            if (known.has(id)) expect(accounts.pickBy(place)).toBe(lastPicks.get(id));
          }
          expect([...away.keys()].filter((id) => ids.includes(id) || !known.has(id))).toEqual([]);
          expect(away.size).toBe(Math.min(ids.length, [...known].filter((id) => !ids.includes(id)).length));
          take(queue, 5);
          for (const [place, id] of ids.entries()) lastPicks.set(id, accounts.pickBy(place));
          before = queue;
        }
      }),
      modelRuns('successions', 1_000),
    );
  });

  it('starts anew where it has nobody in common with the one before', () => {
    const next = succession(() => 0);
    take(next({ a: 5, b: 3 }), 3);
    expect(take(next({ c: 5, d: 1, e: 1 }), 7)).toBe('ccdccec');
  });

  it('is as like a list as they have members in common', () => {
    const queue = new TurnQueue(listOf(three), seededRandom(1));
    expect(queue.likenessTo(listOf({ c: 7, a: 1, b: 2 }))).toBe(1);
    expect(queue.likenessTo(listOf({ a: 1 }))).toBeCloseTo(1 / 3);
    expect(queue.likenessTo(listOf({ a: 1, b: 1, c: 1, d: 1 }))).toBe(0.75);
    expect(queue.likenessTo(listOf({ d: 1 }))).toBe(0);
  });

  it('has nobody to take among strangers', () => {
    const queue = new TurnQueue(listOf(three), seededRandom(1));
    expect(queue.takeAmong(listOf({ d: 1 }))).toBeUndefined();
    expect(queue.takeAmong(listOf({ d: 1, b: 1 }))?.instance.instanceId).toBe('b');
  });
});
