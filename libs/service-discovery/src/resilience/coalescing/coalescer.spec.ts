import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Coalescer } from './coalescer.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

/** A call that ends when it is told to. */
interface Pending {
  readonly signal: AbortSignal;
  resolve(value: string): void;
  reject(error: Error): void;
}

describe('Coalescer', () => {
  let coalescer: Coalescer;
  let calls: Pending[];
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

  const call = (signal: AbortSignal): Promise<string> =>
    new Promise((resolve, reject) => calls.push({ signal, resolve, reject }));
  const ask = (key: string, signal?: AbortSignal): Promise<string> => coalescer.execute(key, call, signal);

  beforeEach(() => {
    coalescer = new Coalescer();
    calls = [];
    process.on('unhandledRejection', onUnhandled);
  });

  afterEach(async () => {
    await turn();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled.splice(0)).toEqual([]);
    expect(coalescer.inFlight).toBe(0);
  });

  it('makes one call for all callers while it is under way, and gives them all its answer', async () => {
    const asked = [ask('a'), ask('a', new AbortController().signal), ask('a')];
    await turn();
    asked.push(ask('a'));
    expect([calls.length, coalescer.inFlight]).toEqual([1, 1]);
    calls[0]!.resolve('answer');
    await expect(Promise.all(asked)).resolves.toEqual(['answer', 'answer', 'answer', 'answer']);
  });

  it('shares errors too, including synchronous ones', async () => {
    const asked = [ask('a'), ask('a', new AbortController().signal)];
    const error = new Error('down');
    calls[0]!.reject(error);
    for (const result of await Promise.allSettled(asked)) expect(result).toMatchObject({ reason: error });
    const throwing = (): never => {
      throw error;
    };
    await expect(coalescer.execute('a', throwing)).rejects.toBe(error);
  });

  it('makes a call of its own for each key', async () => {
    const asked = [ask('a'), ask('b')];
    calls[1]!.resolve('of b');
    calls[0]!.resolve('of a');
    await expect(Promise.all(asked)).resolves.toEqual(['of a', 'of b']);
  });

  it('keeps no answer: a caller that asks again on receiving it starts a new call', async () => {
    const again = ask('a').then(() => ask('a'));
    calls[0]!.resolve('first');
    await turn();
    calls[1]!.resolve('second');
    await expect(again).resolves.toBe('second');
    const after = ask('a').catch(() => ask('a'));
    calls[2]!.reject(new Error('down'));
    await turn();
    calls[3]!.resolve('fourth');
    await expect(after).resolves.toBe('fourth');
  });

  it('lets one caller go without ending the call of the others', async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const asked = [ask('a', first.signal), ask('a', second.signal)];
    first.abort(new Error('left'));
    await expect(asked[0]).rejects.toThrow('left');
    expect(calls[0]!.signal.aborted).toBe(false);
    calls[0]!.resolve('answer');
    await expect(asked[1]).resolves.toBe('answer');
    expect(calls[0]!.signal.aborted).toBe(false);
  });

  it('ends the call when the last caller leaves, and a newcomer starts another', async () => {
    const controllers = [new AbortController(), new AbortController()];
    const asked = controllers.map(({ signal }) => ask('a', signal));
    for (const [index, controller] of controllers.entries()) controller.abort(new Error(`left ${index}`));
    const newcomer = ask('a');
    expect((calls[0]!.signal.reason as Error).message).toBe('left 1');
    const results = await Promise.allSettled(asked);
    expect(results).toMatchObject([{ reason: { message: 'left 0' } }, { reason: { message: 'left 1' } }]);
    calls[0]!.reject(new Error('ended late'));
    await turn();
    expect(coalescer.inFlight).toBe(1);
    calls[1]!.resolve('fresh');
    await expect(newcomer).resolves.toBe('fresh');
  });

  it('goes on for a caller that cannot leave', async () => {
    const controller = new AbortController();
    const [leaving, staying] = [ask('a', controller.signal), ask('a')];
    controller.abort(new Error('left'));
    await expect(leaving).rejects.toThrow('left');
    expect(calls[0]!.signal.aborted).toBe(false);
    calls[0]!.resolve('answer');
    await expect(staying).resolves.toBe('answer');
  });

  it('counts a signal that many callers share once for each of them', async () => {
    const shared = new AbortController();
    const asked = Array.from({ length: 20 }, () => ask('a', shared.signal));
    expect(listenersOf(shared.signal)).toBe(1);
    shared.abort(new Error('left'));
    await Promise.allSettled(asked);
    expect(calls[0]!.signal.aborted).toBe(true);
  });

  it('does not ask for a caller that has left already', async () => {
    await expect(ask('a', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(calls).toEqual([]);
  });

  it('leaves no listener on a signal, and a later abort ends nothing', async () => {
    const controller = new AbortController();
    const first = ask('a', controller.signal);
    calls[0]!.resolve('answer');
    await first;
    expect(listenersOf(controller.signal)).toBe(0);
    const second = ask('a');
    controller.abort();
    expect([calls[0]!.signal.aborted, calls[1]!.signal.aborted]).toEqual([false, false]);
    calls[1]!.resolve('answer');
    await second;
  });
});
