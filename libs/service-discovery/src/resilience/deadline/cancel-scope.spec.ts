import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Cancellation, SignalCancellation, TimerWheel } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { CancelScope, type TimeLimit } from './cancel-scope.js';

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;
const late = new Error('late');
const within = (ms: number) => ({ ms, timeoutError: () => late });

describe('CancelScope', () => {
  let clock: ManualClock;
  let timers: TimerWheel;
  let parent: AbortController;
  let parentSignal: Cancellation;

  beforeEach(() => {
    clock = new ManualClock();
    timers = new TimerWheel(clock);
    parent = new AbortController();
    parentSignal = new SignalCancellation(parent.signal);
  });

  function armed(parentOf: Cancellation | undefined, limit: TimeLimit): CancelScope {
    const scope = new CancelScope(timers, parentOf, limit);
    scope.arm();
    return scope;
  }

  it('waits for its limit only once it is armed, before something due later, or when its signal is read', () => {
    const scope = new CancelScope(timers, undefined, within(100));
    scope.armBefore(99);
    expect(clock.pendingTimers).toBe(0);
    scope.armBefore(100);
    scope.arm();
    expect(clock.pendingTimers).toBe(1);
    clock.advance(100);
    expect([scope.aborted, clock.pendingTimers]).toEqual([true, 0]);

    const asked = new CancelScope(timers, undefined, within(100));
    expect([asked.signal.aborted, clock.pendingTimers]).toEqual([false, 1]);
    asked.dispose();
    asked.arm();
    expect(clock.pendingTimers).toBe(0);
  });

  it('aborts with its own error when its time is over', () => {
    const scope = armed(parentSignal, within(100));
    clock.advance(99);
    expect([scope.signal.aborted, scope.remainingMs()]).toEqual([false, 1]);
    clock.advance(1);
    expect([scope.signal.reason, scope.remainingMs()]).toEqual([late, 0]);
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([0, 0]);
  });

  it("aborts with the parent's reason when the parent does", () => {
    const scope = armed(parentSignal, within(100));
    parent.abort('gone');
    expect(scope.signal.reason).toBe('gone');
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([0, 0]);
    clock.advance(100);
    expect(scope.signal.reason).toBe('gone');
  });

  it('is aborted from the start under an aborted parent', () => {
    parent.abort('gone');
    const scope = armed(parentSignal, within(100));
    expect([scope.signal.reason, clock.pendingTimers]).toEqual(['gone', 0]);
  });

  it('makes its error only when time is over', () => {
    let made = 0;
    const timeoutError = (): Error => new Error(String(++made));
    armed(undefined, { ms: 10, timeoutError }).dispose();
    const scope = armed(undefined, { ms: 10, timeoutError });
    expect(made).toBe(0);
    clock.advance(10);
    expect([made, (scope.signal.reason as Error).message]).toEqual([1, '1']);
  });

  it('makes no signal unless it is read', () => {
    let made = 0;
    const { AbortController: original } = globalThis;
    globalThis.AbortController = class extends original {
      constructor() {
        super();
        made++;
      }
    };
    try {
      const scope = armed(parentSignal, within(100));
      armed(scope, within(50)).abort(late);
      clock.advance(100);
      expect([scope.aborted, scope.reason, made]).toEqual([true, late, 0]);
      expect(scope.signal.reason).toBe(late);
      expect(made).toBe(1);
    } finally {
      globalThis.AbortController = original;
    }
  });

  it('adds one listener to a parent that many scopes share', () => {
    const scopes = Array.from({ length: 20 }, () => armed(parentSignal, within(100)));
    expect(listenersOf(parent.signal)).toBe(1);
    parent.abort('gone');
    expect(scopes.every(({ signal }) => signal.reason === 'gone')).toBe(true);
  });

  it('leaves neither timer nor listener when disposed, and aborts no more', () => {
    const scopes = Array.from({ length: 100 }, () => armed(parentSignal, within(100)));
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([1, 1]);
    for (const scope of scopes) {
      scope.dispose();
      scope.dispose();
    }
    expect([clock.pendingTimers, listenersOf(parent.signal)]).toEqual([0, 0]);
    parent.abort();
    clock.advance(1_000);
    expect(scopes.some(({ signal }) => signal.aborted)).toBe(false);
  });

  it('handed over, has no time limit and follows only the other signal', () => {
    const caller = new AbortController();
    const scope = armed(parentSignal, within(100));
    scope.handOver(new SignalCancellation(caller.signal));
    clock.advance(1_000);
    parent.abort();
    expect([scope.signal.aborted, clock.pendingTimers, listenersOf(parent.signal)]).toEqual([false, 0, 0]);
    caller.abort(late);
    expect([scope.signal.reason, listenersOf(caller.signal)]).toEqual([late, 0]);
  });

  it('handed over to an aborted signal, aborts with it', () => {
    const scope = armed(parentSignal, within(100));
    scope.handOver(new SignalCancellation(AbortSignal.abort(late)));
    expect(scope.signal.reason).toBe(late);
  });

  it('passes an abort down through nested scopes', () => {
    const outer = armed(parentSignal, within(100));
    const inner = armed(outer, within(1_000));
    clock.advance(100);
    expect([inner.signal.reason, clock.pendingTimers]).toEqual([late, 0]);
  });
});
