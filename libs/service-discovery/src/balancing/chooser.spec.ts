import { describe, expect, it } from '@jest/globals';
import { WeylSequence } from './chooser.js';

describe('WeylSequence', () => {
  it('starts at a random number and stays in [0, 1)', () => {
    const sequence = new WeylSequence(() => 0.75);
    expect(sequence.next()).toBe(0.75);
    for (let call = 0; call < 1_000; call++) {
      const number = sequence.next();
      expect(number >= 0 && number < 1).toBe(true);
    }
  });

  it.each([0.01, 0.05, 0.1, 1 / 3, 0.5, 0.95])(
    'hits an interval of %p in proportion in any run, plus or minus three',
    (part) => {
      let farthest = 0;
      for (const start of [0, 0.123, 0.5, 0.999]) {
        const sequence = new WeylSequence(() => start);
        let hits = 0;
        for (let length = 1; length <= 5_000; length++) {
          if (sequence.next() < part) hits++;
          farthest = Math.max(farthest, Math.abs(hits - part * length));
        }
      }
      expect(farthest).toBeLessThanOrEqual(3);
    },
  );
});
