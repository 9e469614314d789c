import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type Random, seededRandom } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { type PickContext } from '../load-balancer.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { WeightedRoundRobin } from './weighted-round-robin.js';

const loads = new LoadTracker();
const candidates = new Map<string, Candidate>();

/** The same object for the same instance, as a balancer provides it. */
function candidateOf(id: number, weight: number): Candidate {
  const key = `${id}/${weight}`;
  let candidate = candidates.get(key);
  if (!candidate) {
    const instance = fakeInstance({ instanceId: `instance-${id}`, weight });
    candidates.set(key, (candidate = { instance, load: loads.of(instance.instanceId), weight }));
  }
  return candidate;
}

const listOf = (weights: readonly number[]): readonly Candidate[] =>
  weights.map((weight, id) => candidateOf(id, weight)).filter(({ weight }) => weight > 0);
const context: PickContext = {};

function picks(strategy: WeightedRoundRobin, list: readonly Candidate[], count: number): string[] {
  return Array.from(
    { length: count },
    () => strategy.choose(list, { base: list, registered: () => list, context }).instance.instanceId,
  );
}

function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

const sum = (weights: readonly number[]): number => weights.reduce((total, weight) => total + weight, 0);

/** Mostly small weights and a few large ones, with turns short enough to complete. */
const weights = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 99 }) },
  ),
  { minLength: 1, maxLength: 12 },
);
const seed = fc.integer({ min: 0, max: 1_000_000 });

describe('weighted round robin', () => {
  it('gives exact shares over a full turn from any start, for any integer weights', () => {
    fc.assert(
      fc.property(weights, seed, fc.double({ min: 0, max: 1, noNaN: true }), (given, from, part) => {
        const list = listOf(given);
        const turn = sum(given);
        const strategy = new WeightedRoundRobin(seededRandom(from));
        picks(strategy, list, Math.floor(part * turn));
        for (const round of [1, 2]) {
          const counts = countsOf(picks(strategy, list, round * turn));
          expect(list.map(({ instance }) => counts.get(instance.instanceId))).toEqual(
            list.map(({ weight }) => round * weight),
          );
        }
      }),
      modelRuns('exact shares', 1_000),
    );
  });

  it('is never a whole pick away from the exact shares, and as close as is possible', () => {
    const fromTheBeginning: Random = () => 0;
    fc.assert(
      fc.property(weights, (given) => {
        const list = listOf(given);
        const turn = sum(given);
        const taken = list.map(() => 0);
        let farthest = 0;
        const strategy = new WeightedRoundRobin(fromTheBeginning);
        for (let picks = 1; picks <= turn + 1; picks++) {
          const chosen = strategy.choose(list, { base: list, registered: () => list, context });
          list.forEach((candidate, index) => {
            if (candidate === chosen) taken[index] = (taken[index] ?? 0) + 1;
            const missing = (picks * candidate.weight) / turn - (taken[index] ?? 0);
            const away = missing < 0 ? -missing : missing;
            if (away > farthest) farthest = away;
          });
        }
        // The least that is possible in general (Tijdeman).
        const least = list.length === 1 ? 0 : 1 - 1 / (2 * list.length - 2);
        expect(farthest).toBeLessThanOrEqual(least + 1e-9);
      }),
      modelRuns('near shares', 1_000),
    );
  });

  it('is within two picks of a turn after any history of lists, weights, refusals and retries, then within one', () => {
    const step = fc.record({
      /** The weights of instances 0 to 5; 0: not listed. */
      list: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 6, maxLength: 6 }),
      calls: fc.integer({ min: 0, max: 20 }),
      /** A bit mask of the listed instances that cannot take these calls. */
      refused: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 63 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), weights, seed, (history, last, from) => {
        const strategy = new WeightedRoundRobin(seededRandom(from));
        for (const { list: given, calls, refused } of history) {
          const list = listOf(given);
          const left = list.filter((_, index) => (refused & (1 << index)) === 0);
          if (left.length === 0) continue;
          for (let call = 0; call < calls; call++) {
            const args = { base: list, registered: () => list, context };
            const skipped = list.filter((candidate) => !left.includes(candidate));
            const chosen =
              call % 3 === 0
                ? strategy.chooseExcept(skipped, args)
                : strategy.choose(refused === 0 ? list : left, args);
            if (!left.includes(chosen)) throw new Error('One was picked that cannot take the call');
          }
        }
        const list = listOf(last);
        const turn = sum(last);
        const farthest = (): number => {
          const counts = countsOf(picks(strategy, list, turn));
          const away = list.map(({ instance, weight }) => (counts.get(instance.instanceId) ?? 0) - weight);
          return Math.max(...away.map(Math.abs));
        };
        expect(farthest()).toBeLessThanOrEqual(2);
        // From then on, no turn is more than one pick from exact.
        expect(farthest()).toBeLessThanOrEqual(1);
      }),
      modelRuns('turns after any history', 1_000),
    );
  });
});
