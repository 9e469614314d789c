import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { type HashTable, OrderById } from './keyed.js';
import { maglevTables } from './maglev-table.js';
import { claimSlots, MAGLEV_TABLE_SIZE } from './maglev-permutations.js';
import { finish } from './stable-hash.js';

const loads = new LoadTracker();

function candidates(count: number, weightOf: (index: number) => number = () => 100): Candidate[] {
  return Array.from({ length: count }, (_, index) => {
    const instance = fakeInstance({ instanceId: `10.0.${index >> 8}.${index & 255}:8080`, weight: weightOf(index) });
    return { instance, load: loads.of(instance.instanceId), weight: instance.weight };
  });
}

const idOf = (candidate: Candidate | undefined): string => candidate?.instance.instanceId ?? '-';

/** The owners of all slots. */
function slotsOf(members: readonly Candidate[], build = maglevTables()): string[] {
  const table = build(members);
  return Array.from({ length: MAGLEV_TABLE_SIZE }, (_, slot) => idOf(table.find(slot)));
}

function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

describe('the Maglev table', () => {
  it('is within 2% of even for 1,000 candidates', () => {
    const counts = [...countsOf(slotsOf(candidates(1_000))).values()];
    const mean = MAGLEV_TABLE_SIZE / 1_000;
    expect(counts).toHaveLength(1_000);
    expect(Math.max(...counts) / mean).toBeLessThanOrEqual(1.02);
    expect(Math.min(...counts) / mean).toBeGreaterThanOrEqual(0.98);
  });

  it.each([10, 30, 100])('moves at most 1.6 times the necessary slots when one joins %i candidates', (n) => {
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
    'gives each at least one slot, and a number of slots within 1.5%% of its share by weight: %p',
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

  it('gives each key the same owner in every release', () => {
    const checksumOf = (count: number, weightOf?: (index: number) => number): number => {
      const slots = claimSlots(new OrderById().of(candidates(count, weightOf)));
      return slots.reduce((sum, owner) => (Math.imul(sum, 31) + owner) >>> 0, 0);
    };
    expect(checksumOf(10, (index) => 1 + index)).toBe(0x8ccd_19ce);
    expect(checksumOf(1_000)).toBe(0x4676_678c);
    expect(checksumOf(10_000, (index) => 1 + (index % 100))).toBe(0x1a83_d1bf);
  });

  it('spreads the slots of each candidate over the whole table', () => {
    const slots = slotsOf(candidates(10));
    for (let from = 0; from < MAGLEV_TABLE_SIZE; from += 6_554) {
      expect(countsOf(slots.slice(from, from + 6_554)).size).toBe(10);
    }
  });

  it('is the same for any list order', () => {
    expect(slotsOf(candidates(50).reverse())).toEqual(slotsOf(candidates(50)));
  });

  it('is built once for lists with the same members and weights, and cached for the last four lists used', () => {
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
    // The list with weight 50 is the least recently used.
    for (const count of [2, 3, 4, 10]) build(candidates(count));
    expect(made).toHaveLength(5);
    build(candidates(10, () => 50));
    expect(made).toHaveLength(6);
  });

  describe('during slow start of a candidate', () => {
    const startingAt = (weight: number): string[] => {
      const members = candidates(10);
      members[3]!.weight = weight;
      return slotsOf(members);
    };
    const slow = idOf(candidates(10)[3]);

    it('gives it more and more of its own keys without taking any back', () => {
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

    it('uses its factor relative to the greatest one', () => {
      const members = candidates(10);
      for (const member of members) member.weight = 50;
      members[3]!.weight = 10;
      expect(slotsOf(members)).toEqual(startingAt(20));
    });

    it('moves nothing if all start at once, and finds a candidate if none is ready', () => {
      const members = candidates(10);
      for (const member of members) member.weight = 10;
      expect(slotsOf(members)).toEqual(slotsOf(candidates(10)));
      members[0]!.weight = 100;
      const table = maglevTables()(members);
      const others = (candidate: Candidate): boolean => candidate !== members[0];
      for (let slot = 0; slot < 500; slot++) expect(others(table.find(slot, others)!)).toBe(true);
    });
  });

  describe('while some candidates are absent', () => {
    const everyKey = Array.from({ length: 200_000 }, (_, key) => finish(key));
    const ownersIn = (table: HashTable<Candidate>, hashes = everyKey): string[] =>
      hashes.map((hash) => idOf(table.find(hash)));

    it('gives their keys to the others by their shares, and moves no other key', () => {
      const members = candidates(20, (index) => 50 + 10 * index);
      const whole = maglevTables()(members);
      const absent = new Set(members.slice(5, 12));
      const [before, during] = [ownersIn(whole), ownersIn(whole.without(absent))];
      const gone = new Set([...absent].map(idOf));
      const heirs = countsOf(during.filter((id, index) => id !== before[index] && gone.has(before[index]!)));
      expect(during.filter((id, index) => id !== before[index] && !gone.has(before[index]!))).toEqual([]);
      const left = members.filter((member) => !absent.has(member));
      expect([...heirs.keys()].sort()).toEqual(left.map(idOf).sort());
      const moved = [...heirs.values()].reduce((sum, count) => sum + count, 0);
      const weights = left.reduce((sum, { weight }) => sum + weight, 0);
      for (const member of left) {
        expect((heirs.get(idOf(member)) ?? 0) / moved).toBeCloseTo(member.weight / weights, 2);
      }
    });

    it('keeps the shares as even as at random when half are absent', () => {
      const members = candidates(100);
      const away = new Set(members.filter((_, index) => index % 2 === 0));
      const counts = [...countsOf(ownersIn(maglevTables()(members).without(away))).values()];
      expect(counts).toHaveLength(50);
      expect(Math.max(...counts) / (everyKey.length / 50)).toBeLessThan(1.06);
      expect(Math.min(...counts) / (everyKey.length / 50)).toBeGreaterThan(0.94);
    });

    it('moves only the keys of another one that leaves, and of one that returns', () => {
      const members = candidates(30);
      const whole = maglevTables()(members);
      let before = ownersIn(whole, everyKey.slice(0, 5_000));
      for (const [away, changed] of [
        [[3], 3],
        [[3, 17], 17],
        [[3, 17, 20], 20],
        [[17, 20], 3],
      ] as const) {
        const now = ownersIn(whole.without(new Set(away.map((at) => members[at]!))), everyKey.slice(0, 5_000));
        const id = idOf(members[changed]);
        expect(now.filter((owner, key) => owner !== before[key] && owner !== id && before[key] !== id)).toEqual([]);
        expect(now).not.toEqual(before);
        before = now;
      }
    });

    it('finds candidates with hardly any slots if only they are left, in proportion to their weights', () => {
      const members = candidates(1_000, (index) => (index === 7 ? 1 : index === 500 ? 3 : 10_000));
      const left = [members[7]!, members[500]!];
      const table = maglevTables()(members).without(new Set(members.filter((member) => !left.includes(member))));
      const counts = countsOf(ownersIn(table, everyKey.slice(0, 2_000)));
      expect([...counts.keys()].sort()).toEqual(left.map(idOf));
      // One slot each, which most keys do not reach.
      expect(counts.get(idOf(left[0]))! / 2_000).toBeCloseTo(0.25, 1);
      const others = table.find(1, (candidate) => candidate !== table.find(1));
      expect(left).toContain(others);
      expect(table.find(1, (candidate) => !left.includes(candidate))).toBeUndefined();
    });

    it('ignores the slow-start factors of absent candidates', () => {
      const members = candidates(10);
      for (const member of members) member.weight = 10;
      const even = maglevTables()(members).without(new Set([members[0]!]));
      const slots = everyKey.slice(0, 5_000);
      const expected = ownersIn(even, slots);
      members[0]!.weight = 100;
      expect(ownersIn(maglevTables()(members).without(new Set([members[0]!])), slots)).toEqual(expected);
    });
  });

  it('finds no owner if none is accepted', () => {
    expect(maglevTables()(candidates(3)).find(7, () => false)).toBeUndefined();
  });
});
