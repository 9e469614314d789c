import { describe, expect, it } from '@jest/globals';
import { type Duration, type OutcomeClass, type Random } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { RetryBudget } from './retry-budget.js';
import { type Jitter, RETRY_OPTIONS, type RetryOptions } from './retry-options.js';
import { Backoff, type FailedAttempt, type Repeatability, type RetryDecision, RetryState } from './retry-state.js';

const GET: Repeatability = { idempotent: true, replayable: true };
const POST: Repeatability = { idempotent: false, replayable: true };

const stateOf = (call: Repeatability, options: Partial<RetryOptions> = {}, budget?: RetryBudget): RetryState =>
  new RetryState(
    RETRY_OPTIONS.resolve({ maxAttempts: 10, baseDelay: 100, maxDelay: '10s', jitter: 'none', ...options }),
    call,
    { random: () => 0.5, budget },
  );
const failed = (more: Partial<FailedAttempt> = {}): FailedAttempt => ({ attempts: 1, outcome: 'retryable', ...more });
const after = (delayMs: number, reason: string): RetryDecision => ({ retry: true, delayMs, reason }) as RetryDecision;
const none = (why: string): RetryDecision => ({ retry: false, why }) as RetryDecision;

describe('RetryState', () => {
  describe('says when', () => {
    it('asks an instance that was not tried yet at once', () => {
      expect(stateOf(GET).afterFailure(failed({ anotherInstance: true }))).toEqual(after(0, 'another_instance'));
    });

    it('backs off when no untried instance is left, from the first wait on, not from the first retry', () => {
      const state = stateOf(GET);
      const next = (attempts: number, anotherInstance: boolean): RetryDecision =>
        state.afterFailure(failed({ attempts, anotherInstance }));
      expect([next(1, true), next(2, true), next(3, false), next(4, false), next(5, true), next(6, false)]).toEqual([
        after(0, 'another_instance'),
        after(0, 'another_instance'),
        after(100, 'backoff'),
        after(200, 'backoff'),
        after(0, 'another_instance'),
        after(400, 'backoff'),
      ]);
    });

    it('obeys Retry-After of the instance that it asks again, and backs off for no less', () => {
      const state = stateOf(GET);
      expect(state.afterFailure(failed({ retryAfterMs: 2_000 }))).toEqual(after(2_000, 'retry_after'));
      expect(state.afterFailure(failed({ retryAfterMs: 0 }))).toEqual(after(200, 'backoff'));
      const hasty = stateOf(GET, { baseDelay: 0 });
      expect(hasty.afterFailure(failed({ retryAfterMs: 0, circuitWaitMs: 0 }))).toEqual(after(0, 'backoff'));
    });

    it('asks another instance at once whatever Retry-After and the circuit of the failed one say', () => {
      const busy = failed({ anotherInstance: true, retryAfterMs: 60_000, circuitWaitMs: Infinity });
      expect(stateOf(GET).afterFailure(busy)).toEqual(after(0, 'another_instance'));
    });

    it('waits until a circuit lets the call through', () => {
      const state = stateOf(GET);
      expect(state.afterFailure(failed({ circuitWaitMs: 5_000, retryAfterMs: 3_000 }))).toEqual(
        after(5_000, 'circuit_wait'),
      );
      expect(state.afterFailure(failed({ circuitWaitMs: 0 }))).toEqual(after(200, 'backoff'));
    });

    it('obeys a pushback wherever the call goes next, in place of the backoff, which starts over', () => {
      const state = stateOf(GET);
      expect(state.afterFailure(failed())).toEqual(after(100, 'backoff'));
      expect(state.afterFailure(failed({ pushbackMs: 30 }))).toEqual(after(30, 'pushback'));
      expect(state.afterFailure(failed({ pushbackMs: 50, anotherInstance: true, circuitWaitMs: 900 }))).toEqual(
        after(50, 'pushback'),
      );
      expect(state.afterFailure(failed({ pushbackMs: 50, circuitWaitMs: 900 }))).toEqual(after(900, 'circuit_wait'));
      expect(state.afterFailure(failed())).toEqual(after(100, 'backoff'));
    });
  });

  describe('says why not', () => {
    it.each<OutcomeClass>(['success', 'failure', 'ignored'])('to repeat what is a %s', (outcome) => {
      expect(stateOf(GET).afterFailure(failed({ outcome }))).toEqual(none('not_retryable'));
    });

    it('to repeat an error that retryableErrors does not list, and repeats what it lists', () => {
      const state = stateOf(GET, { retryableErrors: ['ECONNRESET', 'DEADLINE_EXCEEDED'] });
      const decide = (outcome: OutcomeClass, error?: unknown): RetryDecision =>
        state.afterFailure(failed({ outcome, error, anotherInstance: true }));
      expect(decide('retryable', { code: 'ECONNREFUSED' })).toEqual(none('not_retryable'));
      expect(decide('retryable', { code: 'ECONNRESET' }).retry).toBe(true);
      expect(decide('failure', { code: 'DEADLINE_EXCEEDED' }).retry).toBe(true);
      expect(decide('ignored', { code: 'ECONNRESET' })).toEqual(none('not_retryable'));
      expect(decide('success', { code: 'ECONNRESET' })).toEqual(none('not_retryable'));
    });

    it('by the status of an answer, whatever retryableErrors says', () => {
      const state = stateOf(GET, { retryableErrors: (error) => (error as { status: number }).status === 500 });
      expect(state.afterFailure(failed()).retry).toBe(true);
      expect(state.afterFailure(failed({ error: { status: 503 } })).retry).toBe(true);
      expect(state.afterFailure(failed({ error: { status: 500 }, outcome: 'failure' })).retry).toBe(false);
    });

    it('when all attempts are used', () => {
      const state = stateOf(GET, { maxAttempts: 3 });
      expect(state.afterFailure(failed({ attempts: 2 })).retry).toBe(true);
      expect(state.afterFailure(failed({ attempts: 3 }))).toEqual(none('attempts_used'));
      expect(state.afterFailure(failed({ attempts: 4 }))).toEqual(none('attempts_used'));
    });

    it("a body that can't be replayed is not sent twice", () => {
      for (const idempotent of [true, false]) {
        const state = stateOf({ idempotent, replayable: false });
        expect(state.afterFailure(failed({ notSent: true, anotherInstance: true }))).toEqual(none('not_replayable'));
      }
    });

    it('when the server may have acted on it, unless the request surely never left', () => {
      expect(stateOf(POST).afterFailure(failed({ anotherInstance: true }))).toEqual(none('not_idempotent'));
      expect(stateOf(POST).afterFailure(failed({ notSent: true }))).toEqual(after(100, 'backoff'));
    });

    it('when the server asks not to be asked again, by whatever instance', () => {
      expect(stateOf(GET).afterFailure(failed({ pushbackMs: -1, anotherInstance: true }))).toEqual(none('pushed_back'));
    });

    it('when the circuit is not to be waited for', () => {
      expect(stateOf(GET).afterFailure(failed({ circuitWaitMs: Infinity }))).toEqual(none('circuit_open'));
    });

    it('when the wait that is asked for is longer than the greatest delay', () => {
      expect(stateOf(GET).afterFailure(failed({ retryAfterMs: 10_001 }))).toEqual(none('delay_too_long'));
      expect(stateOf(GET).afterFailure(failed({ pushbackMs: 10_001 }))).toEqual(none('delay_too_long'));
      expect(stateOf(GET).afterFailure(failed({ circuitWaitMs: 10_001 }))).toEqual(none('delay_too_long'));
      expect(stateOf(GET).afterFailure(failed({ retryAfterMs: 10_000 })).retry).toBe(true);
    });

    it('when the deadline comes before the wait is over', () => {
      expect(stateOf(GET).afterFailure(failed({ remainingMs: 100 }))).toEqual(none('no_time_left'));
      expect(stateOf(GET).afterFailure(failed({ remainingMs: 101 })).retry).toBe(true);
      expect(stateOf(GET).afterFailure(failed({ retryAfterMs: 5_000, remainingMs: 5_000 }))).toEqual(
        none('no_time_left'),
      );
      expect(stateOf(GET).afterFailure(failed({ anotherInstance: true, remainingMs: 0 }))).toEqual(
        none('no_time_left'),
      );
    });

    it('when the call was ended, before anything else', () => {
      expect(stateOf(POST).afterFailure(failed({ aborted: true, outcome: 'ignored' }))).toEqual(none('aborted'));
    });

    it('when the budget is used up', () => {
      const budget = new RetryBudget({ ratio: 0, minPerSecond: 1, window: '1s' }, { clock: new ManualClock() });
      const state = stateOf(GET, {}, budget);
      expect(state.afterFailure(failed()).retry).toBe(true);
      expect(state.afterFailure(failed())).toEqual(none('budget_exhausted'));
    });
  });

  it('reads no fact that does not matter: no other instance when none may be tried, no circuit when one may', () => {
    const looked: string[] = [];
    const facts = (more: Partial<FailedAttempt>, another: boolean): FailedAttempt => ({
      ...failed(more),
      get anotherInstance() {
        looked.push('instances');
        return another;
      },
      get circuitWaitMs() {
        looked.push('circuits');
        return 0;
      },
    });
    stateOf(GET).afterFailure(facts({ outcome: 'success' }, true));
    stateOf(POST).afterFailure(facts({}, true));
    expect(looked).toEqual([]);
    stateOf(GET).afterFailure(facts({}, true));
    expect(looked).toEqual(['instances']);
    stateOf(GET).afterFailure(facts({}, false));
    expect(looked).toEqual(['instances', 'instances', 'circuits']);
  });

  it('takes nothing from the budget for a retry that does not take place', () => {
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 1, window: '1s' }, { clock: new ManualClock() });
    const refused: Partial<FailedAttempt>[] = [
      { aborted: true },
      { outcome: 'failure' },
      { attempts: 10 },
      { pushbackMs: -1 },
      { circuitWaitMs: Infinity },
      { retryAfterMs: 60_000 },
      { remainingMs: 1 },
    ];
    for (const more of refused) expect(stateOf(GET, {}, budget).afterFailure(failed(more)).retry).toBe(false);
    expect(stateOf(POST, {}, budget).afterFailure(failed()).retry).toBe(false);
    expect(budget.available).toBe(1);
  });
});

