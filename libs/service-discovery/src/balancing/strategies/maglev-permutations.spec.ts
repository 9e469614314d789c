import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load/load-tracker.js';
import { FREE, MAGLEV_TABLE_SIZE, MaglevPermutations } from './maglev-permutations.js';

const loads = new LoadTracker();
const member = (first: number, second: number): ConstructorParameters<typeof MaglevPermutations>[1][number] => {
  const instance = fakeInstance();
  return { candidate: { instance, load: loads.of(instance.instanceId), weight: 1 }, first, second };
};

/** Walks step by step. */
function walk(slots: Uint16Array, from: number, step: number): number {
  let slot = from;
  while (slots[slot] !== FREE) slot = (slot + step) % MAGLEV_TABLE_SIZE;
  return slot;
}

describe('MaglevPermutations', () => {
  const random = seededRandom(5);
  const bits = (): number => Math.floor(random() * 2 ** 32);

  it.each([
    ['alone', [[bits(), bits()]]],
    [
      'with the shortest and the longest step',
      [
        [0, 0],
        [MAGLEV_TABLE_SIZE - 1, MAGLEV_TABLE_SIZE - 2],
      ],
    ],
    ['of many', Array.from({ length: 300 }, () => [bits(), bits()])],
  ])('visit every free slot, down to the last one: %s', (_, seeds) => {
    const members = seeds.map(([first = 0, second = 0]) => member(first, second));
    const slots = new Uint16Array(MAGLEV_TABLE_SIZE).fill(FREE);
    const walks = new MaglevPermutations(slots, members);
    const nexts = members.map(({ first }) => first % MAGLEV_TABLE_SIZE);
    let wrong = 0;
    for (let left = MAGLEV_TABLE_SIZE; left > 0; left--) {
      if (walks.left !== left) wrong++;
      const index = Math.floor(random() * members.length);
      const step = 1 + (members[index]!.second % (MAGLEV_TABLE_SIZE - 1));
      const expected = walk(slots, nexts[index]!, step);
      const slot = walks.next(index);
      if (slot !== expected) wrong++;
      slots[slot] = index;
      nexts[index] = slot;
    }
    expect(wrong).toBe(0);
    expect(walks.left).toBe(0);
  });
});
