import { describe, expect, it } from '@jest/globals';
import { NOBODY, RecentOwners } from './recent-owners.js';

describe('RecentOwners', () => {
  it('knows nobody until it is told, also of the hash 0', () => {
    const owners = new RecentOwners(10);
    for (const hash of [0, 1, 4_294_967_295]) expect(owners.of(hash)).toBe(NOBODY);
    owners.set(0, 3);
    owners.set(4_294_967_295, 0);
    expect([owners.of(0), owners.of(1), owners.of(4_294_967_295)]).toEqual([3, NOBODY, 0]);
  });

  it('forgets one of those that share their places for another, each in turn, and keeps the others', () => {
    const owners = new RecentOwners(10);
    const alike = Array.from({ length: 6 }, (_, index) => 7 + index * 65_536);
    owners.set(8, 9);
    alike.slice(0, 5).forEach((hash, owner) => owners.set(hash, owner));
    expect(alike.map((hash) => owners.of(hash))).toEqual([NOBODY, 1, 2, 3, 4, NOBODY]);
    owners.set(alike[5]!, 5);
    expect(alike.map((hash) => owners.of(hash))).toEqual([NOBODY, NOBODY, 2, 3, 4, 5]);
    expect(owners.of(8)).toBe(9);
  });

  it('remembers most of as many keys as it has places for, and no more than those', () => {
    for (const [members, places] of [
      [1, 1_024],
      [100, 2_048],
      [10_000, 16_384],
    ] as const) {
      const owners = new RecentOwners(members);
      const known = (count: number): number => {
        const hashes = Array.from({ length: count }, (_, index) => Math.imul(index + 1, 0x9e37_79b1) >>> 0);
        hashes.forEach((hash) => owners.set(hash, 1));
        return hashes.filter((hash) => owners.of(hash) === 1).length;
      };
      expect(known(places / 4)).toBeGreaterThan(0.98 * (places / 4));
      expect(known(4 * places)).toBeLessThanOrEqual(places);
    }
  });
});
