import { beforeAll, describe, expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS } from './support/built-package.js';
import { type HotPathCounts } from './support/hot-path/main.js';
import { runHotPath } from './support/hot-path-run.js';

/** With fewer, what V8 itself holds a little more or less of would hide a small leak. */
const MANY_CALLS = 99_000;
/** A list of numbers that grows with each call would take 8. */
const LEFT_BYTES_PER_CALL = 4;

describe(`${MANY_CALLS.toLocaleString('en-US')} calls`, () => {
  let counts: HotPathCounts;

  beforeAll(async () => {
    ({ counts } = await runHotPath(MANY_CALLS));
  }, BUILD_TIMEOUT_MS);

  it('leave no memory behind', () => {
    expect(counts.after.heapBytes - counts.before.heapBytes).toBeLessThan(LEFT_BYTES_PER_CALL * MANY_CALLS);
  });
});
