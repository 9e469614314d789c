import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { EMPTY_SNAPSHOT, type Change, type RegistrySnapshot, type ServiceInstance } from '../../model/index.js';
import { type SnapshotListener } from '../../registry/index.js';
import { type CheckerRoster } from '../../store/index.js';
import { fakeInstance, ManualClock } from '../../testing/index.js';
import { type CheckSchedule } from '../check-plan.js';
import { CheckShare } from './check-share.js';
import { HealthMonitor, type HealthMonitorDeps, type MonitoredRegistry } from './health-monitor.js';
import { resolveHealthCheckOptions } from '../options.js';

const FLEET = 10_000;
const INTERVAL_MS = 30_000;
const TICK_MS = 50;

/** A clock that jumps ahead when the process resumes after a stall. */
class StallingClock extends ManualClock {
  private aheadUntil = 0;

  override now(): number {
    return Math.max(super.now(), this.aheadUntil);
  }

  /** Fine enough for the figures: promises run after each tick rather than after each of thousands of timers. */
  async pass(ms: number): Promise<void> {
    for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += TICK_MS) {
      this.advance(Math.min(TICK_MS, ms - elapsedMs));
      for (let turn = 0; turn < 3; turn++) await nextTurn();
    }
  }

  async stall(ms: number): Promise<void> {
    this.aheadUntil = this.now() + ms;
    await this.pass(ms);
  }
}

/** A registry that returns fixed instances and discards reported health. */
class FakeRegistry implements MonitoredRegistry {
  snapshot: RegistrySnapshot = EMPTY_SNAPSHOT;
  private listener: SnapshotListener = () => undefined;

  onChange(listener: SnapshotListener): () => void {
    this.listener = listener;
    return () => undefined;
  }

  setStatus(): Promise<boolean> {
    return Promise.resolve(true);
  }

  passedCheck(): void {
    // Checks do not renew leases.
  }

  register(instance: ServiceInstance): void {
    this.tell({ type: 'put', revision: 1, instance });
  }

  reset(instances: readonly ServiceInstance[]): void {
    this.snapshot = { ...EMPTY_SNAPSHOT, services: new Map([['users', instances]]) };
    this.tell({ type: 'reset', revision: 1, instances });
  }

  private tell(change: Change): void {
    this.listener(this.snapshot, this.snapshot, change);
  }
}

const monitors: HealthMonitor[] = [];
afterEach(() => Promise.all(monitors.splice(0).map((monitor) => monitor.close())));

const fleetOf = (count: number, generation = 1): ServiceInstance[] =>
  Array.from({ length: count }, (_, index) =>
    fakeInstance({ serviceName: 'users', instanceId: `i${index}`, generation }),
  );

function setUp(deps: HealthMonitorDeps = {}, scheduleOf?: (instance: ServiceInstance) => Partial<CheckSchedule>) {
  const clock = (deps.clock as StallingClock | undefined) ?? new StallingClock();
  const registry = new FakeRegistry();
  const times: number[] = [];
  const probe = {
    check: () => {
      times.push(clock.now());
      return Promise.resolve({ passed: true });
    },
  };
  const options = resolveHealthCheckOptions({ interval: INTERVAL_MS });
  const plan = { schedule: options.schedule, probe };
  const planner = (instance: ServiceInstance) =>
    scheduleOf ? { schedule: { ...options.schedule, ...scheduleOf(instance) }, probe } : plan;
  const monitor = new HealthMonitor(registry, planner, options, {
    random: seededRandom(3),
    ...deps,
    clock,
  });
  monitors.push(monitor);
  monitor.start();
  /** The highest number of checks within any second since `from`, as a multiple of the average. */
  const busiest = (average: number, from = 0): number => {
    const since = times.filter((at) => at >= from);
    let most = 0;
    for (let first = 0, last = 0; last < since.length; last++) {
      while (since[last]! - since[first]! >= 1_000) first++;
      most = Math.max(most, last - first + 1);
    }
    return most / average;
  };
  return { clock, registry, times, busiest };
}

