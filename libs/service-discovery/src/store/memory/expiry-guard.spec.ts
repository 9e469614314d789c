import { beforeEach, describe, expect, it } from '@jest/globals';
import { ExpiryGuard, type Verdict } from './expiry-guard.js';

const TTL_MS = 9_000;

/** The leases of one service; expired ones are removed. */
class Service {
  readonly taken: [number, string][] = [];
  private readonly ends = new Map<string, number>();

  constructor(
    private readonly guard: ExpiryGuard,
    private readonly name = 'users',
  ) {}

  renew(now: number, ...ids: string[]): void {
    for (const id of ids) this.ends.set(id, now + TTL_MS);
  }

  judge(now: number, steadySince = Number.NEGATIVE_INFINITY): Verdict['news'] {
    const leases = new Map([...this.ends].map(([id, endsAt]) => [id, { endsAt, instance: { ttlMs: TTL_MS } }]));
    const { takeUpTo, news } = this.guard.judge(this.name, leases, now, steadySince, 1_000_000 + now);
    for (const [id, end] of this.ends) {
      if (end > takeUpTo) continue;
      this.ends.delete(id);
      this.taken.push([now, id]);
    }
    return news;
  }
}

const ids = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe('ExpiryGuard', () => {
  let guard: ExpiryGuard;
  let users: Service;
  beforeEach(() => {
    guard = new ExpiryGuard({ share: 0.5, minInstances: 3 });
    users = new Service(guard);
  });

  it('holds expiry above the share, but not exactly at it', () => {
    const orders = new Service(guard, 'orders');
    users.renew(0, ...ids('a', 6));
    orders.renew(0, ...ids('a', 5));
    users.renew(TTL_MS - 1, ...ids('b', 5));
    orders.renew(TTL_MS - 1, ...ids('b', 5));
    expect(users.judge(TTL_MS)).toEqual({ since: 1_009_000, overdue: 6, total: 11 });
    expect(orders.judge(TTL_MS)).toBeUndefined();
    expect([users.taken.length, orders.taken.length]).toEqual([0, 5]);
  });

  it('holds nothing while no lease has expired, however many are overdue', () => {
    users.renew(0, ...ids('a', 6));
    expect(users.judge(TTL_MS - 1)).toBeUndefined();
    expect(guard.isHolding()).toBe(false);
  });

  it('holds each wave of failures for one lease', () => {
    users.renew(0, ...ids('first', 6));
    users.renew(7_000, ...ids('second', 4));
    for (let now = TTL_MS; now <= 30_000; now += 1_000) users.judge(now);
    const expected = [...ids('first', 6).map((id) => [18_000, id]), ...ids('second', 4).map((id) => [25_000, id])];
    expect(users.taken).toEqual(expected);
    expect(guard.isHolding()).toBe(false);
  });

  it('keeps holding while the share goes up and down, but no instance for longer than one more lease', () => {
    const [dead, one, other] = [ids('dead', 4), ids('one', 3), ids('other', 3)];
    users.renew(0, ...dead, ...one);
    users.renew(3_000, ...other);
    users.renew(7_000, ...one);
    const news: unknown[] = [];
    const shares: (number | undefined)[] = [];
    for (let now = TTL_MS; now < 2 * TTL_MS; now += 1_000) {
      // Each is overdue for two seconds out of eight: too many at first, and not two seconds later.
      if (now === 11_000) users.renew(now, ...other);
      if (now === 15_000) users.renew(now, ...one);
      news.push(users.judge(now));
      shares.push(guard.holds.get('users')?.overdue);
    }
    expect(shares).toEqual([7, 7, 4, 4, 7, 7, 4, 4, 7]);
    expect(users.taken).toEqual([]);
    expect(news).not.toContain(null);
    expect(users.judge(2 * TTL_MS)).toBeNull();
    expect(users.taken.map(([, id]) => id)).toEqual(dead);
  });

  it('waits a third of a lease for instances that are coming back', () => {
    users.renew(0, ...ids('a', 9));
    users.judge(TTL_MS);
    users.renew(10_000, ...ids('a', 5));
    users.judge(10_000);
    users.judge(12_999);
    expect(users.taken).toEqual([]);
    expect(users.judge(13_000)).toBeNull();
    expect(users.taken.map(([, id]) => id)).toEqual(['a5', 'a6', 'a7', 'a8']);
  });

  it('ends the hold at once when all are back', () => {
    users.renew(0, ...ids('a', 9));
    users.judge(TTL_MS);
    users.renew(9_500, ...ids('a', 9));
    expect(users.judge(10_000)).toBeNull();
    expect(users.taken).toEqual([]);
  });

  it('reports figures again when they have moved by a tenth', () => {
    users.renew(0, ...ids('a', 20));
    users.judge(TTL_MS);
    users.renew(10_000, 'a0');
    expect(users.judge(10_000)).toBeUndefined();
    users.renew(10_100, 'a1');
    expect(users.judge(10_100)).toEqual({ since: 1_009_000, overdue: 18, total: 20 });
    expect([...guard.holds]).toEqual([['users', { since: 1_009_000, overdue: 18, total: 20 }]]);
  });

  it('counts from when heartbeats could arrive again', () => {
    users.renew(0, ...ids('a', 9));
    users.judge(TTL_MS);
    users.judge(40_000, 35_000);
    expect(users.taken).toEqual([]);
    users.judge(44_000, 35_000);
    expect(users.taken).toHaveLength(9);
  });

  it('never exceeds a share of 1, and always exceeds a share of 0', () => {
    const [off, strict] = [
      new Service(new ExpiryGuard({ share: 1, minInstances: 1 })),
      new Service(new ExpiryGuard({ share: 0, minInstances: 1 })),
    ];
    off.renew(0, ...ids('a', 9));
    strict.renew(0, 'a');
    strict.renew(TTL_MS - 1, ...ids('b', 9));
    expect(off.judge(TTL_MS)).toBeUndefined();
    expect(strict.judge(TTL_MS)).toMatchObject({ overdue: 1, total: 10 });
    expect([off.taken.length, strict.taken.length]).toEqual([9, 0]);
  });
});
