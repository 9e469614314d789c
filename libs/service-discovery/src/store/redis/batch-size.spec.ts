import { describe, expect, it } from '@jest/globals';
import { RegistryUnavailableError } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { BatchSize } from './batch-size.js';
import { NoAnswerError } from './unavailable.js';

const TIMEOUT_MS = 1_000;
const NO_ANSWER = new RegistryUnavailableError('no answer', { cause: new NoAnswerError(TIMEOUT_MS) });
const REFUSED = new RegistryUnavailableError('refused', { cause: new Error('connect ECONNREFUSED 127.0.0.1:6379') });

/** A full round trip. */
async function trip(size: BatchSize, clock: ManualClock, tookMs: number, failure?: Error): Promise<number> {
  const count = size.next;
  const timed = size.time(
    count,
    Promise.resolve().then(() => {
      clock.advance(tookMs);
      if (failure) throw failure;
    }),
  );
  await timed.catch(() => undefined);
  return size.next;
}

describe('BatchSize', () => {
  it('doubles while round trips are fast, up to the limit', async () => {
    const clock = new ManualClock();
    const size = new BatchSize(200, TIMEOUT_MS, clock);
    const sizes = [size.next];
    for (let round = 0; round < 4; round++) sizes.push(await trip(size, clock, 10));
    expect(sizes).toEqual([32, 64, 128, 200, 200]);
  });

  it('stays if round trips are not fast or not full', async () => {
    const clock = new ManualClock();
    const size = new BatchSize(200, TIMEOUT_MS, clock);
    expect(await trip(size, clock, TIMEOUT_MS / 2)).toBe(32);
    await size.time(31, Promise.resolve());
    expect(size.next).toBe(32);
  });

  it('halves on timeouts and slow round trips, and grows linearly from then on', async () => {
    const clock = new ManualClock();
    const size = new BatchSize(1_000, TIMEOUT_MS, clock);
    await trip(size, clock, 10);
    expect(await trip(size, clock, 10, NO_ANSWER)).toBe(32);
    expect(await trip(size, clock, TIMEOUT_MS + 1)).toBe(16);
    expect(await trip(size, clock, 10)).toBe(48);
    for (let round = 0; round < 20; round++) await trip(size, clock, 10, NO_ANSWER);
    expect(size.next).toBe(1);
  });

  it('halves once when concurrent round trips fail', async () => {
    const clock = new ManualClock();
    const size = new BatchSize(1_000, TIMEOUT_MS, clock);
    const failing = [1, 2, 3].map(() => size.time(32, Promise.reject(NO_ANSWER)));
    await Promise.allSettled(failing);
    expect(size.next).toBe(16);
  });

  it('stays when round trips fail for another reason than a timeout', async () => {
    const clock = new ManualClock();
    const size = new BatchSize(1_000, TIMEOUT_MS, clock);
    for (let round = 0; round < 3; round++) expect(await trip(size, clock, TIMEOUT_MS, REFUSED)).toBe(32);
    expect(await trip(size, clock, 10)).toBe(64);
  });

  it('stays when a round trip of a single command times out', async () => {
    const size = new BatchSize(1_000, TIMEOUT_MS, new ManualClock());
    await expect(size.time(1, Promise.reject(NO_ANSWER))).rejects.toBe(NO_ANSWER);
    expect(size.next).toBe(32);
  });
});
