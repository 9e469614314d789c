import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { RetryBudget } from './retry-budget.js';

type Step =
  | { readonly kind: 'calls'; readonly times: number }
  | { readonly kind: 'retries'; readonly times: number }
  | { readonly kind: 'advance'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('calls' as const), times: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ kind: fc.constant('retries' as const), times: fc.integer({ min: 1, max: 12 }) }),
  fc.record({
    kind: fc.constant('advance' as const),
    // Within a slice, onto the edges of slices, beyond the window, and for a very long time.
    ms: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.constantFrom(100, 500, 1_000, 5_000, 10_000, 3_600_000)),
  }),
);
const steps = fc.array(step, { maxLength: 40 });
const options = fc.record({
  // Fractions that decimal numbers express, as users write them; the model counts in thousandths.
  ratio: fc.integer({ min: 0, max: 1_500 }).map((thousandths) => thousandths / 1_000),
  minPerSecond: fc.constantFrom(0, 0.5, 1, 10),
  window: fc.constantFrom(1_000, 5_000, 10_000),
});

/** Remembers everything, and recounts what is within the window, by tenths of it. */
class ModelBudget {
  private readonly events: { readonly at: number; readonly calls: number; readonly retries: number }[] = [];

  constructor(
    private readonly options: { readonly ratio: number; readonly minPerSecond: number; readonly window: number },
    private readonly now: () => number,
  ) {}

  get available(): number {
    const tenth = this.options.window / 10;
    const oldest = Math.floor(this.now() / tenth) - 9;
    let millionths = this.options.minPerSecond * this.options.window * 1_000;
    for (const { at, calls, retries } of this.events) {
      if (Math.floor(at / tenth) < oldest) continue;
      // Whole numbers, so that nothing is lost to fractions.
      millionths += calls * Math.round(this.options.ratio * 1_000) * 1_000 - retries * 1_000_000;
    }
    return Math.max(0, Math.floor(millionths / 1_000_000));
  }

  recordCalls(calls: number): void {
    this.events.push({ at: this.now(), calls, retries: 0 });
  }

  /** @returns how many of them are allowed */
  retry(times: number): number {
    const retries = Math.min(times, this.available);
    this.events.push({ at: this.now(), calls: 0, retries });
    return retries;
  }
}

/** Asks for so many retries, also after a refusal. */
function retry(budget: RetryBudget, times: number): number {
  let allowed = 0;
  for (let time = 0; time < times; time++) if (budget.tryRetry()) allowed++;
  return allowed;
}

function recordCalls(budget: RetryBudget, times: number): void {
  for (let time = 0; time < times; time++) budget.recordCall();
}

describe('RetryBudget', () => {
  it('allows the same retries as a model that remembers everything', () => {
    const property = fc.property(options, steps, (given, all) => {
      const clock = new ManualClock();
      const budget = new RetryBudget(given, { clock });
      const model = new ModelBudget(given, () => clock.now());
      const [seen, expected]: [number[], number[]] = [[], []];
      for (const next of all) {
        if (next.kind === 'advance') clock.advance(next.ms);
        if (next.kind === 'calls') {
          recordCalls(budget, next.times);
          model.recordCalls(next.times);
        }
        if (next.kind === 'retries') {
          seen.push(retry(budget, next.times));
          expected.push(model.retry(next.times));
        }
        seen.push(budget.available);
        expected.push(model.available);
      }
      expect(seen).toEqual(expected);
      expect(clock.pendingTimers).toBe(0);
    });
    fc.assert(property, modelRuns('retry budget', 1_000));
  });

  it('a retry budget bounds amplification', () => {
    const property = fc.property(options, steps, ({ ratio, window }, all) => {
      const clock = new ManualClock();
      const budget = new RetryBudget({ ratio, window, minPerSecond: 0 }, { clock });
      let [calls, retries, most] = [0, 0, 0];
      for (const next of all) {
        if (next.kind === 'advance') clock.advance(next.ms);
        if (next.kind === 'calls') {
          calls += next.times;
          recordCalls(budget, next.times);
        }
        if (next.kind === 'retries') retries += retry(budget, 10 * next.times);
        most = Math.max(most, retries - calls * ratio);
      }
      expect(most).toBeLessThan(1e-6);
    });
    fc.assert(property, modelRuns('amplification', 1_000));
  });
});
