import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../testing/manual-clock.js';
import { WaitQueue } from './wait-queue.js';

describe('WaitQueue', () => {
  let clock: ManualClock;
  let seen: string[];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const limited = (maxWaitMs: number): WaitQueue<number> =>
    new WaitQueue<number>(undefined, { clock, maxWaitMs, error: () => new Error('too long') });
  const enter = (queue: WaitQueue<number>, name: string, signal?: AbortSignal): void => {
    const say = (what: unknown): void => void seen.push(`${name}: ${String(what)}`);
    queue.wait(signal).then(say, (error: Error) => say(error.message));
  };

  beforeEach(() => {
    clock = new ManualClock();
    seen = [];
  });

  it('serves in order of arrival, and closes the gap when a caller leaves', async () => {
    let left = 0;
    const queue = new WaitQueue<number>(() => left++);
    const leaving = ['a', 'c', 'e'].map((name) => [name, new AbortController()] as const);
    const controllers = new Map(leaving);
    for (const name of ['a', 'b', 'c', 'd', 'e']) enter(queue, name, controllers.get(name)?.signal);
    for (const [name, controller] of leaving) controller.abort(new Error(`${name} left`));
    expect([queue.size, left]).toEqual([2, 3]);
    enter(queue, 'f');
    expect([1, 2, 3, 4].map((ticket) => queue.serve(ticket))).toEqual([true, true, true, false]);
    await turn();
    expect(seen).toEqual(['a: a left', 'c: c left', 'e: e left', 'b: 1', 'd: 2', 'f: 3']);
    expect([queue.size, left]).toEqual([0, 3]);
  });

  it('keeps the callers around two neighbours that leave', async () => {
    const queue = new WaitQueue<number>();
    const [second, third] = [new AbortController(), new AbortController()];
    for (const [name, signal] of [['a'], ['b', second.signal], ['c', third.signal], ['d']] as [
      string,
      AbortSignal?,
    ][]) {
      enter(queue, name, signal);
    }
    second.abort(new Error('gone'));
    third.abort(new Error('gone'));
    expect([queue.serve(1), queue.serve(2), queue.serve(3)]).toEqual([true, true, false]);
    await turn();
    expect(seen).toEqual(['b: gone', 'c: gone', 'a: 1', 'd: 2']);
  });

  it('rejects callers that have waited too long, with one timer for all', async () => {
    const queue = limited(100);
    enter(queue, 'a');
    clock.advance(60);
    enter(queue, 'b');
    enter(queue, 'c');
    expect(clock.pendingTimers).toBe(1);
    await clock.advanceAsync(39);
    expect(seen).toEqual([]);
    await clock.advanceAsync(1);
    expect(seen).toEqual(['a: too long']);
    queue.serve(1);
    await clock.advanceAsync(59);
    expect([seen, queue.size]).toEqual([['a: too long', 'b: 1'], 1]);
    await clock.advanceAsync(1);
    expect(seen).toEqual(['a: too long', 'b: 1', 'c: too long']);
    expect([queue.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('has no timer while it is empty, however the last caller left', async () => {
    const queue = limited(100);
    enter(queue, 'a');
    queue.serve(1);
    expect(clock.pendingTimers).toBe(0);
    const controller = new AbortController();
    enter(queue, 'b', controller.signal);
    controller.abort(new Error('gone'));
    expect(clock.pendingTimers).toBe(0);
    enter(queue, 'c');
    await clock.advanceAsync(99);
    expect(queue.size).toBe(1);
    await clock.advanceAsync(1);
    expect(seen).toEqual(['a: 1', 'b: gone', 'c: too long']);
  });

  it("leaves no listener on a caller's signal", async () => {
    const queue = limited(100);
    const { signal } = new AbortController();
    for (const name of ['a', 'b']) enter(queue, name, signal);
    queue.serve(1);
    await clock.advanceAsync(100);
    expect(seen).toHaveLength(2);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('takes constant time per caller', () => {
    const queue = new WaitQueue<number>();
    for (let made = 0; made < 200_000; made++) void queue.wait();
    const start = performance.now();
    while (queue.serve(1));
    // Some 20 ms; where each has to walk past those that left before it, as in a Set, about 5 s.
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});
