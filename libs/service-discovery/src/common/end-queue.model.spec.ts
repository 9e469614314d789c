import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../test/support/model-runs.js';
import { EndQueue, type Ending } from './end-queue.js';

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('add' as const), at: fc.nat(50) }),
    fc.record({ kind: fc.constant('remove' as const), which: fc.nat(30) }),
    fc.record({ kind: fc.constant('extend' as const), which: fc.nat(30), by: fc.nat(20) }),
    fc.record({ kind: fc.constant('take' as const), now: fc.nat(60) }),
  ),
  { maxLength: 60 },
);

describe('EndQueue', () => {
  it('returns what has ended, after any sequence of adding, removing and postponing', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const queue = new EndQueue<Ending>();
        const model = new Set<Ending>();
        const made: Ending[] = [];
        for (const step of sequence) {
          if (step.kind === 'add') {
            const entry: Ending = { endsAt: step.at, queuedFor: 0, position: -1 };
            made.push(entry);
            model.add(entry);
            queue.add(entry);
          }
          if (step.kind === 'remove' && made[step.which]) {
            model.delete(made[step.which]!);
            queue.remove(made[step.which]!);
          }
          if (step.kind === 'extend' && made[step.which]) made[step.which]!.endsAt += step.by;
          if (step.kind === 'take') {
            const taken = new Set<Ending>();
            for (let entry = queue.takeEnded(step.now); entry; entry = queue.takeEnded(step.now)) taken.add(entry);
            const ended = [...model].filter(({ endsAt }) => endsAt <= step.now);
            expect(taken).toEqual(new Set(ended));
            for (const entry of ended) model.delete(entry);
          }
          expect(queue.size).toBe(model.size);
          const first = Math.min(...[...model].map(({ endsAt }) => endsAt));
          expect(queue.nextCheckAt ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(first);
        }
      }),
      modelRuns('end queue', 200),
    );
  });
});
