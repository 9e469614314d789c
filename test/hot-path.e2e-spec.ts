import { beforeAll, describe, expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS } from './support/built-package.js';
import { type HotPathCounts } from './support/hot-path/main.js';
import { CONCURRENCY, INSTANCES, runHotPath } from './support/hot-path-run.js';
import { report } from './support/timing.js';

const MANY_CALLS = 9_000;
/** An object that each call leaves behind takes more; `hot-path.long.e2e-spec.ts` finds less. */
const LEFT_BYTES_PER_CALL = 64;

/*
 * Each of these holds what was won: lower it when a change wins more. One more of anything a call is 1 more on average; below
 * that are what happens once in a while, and calls that were counted when they had begun before.
 */
const ONE_MORE = 0.5;
/** Two of them are the caller's own, who awaits the call. */
const PROMISES = 8;
const TICKS = 2;
const IMMEDIATES = 2;
/** Of those of a bare pool of undici that reads the same JSON, by code that is not optimized. */
const SHARE_OF_BYTES = 0.87;

let connections: number;
let counts: HotPathCounts;

beforeAll(async () => {
  ({ counts, connections } = await runHotPath(MANY_CALLS));
  report(`alone: ${counts.alone.timers} timers, a bare pool ${counts.floorAlone.timers}`);
  report(`A call makes ${JSON.stringify(counts.get)}\n  a bare pool ${JSON.stringify(counts.floor)}`);
}, BUILD_TIMEOUT_MS);

describe.each(['get', 'post'] as const)('a call (%s) with everything on', (kind) => {
  it('makes no AbortController and no signal', () => {
    expect(counts[kind].abortSignals).toBe(0);
  });

  it('sets no timer beside those of undici', () => {
    expect(counts[kind].timers).toBeLessThan(counts.floor.timers + ONE_MORE);
  });

  it(`makes at most ${PROMISES} promises`, () => {
    expect(counts[kind].promises).toBeLessThan(PROMISES + ONE_MORE);
  });

  it(`goes on in another turn at most ${TICKS} and ${IMMEDIATES} times, by undici`, () => {
    expect(counts[kind].ticks).toBeLessThan(TICKS + ONE_MORE);
    expect(counts[kind].immediates).toBeLessThan(IMMEDIATES + ONE_MORE);
  });

  it('opens no connection once there are enough', () => {
    expect(counts[kind].connections).toBeLessThan(0.01);
  });
});

it('a call that is alone sets no timer beside those of undici', () => {
  // One for all calls that end within the same 16 ms: on a machine that is busy, that may be few.
  expect(counts.alone.timers).toBeLessThan(counts.floorAlone.timers + ONE_MORE);
});

it(`a call with everything on allocates at most ${SHARE_OF_BYTES} of what one of a bare pool does`, () => {
  expect(counts.get.bytes / counts.floor.bytes).toBeLessThanOrEqual(SHARE_OF_BYTES);
});

describe(`${MANY_CALLS.toLocaleString('en-US')} calls`, () => {
  it('leave no object behind', () => {
    expect(counts.after.heapBytes - counts.before.heapBytes).toBeLessThan(LEFT_BYTES_PER_CALL * MANY_CALLS);
  });

  it('leave no listener behind, at a socket or at the signal that they were all given', () => {
    expect(counts.after.listenersOfASignal).toBe(0);
    expect(counts.after.listenersOfASocket).toBeLessThanOrEqual(counts.before.listenersOfASocket);
  });

  it('leave no timer behind, but for the one that closes an idle connection', () => {
    // One more for all time limits, one for undici's own.
    expect(counts.timersLeft).toBeLessThanOrEqual(counts.after.sockets + 2);
  });

  it('use the same connections over and over', () => {
    expect(counts.after.sockets).toBeLessThanOrEqual(INSTANCES * CONCURRENCY);
    // As many once more for undici alone.
    expect(connections).toBeLessThanOrEqual(2 * INSTANCES * CONCURRENCY);
  });
});
