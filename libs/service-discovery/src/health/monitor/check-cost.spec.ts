import { createHook } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { MemoryRegistryStore } from '../../store/index.js';
import { ManualClock } from '../../testing/index.js';
import { resolveHealthCheckOptions } from '../options.js';
import { type ProbeResult } from '../probes/probe.js';
import { HealthMonitor } from './health-monitor.js';

const INSTANCES = 1_000;
/** Long enough for some hundred checks, so that the test's own promises are negligible. */
const TICK_MS = 2_000;
const PASSED: Promise<ProbeResult> = Promise.resolve({ passed: true, statusCode: 200 });

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Instances past their first checks whose results do not change. */
async function settled() {
  const clock = new ManualClock();
  const made = { checks: 0, timers: 0, writes: 0, changes: 0 };
  const store = new MemoryRegistryStore({ clock });
  const setStatus = store.setStatus.bind(store);
  store.setStatus = (...args) => {
    made.writes++;
    return setStatus(...args);
  };
  const registry = new ServiceRegistry(store, {}, { clock, random: seededRandom(1) });
  await registry.start();
  const options = resolveHealthCheckOptions({ interval: '20s' });
  const plan = { schedule: options.schedule, probe: { check: () => (made.checks++, PASSED) } };
  const counting = {
    now: () => clock.now(),
    epoch: () => clock.epoch(),
    setTimer: (fn: () => void, ms: number) => {
      made.timers++;
      return clock.setTimer(fn, ms);
    },
  };
  const monitor = new HealthMonitor(registry, () => plan, options, { clock: counting, random: seededRandom(2) });
  closers.push(
    () => registry.close(),
    () => monitor.close(),
  );
  for (let n = 0; n < INSTANCES; n++) {
    await registry.register(
      { serviceName: `s${n % 10}`, instanceId: `i${n}`, host: '127.0.0.1', port: 8080, ttl: '1d' },
      { heartbeat: 'manual' },
    );
  }
  registry.onChange(() => void made.changes++);
  monitor.start();
  /** What the checks of a period cost. */
  const over = async (ms: number): Promise<typeof made> => {
    Object.assign(made, { checks: 0, timers: 0, writes: 0, changes: 0 });
    for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += TICK_MS) {
      clock.advance(TICK_MS);
      for (let turn = 0; turn < 3; turn++) await nextTurn();
    }
    return made;
  };
  await over(120_000);
  return { over };
}

describe('a check with an unchanged result', () => {
  it('is reported once a minute at most', async () => {
    const { over } = await settled();
    const { checks, writes, changes } = await over(300_000);
    expect(checks).toBeGreaterThan(INSTANCES * 14);
    // Reported when the last report is a minute old: every third or fourth check.
    expect(writes).toBeLessThanOrEqual(INSTANCES * 5);
    expect(changes).toBe(writes);
  });

  it('sets one timer for its timeout and shares the timer that starts checks', async () => {
    const { over } = await settled();
    const { checks, timers } = await over(100_000);
    expect(timers).toBeLessThanOrEqual(2 * checks);
  });

  it('creates a bounded number of promises', async () => {
    const { over } = await settled();
    let promises = 0;
    const hook = createHook({ init: (_id, type) => void (type === 'PROMISE' && promises++) });
    hook.enable();
    const { checks } = await over(100_000);
    hook.disable();
    expect(promises / checks).toBeLessThan(24);
  });
});
