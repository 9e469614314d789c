import { afterEach, describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError, seededRandom } from '../../common/index.js';
import { type InstanceKey } from '../../model/index.js';
import { type CheckerRoster } from '../../store/index.js';
import { ManualClock } from '../../testing/index.js';
import { CheckShare } from './check-share.js';

const INTERVAL_MS = 20_000;
const keys: InstanceKey[] = Array.from({ length: 1_000 }, (_, index) => ({
  serviceName: `service-${index % 20}`,
  instanceId: `10.0.0.${index}:8080`,
}));

/** A roster on the test's clock. */
class FakeRoster implements CheckerRoster {
  isAway = false;
  private readonly until = new Map<string, number>();

  constructor(private readonly clock: ManualClock) {}

  async announceChecker(id: string, ttlMs: number): Promise<readonly string[]> {
    if (this.isAway) throw new RegistryUnavailableError('away');
    this.until.set(id, this.clock.now() + ttlMs);
    return [...this.until].filter(([, until]) => until > this.clock.now()).map(([checker]) => checker);
  }

  async retireChecker(id: string): Promise<void> {
    if (this.isAway) throw new RegistryUnavailableError('away');
    this.until.delete(id);
  }
}

/** A checker's connection to the roster, which the test can cut. */
class FakeConnection implements CheckerRoster {
  isCut = false;

  async announceChecker(id: string, ttlMs: number): Promise<readonly string[]> {
    if (this.isCut) throw new RegistryUnavailableError('cut');
    return roster.announceChecker(id, ttlMs);
  }

  retireChecker(id: string): Promise<void> {
    return roster.retireChecker(id);
  }
}

const clock = new ManualClock();
const roster = new FakeRoster(clock);
const random = seededRandom(1);
let open: CheckShare[] = [];

async function join(changed: () => void = () => undefined, at: CheckerRoster = roster): Promise<CheckShare> {
  const share = new CheckShare(at, { clock, random, intervalMs: INTERVAL_MS });
  open.push(share);
  share.start(changed);
  await clock.advanceAsync(INTERVAL_MS);
  return share;
}

const ownersOf = (key: InstanceKey): CheckShare[] => open.filter((share) => share.has(key));

afterEach(async () => {
  roster.isAway = false;
  await Promise.all(open.map((share) => share.close()));
  open = [];
  expect(clock.pendingTimers).toBe(0);
});

describe('CheckShare', () => {
  it('is empty before the roster arrives, and everything while it is alone', async () => {
    const share = new CheckShare(roster, { clock, random, intervalMs: INTERVAL_MS });
    open.push(share);
    share.start(() => undefined);
    expect(keys.some((key) => share.has(key))).toBe(false);
    await clock.advanceAsync(0);
    expect(keys.every((key) => share.has(key))).toBe(true);
  });

  it('always includes instances that are local to this process', async () => {
    roster.isAway = true;
    const isLocal = (key: InstanceKey): boolean => key === keys[0];
    const share = new CheckShare(roster, { clock, random, intervalMs: INTERVAL_MS, isLocal });
    open.push(share);
    share.start(() => undefined);
    await clock.advanceAsync(0);
    expect(keys.filter((key) => share.has(key))).toEqual([keys[0]]);
  });

  it('assigns each instance to exactly one checker, evenly', async () => {
    for (let checker = 0; checker < 4; checker++) await join();
    expect(keys.filter((key) => ownersOf(key).length !== 1)).toEqual([]);
    for (const share of open) {
      const count = keys.filter((key) => share.has(key)).length;
      expect(count).toBeGreaterThan(200);
      expect(count).toBeLessThan(300);
    }
  });

  it('moves only the share of a checker that leaves, at the next heartbeat', async () => {
    const [leaving, ...staying] = [await join(), await join(), await join()];
    const before = keys.map((key) => ownersOf(key)[0]!);
    await leaving.close();
    open = staying;
    await clock.advanceAsync(INTERVAL_MS / 4);
    keys.forEach((key, index) => {
      const owners = ownersOf(key);
      expect(owners).toHaveLength(1);
      if (before[index] !== leaving) expect(owners[0]).toBe(before[index]);
    });
  });

  it('hands over the share of a dead checker within an interval', async () => {
    const connection = new FakeConnection();
    await join(() => undefined, connection);
    const staying = await join();
    expect(keys.every((key) => staying.has(key))).toBe(false);
    connection.isCut = true;
    await clock.advanceAsync(INTERVAL_MS);
    expect(keys.every((key) => staying.has(key))).toBe(true);
  });

  it('reports changes, and keeps the share while the roster is unreachable', async () => {
    let changes = 0;
    const first = await join(() => (changes += 1));
    await join();
    expect(changes).toBe(2);
    const before = keys.map((key) => first.has(key));
    roster.isAway = true;
    await clock.advanceAsync(3 * INTERVAL_MS);
    expect(keys.map((key) => first.has(key))).toEqual(before);
    expect(changes).toBe(2);
  });
});
