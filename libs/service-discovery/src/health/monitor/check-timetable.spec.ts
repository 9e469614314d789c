import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { ManualClock } from '../../testing/index.js';
import { type CheckSchedule } from '../check-plan.js';
import { resolveHealthCheckOptions } from '../options.js';
import { CheckTimetable, intervalOf, mayRest, nextWindow, type Recurring, SOON } from './check-timetable.js';
import { type ThresholdState } from './status-thresholds.js';

interface Named extends Recurring {
  readonly name: string;
}

const entry = (name: string): Named => ({
  name,
  endsAt: 0,
  queuedFor: 0,
  position: -1,
  everyMs: 0,
  putOffMs: 0,
  putOff: false,
});

function setUp() {
  const clock = new ManualClock();
  const came: string[] = [];
  let timersSet = 0;
  const timetable = new CheckTimetable<Named>({
    clock,
    random: seededRandom(1),
    setTimer: (fn, ms) => {
      timersSet++;
      return clock.setTimer(fn, ms);
    },
    due: ({ name }) => void came.push(`${name}@${clock.now()}`),
  });
  const at = (name: string, ms: number): Named => {
    const planned = entry(name);
    timetable.plan(planned, 10_000, { fromMs: ms, toMs: ms });
    return planned;
  };
  return { clock, came, timetable, at, timersSet: () => timersSet };
}

/** Stalls once: the first timer fires five seconds late. */
function setUpLate() {
  const clock = new ManualClock();
  const came: number[] = [];
  let lateMs = 5_000;
  const timetable = new CheckTimetable<Named>({
    clock,
    random: seededRandom(1),
    setTimer: (fn, ms) => {
      const timer = clock.setTimer(fn, ms + lateMs);
      lateMs = 0;
      return timer;
    },
    due: () => void came.push(clock.now()),
  });
  return { clock, came, timetable };
}

const HOUR_MS = 3_600_000;

