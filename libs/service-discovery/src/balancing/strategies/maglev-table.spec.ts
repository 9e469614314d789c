import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load-tracker.js';
import { type Candidate } from '../strategy.js';
import { claimSlots, MAGLEV_TABLE_SIZE } from './maglev-slots.js';
import { maglevTables } from './maglev-table.js';

const loads = new LoadTracker();

function candidates(count: number, weightOf: (index: number) => number = () => 100): Candidate[] {
  return Array.from({ length: count }, (_, index) => {
    const instance = fakeInstance({ instanceId: `10.0.${index >> 8}.${index & 255}:8080`, weight: weightOf(index) });
    return { instance, load: loads.of(instance.instanceId), weight: instance.weight };
  });
}

const idOf = (candidate: Candidate | undefined): string => candidate?.instance.instanceId ?? '-';

/** The owner of every slot. */
function slotsOf(members: readonly Candidate[], build = maglevTables()): string[] {
  const table = build(members);
  return Array.from({ length: MAGLEV_TABLE_SIZE }, (_, slot) => idOf(table.find(slot)));
}

function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

describe("Maglev's table", () => {
  it('is within 2 % of even for 1,000 candidates', () => {
    const counts = [...countsOf(slotsOf(candidates(1_000))).values()];
    const mean = MAGLEV_TABLE_SIZE / 1_000;
    expect(counts).toHaveLength(1_000);
    expect(Math.max(...counts) / mean).toBeLessThanOrEqual(1.02);
    expect(Math.min(...counts) / mean).toBeGreaterThanOrEqual(0.98);
  });

  it.each([10, 30, 100])('moves at most 1.6 times the slots that it must where one more than %i arrives', (n) => {
    const all = candidates(n + 5);
    for (let newcomer = n; newcomer < n + 5; newcomer++) {
      const before = slotsOf(all.slice(0, n));
      const after = slotsOf([...all.slice(0, n), all[newcomer]!]);
      const moved = after.filter((id, slot) => id !== before[slot]).length;
      expect(moved).toBeLessThanOrEqual((1.6 * MAGLEV_TABLE_SIZE) / (n + 1));
      expect(moved).toBeGreaterThanOrEqual((0.99 * MAGLEV_TABLE_SIZE) / (n + 1));
    }
  });

  it.each([[[5, 5, 5, 5, 5, 1]], [[1, 2, 3, 4]], [[65_535, 1, 1]], [[0.5, 1.5]], [[7]]])(
    'gives each a slot at least, and a number of them within 1.5 %% of its share by weight: %p',
    (weights) => {
      const members = candidates(weights.length, (index) => weights[index] ?? 0);
      const counts = countsOf(slotsOf(members));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const { instance } of members) {
        const due = (MAGLEV_TABLE_SIZE * instance.weight) / total;
        const slots = counts.get(instance.instanceId) ?? 0;
        expect(Math.abs(slots - due)).toBeLessThanOrEqual(Math.max(1, 0.015 * due));
        expect(slots).toBeGreaterThanOrEqual(1);
      }
    },
  );

  it('spreads the slots of each over the whole table', () => {
    const slots = slotsOf(candidates(10));
    for (let from = 0; from < MAGLEV_TABLE_SIZE; from += 6_554) {
      expect(countsOf(slots.slice(from, from + 6_554)).size).toBe(10);
    }
  });

  it('is the same for any order of the list', () => {
    expect(slotsOf(candidates(50).reverse())).toEqual(slotsOf(candidates(50)));
  });

  it('is made once for lists with the same members and weights, and kept for the last four that were in use', () => {
    const made: string[] = [];
    const build = maglevTables((members) => {
      made.push(`${members.length}/${members[0]?.candidate.weight}`);
      return claimSlots(members);
    });
    const slots = slotsOf(candidates(10), build);
    expect(slotsOf(candidates(10).reverse(), build)).toEqual(slots);
    build(candidates(10, () => 50));
    for (const count of [2, 3, 10, 4]) build(candidates(count));
    expect(made).toEqual(['10/100', '10/50', '2/100', '3/100', '4/100']);
    // Of weight 50 is the one that was used longest ago.
    for (const count of [2, 3, 4, 10]) build(candidates(count));
    expect(made).toHaveLength(5);
    build(candidates(10, () => 50));
    expect(made).toHaveLength(6);
  });

  describe('while a candidate starts slowly', () => {
    const startingAt = (weight: number): string[] => {
      const members = candidates(10);
      members[3]!.weight = weight;
      return slotsOf(members);
    };
    const slow = idOf(candidates(10)[3]);

    it('gives it more and more of its own keys, and never takes one back', () => {
      const before = startingAt(100);
      let fewer = new Set<number>();
      for (const weight of [10, 25, 50, 75, 100]) {
        const now = startingAt(weight);
        const own = new Set([...now.keys()].filter((slot) => now[slot] === slow));
        expect(own.size / MAGLEV_TABLE_SIZE).toBeCloseTo(weight / 1_000, 2);
        expect([...fewer].filter((slot) => !own.has(slot))).toEqual([]);
        expect([...own].filter((slot) => before[slot] !== slow)).toEqual([]);
        expect([...now.keys()].filter((slot) => now[slot] !== before[slot] && before[slot] !== slow)).toEqual([]);
        fewer = own;
      }
    });

    it('goes by the part that it has of the greatest one', () => {
      const members = candidates(10);
      for (const member of members) member.weight = 50;
      members[3]!.weight = 10;
      expect(slotsOf(members)).toEqual(startingAt(20));
    });

    it('moves nothing where all start at once, and finds somebody where nobody is ready', () => {
      const members = candidates(10);
      for (const member of members) member.weight = 10;
      expect(slotsOf(members)).toEqual(slotsOf(candidates(10)));
      members[0]!.weight = 100;
      const table = maglevTables()(members);
      const others = (candidate: Candidate): boolean => candidate !== members[0];
      for (let slot = 0; slot < 500; slot++) expect(others(table.find(slot, others)!)).toBe(true);
    });
  });

  it('finds nobody where nobody is accepted', () => {
    expect(maglevTables()(candidates(3)).find(7, () => false)).toBeUndefined();
  });
});
