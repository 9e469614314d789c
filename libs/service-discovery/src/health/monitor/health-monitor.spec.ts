import { afterEach, describe, expect, it } from '@jest/globals';
import { seededRandom, type Clock, type Timer } from '../../common/index.js';
import {
  type EventSink,
  type InstanceKey,
  type ServiceDiscoveryEvents,
  type ServiceInstance,
} from '../../model/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { MemoryRegistryStore } from '../../store/index.js';
import { ManualClock } from '../../testing/index.js';
import { type CheckPlanner, type CheckSchedule, type CronTimes } from '../check-plan.js';
import { HealthMonitor, type HealthMonitorDeps, type MonitoredRegistry } from './health-monitor.js';
import { resolveHealthCheckOptions, type HealthCheckOptions } from '../options.js';
import { type ProbeResult } from '../probes/probe.js';

type Checked = ServiceDiscoveryEvents['health.checked'];

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** One call of the probe. */
interface Call {
  readonly id: string;
  readonly at: number;
  readonly signal: AbortSignal;
  answer(result: ProbeResult | Error): void;
}

/** A probe that answers by the script, or waits for the test. */
class FakeProbe {
  readonly calls: Call[] = [];
  /** Result of each check; undefined: it waits for `answer`. */
  script: (id: string) => ProbeResult | Error | undefined = () => ({ passed: true });

  constructor(private readonly clock: Clock) {}

  check({ instanceId }: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    return new Promise((resolve, reject) => {
      const answer = (result: ProbeResult | Error): void =>
        result instanceof Error ? reject(result) : resolve(result);
      this.calls.push({ id: instanceId, at: this.clock.now(), signal, answer });
      const result = this.script(instanceId);
      if (result) answer(result);
    });
  }

  countOf(id: string): number {
    return this.calls.filter((call) => call.id === id).length;
  }
}

/** A clock with late timers, as after a stall of the process. */
class StallingClock extends ManualClock {
  private resumedAt = 0;

  override now(): number {
    return Math.max(super.now(), this.resumedAt);
  }

  override setTimer(fn: () => void, ms: number): Timer {
    return super.setTimer(fn, ms + this.now() - super.now());
  }

  /** Advances the time first, then fires all timers that are due. */
  async stall(ms: number): Promise<void> {
    this.resumedAt = this.now() + ms;
    await this.advanceAsync(ms);
  }
}

async function setUp(
  given: Partial<HealthCheckOptions> = {},
  deps: HealthMonitorDeps & {
    registry?: (registry: ServiceRegistry) => MonitoredRegistry;
    scheduleOf?: (instance: ServiceInstance) => Partial<CheckSchedule>;
  } = {},
) {
  const clock = new StallingClock();
  const registry = new ServiceRegistry(new MemoryRegistryStore({ clock }), {}, { clock, random: seededRandom(1) });
  closers.push(() => registry.close());
  await registry.start();
  const probe = new FakeProbe(clock);
  const checked: Checked[] = [];
  const events: EventSink = {
    emit: (type, payload) => void (type === 'health.checked' && checked.push(payload as Checked)),
  };
  const options = resolveHealthCheckOptions({ interval: '10s', timeout: '4s', ...given });
  const planner: CheckPlanner = (instance) => ({
    schedule: deps.scheduleOf ? { ...options.schedule, ...deps.scheduleOf(instance) } : options.schedule,
    probe,
  });
  const monitor = new HealthMonitor(deps.registry?.(registry) ?? registry, planner, options, {
    clock,
    random: seededRandom(2),
    events,
    ...deps,
  });
  closers.push(() => monitor.close());
  const register = (instanceId: string) =>
    registry.register(
      { serviceName: 'users', host: '127.0.0.1', port: 8080, instanceId, ttl: '1h' },
      { heartbeat: 'manual' },
    );
  const shown = (instanceId: string) => registry.getInstance({ serviceName: 'users', instanceId });
  return { clock, registry, probe, checked, monitor, register, shown };
}

/** A registry with some methods replaced. */
function withPart(registry: ServiceRegistry, part: Partial<MonitoredRegistry>): MonitoredRegistry {
  return {
    get snapshot() {
      return registry.snapshot;
    },
    onChange: (listener) => registry.onChange(listener),
    setStatus: (...args) => registry.setStatus(...args),
    passedCheck: (instance) => registry.passedCheck(instance),
    ...part,
  };
}

