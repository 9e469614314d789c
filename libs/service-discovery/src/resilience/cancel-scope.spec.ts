import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../testing/manual-clock.js';
import { CancelScope } from './cancel-scope.js';

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;
const late = new Error('late');
const within = (ms: number) => ({ ms, error: () => late });

describe('CancelScope', () => {
  let clock: ManualClock;
  let parent: AbortController;

  beforeEach(() => {
    clock = new ManualClock();
    parent = new AbortController();
  });

  it('aborts with its own error when its time is over', () => {
    const scope = new CancelScope(clock, parent.signal, within(100));
    clock.advance(99);
    expect([scope.signal.aborted, scope.remainingMs()]).toEqual([false, 1]);
    clock.advance(1);
    expect([scope.signal.reason, scope.remainingMs()]).toEqual([late, 0]);
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([0, 0]);
  });

  it("aborts with the parent's reason when the parent does", () => {
    const scope = new CancelScope(clock, parent.signal, within(100));
    parent.abort('gone');
    expect(scope.signal.reason).toBe('gone');
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([0, 0]);
    clock.advance(100);
    expect(scope.signal.reason).toBe('gone');
  });

  it('is aborted from the start under a parent that is', () => {
    parent.abort('gone');
    const scope = new CancelScope(clock, parent.signal, within(100));
    expect([scope.signal.reason, clock.pendingTimers]).toEqual(['gone', 0]);
  });

  it('makes its error only when time is over', () => {
    let made = 0;
    const error = (): Error => new Error(String(++made));
    new CancelScope(clock, undefined, { ms: 10, error }).dispose();
    const scope = new CancelScope(clock, undefined, { ms: 10, error });
    expect(made).toBe(0);
    clock.advance(10);
    expect([made, (scope.signal.reason as Error).message]).toEqual([1, '1']);
  });

  it('hands on the parent itself where there is no time limit', () => {
    const scope = new CancelScope(clock, parent.signal);
    expect(scope.signal).toBe(parent.signal);
    expect(scope.remainingMs()).toBe(Infinity);
    expect(listenersOf(parent.signal)).toBe(0);
  });

  it('never aborts with neither parent nor time limit', () => {
    expect(new CancelScope(clock).signal.aborted).toBe(false);
  });

  it('adds one listener to a parent that many share, which is no leak to warn of', () => {
    const scopes = Array.from({ length: 20 }, () => new CancelScope(clock, parent.signal, within(100)));
    expect(listenersOf(parent.signal)).toBe(1);
    parent.abort('gone');
    expect(scopes.every(({ signal }) => signal.reason === 'gone')).toBe(true);
  });

  it('leaves neither timer nor listener when disposed, and aborts no more', () => {
    const scopes = Array.from({ length: 100 }, () => new CancelScope(clock, parent.signal, within(100)));
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([100, 1]);
    for (const scope of scopes) {
      scope.dispose();
      scope.dispose();
    }
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([0, 0]);
    parent.abort();
    clock.advance(1_000);
    expect(scopes.some(({ signal }) => signal.aborted)).toBe(false);
  });

  it('handed over has no limit of time any more, and follows the other signal alone', () => {
    const caller = new AbortController();
    const scope = new CancelScope(clock, parent.signal, within(100));
    scope.handOver(caller.signal);
    clock.advance(1_000);
    parent.abort();
    expect([scope.signal.aborted, clock.pendingTimers, listenersOf(parent.signal)]).toEqual([false, 0, 0]);
    caller.abort(late);
    expect([scope.signal.reason, listenersOf(caller.signal)]).toEqual([late, 0]);
  });

  it('handed over to a signal that has aborted aborts with it', () => {
    const scope = new CancelScope(clock, parent.signal, within(100));
    scope.handOver(AbortSignal.abort(late));
    expect(scope.signal.reason).toBe(late);
  });

  it('passes an abort down through nested scopes', () => {
    const outer = new CancelScope(clock, parent.signal, within(100));
    const inner = new CancelScope(clock, outer.signal, within(1_000));
    clock.advance(100);
    expect([inner.signal.reason, clock.pendingTimers]).toEqual([late, 0]);
  });
});
