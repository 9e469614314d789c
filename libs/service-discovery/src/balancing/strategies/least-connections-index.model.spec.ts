import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type Outcome } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { leastConnected, LeastConnectionsIndex } from './least-connections.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 5 };
const DRAWS = 120;

/** Changes between choices, of listed instances and of others in the same table. */
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ begins: fc.nat(15) }) },
    { weight: 3, arbitrary: fc.record({ ends: fc.nat(15) }) },
    // More changes than the log keeps.
    { weight: 1, arbitrary: fc.record({ bustles: fc.nat(15) }) },
    { weight: 3, arbitrary: fc.record({ skipped: fc.nat(2 ** 10) }) },
  ),
  { minLength: 1, maxLength: 30 },
);
const weights = fc.array(fc.constantFrom(1, 1, 2, 3, 10, 0.5), { minLength: 1, maxLength: 10 });

/** How often each is chosen for evenly spaced random numbers. */
function tally(choose: (drawn: number) => Candidate): Map<Candidate, number> {
  const counts = new Map<Candidate, number>();
  for (let draw = 0; draw < DRAWS; draw++) {
    const chosen = choose((draw + 0.5) / DRAWS);
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
  }
  return counts;
}

describe('LeastConnectionsIndex', () => {
  it('chooses with the same chances as a scan of all candidates after any changes', () => {
    fc.assert(
      fc.property(weights, steps, (given, sequence) => {
        const tracker = new LoadTracker({ clock: new ManualClock() });
        const loads = Array.from({ length: 16 }, (_, index) => tracker.of(`i${index}`));
        const list = given.map((weight, index): Candidate => {
          const place = index + 3;
          return { instance: fakeInstance({ instanceId: `i${place}`, weight }), load: loads[place]!, weight };
        });
        let drawn = 0;
        loads[4]!.begin();
        const leastBusy = new LeastConnectionsIndex(list, tracker.table, () => drawn);
        for (const step of sequence) {
          if ('begins' in step) loads[step.begins]!.begin();
          if ('ends' in step) loads[step.ends]!.end(ANSWERED, 0);
          for (let call = 0; 'bustles' in step && call < 600; call++) {
            loads[step.bustles]!.begin();
            if (call > 2) loads[step.bustles]!.end(ANSWERED, 0);
          }
          if (!('skipped' in step)) continue;
          const skipped = list.filter((_, index) => (step.skipped & (1 << index)) !== 0);
          const left = list.filter((candidate) => !skipped.includes(candidate));
          if (left.length === 0) continue;
          const expected = tally((number) => leastConnected(left, () => number));
          const chosen = tally((number) => ((drawn = number), leastBusy.choose(skipped)));
          for (const candidate of list) {
            const [due, count] = [expected.get(candidate) ?? 0, chosen.get(candidate) ?? 0];
            // One number more or less at each boundary.
            if (Math.abs(count - due) > (due === 0 ? 1 : 2)) throw new Error(`${count} choices in place of ${due}`);
          }
        }
      }),
      modelRuns('least busy', 300),
    );
  });

  it('reads only the rows whose calls have changed', () => {
    const tracker = new LoadTracker({ clock: new ManualClock() });
    const list = Array.from({ length: 1_000 }, (_, index): Candidate => {
      const instanceId = `i${index}`;
      return { instance: fakeInstance({ instanceId }), load: tracker.of(instanceId), weight: 100 };
    });
    const leastBusy = new LeastConnectionsIndex(list, tracker.table, () => 0.5);
    const looks = jest.spyOn(tracker.table, 'active');
    const taken = new Set<Candidate>();
    for (let call = 0; call < 1_000; call++) {
      const chosen = leastBusy.choose();
      taken.add(chosen);
      chosen.load.begin();
    }
    expect(taken.size).toBe(1_000);
    expect(looks).toHaveBeenCalledTimes(999);
  });
});
