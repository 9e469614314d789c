import { describe, expect, it } from '@jest/globals';
import { CheckPlaces, type QueuedCheck } from './check-target.js';

interface Named extends QueuedCheck {
  readonly name: string;
  isSlow: boolean;
}

function setUp(limit: number) {
  const started: string[] = [];
  const finishers = new Map<string, () => void>();
  const places = new CheckPlaces<Named>(limit, ({ name }) => {
    started.push(name);
    return new Promise((resolve) => finishers.set(name, resolve));
  });
  let dueAt = 0;
  const candidate = (name: string, isSlow = false): Named => ({ name, isSlow, endsAt: dueAt++ });
  const enter = (name: string, isSlow = false): Named => {
    const entered = candidate(name, isSlow);
    places.enter(entered);
    return entered;
  };
  const finish = async (name: string): Promise<void> => {
    finishers.get(name)!();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  return { places, started, enter, finish };
}

describe('CheckPlaces', () => {
  it('runs up to the limit and then the longest-waiting first', async () => {
    const { started, enter, finish } = setUp(2);
    for (const name of ['a', 'b', 'c', 'd']) enter(name);
    expect(started).toEqual(['a', 'b']);
    await finish('b');
    expect(started).toEqual(['a', 'b', 'c']);
    await finish('a');
    expect(started).toEqual(['a', 'b', 'c', 'd']);
  });

  it('gives at most half of the slots to slow checks, however many of them wait', async () => {
    const { started, enter, finish } = setUp(4);
    for (let n = 0; n < 10; n++) enter(`slow${n}`, true);
    expect(started).toEqual(['slow0', 'slow1']);
    for (const name of ['a', 'b', 'c']) enter(name);
    expect(started.slice(2)).toEqual(['a', 'b']);
    await finish('a');
    expect(started.slice(4)).toEqual(['c']);
    await finish('slow1');
    expect(started.slice(5)).toEqual(['slow2']);
  });

  it('serves slow and fast checks in the order of their wait', async () => {
    const { started, enter, finish } = setUp(1);
    enter('a');
    enter('slow0', true);
    enter('b');
    enter('slow1', true);
    for (const name of ['a', 'slow0', 'b']) await finish(name);
    expect(started).toEqual(['a', 'slow0', 'b', 'slow1']);
  });

  it('accounts for a check by its speed at the start, even if that changes during it', async () => {
    const { started, enter, finish } = setUp(2);
    const fast = enter('a');
    fast.isSlow = true;
    const slow = enter('slow0', true);
    slow.isSlow = false;
    enter('slow1', true);
    await finish('slow0');
    await finish('a');
    enter('slow2', true);
    expect(started).toEqual(['a', 'slow0', 'slow1']);
  });

  it('does not check a withdrawn instance', async () => {
    const { places, started, enter, finish } = setUp(1);
    enter('a');
    for (const gone of [enter('b'), enter('slow', true)]) places.withdraw(gone);
    enter('c');
    await finish('a');
    expect(started).toEqual(['a', 'c']);
  });

  it('is idle once the checks under way have ended', async () => {
    const { places, enter, finish } = setUp(2);
    enter('a');
    let idle = false;
    const waiting = places.idle().then(() => (idle = true));
    await Promise.resolve();
    expect(idle).toBe(false);
    await finish('a');
    await waiting;
  });
});
