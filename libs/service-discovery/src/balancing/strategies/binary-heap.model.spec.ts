import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { BinaryHeap } from './wrr-scheduler.js';

/** Adds a number, removes the first, or starts over with other numbers. */
const command = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 2, arbitrary: fc.constant('pop' as const) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 12 }) },
);

describe('BinaryHeap', () => {
  it('always returns the smallest, like a sorted list', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const heap = new BinaryHeap(100, (a, b) => a < b);
        let model: number[] = [];
        for (const next of commands) {
          if (next === 'pop') expect(heap.pop()).toBe(model.shift());
          else if (typeof next === 'number') {
            heap.push(next);
            model = [...model, next].sort((a, b) => a - b);
          } else {
            heap.reset(next);
            model = next.toSorted((a, b) => a - b);
          }
          expect(heap.first).toBe(model[0]);
        }
        for (const left of model) expect(heap.pop()).toBe(left);
        expect(heap.pop()).toBeUndefined();
      }),
      modelRuns('binary heap', 200),
    );
  });
});