const AVERAGE = FLEET / (INTERVAL_MS / 1_000);

describe('checks of 10,000 instances', () => {
  it('are spread when all instances register within one second', async () => {
    const { clock, registry, times, busiest } = setUp();
    for (const [index, instance] of fleetOf(FLEET).entries()) {
      registry.register(instance);
      if (index % 100 === 99) await clock.pass(10);
    }
    await clock.pass(INTERVAL_MS);
    expect(times.length).toBeGreaterThan(FLEET);
    await clock.pass(1.5 * INTERVAL_MS);
    expect(busiest(AVERAGE)).toBeLessThan(2);
  });

  it.each([10_000, 60_000])('are spread after the process stalled for %s ms', async (stallMs) => {
    const { clock, registry, busiest } = setUp();
    registry.reset(fleetOf(FLEET));
    await clock.pass(1.5 * INTERVAL_MS);
    await clock.stall(stallMs);
    const resumedAt = clock.now();
    await clock.pass(2 * INTERVAL_MS);
    expect(busiest(AVERAGE, resumedAt)).toBeLessThan(2);
  });

  it('are spread when all instances register again', async () => {
    const { clock, registry, busiest } = setUp();
    registry.reset(fleetOf(FLEET));
    await clock.pass(1.5 * INTERVAL_MS);
    for (const instance of fleetOf(FLEET, 2)) registry.register(instance);
    await clock.pass(2 * INTERVAL_MS);
    expect(busiest(AVERAGE)).toBeLessThan(2);
  });

  it('are spread at startup and keep their times when the registry resets', async () => {
    const { clock, registry, times, busiest } = setUp();
    registry.reset(fleetOf(FLEET));
    await clock.pass(1.5 * INTERVAL_MS);
    for (let n = 0; n < 5; n++) registry.reset(fleetOf(FLEET));
    expect(times.length).toBeGreaterThan(1.4 * FLEET);
    await clock.pass(1.5 * INTERVAL_MS);
    expect(times.length).toBeLessThan(3.3 * FLEET);
    expect(busiest(AVERAGE)).toBeLessThan(2);
  });

  it('are spread when the shares of three other checkers are taken over', async () => {
    const clock = new StallingClock();
    const others = ['one', 'two', 'three'];
    const roster: CheckerRoster = {
      announceChecker: (id) => Promise.resolve([id, ...others]),
      retireChecker: () => Promise.resolve(),
    };
    const share = new CheckShare(roster, { clock, random: seededRandom(4), intervalMs: INTERVAL_MS });
    const { registry, times, busiest } = setUp({ clock, share });
    const checksIn = async (ms: number): Promise<number> => {
      const before = times.length;
      await clock.pass(ms);
      return times.length - before;
    };
    registry.reset(fleetOf(FLEET));
    await clock.pass(INTERVAL_MS);
    expect((await checksIn(INTERVAL_MS)) / FLEET).toBeCloseTo(1 / 4, 1);
    others.length = 0;
    expect(await checksIn(2 * INTERVAL_MS)).toBeGreaterThan(1.5 * FLEET);
    expect(busiest(AVERAGE)).toBeLessThan(2);
  });

  it('are spread when services have different intervals', async () => {
    const intervals = [5_000, 30_000, 60_000, 300_000];
    const { clock, registry, busiest } = setUp({}, ({ instanceId }) => {
      const intervalMs = intervals[Number(instanceId.slice(1)) % 4]!;
      return { intervalMs, changingIntervalMs: intervalMs, downIntervalMs: intervalMs, idleIntervalMs: intervalMs };
    });
    const average = intervals.reduce((sum, intervalMs) => sum + FLEET / 4 / (intervalMs / 1_000), 0);
    for (const instance of fleetOf(FLEET)) registry.register(instance);
    await clock.pass(2 * INTERVAL_MS);
    expect(busiest(average)).toBeLessThan(2);
  });
});
