import { beforeAll, describe, expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS } from './support/built-package.js';
import { type HotPathCounts } from './support/hot-path/main.js';
import { CONCURRENCY, type HotPathRun, INSTANCES, runHotPath } from './support/hot-path-run.js';
import { report } from './support/timing.js';

const MANY_CALLS = 9_000;
/** Less than one object per call; `hot-path.long.e2e-spec.ts` detects smaller leaks. */
const LEFT_BYTES_PER_CALL = 64;
const OLD_BYTES_OF_UNDICI = 600;
/** Of the tables of the map that keeps the answers. */
const OLD_BYTES_OF_LAST_GOOD = 300;

/**
 * Each limit preserves an optimization: lower it when a change improves on it. One more allocation per call adds 1 to
 * the average; smaller amounts are occasional events, and calls that began before the count.
 */
const ONE_MORE = 0.5;
/** Two of them belong to the caller, who awaits the call. */
const PROMISES = 8;
const TICKS = 2;
const IMMEDIATES = 2;
/** Relative to a bare undici pool that reads the same JSON, in unoptimized code. */
const SHARE_OF_BYTES = 0.87;

let connections: number;
let counts: HotPathCounts;
let oldBytesPerCall: HotPathRun['oldBytesPerCall'];

beforeAll(async () => {
  ({ counts, connections, oldBytesPerCall } = await runHotPath(MANY_CALLS));
  report(`old generation: ${JSON.stringify(oldBytesPerCall)} bytes a call`);
  report(`alone: ${counts.alone.timers} timers, a bare pool ${counts.floorAlone.timers}`);
  report(
    `A call makes ${JSON.stringify(counts.get)}\n  in an app ${JSON.stringify(counts.inApp)}\n  a bare pool ${JSON.stringify(counts.floor)}`,
  );
}, BUILD_TIMEOUT_MS);

describe.each(['get', 'post', 'inApp'] as const)('a call (%s) with all stages on', (kind) => {
  it('creates no AbortController and no signal', () => {
    expect(counts[kind].abortSignals).toBe(0);
  });

  it('sets no timer besides those of undici', () => {
    expect(counts[kind].timers).toBeLessThan(counts.floor.timers + ONE_MORE);
  });

  it(`creates at most ${PROMISES} promises`, () => {
    expect(counts[kind].promises).toBeLessThan(PROMISES + ONE_MORE);
  });

  it(`continues in another turn at most ${TICKS} and ${IMMEDIATES} times, through undici`, () => {
    expect(counts[kind].ticks).toBeLessThan(TICKS + ONE_MORE);
    expect(counts[kind].immediates).toBeLessThan(IMMEDIATES + ONE_MORE);
  });

  it('opens no connection once there are enough', () => {
    expect(counts[kind].connections).toBeLessThan(0.01);
  });
});

it('a single call sets no timer besides those of undici', () => {
  // One for all calls that end within the same 16 ms; on a busy machine, that may be few.
  expect(counts.alone.timers).toBeLessThan(counts.floorAlone.timers + ONE_MORE);
});

it.each(['get', 'inApp'] as const)(
  `a call (%s) with all stages on allocates at most ${SHARE_OF_BYTES} of one of a bare pool`,
  (kind) => {
    expect(counts[kind].bytes / counts.floor.bytes).toBeLessThanOrEqual(SHARE_OF_BYTES);
  },
);

it('calls after a burst at the start leave nothing in the old generation', () => {
  expect(oldBytesPerCall.own).toBeLessThan(LEFT_BYTES_PER_CALL);
  expect(oldBytesPerCall.hedged).toBeLessThan(LEFT_BYTES_PER_CALL);
  expect(oldBytesPerCall.lastGood).toBeLessThan(OLD_BYTES_OF_LAST_GOOD);
  // Undici's own arrays, without what their elements would keep.
  expect(oldBytesPerCall.overUndici).toBeLessThan(OLD_BYTES_OF_UNDICI);
});

describe(`${MANY_CALLS.toLocaleString('en-US')} calls`, () => {
  it('retain no memory', () => {
    expect(counts.after.heapBytes - counts.before.heapBytes).toBeLessThan(LEFT_BYTES_PER_CALL * MANY_CALLS);
  });

  it('leave no listener behind, neither at a socket nor at the signal that all of them share', () => {
    expect(counts.after.listenersOfASignal).toBe(0);
    expect(counts.after.listenersOfASocket).toBeLessThanOrEqual(counts.before.listenersOfASocket);
  });

  it('leave no timer behind, except the one that closes an idle connection', () => {
    // One more for all timeouts, one for undici itself.
    expect(counts.timersLeft).toBeLessThanOrEqual(counts.after.sockets + 2);
  });

  it('reuse connections', () => {
    expect(counts.after.sockets).toBeLessThanOrEqual(INSTANCES * CONCURRENCY);
    // As many again for undici alone, and for the app.
    expect(connections).toBeLessThanOrEqual(3 * INSTANCES * CONCURRENCY);
  });
});