describe('CheckTimetable', () => {
  it('reports each entry at its time', () => {
    const { clock, came, at } = setUp();
    at('b', 200);
    at('a', 100);
    at('c', 300);
    clock.advance(250);
    expect(came).toEqual(['a@100', 'b@200']);
  });

  it('uses a single timer for all entries', () => {
    const { clock, timetable, timersSet } = setUp();
    for (let n = 0; n < 10_000; n++) timetable.plan(entry(`${n}`), 30_000, { fromMs: 10, toMs: 30_000 });
    expect(clock.pendingTimers).toBe(1);
    // Only an entry earlier than all before it moves the timer.
    expect(timersSet()).toBeLessThan(50);
  });

  it('sets no timer without entries', () => {
    const { clock, timetable, at } = setUp();
    const entries = [at('a', 100), at('b', 200)];
    for (const gone of entries) timetable.forget(gone);
    expect(clock.pendingTimers).toBe(0);
    at('c', 100);
    clock.advance(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it('never reports a forgotten entry, and forgets idempotently', () => {
    const { clock, came, timetable, at } = setUp();
    const gone = at('a', 100);
    at('b', 100);
    timetable.forget(gone);
    timetable.forget(gone);
    clock.advance(100);
    expect(came).toEqual(['b@100']);
  });

  it('moves an entry that is planned again', () => {
    const { clock, came, timetable, at } = setUp();
    const moved = at('a', 100);
    timetable.plan(moved, 10_000, { fromMs: 300, toMs: 300 });
    expect(timetable.isWaiting(moved)).toBe(true);
    clock.advance(1_000);
    expect(came).toEqual(['a@300']);
    expect(timetable.isWaiting(moved)).toBe(false);
  });

  it('keeps a few simultaneous entries within their window and lets a crowd wait longer', () => {
    const latest = (count: number): number => {
      const { clock, came, timetable } = setUp();
      for (let n = 0; n < count; n++) {
        timetable.plan(entry(`${n}`), 60_000, { fromMs: 0, toMs: 1_000, latestMs: 60_000 });
      }
      clock.advance(60_001);
      expect(came).toHaveLength(count);
      return Number(came.at(-1)!.split('@')[1]);
    };
    expect(latest(100)).toBeLessThanOrEqual(1_001);
    // These average 50 a second; 150 a second is never a crowd.
    expect(latest(3_000)).toBeGreaterThan(15_000);
    expect(latest(3_000)).toBeLessThan(40_000);
  });

  it('keeps the rate of recurring entries while spreading them', () => {
    const clock = new ManualClock();
    let count = 0;
    const timetable: CheckTimetable<Named> = new CheckTimetable<Named>({
      clock,
      random: seededRandom(1),
      setTimer: (fn, ms) => clock.setTimer(fn, ms),
      due: (again) => {
        count++;
        timetable.plan(again, 30_000, { fromMs: 27_000, toMs: 33_000 });
      },
    });
    for (let n = 0; n < 2_000; n++) timetable.plan(entry(`${n}`), 30_000, { fromMs: 0, toMs: 30_000 });
    clock.advance(300_000);
    expect(Math.abs(count / 20_000 - 1)).toBeLessThan(0.02);
  });

  it('postpones what fell due during a stall only once, so that a process that is always late makes progress', () => {
    const clock = new ManualClock();
    const came: number[] = [];
    const timetable = new CheckTimetable<Named>({
      clock,
      random: seededRandom(1),
      setTimer: (fn, ms) => clock.setTimer(fn, ms + 2_000),
      due: () => void came.push(clock.now()),
    });
    timetable.plan(entry('a'), 10_000, { fromMs: 100, toMs: 100 });
    clock.advance(2_100);
    expect(came).toEqual([]);
    clock.advance(12_000);
    expect(came).toHaveLength(1);
  });

  it('postpones urgent entries by at most their own window after a stall', () => {
    const { came, timetable, clock } = setUpLate();
    for (let n = 0; n < 100; n++) {
      timetable.plan(entry(`${n}`), HOUR_MS, { fromMs: 500, toMs: 500, latestMs: 1_500 });
    }
    clock.advance(5_500);
    expect(came).toEqual([]);
    clock.advance(1_000);
    expect(came).toHaveLength(100);
  });

  it('postpones recurring entries by at most their interval after a stall', () => {
    const { came, timetable, clock } = setUpLate();
    for (let n = 0; n < 100; n++) timetable.plan(entry(`${n}`), 2_000, { fromMs: 500, toMs: 500, latestMs: HOUR_MS });
    clock.advance(5_500);
    expect(came).toEqual([]);
    clock.advance(2_000);
    expect(came).toHaveLength(100);
  });

  it('drops the counts of past slots', () => {
    const clock = new ManualClock();
    const timetable: CheckTimetable<Named> = new CheckTimetable<Named>({
      clock,
      random: seededRandom(1),
      setTimer: (fn, ms) => clock.setTimer(fn, ms),
      due: (again) => timetable.plan(again, 1_000, { fromMs: 900, toMs: 1_100 }),
    });
    for (let n = 0; n < 5; n++) timetable.plan(entry(`${n}`), 1_000, { fromMs: 0, toMs: 1_000 });
    clock.advance(100_000);
    const loads = Reflect.get(timetable, 'loads') as Map<number, number>;
    expect(loads.size).toBeLessThanOrEqual(5);
  });

  it('removes a forgotten entry from the average load', () => {
    const { clock, came, timetable } = setUp();
    const gone = Array.from({ length: 100_000 }, (_, n) => entry(`${n}`));
    for (const each of gone) timetable.plan(each, 10_000, { fromMs: 0, toMs: 10_000 });
    for (const each of gone) timetable.forget(each);
    for (let n = 0; n < 1_000; n++) {
      timetable.plan(entry(`${n}`), 60_000, { fromMs: 0, toMs: 1_000, latestMs: 60_000 });
    }
    clock.advance(1_001);
    expect(came.length).toBeLessThan(250);
  });
});

const { schedule } = resolveHealthCheckOptions({
  interval: '30s',
  changingInterval: '2s',
  downInterval: '60s',
  idleInterval: '5m',
  timeout: '1s',
});

const healthy: ThresholdState = { status: 'healthy', successes: 2, failures: 0 };

describe('the time between two checks', () => {
  it.each<[string, ThresholdState, keyof CheckSchedule]>([
    ['healthy', healthy, 'intervalMs'],
    ['healthy with a failure', { status: 'healthy', successes: 0, failures: 1 }, 'changingIntervalMs'],
    ['unhealthy', { status: 'unhealthy', successes: 0, failures: 3 }, 'downIntervalMs'],
    ['unhealthy with a success', { status: 'unhealthy', successes: 1, failures: 0 }, 'changingIntervalMs'],
    ['not known yet', { status: 'unknown', successes: 0, failures: 0 }, 'intervalMs'],
  ])('of an instance that is %s', (_, state, expected) => {
    expect(intervalOf(schedule, state)).toBe(schedule[expected]);
  });

  it('is counted from the start of a check, with jitter', () => {
    expect(nextWindow(10_000, 0.1, 400)).toEqual({ fromMs: 8_600, toMs: 10_600 });
    expect(nextWindow(10_000, 0, 0)).toEqual({ fromMs: 10_000, toMs: 10_000 });
  });

  it('is over after a check that took longer', () => {
    expect(nextWindow(1_000, 0.1, 5_000)).toEqual({ fromMs: 0, toMs: 0 });
    expect(nextWindow(1_000, 0.5, 1_000)).toEqual({ fromMs: 0, toMs: 500 });
  });

  it('is at most a second before the first check, and less where intervals are short', () => {
    expect(SOON(60_000)).toEqual({ fromMs: 0, toMs: 1_000, latestMs: 60_000 });
    expect(SOON(2_000)).toEqual({ fromMs: 0, toMs: 200, latestMs: 2_000 });
  });
});

describe('an instance without calls', () => {
  it('skips turns until the one nearest to the end of the idle interval', () => {
    const rests = [0, 30_000, 270_000, 284_999, 285_000, 300_000].map((sinceMs) =>
      mayRest(schedule, healthy, sinceMs, () => true),
    );
    expect(rests).toEqual([true, true, true, true, false, false]);
  });

  it('skips no turns while it receives calls or its status may change', () => {
    expect(mayRest(schedule, healthy, 30_000, () => false)).toBe(false);
    for (const state of [
      { status: 'healthy', successes: 0, failures: 1 },
      { status: 'unhealthy', successes: 0, failures: 3 },
      { status: 'unknown', successes: 0, failures: 0 },
    ] as const) {
      expect(mayRest(schedule, state, 30_000, () => true)).toBe(false);
    }
  });

  it('is not looked up if the idle interval is no longer than the others', () => {
    const asked = (): never => {
      throw new Error('asked');
    };
    expect(mayRest({ ...schedule, idleIntervalMs: 30_000 }, healthy, 30_000, asked)).toBe(false);
  });
});