describe('HealthMonitor', () => {
  it('checks an instance soon after it registers and then once per interval with jitter', async () => {
    const { clock, probe, monitor, register } = await setUp();
    monitor.start();
    await register('a');
    expect(probe.calls).toHaveLength(0);
    await clock.advanceAsync(1_000);
    expect(probe.calls).toHaveLength(1);
    await clock.advanceAsync(10_000);
    expect(probe.calls.length).toBeGreaterThanOrEqual(2);

    await clock.advanceAsync(1_000_000);
    const times = probe.calls.slice(1).map(({ at }) => at);
    const gaps = times.slice(1).map((at, index) => at - times[index]!);
    expect(gaps.length).toBeGreaterThan(90);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(9_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(11_001);
  });

  it('spreads the first checks of existing instances over the interval', async () => {
    const { clock, probe, monitor, register } = await setUp();
    for (let n = 0; n < 100; n++) await register(`i${n}`);
    monitor.start();
    await clock.advanceAsync(10_000);
    const first = new Map(probe.calls.map(({ id, at }) => [id, at]).reverse() as [string, number][]);
    expect(first.size).toBe(100);
    const perSecond = new Array<number>(10).fill(0);
    for (const at of first.values()) perSecond[Math.min(9, Math.floor(at / 1_000))]!++;
    expect(Math.max(...perSecond)).toBeLessThan(25);
    expect(Math.min(...perSecond)).toBeGreaterThan(0);
  });

  it('spreads out instances that registered together', async () => {
    const { clock, probe, monitor, register } = await setUp();
    monitor.start();
    for (let n = 0; n < 100; n++) await register(`i${n}`);
    await clock.advanceAsync(1_000);
    expect(new Set(probe.calls.map(({ id }) => id)).size).toBe(100);
    const before = probe.calls.length;
    await clock.advanceAsync(5_000);
    expect(probe.calls.length - before).toBeGreaterThan(25);
    expect(probe.calls.length - before).toBeLessThan(75);
  });

  it('reports the first result at once, then after 3 consecutive failures or 2 consecutive successes', async () => {
    const { clock, probe, checked, monitor, register, shown } = await setUp({ flapping: false });
    const results = [true, false, false, true, false, false, false, true, false, true, true];
    const seen: string[] = [];
    probe.script = () => ({ passed: results[checked.length] ?? true });
    monitor.start();
    await register('a');
    for (let n = 1; n <= results.length; n++) {
      while (checked.length < n) await clock.advanceAsync(100);
      seen.push(shown('a')!.healthStatus);
    }
    expect(checked.slice(0, results.length).map(({ passed }) => passed)).toEqual(results);
    expect(seen.map((status) => status[0]).join('')).toBe('hhhhhhuuuuh');
  });

  it('records the status code, reason, body and latency of the check', async () => {
    const { clock, probe, checked, monitor, register, shown } = await setUp();
    probe.script = () => undefined;
    monitor.start();
    await register('a');
    await clock.advanceAsync(1_000);
    await clock.advanceAsync(250);
    const { at, answer } = probe.calls[0]!;
    answer({ passed: false, reason: 'status 503', statusCode: 503, data: { db: 'down' } });
    await clock.advanceAsync(0);
    const detail = {
      checkedAt: clock.epoch(),
      latencyMs: clock.now() - at,
      reason: 'status 503',
      statusCode: 503,
      data: { db: 'down' },
    };
    expect(shown('a')).toMatchObject({ status: 'unhealthy', health: detail });
    expect(checked).toEqual([{ key: { serviceName: 'users', instanceId: 'a' }, passed: false, detail }]);
  });

  it('fails a check at the timeout, aborts the probe, and never runs two checks of one instance at once', async () => {
    const { clock, probe, checked, monitor, register } = await setUp();
    probe.script = () => undefined;
    monitor.start();
    await register('a');
    await clock.advanceAsync(1_000);
    await clock.advanceAsync(2_900);
    expect(checked).toHaveLength(0);
    await clock.advanceAsync(1_100);
    expect(checked).toMatchObject([{ passed: false, detail: { reason: 'timed out after 4 s' } }]);
    expect(probe.calls[0]!.signal.aborted).toBe(true);

    await clock.advanceAsync(100_000);
    expect(probe.calls.length).toBeGreaterThan(5);
    probe.calls.slice(1).forEach(({ at }, index) => expect(at - probe.calls[index]!.at).toBeGreaterThanOrEqual(4_000));
  });

  it.each<[string, (probe: FakeProbe) => void, string]>([
    ['rejects', (probe) => (probe.script = () => new Error('no route')), 'no route'],
    [
      'throws',
      (probe) =>
        (probe.check = () => {
          throw new Error('bad luck');
        }),
      'bad luck',
    ],
    ['answers nothing', (probe) => (probe.check = () => Promise.resolve(undefined as never)), 'undefined'],
  ])('counts a probe that %s as a failure, and continues', async (_, spoil, reason) => {
    const { clock, probe, checked, monitor, register } = await setUp();
    spoil(probe);
    monitor.start();
    await register('a');
    await clock.advanceAsync(60_000);
    expect(checked.length).toBeGreaterThan(3);
    expect(checked[0]).toMatchObject({ passed: false, detail: { reason: expect.stringContaining(reason) } });
  });

  it('continues when a check cannot be planned', async () => {
    const { clock, registry, checked, register } = await setUp();
    const events: EventSink = { emit: (_type, payload) => void checked.push(payload as Checked) };
    const plan = (): never => {
      throw new Error('no plan');
    };
    const options = resolveHealthCheckOptions({ interval: '10s' });
    const monitor = new HealthMonitor(registry, plan, options, { clock, events });
    closers.push(() => monitor.close());
    monitor.start();
    await register('a');
    await clock.advanceAsync(60_000);
    expect(checked.length).toBeGreaterThan(3);
    expect(checked[0]).toMatchObject({ passed: false, detail: { reason: 'no plan' } });
  });

  it('limits concurrent checks and runs the longest-waiting first', async () => {
    const { clock, probe, monitor, register } = await setUp({ concurrency: 2 });
    probe.script = () => undefined;
    monitor.start();
    for (const id of ['a', 'b', 'c', 'd']) await register(id);
    await clock.advanceAsync(1_000);
    expect(probe.calls).toHaveLength(2);
    probe.calls[1]!.answer({ passed: true });
    await clock.advanceAsync(0);
    expect(probe.calls).toHaveLength(3);
    probe.calls[0]!.answer({ passed: true });
    probe.calls[2]!.answer({ passed: true });
    await clock.advanceAsync(0);
    expect(new Set(probe.calls.map(({ id }) => id))).toEqual(new Set(['a', 'b', 'c', 'd']));
  });

  it('frees the slot of a hanging check at its timeout', async () => {
    const { clock, probe, monitor, register } = await setUp({ concurrency: 1 });
    probe.script = () => undefined;
    monitor.start();
    for (const id of ['a', 'b']) await register(id);
    await clock.advanceAsync(1_000);
    expect(probe.calls).toHaveLength(1);
    await clock.advanceAsync(4_000);
    expect(probe.calls).toHaveLength(2);
    expect(probe.calls[1]!.id).not.toBe(probe.calls[0]!.id);
  });

  describe('when an instance leaves', () => {
    it('aborts the check under way, reports nothing, and stops checking it', async () => {
      const { clock, registry, probe, checked, monitor, register } = await setUp();
      probe.script = () => undefined;
      monitor.start();
      await register('a');
      await clock.advanceAsync(1_000);
      await registry.deregister({ serviceName: 'users', instanceId: 'a' });
      expect(probe.calls[0]!.signal.aborted).toBe(true);
      probe.calls[0]!.answer({ passed: true });
      await clock.advanceAsync(60_000);
      expect(probe.calls).toHaveLength(1);
      expect(checked).toHaveLength(0);
    });

    it('drops a check that waits for a slot', async () => {
      const { clock, registry, probe, monitor, register } = await setUp({ concurrency: 1 });
      probe.script = () => undefined;
      monitor.start();
      for (const id of ['a', 'b']) await register(id);
      await clock.advanceAsync(1_000);
      const running = probe.calls[0]!.id;
      const queued = running === 'a' ? 'b' : 'a';
      await registry.deregister({ serviceName: 'users', instanceId: queued });
      await clock.advanceAsync(60_000);
      expect(probe.countOf(queued)).toBe(0);
      expect(probe.countOf(running)).toBeGreaterThan(3);
    });
  });

  it('starts over when an instance registers again: aborts the old check and resets its counts', async () => {
    const { clock, probe, checked, monitor, register, shown } = await setUp();
    probe.script = () => undefined;
    monitor.start();
    await register('a');
    await clock.advanceAsync(1_000);
    await register('a');
    await clock.advanceAsync(0);
    expect(probe.calls[0]!.signal.aborted).toBe(true);
    probe.calls[0]!.answer({ passed: false });
    await clock.advanceAsync(0);
    expect(shown('a')!.healthStatus).toBe('unknown');
    await clock.advanceAsync(1_000);
    expect(probe.calls).toHaveLength(2);
    probe.calls[1]!.answer({ passed: true });
    await clock.advanceAsync(0);
    expect(shown('a')!.healthStatus).toBe('healthy');
    expect(checked).toHaveLength(1);
  });

  it('keeps the schedule of an instance through unrelated changes', async () => {
    const { clock, registry, probe, monitor, register } = await setUp();
    monitor.start();
    await register('a');
    await clock.advanceAsync(30_000);
    const before = probe.countOf('a');
    for (let n = 0; n < 20; n++) {
      await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, n % 2 ? 'up' : 'maintenance');
      await clock.advanceAsync(1_000);
    }
    expect(probe.countOf('a') - before).toBeLessThanOrEqual(3);
  });

  describe('when the plan of an instance changes', () => {
    const users = { serviceName: 'users', instanceId: 'a' };

    it('keeps its status and counts', async () => {
      let fall = 5;
      const { clock, registry, probe, checked, monitor, register, shown } = await setUp(
        {},
        { scheduleOf: () => ({ fall }) },
      );
      monitor.start();
      await register('a');
      while (checked.length < 2) await clock.advanceAsync(100);
      probe.script = () => ({ passed: false });
      while (checked.length < 5) await clock.advanceAsync(100);
      expect(shown('a')!.healthStatus).toBe('healthy');
      fall = 4;
      await registry.setStatus(users, 'maintenance');
      expect(shown('a')!.healthStatus).toBe('healthy');
      while (checked.length < 6) await clock.advanceAsync(100);
      expect(shown('a')!.healthStatus).toBe('unhealthy');
    });

    it('applies the new interval at once', async () => {
      let intervalMs = 600_000;
      const { clock, registry, probe, monitor, register } = await setUp({}, { scheduleOf: () => ({ intervalMs }) });
      monitor.start();
      await register('a');
      await clock.advanceAsync(601_000);
      const before = probe.countOf('a');
      intervalMs = 10_000;
      await registry.setStatus(users, 'maintenance');
      await clock.advanceAsync(10_000);
      expect(probe.countOf('a')).toBe(before + 1);
    });
  });

  it('counts failure kinds with their own thresholds separately, and checks sooner while they add up', async () => {
    const { clock, probe, checked, monitor, register, shown } = await setUp({
      timeout: '1s',
      changingInterval: '2s',
      jitter: 0,
      tcpFailures: 2,
      timeouts: 0,
    });
    monitor.start();
    await register('a');
    while (checked.length < 2) await clock.advanceAsync(100);
    // Times out, fails once in each of two ways, and then again in the first.
    const results: (ProbeResult | undefined)[] = [
      undefined,
      { passed: false, kind: 'tcp' },
      undefined,
      { passed: false, kind: 'http' },
      { passed: false, kind: 'tcp' },
    ];
    probe.script = () => results.shift();
    const statuses: unknown[] = [];
    while (checked.length < 7) {
      const before = checked.length;
      await clock.advanceAsync(100);
      if (checked.length > before) statuses.push(shown('a')!.healthStatus);
    }
    expect(statuses).toEqual(['healthy', 'healthy', 'healthy', 'healthy', 'unhealthy']);
    expect(shown('a')!.health?.flapping).toBeUndefined();
    const gaps = probe.calls.slice(1).map(({ at }, index) => Math.round(at - probe.calls[index]!.at));
    expect(gaps.slice(1)).toEqual([10_000, 10_000, 2_000, 2_000, 2_000]);
  });

  it('checks sooner while results count towards a change, and less often while an instance is down', async () => {
    const { clock, probe, checked, monitor, register, shown } = await setUp({
      timeout: '1s',
      changingInterval: '1s',
      downInterval: '60s',
      jitter: 0,
    });
    monitor.start();
    await register('a');
    while (checked.length < 2) await clock.advanceAsync(100);
    probe.script = () => ({ passed: false });
    while (checked.length < 3) await clock.advanceAsync(100);
    await clock.advanceAsync(2_000);
    expect(shown('a')!.healthStatus).toBe('unhealthy');
    await clock.advanceAsync(120_000);
    const gaps = probe.calls.slice(1).map(({ at }, index) => Math.round(at - probe.calls[index]!.at));
    expect(gaps.slice(1)).toEqual([10_000, 1_000, 1_000, 60_000, 60_000]);
  });

  it('checks three seconds after a first failure where the interval is the usual one', async () => {
    const { clock, probe, checked, monitor, register, shown } = await setUp({ interval: '30s', jitter: 0 });
    monitor.start();
    await register('a');
    while (checked.length < 2) await clock.advanceAsync(100);
    probe.script = () => ({ passed: false, kind: 'tcp' });
    while (checked.length < 3) await clock.advanceAsync(100);
    await clock.advanceAsync(5_900);
    expect(shown('a')!.healthStatus).toBe('healthy');
    await clock.advanceAsync(200);
    expect(shown('a')!.healthStatus).toBe('unhealthy');
  });

  describe('when a call could not connect to an instance', () => {
    const setUpTold = async (given: Partial<HealthCheckOptions> = {}) => {
      const listeners = new Set<(key: InstanceKey) => void>();
      const onUnreachable: HealthMonitorDeps['onUnreachable'] = (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      };
      const stage = await setUp({ interval: '60s', ...given }, { onUnreachable });
      const tell = (instanceId: string): void =>
        listeners.forEach((listener) => listener({ serviceName: 'users', instanceId }));
      stage.monitor.start();
      await stage.register('a');
      await stage.clock.advanceAsync(70_000);
      expect(stage.shown('a')!.healthStatus).toBe('healthy');
      return { ...stage, listeners, tell };
    };

    it('checks it at once, and again at the changing interval until it is unhealthy', async () => {
      const { clock, probe, tell, shown } = await setUpTold();
      await clock.advanceAsync(6_000);
      const before = probe.calls.length;
      probe.script = () => ({ passed: false, kind: 'tcp' });
      tell('a');
      await clock.advanceAsync(0);
      expect(probe.calls).toHaveLength(before + 1);
      await clock.advanceAsync(13_300);
      expect(shown('a')!.healthStatus).toBe('unhealthy');
    });

    it('keeps checks the changing interval apart, however often calls fail', async () => {
      const { clock, probe, tell } = await setUpTold();
      const before = probe.calls.length;
      for (let n = 0; n < 300; n++) {
        tell('a');
        await clock.advanceAsync(100);
      }
      const times = probe.calls.slice(before - 1).map(({ at }) => at);
      const gaps = times.slice(1).map((at, index) => at - times[index]!);
      expect(gaps.length).toBeGreaterThanOrEqual(4);
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(6_000);
    });

    it('returns to the schedule afterwards, and never waits longer than without the call', async () => {
      const { clock, probe, tell } = await setUpTold({ jitter: 0 });
      await clock.advanceAsync(40_000);
      tell('a');
      await clock.advanceAsync(0);
      const told = probe.calls.length;
      await clock.advanceAsync(59_900);
      expect(probe.calls).toHaveLength(told);
      await clock.advanceAsync(200);
      expect(probe.calls).toHaveLength(told + 1);
    });

    it('checks it within a second after a stall, and again at the changing interval', async () => {
      const { clock, probe, tell } = await setUpTold({ interval: '1h', changingInterval: '3s' });
      tell('a');
      await clock.advanceAsync(0);
      tell('a');
      probe.script = () => ({ passed: false, kind: 'tcp' });
      const before = probe.calls.length;
      await clock.stall(10_000);
      expect(probe.calls).toHaveLength(before);
      await clock.advanceAsync(1_000);
      expect(probe.calls).toHaveLength(before + 1);
      await clock.stall(10_000);
      expect(probe.calls).toHaveLength(before + 1);
      await clock.advanceAsync(3_000);
      expect(probe.calls).toHaveLength(before + 2);
    });

    it('ignores unhealthy and unknown instances, and calls after it was closed', async () => {
      const { clock, probe, tell, monitor, shown, listeners } = await setUpTold({ downInterval: '1h' });
      probe.script = () => ({ passed: false, kind: 'tcp' });
      await clock.advanceAsync(80_000);
      expect(shown('a')!.healthStatus).toBe('unhealthy');
      const before = probe.calls.length;
      await clock.advanceAsync(10_000);
      tell('a');
      tell('b');
      await clock.advanceAsync(0);
      expect(probe.calls).toHaveLength(before);
      await monitor.close();
      expect(listeners.size).toBe(0);
    });
  });

  describe('with cron times', () => {
    const START = Date.UTC(2026, 0, 1);
    /** Every ten seconds. */
    const cron: CronTimes = { next: (after) => Math.floor(after / 10_000 + 1) * 10_000 };
    const isTime = (ms: number): boolean => (START + ms) % 10_000 === 0;

    it('checks all instances at each time, once', async () => {
      const { clock, probe, monitor, register } = await setUp({ interval: undefined, cron });
      await register('a');
      await register('b');
      await clock.advanceAsync(1_234);
      monitor.start();
      await clock.advanceAsync(60_000);
      expect(probe.countOf('a')).toBe(6);
      expect(probe.calls.map(({ at }) => at)).toEqual([1, 2, 3, 4, 5, 6].flatMap((n) => [n * 10_000, n * 10_000]));
    });

    it('checks a newly registered instance within a second', async () => {
      const { clock, probe, monitor, register } = await setUp({ interval: undefined, cron });
      monitor.start();
      await clock.advanceAsync(1_500);
      await register('a');
      await clock.advanceAsync(1_000);
      expect(probe.countOf('a')).toBe(1);
      await clock.advanceAsync(20_000);
      expect(probe.calls.slice(1).map(({ at }) => at)).toEqual([10_000, 20_000]);
    });

    it('skips times that pass during a check', async () => {
      const { clock, probe, monitor, register } = await setUp({ interval: undefined, cron, timeout: '10s' });
      await register('a');
      monitor.start();
      probe.script = () => undefined;
      await clock.advanceAsync(10_000);
      expect(probe.calls).toHaveLength(1);
      await clock.advanceAsync(10_000);
      probe.script = () => ({ passed: true });
      await clock.advanceAsync(10_000);
      expect(probe.calls.map(({ at }) => at)).toEqual([10_000, 30_000]);
    });

    it("checks sooner while results count towards a change, and uses an instance's own interval", async () => {
      const { clock, probe, monitor, register } = await setUp(
        { interval: undefined, cron, changingInterval: '2s', timeout: '1s', jitter: 0 },
        { scheduleOf: ({ instanceId }) => (instanceId === 'own' ? { cron: undefined, intervalMs: 3_000 } : {}) },
      );
      await register('a');
      await register('own');
      monitor.start();
      await clock.advanceAsync(20_000);
      probe.script = (id) => ({ passed: id === 'own' });
      await clock.advanceAsync(20_000);
      const times = probe.calls.filter(({ id }) => id === 'a').map(({ at }) => at);
      expect(times.slice(0, 5)).toEqual([10_000, 20_000, 30_000, 32_000, 34_000]);
      expect(times.slice(5).every(isTime)).toBe(true);
      expect(probe.countOf('own')).toBeGreaterThan(9);
    });

    it('follows the wall clock, even after it was set', async () => {
      const { clock, probe, monitor, register } = await setUp({ interval: undefined, cron });
      await register('a');
      monitor.start();
      await clock.advanceAsync(12_000);
      clock.shiftEpoch(3_000);
      await clock.advanceAsync(30_000);
      expect(probe.calls.map(({ at }) => at)).toEqual([10_000, 20_000, 27_000, 37_000]);
    });
  });

  it('checks idle instances less often, and soon after calls resume', async () => {
    let idleMs = 10_000;
    const { clock, probe, monitor, register } = await setUp({ idleInterval: '100s' }, { idleMs: () => idleMs });
    monitor.start();
    await register('a');
    await clock.advanceAsync(1_000_000);
    const quiet = probe.calls.length;
    expect(quiet).toBeLessThanOrEqual(13);
    expect(quiet).toBeGreaterThan(8);
    idleMs = 9_999;
    await clock.advanceAsync(11_000);
    expect(probe.calls.length).toBe(quiet + 1);
    await clock.advanceAsync(100_000);
    expect(probe.calls.length).toBeGreaterThan(quiet + 9);
  });

  it("judges idleness by the instance's own interval", async () => {
    const scheduleOf = ({ instanceId }: ServiceInstance): Partial<CheckSchedule> => ({
      intervalMs: instanceId === 'a' ? 10_000 : 20_000,
      idleIntervalMs: 1_000_000,
    });
    const { clock, probe, monitor, register } = await setUp({}, { idleMs: () => 15_000, scheduleOf });
    monitor.start();
    await register('a');
    await register('b');
    await clock.advanceAsync(400_000);
    expect(probe.countOf('a')).toBe(1);
    expect(probe.countOf('b')).toBeGreaterThan(15);
  });

  it('emits an event for a skipped check and does not count it', async () => {
    const { clock, probe, checked, monitor, register, shown } = await setUp();
    const failed = { passed: false };
    const skipped = {
      passed: false,
      skipped: true as const,
      misconfigured: true as const,
      reason: 'status 404: in neither list',
    };
    const results: ProbeResult[] = [skipped, { passed: true }, failed, skipped, failed, skipped, failed];
    const seen: string[] = [];
    probe.script = () => results[checked.length] ?? failed;
    monitor.start();
    await register('a');
    for (let n = 1; n <= results.length; n++) {
      while (checked.length < n) await clock.advanceAsync(100);
      seen.push(shown('a')!.healthStatus);
    }
    expect(seen).toEqual(['unknown', 'healthy', 'healthy', 'healthy', 'healthy', 'healthy', 'unhealthy']);
    expect(checked[3]).toMatchObject({
      skipped: true,
      misconfigured: true,
      detail: { reason: 'status 404: in neither list' },
    });
    expect(checked[4]!.skipped).toBeUndefined();
  });

  it('cuts a reason to one short line, whatever the probe returned', async () => {
    const { clock, probe, checked, monitor, register } = await setUp();
    probe.script = () => ({ passed: false, reason: `a\r\nERROR b\u2028c ${'x'.repeat(10_000)}` });
    monitor.start();
    await register('a');
    await clock.advanceAsync(2_000);
    expect(checked[0]!.detail.reason).toBe(`a ERROR b c ${'x'.repeat(188)}`);
  });

  describe('with a flapping instance', () => {
    const cycle = (good: number, bad: number) => {
      let turn = 0;
      return (): ProbeResult => ({ passed: turn++ % (good + bad) < good });
    };

    it('marks it, and requires more successes before it is healthy again', async () => {
      const { clock, probe, checked, monitor, register, shown } = await setUp({ rise: 2, fall: 3 });
      probe.script = cycle(4, 3);
      monitor.start();
      await register('a');
      while (!shown('a')?.health?.flapping) await clock.advanceAsync(1_000);
      // Six changes in twenty results, in the fourth phase.
      expect(checked.length).toBe(22);
      for (let n = 0; n < 50; n++) {
        await clock.advanceAsync(10_000);
        if (n > 3) expect(shown('a')).toMatchObject({ healthStatus: 'unhealthy', health: { flapping: true } });
      }
      probe.script = () => ({ passed: true });
      const before = checked.length;
      while (shown('a')!.healthStatus !== 'healthy') await clock.advanceAsync(1_000);
      expect(checked.length - before).toBeGreaterThanOrEqual(3);
      expect(checked.length - before).toBeLessThanOrEqual(6);
      while (shown('a')!.health?.flapping) await clock.advanceAsync(1_000);
      expect(checked.length - before).toBeGreaterThan(12);
    });

    it('continues a flapping state found by another checker', async () => {
      const { clock, registry, checked, monitor, register, shown } = await setUp();
      await register('a');
      const key = { serviceName: 'users', instanceId: 'a' };
      await registry.setStatus(key, 'unhealthy', { checkedAt: clock.epoch(), flapping: true });
      monitor.start();
      while (checked.length < 5) await clock.advanceAsync(100);
      expect(shown('a')).toMatchObject({ healthStatus: 'unhealthy', health: { flapping: true } });
      while (checked.length < 6) await clock.advanceAsync(100);
      expect(shown('a')).toMatchObject({ healthStatus: 'healthy', health: { flapping: true } });
      while (shown('a')!.health?.flapping) await clock.advanceAsync(1_000);
      expect(checked.length).toBeLessThan(22);
    });

    it('reports no flapping when detection is off, not even from another checker', async () => {
      const { clock, registry, probe, checked, monitor, register, shown } = await setUp({ flapping: false });
      await register('a');
      const key = { serviceName: 'users', instanceId: 'a' };
      await registry.setStatus(key, 'unhealthy', { checkedAt: clock.epoch(), flapping: true });
      probe.script = cycle(2, 3);
      monitor.start();
      while (checked.length < 2) await clock.advanceAsync(100);
      expect(shown('a')!.healthStatus).toBe('healthy');
      await clock.advanceAsync(500_000);
      expect(checked.some(({ detail }) => detail.flapping)).toBe(false);
    });
  });

  it('keeps slots free for responsive instances while others hang', async () => {
    const { clock, probe, checked, monitor, register } = await setUp({ concurrency: 4 });
    probe.script = (id) => (id.startsWith('hung') ? undefined : { passed: true });
    monitor.start();
    for (let n = 0; n < 40; n++) await register(`hung${n}`);
    for (let n = 0; n < 4; n++) await register(`well${n}`);
    await clock.advanceAsync(100_000);
    const wellChecks = (): number => checked.filter(({ key }) => key.instanceId.startsWith('well')).length;
    const before = wellChecks();
    await clock.advanceAsync(100_000);
    expect(wellChecks() - before).toBeGreaterThan(4 * 8);
  });

  it('uses one timer for all waiting instances and one per check under way', async () => {
    const { clock, probe, monitor, register } = await setUp({ concurrency: 7 });
    for (let n = 0; n < 500; n++) await register(`i${n}`);
    const before = clock.pendingTimers;
    monitor.start();
    expect(clock.pendingTimers).toBe(before + 1);
    probe.script = () => undefined;
    while (probe.calls.length < 7) await clock.advanceAsync(100);
    expect(clock.pendingTimers).toBe(before + 1 + 7);
  });

  it('continues from a health reported by another process', async () => {
    const { clock, registry, checked, monitor, register, shown } = await setUp();
    monitor.start();
    await register('a');
    while (checked.length < 4) await clock.advanceAsync(100);
    await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'unhealthy');
    while (checked.length < 5) await clock.advanceAsync(100);
    expect(shown('a')!.healthStatus).toBe('unhealthy');
    while (checked.length < 6) await clock.advanceAsync(100);
    expect(shown('a')!.healthStatus).toBe('healthy');
  });

  it('continues while the registry is unreachable, and reports the status later', async () => {
    let down = true;
    const { clock, probe, monitor, register, shown } = await setUp(
      {},
      {
        registry: (registry) =>
          withPart(registry, {
            setStatus: (...args) => (down ? Promise.reject(new Error('away')) : registry.setStatus(...args)),
          }),
      },
    );
    monitor.start();
    await register('a');
    await clock.advanceAsync(30_000);
    expect(probe.calls.length).toBeGreaterThan(2);
    expect(shown('a')!.healthStatus).toBe('unknown');
    down = false;
    await clock.advanceAsync(11_000);
    expect(shown('a')!.healthStatus).toBe('healthy');
  });

  describe('after a stall of the process', () => {
    it('does not time out a response that arrived during the stall', async () => {
      const { clock, probe, checked, monitor, register, shown } = await setUp();
      probe.script = () => undefined;
      monitor.start();
      await register('a');
      await clock.advanceAsync(1_000);
      await clock.stall(60_000);
      expect(checked).toHaveLength(0);
      probe.calls[0]!.answer({ passed: true });
      await clock.advanceAsync(0);
      expect(shown('a')!.healthStatus).toBe('healthy');
    });

    it('spreads overdue checks over an interval', async () => {
      const { clock, probe, monitor, register } = await setUp({ concurrency: 1_000 });
      for (let n = 0; n < 100; n++) await register(`i${n}`);
      monitor.start();
      await clock.advanceAsync(40_000);
      const before = probe.calls.length;
      await clock.stall(60_000);
      expect(probe.calls).toHaveLength(before);
      await clock.advanceAsync(5_000);
      expect(probe.calls.length - before).toBeGreaterThan(25);
      expect(probe.calls.length - before).toBeLessThan(75);
      await clock.advanceAsync(5_000);
      expect(new Set(probe.calls.slice(before).map(({ id }) => id)).size).toBe(100);
    });

    it('keeps checking even if it is always late', async () => {
      const { clock, probe, monitor, register } = await setUp();
      monitor.start();
      await register('a');
      for (let n = 0; n < 20; n++) await clock.stall(60_000);
      expect(probe.calls.length).toBeGreaterThan(3);
    });
  });

  it('finds existing instances when the registry answers for the first time', async () => {
    const clock = new ManualClock();
    const store = new MemoryRegistryStore({ clock });
    const other = new ServiceRegistry(store, {}, { clock });
    const registry = new ServiceRegistry(store, {}, { clock });
    closers.push(
      () => registry.close(),
      () => other.close(),
    );
    await other.start();
    await other.register({ serviceName: 'users', host: '127.0.0.1', port: 8080 }, { heartbeat: 'manual' });
    const probe = new FakeProbe(clock);
    const options = resolveHealthCheckOptions({ interval: '10s' });
    const monitor = new HealthMonitor(registry, () => ({ schedule: options.schedule, probe }), options, { clock });
    closers.push(() => monitor.close());
    monitor.start();
    await registry.start();
    await clock.advanceAsync(10_000);
    expect(probe.calls.length).toBeGreaterThan(0);
  });

  it('leaves no timers or checks behind when closed, and does not restart', async () => {
    const { clock, registry, probe, checked, monitor, register } = await setUp({ concurrency: 2 });
    const before = clock.pendingTimers;
    probe.script = () => undefined;
    monitor.start();
    for (const id of ['a', 'b', 'c']) await register(id);
    await clock.advanceAsync(1_000);
    expect(probe.calls).toHaveLength(2);
    await register('d');
    await monitor.close();
    expect(probe.calls.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    for (const { answer } of probe.calls) answer({ passed: true });
    monitor.start();
    await register('e');
    await clock.advanceAsync(60_000);
    expect(probe.calls).toHaveLength(2);
    expect(checked).toHaveLength(0);
    for (const instanceId of ['a', 'b', 'c', 'd', 'e']) await registry.deregister({ serviceName: 'users', instanceId });
    await registry.close();
    await clock.advanceAsync(3_600_000);
    expect(clock.pendingTimers).toBeLessThanOrEqual(before);
  });

  it('waits for a report under way when closing, and checks nothing afterwards', async () => {
    let finish: (() => void) | undefined;
    const held: Partial<MonitoredRegistry> = {
      setStatus: () => new Promise((resolve) => (finish = () => resolve(true))),
    };
    const { clock, probe, monitor, register } = await setUp({}, { registry: (registry) => withPart(registry, held) });
    monitor.start();
    await register('a');
    await clock.advanceAsync(1_000);
    let closed = false;
    const closing = monitor.close().then(() => (closed = true));
    await clock.advanceAsync(0);
    expect(closed).toBe(false);
    finish?.();
    await closing;
    await clock.advanceAsync(60_000);
    expect(probe.calls).toHaveLength(1);
  });

  it('can be closed before it has started, and repeatedly', async () => {
    const { monitor } = await setUp();
    await monitor.close();
    await monitor.close();
  });

  it('checks nothing when disabled, and once when started twice', async () => {
    const off = await setUp({ enabled: false });
    off.monitor.start();
    await off.register('a');
    await off.clock.advanceAsync(60_000);
    expect(off.probe.calls).toHaveLength(0);

    const twice = await setUp();
    twice.monitor.start();
    twice.monitor.start();
    await twice.register('a');
    await twice.clock.advanceAsync(1_000);
    expect(twice.probe.calls).toHaveLength(1);
  });

  it("uses the scheduler's timers: if none fires, no checks run", async () => {
    let stopped = false;
    const asked: (boolean | undefined)[] = [];
    const clock = new ManualClock();
    const { probe, monitor, register } = await setUp(
      {},
      {
        clock,
        setTimer: (fn, ms, options) => {
          asked.push(options?.keepAlive);
          return clock.setTimer(() => void (!stopped && fn()), ms);
        },
      },
    );
    monitor.start();
    await register('a');
    await clock.advanceAsync(20_000);
    const before = probe.calls.length;
    expect(before).toBeGreaterThan(1);
    expect(new Set(asked)).toEqual(new Set([false]));
    stopped = true;
    await clock.advanceAsync(20_000);
    await register('b');
    await clock.advanceAsync(60_000);
    expect(probe.calls).toHaveLength(before);
  });
});