const ALMOST_ONE = 1 - Number.EPSILON;
const backoff = (jitter: Jitter, random: Random, maxDelay: Duration = '1s'): Backoff =>
  new Backoff(RETRY_OPTIONS.resolve({ baseDelay: '100ms', maxDelay, jitter }), random);
const take = (source: Backoff, waits: number): number[] => Array.from({ length: waits }, () => source.next());

describe('Backoff', () => {
  it('doubles with each wait, up to the greatest delay', () => {
    const waits = take(backoff('none', Math.random), 20);
    expect(waits.slice(0, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(waits.at(-1)).toBe(1_000);
  });

  it('draws from all of [0, d) with full jitter', () => {
    const second = (random: number): number | undefined =>
      take(
        backoff('full', () => random),
        2,
      ).at(-1);
    expect([second(0), second(0.5)]).toEqual([0, 100]);
    expect(second(ALMOST_ONE)).toBeLessThan(200);
    expect(second(ALMOST_ONE)).toBeCloseTo(200);
  });

  it('draws from the upper half of [0, d) with equal jitter', () => {
    const second = (random: number): number | undefined =>
      take(
        backoff('equal', () => random),
        2,
      ).at(-1);
    expect([second(0), second(0.5)]).toEqual([100, 150]);
    expect(second(ALMOST_ONE)).toBeLessThan(200);
  });

  it('draws between the base and three times the wait before with decorrelated jitter', () => {
    expect(
      take(
        backoff('decorrelated', () => 0),
        3,
      ),
    ).toEqual([100, 100, 100]);
    expect(
      take(
        backoff('decorrelated', () => 0.5, '1m'),
        3,
      ),
    ).toEqual([200, 350, 575]);
    const highest = take(
      backoff('decorrelated', () => ALMOST_ONE),
      4,
    );
    expect(highest.map(Math.round)).toEqual([300, 900, 1_000, 1_000]);
    expect(highest[0]).toBeLessThan(300);
  });

  it.each(['none', 'decorrelated'] as const)(
    'starts over with the shortest wait after a reset, jitter %s',
    (jitter) => {
      const source = backoff(jitter, () => 0.5);
      const first = take(source, 3);
      source.reset();
      expect(take(source, 3)).toEqual(first);
    },
  );

  it('does not wait when baseDelay is 0', () => {
    for (const jitter of ['full', 'equal', 'decorrelated', 'none'] as const) {
      const source = new Backoff(RETRY_OPTIONS.resolve({ baseDelay: 0, jitter }), () => 0.5);
      expect(take(source, 3)).toEqual([0, 0, 0]);
    }
  });
});
