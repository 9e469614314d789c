import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { joinSignals, onAbort, raceAbort, throwIfAborted } from './abort.js';

const late = new Error('late');
const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('onAbort', () => {
  let controller: AbortController;
  const listeners = (): number => listenersOf(controller.signal);

  beforeEach(() => {
    controller = new AbortController();
  });

  it('calls every waiter once, in order', () => {
    const called: number[] = [];
    for (let waiter = 0; waiter < 3; waiter++) onAbort(controller.signal, () => called.push(waiter));
    controller.abort();
    controller.abort();
    expect(called).toEqual([0, 1, 2]);
  });

  it('keeps one listener for any number of waiters, and none without waiters', () => {
    const ends = Array.from({ length: 100 }, () => onAbort(controller.signal, () => undefined));
    expect(listeners()).toBe(1);
    for (const end of ends.slice(1)) end();
    expect(listeners()).toBe(1);
    ends[0]?.();
    ends[0]?.();
    expect(listeners()).toBe(0);
  });

  it('keeps calling the others after one unsubscribes repeatedly', () => {
    let called = 0;
    const end = onAbort(controller.signal, () => called--);
    end();
    onAbort(controller.signal, () => called++);
    end();
    controller.abort();
    expect(called).toBe(1);
  });

  it('skips a waiter that another one removes during the abort', () => {
    const called: string[] = [];
    onAbort(controller.signal, () => {
      called.push('first');
      end();
    });
    const end = onAbort(controller.signal, () => called.push('second'));
    onAbort(controller.signal, () => called.push('third'));
    controller.abort();
    expect(called).toEqual(['first', 'third']);
    end();
  });

  it('never calls back if the signal has already aborted', () => {
    controller.abort();
    let called = false;
    onAbort(controller.signal, () => (called = true))();
    expect([called, listeners()]).toEqual([false, 0]);
  });
});

describe('raceAbort', () => {
  it('is the promise if it settles first, and leaves no listener', async () => {
    const { signal } = new AbortController();
    await expect(raceAbort(Promise.resolve(1), signal)).resolves.toBe(1);
    await expect(raceAbort(Promise.reject(late), signal)).rejects.toBe(late);
    expect(listenersOf(signal)).toBe(0);
  });

  it('rejects with the reason as soon as the signal aborts', async () => {
    const controller = new AbortController();
    const race = raceAbort(new Promise(() => undefined), controller.signal);
    controller.abort(late);
    await expect(race).rejects.toBe(late);
    await expect(raceAbort(Promise.resolve(1), controller.signal)).rejects.toBe(late);
  });

  it('causes no unhandled rejection when the promise fails after the abort', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', listener);
    const controller = new AbortController();
    let fail = (_error: Error): void => undefined;
    const race = raceAbort(new Promise((_, reject) => (fail = reject)), controller.signal);
    controller.abort(late);
    await expect(race).rejects.toBe(late);
    fail(new Error('afterwards'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listener);
    expect(unhandled).toEqual([]);
  });
});

describe('joinSignals', () => {
  it('aborts with the first of several and its reason, and detaches from the others', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const joined = joinSignals([one.signal, other.signal]);
    other.abort(late);
    expect(joined.signal.reason).toBe(late);
    joined.release();
    expect(listenersOf(one.signal)).toBe(0);
  });

  it('is aborted at once if one of them is, and listens to none', () => {
    const one = new AbortController();
    const joined = joinSignals([one.signal, AbortSignal.abort(late)]);
    expect([joined.signal.reason, listenersOf(one.signal)]).toEqual([late, 0]);
    joined.release();
  });

  it('leaves nothing at signals that live on', () => {
    const { signal } = new AbortController();
    for (let call = 0; call < 20; call++) joinSignals([signal, new AbortController().signal]).release();
    expect(listenersOf(signal)).toBe(0);
  });
});

describe('throwIfAborted', () => {
  it('throws the reason of an aborted signal, and nothing before that or without a signal', () => {
    const controller = new AbortController();
    for (const signal of [undefined, null, controller.signal]) throwIfAborted(signal);
    controller.abort(late);
    expect(() => throwIfAborted(controller.signal)).toThrow(late);
  });

  it('does not need methods that older signals lack', () => {
    const older = { aborted: false } as AbortSignal;
    throwIfAborted(older);
    expect(() => throwIfAborted({ ...older, aborted: true })).toThrow(expect.objectContaining({ name: 'AbortError' }));
  });
});
