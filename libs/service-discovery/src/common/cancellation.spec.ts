import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { type AbortListener, CancelSource, SignalCancellation } from './cancellation.js';

const late = new Error('late');

function hearing(): AbortListener & { readonly heard: unknown[] } {
  const heard: unknown[] = [];
  return { heard, onAborted: (reason) => void heard.push(reason) };
}

describe('CancelSource', () => {
  it('notifies every follower once, in order', () => {
    const source = new CancelSource();
    const order: number[] = [];
    for (let number = 0; number < 3; number++) source.follow({ onAborted: () => order.push(number) });
    source.abort(late);
    source.abort('again');
    expect([order, source.aborted, source.reason]).toEqual([[0, 1, 2], true, late]);
  });

  it('does not notify a follower that another one removes during the abort', () => {
    const source = new CancelSource();
    const [gone, taken, stays] = [hearing(), hearing(), hearing()];
    source.follow({ onAborted: () => source.unfollow(taken) });
    for (const listener of [gone, taken, stays]) source.follow(listener);
    source.unfollow(gone);
    source.unfollow(gone);
    source.abort(late);
    expect([gone.heard, taken.heard, stays.heard]).toEqual([[], [], [late]]);
  });

  it('accepts a new follower after the first one left', () => {
    const source = new CancelSource();
    const [first, second, third] = [hearing(), hearing(), hearing()];
    for (const listener of [first, second]) source.follow(listener);
    source.unfollow(first);
    source.follow(third);
    source.unfollow(second);
    source.abort(late);
    expect([first.heard, second.heard, third.heard]).toEqual([[], [], [late]]);
  });

  it('never notifies after the abort has happened', () => {
    const source = new CancelSource();
    source.abort(late);
    const listener = hearing();
    source.follow(listener);
    expect(listener.heard).toEqual([]);
  });

  it('has a reason even if none is given', () => {
    const source = new CancelSource();
    source.abort();
    expect([source.reason, source.signal.reason]).toEqual([
      expect.objectContaining({ name: 'AbortError' }),
      source.reason,
    ]);
  });

  it('provides a signal on demand, before and after the abort', () => {
    const source = new CancelSource();
    const { signal } = source;
    expect([signal.aborted, source.signal === signal, source.reason]).toEqual([false, true, undefined]);
    source.abort(late);
    expect(signal.reason).toBe(late);
    const over = new CancelSource();
    over.abort(late);
    expect(over.signal.reason).toBe(late);
  });
});

describe('SignalCancellation', () => {
  it('follows the signal, and leaves no listener at it', () => {
    const controller = new AbortController();
    const cancellation = new SignalCancellation(controller.signal);
    const [gone, stays] = [hearing(), hearing()];
    for (const listener of [gone, stays]) cancellation.follow(listener);
    cancellation.unfollow(gone);
    expect([cancellation.aborted, cancellation.reason, cancellation.signal]).toEqual([
      false,
      undefined,
      controller.signal,
    ]);
    controller.abort(late);
    expect([gone.heard, stays.heard, cancellation.aborted, cancellation.reason]).toEqual([[], [late], true, late]);
    cancellation.unfollow(stays);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('does not notify of an abort that happened before', () => {
    const listener = hearing();
    const cancellation = new SignalCancellation(AbortSignal.abort(late));
    cancellation.follow(listener);
    expect([listener.heard, cancellation.reason]).toEqual([[], late]);
  });
});
