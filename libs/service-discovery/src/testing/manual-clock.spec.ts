import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { sleep } from '../common/index.js';
import { ManualClock } from './manual-clock.js';

let clock: ManualClock;
let fired: string[];

beforeEach(() => {
  clock = new ManualClock();
  fired = [];
});

const arm = (name: string, ms: number) => clock.setTimer(() => void fired.push(`${name}@${clock.now()}`), ms);

describe('ManualClock', () => {
  it('stands still until it is told to move', () => {
    const [now, epoch] = [clock.now(), clock.epoch()];
    expect([clock.now(), clock.epoch()]).toEqual([now, epoch]);
    clock.advance(1_500);
    expect([clock.now() - now, clock.epoch() - epoch]).toEqual([1_500, 1_500]);
  });

  it('starts at a given date', () => {
    expect(new ManualClock(5).epoch()).toBe(5);
  });

  it('fires timers in order of their time, each at its time', () => {
    arm('late', 300);
    arm('early', 100);
    arm('beyond', 301);
    clock.advance(300);
    expect(fired).toEqual(['early@100', 'late@300']);
    expect(clock.pendingTimers).toBe(1);
  });

  it('fires timers of the same time in order of creation', () => {
    for (const name of ['a', 'b', 'c']) arm(name, 10);
    clock.advance(10);
    expect(fired).toEqual(['a@10', 'b@10', 'c@10']);
  });

  it('fires a timer set by another one within the same move, if it is due', () => {
    clock.setTimer(() => arm('second', 50), 50);
    clock.setTimer(() => arm('third', 51), 50);
    clock.advance(100);
    expect(fired).toEqual(['second@100']);
  });

  it('treats a negative delay as 0, and fires nothing by itself', () => {
    arm('a', -5);
    expect(fired).toEqual([]);
    clock.advance(0);
    expect(fired).toEqual(['a@0']);
  });

  it('does not fire a cancelled timer, even one cancelled at the same moment', () => {
    const second = { cancel: () => undefined as void };
    clock.setTimer(() => second.cancel(), 10);
    const timer = arm('a', 10);
    second.cancel = () => timer.cancel();
    clock.advance(10);
    timer.cancel();
    expect(fired).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('runs promise callbacks between timers on request', async () => {
    const walk = (async () => {
      for (let step = 0; step < 3; step++) {
        await sleep(clock, 100);
        fired.push(`step@${clock.now()}`);
      }
    })();
    await clock.advanceAsync(300);
    await walk;
    expect(fired).toEqual(['step@100', 'step@200', 'step@300']);
  });

  it('changes the wall clock only', () => {
    const [now, epoch] = [clock.now(), clock.epoch()];
    clock.shiftEpoch(-3_600_000);
    expect([clock.now() - now, clock.epoch() - epoch]).toEqual([0, -3_600_000]);
  });

  it('works alongside fake timers of the test runner', async () => {
    jest.useFakeTimers();
    try {
      arm('a', 5);
      await clock.advanceAsync(5);
      expect(fired).toEqual(['a@5']);
    } finally {
      jest.useRealTimers();
    }
  });
});
