import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load-tracker.js';
import { type Candidate } from '../strategy.js';
import { rendezvousTables } from './rendezvous-table.js';

const loads = new LoadTracker();
const all = Array.from({ length: 6 }, (_, index): Candidate => {
  const instanceId = `i${index}`;
  return { instance: fakeInstance({ instanceId }), load: loads.of(instanceId), weight: 1 + (index % 3) };
});

describe('a table by rendezvous hashing', () => {
  it('finds the same owner of a key whoever was asked for before, and the same next one whoever refuses', () => {
    const asked = fc.array(
      fc.record({ hash: fc.nat(20).map((key) => Math.imul(key, 0x9e37_79b1) >>> 0), refusing: fc.nat(63) }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(fc.subarray(all, { minLength: 1 }), asked, (list, calls) => {
        const used = rendezvousTables()(list);
        for (const { hash, refusing } of calls) {
          const fresh = rendezvousTables()(list);
          const accepts = (candidate: Candidate): boolean => (refusing & (1 << all.indexOf(candidate))) === 0;
          expect(used.find(hash, accepts)).toBe(rendezvousTables()(list.filter(accepts)).find(hash));
          expect(used.find(hash)).toBe(fresh.find(hash));
        }
      }),
      modelRuns('owners of keys', 500),
    );
  });

  it('asks the owner of a key alone, as long as it accepts', () => {
    const table = rendezvousTables()(all);
    for (let hash = 0; hash < 100; hash++) {
      const asked: Candidate[] = [];
      const found = table.find(hash, (candidate) => asked.push(candidate) > 0);
      expect(asked).toEqual([found]);
    }
  });

  it('goes by the list alone, whichever was there before', () => {
    const build = rendezvousTables();
    for (const list of [all, all.slice(1), all.toReversed(), [], all.slice(0, 4), [all[5]!, ...all.slice(0, 4)]]) {
      const [kept, fresh] = [build(list), rendezvousTables()(list)];
      for (let key = 0; key < 50; key++) {
        const hash = Math.imul(key, 0x9e37_79b1) >>> 0;
        expect(kept.find(hash)).toBe(fresh.find(hash));
      }
    }
  });
});
