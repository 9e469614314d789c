import { describe, expect, it } from '@jest/globals';
import { NO_OWNER, RecentOwners } from './recent-owners.js';

describe('RecentOwners', () => {
  it('has no owner for any hash at first, also for 0', () => {
    const owners = new RecentOwners(10);
    for (const hash of [0, 1, 4_294_967_295]) expect(owners.of(hash)).toBe(NO_OWNER);
    owners.set(0, 3);
    owners.set(4_294_967_295, 0);
    expect([owners.of(0), owners.of(1), owners.of(4_294_967_295)]).toEqual([3, NO_OWNER, 0]);
  });

  it('evicts the keys of a full set in turn, and keeps the others', () => {
    const owners = new RecentOwners(10);
    const alike = Array.from({ length: 6 }, (_, index) => 7 + index * 65_536);
    owners.set(8, 9);
    alike.slice(0, 5).forEach((hash, owner) => owners.set(hash, owner));
    expect(alike.map((hash) => owners.of(hash))).toEqual([NO_OWNER, 1, 2, 3, 4, NO_OWNER]);
    owners.set(alike[5]!, 5);
    expect(alike.map((hash) => owners.of(hash))).toEqual([NO_OWNER, NO_OWNER, 2, 3, 4, 5]);
    expect(owners.of(8)).toBe(9);
  });

  it('keeps most of as many keys as it has entries, and no more', () => {
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
