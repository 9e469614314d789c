import { AsyncLocalStorage } from 'node:async_hooks';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../testing/manual-clock.js';
import { type Clock } from './clock.js';
import { TimerWheel, type WheelTimer } from './timer-wheel.js';

describe('TimerWheel', () => {
  let clock: ManualClock;
  let wheel: TimerWheel;
  let ended: [name: string, at: number][];

  beforeEach(() => {
    clock = new ManualClock();
    wheel = new TimerWheel(clock);
    ended = [];
  });

  function add(name: string, ms: number, then: () => void = () => undefined): WheelTimer {
    const timeIsOver = (): void => {
      ended.push([name, clock.now()]);
      then();
    };
    const timer: WheelTimer = { slot: undefined, place: 0, order: 0, dueAt: clock.now() + ms, timeIsOver };
    wheel.add(timer);
    return timer;
  }

  it('fires each entry at its own time, earliest first', () => {
    for (const ms of [30, 5, 17, 4, 900, 16.5]) add(String(ms), ms);
    clock.advance(1_000);
    expect(ended).toEqual([4, 5, 16.5, 17, 30, 900].map((ms) => [String(ms), ms]));
    expect(clock.pendingTimers).toBe(0);
  });

  it('fires entries due at once in insertion order, whatever was removed', () => {
    const gone = add('gone', 10);
    for (const name of ['a', 'b', 'c']) add(name, 10);
    wheel.remove(gone);
    clock.advance(10);
    expect(ended.map(([name]) => name)).toEqual(['a', 'b', 'c']);
  });

  it('never fires a removed entry, and has no timer when empty', () => {
    const timers = Array.from({ length: 5 }, (_, index) => add(String(index), 10 + index));
    for (const index of [2, 0, 4, 0]) wheel.remove(timers[index]!);
    clock.advance(11);
    expect(ended).toEqual([['1', 11]]);
    wheel.remove(timers[3]!);
    wheel.remove(timers[1]!);
    expect(clock.pendingTimers).toBe(0);
    clock.advance(100);
    expect(ended).toHaveLength(1);
  });

  it('does not fire an entry that another one removes at the same time', () => {
    add('first', 10, () => wheel.remove(second));
    const second = add('second', 10);
    clock.advance(20);
    expect(ended.map(([name]) => name)).toEqual(['first']);
  });

  it('accepts new entries while one fires, even for the same time', () => {
    add('first', 10, () => {
      add('at once', 0);
      add('soon', 1);
    });
    clock.advance(20);
    expect(ended).toEqual([
      ['first', 10],
      ['at once', 10],
      ['soon', 11],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('fires an entry that is added while the last one of its slot fires or is removed', () => {
    add('first', 10, () => {
      wheel.remove(second);
      third = add('third', 2);
    });
    const second = add('second', 11);
    let third: WheelTimer | undefined;
    clock.advance(11);
    add('fourth', 1);
    clock.advance(1);
    expect(ended.map(([name]) => name)).toEqual(['first', 'third', 'fourth']);
    expect([third?.slot, clock.pendingTimers]).toEqual([undefined, 0]);
  });

  it('uses one clock timer for all entries due at about the same time', () => {
    let timers = 0;
    const counting: Clock = {
      now: () => clock.now(),
      epoch: () => clock.epoch(),
      setTimer: (fn, ms) => {
        timers++;
        return clock.setTimer(fn, ms);
      },
    };
    wheel = new TimerWheel(counting);
    const added = Array.from({ length: 1_000 }, (_, index) => add(String(index), 10_000 + index / 100));
    expect(timers).toBe(1);
    for (const timer of added) wheel.remove(timer);
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps nothing of past entries', () => {
    const first = add('first', 2);
    const { slot } = first;
    clock.advance(2);
    const second = add('second', 2);
    expect(second.slot).not.toBe(slot);
  });

  it('keeps waiting if the clock fires slightly early', () => {
    let call: () => void = () => undefined;
    const early: Clock = {
      now: () => clock.now(),
      epoch: () => clock.epoch(),
      setTimer: (fn) => {
        call = fn;
        return { cancel: () => undefined };
      },
    };
    wheel = new TimerWheel(early);
    add('late', 10);
    clock.advance(9.5);
    call();
    expect(ended).toEqual([]);
    clock.advance(0.5);
    call();
    expect(ended).toEqual([['late', 10]]);
  });

  it("sets timers outside the caller's async context: they serve other calls and may outlast this one", () => {
    const storage = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const watched: Clock = {
      now: () => clock.now(),
      epoch: () => clock.epoch(),
      setTimer: (fn, ms) => {
        contexts.push(storage.getStore());
        return clock.setTimer(fn, ms);
      },
    };
    wheel = new TimerWheel(watched);
    storage.run('a request', () => {
      add('later', 9);
      add('sooner', 2);
    });
    clock.advance(10);
    expect(ended.map(([name]) => name)).toEqual(['sooner', 'later']);
    expect(contexts).toEqual([undefined, undefined, undefined]);
  });

  describe('that keeps a spare', () => {
    /** How many timers were set, and how many of the pending ones keep the process alive. */
    let timers: number;
    let holding: Set<object>;
    /** How often keep-alive was changed on a timer that was not pending. */
    let toldTooLate: number;

    beforeEach(() => {
      timers = 0;
      holding = new Set();
      toldTooLate = 0;
      const pending = new Set<object>();
      const holdable: Clock = {
        now: () => clock.now(),
        epoch: () => clock.epoch(),
        setTimer: (fn, ms) => {
          timers++;
          const timer = {};
          const inner = clock.setTimer(() => {
            holding.delete(timer);
            pending.delete(timer);
            fn();
          }, ms);
          holding.add(timer);
          pending.add(timer);
          return {
            cancel: () => {
              holding.delete(timer);
              pending.delete(timer);
              inner.cancel();
            },
            setKeepAlive: (keepAlive) => {
              if (!pending.has(timer)) toldTooLate++;
              if (keepAlive) holding.add(timer);
              else holding.delete(timer);
            },
          };
        },
      };
      wheel = new TimerWheel(holdable, true);
    });

    it('sets one timer for sequential single entries, and keeps the process alive only while one waits', () => {
      for (let index = 0; index < 1_000; index++) {
        const timer = add(String(index), 10_000);
        expect(holding.size).toBe(1);
        wheel.remove(timer);
        expect(holding.size).toBe(0);
        clock.advance(0.001);
      }
      expect([timers, clock.pendingTimers]).toEqual([1, 1]);
      clock.advance(20_000);
      expect([ended, clock.pendingTimers]).toEqual([[], 0]);
    });

    it('fires each at its own time in a slot that was empty in between', () => {
      wheel.remove(add('gone', 3));
      clock.advance(1);
      for (const ms of [9, 2, 5]) add(String(ms), ms);
      clock.advance(100);
      expect(ended).toEqual([
        ['2', 3],
        ['5', 6],
        ['9', 10],
      ]);
      expect([holding.size, clock.pendingTimers]).toEqual([0, 0]);
    });

    it('keeps at most one spare slot', () => {
      const waiting = [5, 1_000, 2_000, 3_000].map((ms) => add(String(ms), ms));
      for (const timer of waiting) wheel.remove(timer);
      expect([holding.size, clock.pendingTimers]).toEqual([0, 1]);
    });

    it('does not reuse a slot as spare that is in use again', () => {
      wheel.remove(add('gone', 1_000));
      add('here', 1_000);
      wheel.remove(add('gone, too', 2_000));
      clock.advance(1_000);
      expect(ended).toEqual([['here', 1_000]]);
      clock.advance(2_000);
      expect(clock.pendingTimers).toBe(0);
    });

    it('accepts entries added while the last one of a slot is removed by another that fires', () => {
      add('first', 10, () => {
        wheel.remove(second);
        add('third', 2);
      });
      const second = add('second', 11);
      clock.advance(20);
      expect(ended.map(([name]) => name)).toEqual(['first', 'third']);
      expect([holding.size, clock.pendingTimers, toldTooLate]).toEqual([0, 0, 0]);
    });

    it('accepts entries for the same slot while its last one fires', () => {
      add('first', 10, () => void add('second', 2));
      clock.advance(20);
      expect(ended.map(([name]) => name)).toEqual(['first', 'second']);
      expect([holding.size, clock.pendingTimers, toldTooLate]).toEqual([0, 0, 0]);
    });

    it('has none once closed, except for entries that still wait', () => {
      wheel.remove(add('gone', 1_000));
      const waiting = add('waiting', 2_000);
      wheel.close();
      expect(clock.pendingTimers).toBe(1);
      wheel.remove(waiting);
      expect(clock.pendingTimers).toBe(0);
    });

    it('keeps an entry in the spare slot when closed', () => {
      wheel.remove(add('gone', 1_000));
      add('waiting', 1_000);
      wheel.close();
      clock.advance(1_000);
      expect(ended).toEqual([['waiting', 1_000]]);
      expect(clock.pendingTimers).toBe(0);
    });
  });

  it('keeps no spare slot if the clock cannot let the process end', () => {
    wheel = new TimerWheel(clock, true);
    wheel.remove(add('gone', 1_000));
    expect(clock.pendingTimers).toBe(0);
  });
});
