import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { seededRandom, type OutcomeClass } from '../../common/index.js';
import { type FailedAttempt, type RetryDecision, RetryState } from './retry-state.js';
import { type Jitter, RETRY_OPTIONS } from './retry-options.js';

const ms = fc.oneof(fc.constantFrom(0, 1, 99, 100, 101, 1_000, 1_001, Infinity), fc.integer({ min: 0, max: 2_000 }));
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
/** Mostly what lets a call go on, so that runs get somewhere. */
const failure: fc.Arbitrary<Omit<FailedAttempt, 'attempts'>> = fc.record({
  outcome: fc.oneof(
    { weight: 20, arbitrary: fc.constant<OutcomeClass>('retryable') },
    { weight: 1, arbitrary: fc.constantFrom<OutcomeClass>('success', 'failure', 'ignored') },
  ),
  notSent: fc.boolean(),
  anotherInstance: fc.boolean(),
  retryAfterMs: maybe(ms),
  pushbackMs: fc.option(fc.oneof(fc.constant(-1), ms), { nil: undefined, freq: 3 }),
  circuitWaitMs: maybe(ms),
  remainingMs: maybe(fc.integer({ min: 0, max: 20_000 })),
  aborted: fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});
const call = fc.record({
  idempotent: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  replayable: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
});
const options = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 8 }),
  baseDelay: fc.constantFrom(0, 100, 700),
  maxDelay: fc.constantFrom(700, 1_000, 5_000),
  jitter: fc.constantFrom<Jitter>('full', 'equal', 'decorrelated', 'none'),
});
const tokens = fc.integer({ min: 0, max: 6 });

/** What a backoff may be after so many waits, of which the one before was `previous`. */
function backoffRange(
  jitter: Jitter,
  base: number,
  most: number,
  waits: number,
  previous: number,
): readonly [number, number] {
  let ceiling = base;
  for (let wait = 0; wait < waits; wait++) ceiling = Math.min(most, ceiling * 2);
  if (jitter === 'none') return [ceiling, ceiling];
  if (jitter === 'full') return [0, ceiling];
  return jitter === 'equal' ? [ceiling / 2, ceiling] : [base, Math.min(most, previous * 3)];
}

describe('RetryState', () => {
  it('decides as the rules say, whatever happens to a call', () => {
    const property = fc.property(
      call,
      options,
      tokens,
      fc.integer(),
      fc.array(failure, { minLength: 1, maxLength: 9 }),
      (what, given, budgeted, seed, failures) => {
        let left = budgeted;
        const budget = { tryRetry: () => left > 0 && left-- > 0 };
        const state = new RetryState(RETRY_OPTIONS.resolve(given), what, { random: seededRandom(seed), budget });
        let waits = 0;
        let previous: number = given.baseDelay;

        for (const [index, each] of failures.entries()) {
          const failed = { ...each, attempts: index + 1 };
          const before = left;
          const decision = state.afterFailure(failed);
          const { retryAfterMs = 0, circuitWaitMs = 0, pushbackMs, remainingMs = Infinity } = failed;
          const refused = (why: string): void => {
            expect(decision).toEqual({ retry: false, why });
            expect(left).toBe(before);
          };

          if (failed.aborted) return refused('aborted');
          if (failed.outcome !== 'retryable') return refused('not_retryable');
          if (failed.attempts >= given.maxAttempts) return refused('attempts_used');
          if (!what.replayable) return refused('not_replayable');
          if (!what.idempotent && !failed.notSent) return refused('not_idempotent');
          if (pushbackMs === -1) return refused('pushed_back');

          // The least and the greatest wait that the rules leave.
          let range: readonly [number, number];
          if (pushbackMs !== undefined) {
            waits = 0;
            previous = given.baseDelay;
            const wait = Math.max(pushbackMs, failed.anotherInstance ? 0 : circuitWaitMs);
            range = [wait, wait];
          } else if (failed.anotherInstance) {
            range = [0, 0];
          } else {
            const asked = Math.max(retryAfterMs, circuitWaitMs);
            const [least, most] = backoffRange(given.jitter, given.baseDelay, given.maxDelay, waits, previous);
            range = [Math.max(least, asked), Math.max(most, asked)];
            waits++;
          }
          const [least, most] = range;

          if (least === Infinity) {
            expect(['circuit_open', 'delay_too_long']).toContain((decision as { why?: string }).why);
            return;
          }
          if (least > given.maxDelay) return refused('delay_too_long');
          if (least >= remainingMs) return refused('no_time_left');
          if (!decision.retry && decision.why === 'no_time_left') {
            // Only a wait that was drawn may have been too long where a shorter one would have done.
            expect(most).toBeGreaterThanOrEqual(remainingMs);
            return refused('no_time_left');
          }
          if (before === 0) return refused('budget_exhausted');
          expect(decision.retry).toBe(true);
          expect(left).toBe(before - 1);
          const { delayMs, reason } = decision as Extract<RetryDecision, { retry: true }>;
          expect(delayMs).toBeGreaterThanOrEqual(least);
          expect(delayMs).toBeLessThanOrEqual(most);
          expect(delayMs).toBeLessThan(remainingMs);
          if (reason === 'backoff') previous = delayMs;
          else if (reason === 'retry_after' || reason === 'circuit_wait') previous = Infinity;
        }
      },
    );
    fc.assert(property, modelRuns('retry state', 1_000));
  });
});
