import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { type HashTable, OrderById } from './keyed.js';
import { RendezvousScores, RendezvousTable, rendezvousTables } from './rendezvous-table.js';

const loads = new LoadTracker();
const all = Array.from({ length: 6 }, (_, index): Candidate => {
  const instanceId = `i${index}`;
  return { instance: fakeInstance({ instanceId }), load: loads.of(instanceId), weight: 1 + (index % 3) };
});

const hashOf = (key: number): number => Math.imul(key, 0x9e37_79b1) >>> 0;

describe('RendezvousTable', () => {
  it('finds the same owner of a key after any other lookups, and the same next one with any refusals', () => {
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

  it('finds the same owners while some are absent as a table of the others, after any other lookups', () => {
    const keys = fc.array(fc.record({ hash: fc.nat(20).map(hashOf), away: fc.nat(62), refusing: fc.nat(63) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(keys, (calls) => {
        const whole = rendezvousTables()(all);
        const tables = new Map<number, HashTable<Candidate>>();
        for (const { hash, away, refusing } of calls) {
          const isIn = (bits: number) => (candidate: Candidate) => (bits & (1 << all.indexOf(candidate))) !== 0;
          const table = tables.get(away) ?? whole.without(new Set(all.filter(isIn(away))));
          tables.set(away, table);
          const left = all.filter((candidate) => !isIn(away)(candidate));
          expect(table.find(hash)).toBe(rendezvousTables()(left).find(hash));
          const taking = left.filter((candidate) => !isIn(refusing)(candidate));
          const found = table.find(hash, (candidate) => !isIn(refusing)(candidate));
          expect(found).toBe(rendezvousTables()(taking).find(hash));
        }
      }),
      modelRuns('owners while some are away', 500),
    );
  });

  it('recomputes only the owners of keys of absent candidates', () => {
    let drawn = 0;
    const draws = new (class extends RendezvousScores<Candidate> {
      override best(hash: number, accepts?: (index: number) => boolean): number {
        drawn++;
        return super.best(hash, accepts);
      }
    })(new OrderById().of(all), ({ weight }) => weight);
    const whole = new RendezvousTable(new OrderById<Candidate>().of(all), draws);
    const owners = Array.from({ length: 100 }, (_, key) => whole.find(hashOf(key)));
    const away = owners[0]!;
    drawn = 0;
    const table = whole.without(new Set([away]));
    for (let round = 0; round < 2; round++) for (let key = 0; key < 100; key++) table.find(hashOf(key));
    expect(drawn).toBe(owners.filter((owner) => owner === away).length);
  });

  it('asks only the owner of a key if it accepts', () => {
    const table = rendezvousTables()(all);
    for (let hash = 0; hash < 100; hash++) {
      const asked: Candidate[] = [];
      const found = table.find(hash, (candidate) => asked.push(candidate) > 0);
      expect(asked).toEqual([found]);
    }
  });

  it('depends only on the list, not on previous lists', () => {
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
