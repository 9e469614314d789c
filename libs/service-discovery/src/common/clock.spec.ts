import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ManualClock } from '../testing/manual-clock.js';
import { sleep, systemClock } from './clock.js';

describe('systemClock', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('has a monotonic time and the wall-clock date', () => {
    jest.setSystemTime(Date.UTC(2026, 0, 1));
    const before = systemClock.now();
    expect(systemClock.epoch()).toBe(Date.UTC(2026, 0, 1));
    jest.advanceTimersByTime(1_000);
    expect(systemClock.now() - before).toBeCloseTo(1_000);
  });

  it('fires a timer once, on time', () => {
    let fired = 0;
    systemClock.setTimer(() => fired++, 1_000);
    jest.advanceTimersByTime(999);
    expect(fired).toBe(0);
    jest.advanceTimersByTime(10_000);
    expect(fired).toBe(1);
  });

  it('does not fire a timer early that is longer than Node supports', () => {
    let fired = 0;
    const days = 60 * 86_400_000;
    systemClock.setTimer(() => fired++, days);
    jest.advanceTimersByTime(days - 1);
    expect(fired).toBe(0);
    jest.advanceTimersByTime(1);
    expect(fired).toBe(1);
  });

  it('cancels a timer in any of its steps, idempotently', () => {
    const timer = systemClock.setTimer(() => expect(true).toBe(false), 60 * 86_400_000);
    jest.advanceTimersByTime(30 * 86_400_000);
    timer.cancel();
    timer.cancel();
    expect(jest.getTimerCount()).toBe(0);
  });

  it.each([
    ['holds the process open', {}, true],
    ['does not where that is not wanted', { keepAlive: false }, false],
  ])('%s with a timer', (_what, options, held) => {
    const armed = jest.spyOn(globalThis, 'setTimeout');
    const timer = systemClock.setTimer(() => undefined, 10, options);
    const handle = armed.mock.results[0]?.value as NodeJS.Timeout;
    expect(handle.hasRef()).toBe(held);
    timer.setKeepAlive?.(!held);
    expect(handle.hasRef()).toBe(!held);
    timer.cancel();
    armed.mockRestore();
  });
});

describe('sleep', () => {
  const reason = new Error('given up');

  it('resolves after its time', async () => {
    const clock = new ManualClock();
    let awake = false;
    const sleeping = sleep(clock, 100).then(() => (awake = true));
    await clock.advanceAsync(99);
    expect(awake).toBe(false);
    await clock.advanceAsync(1);
    await sleeping;
    expect(awake).toBe(true);
  });

  it('rejects at once with the reason when the signal aborts, and leaves no timer', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const sleeping = sleep(clock, 100, controller.signal);
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects at once if the signal has already aborted', async () => {
    const clock = new ManualClock();
    await expect(sleep(clock, 100, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(clock.pendingTimers).toBe(0);
  });

  it('leaves nothing at the signal', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const sleeping = sleep(clock, 100, controller.signal);
    await clock.advanceAsync(100);
    await sleeping;
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });
});
