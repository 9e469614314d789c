import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type OutcomeClass } from '../../common/index.js';
import { type CircuitReason, type CircuitState } from '../../model/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type ResolvedCircuitBreakerOptions } from './circuit-breaker-options.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { type CircuitStateChange } from './circuit-view.js';
import { type CircuitPermit } from './circuit-permits.js';

/** How a call ended that counted. */
interface Sample {
  readonly at: number;
  readonly failed: boolean;
  readonly slow: boolean;
}

interface ModelCall {
  readonly began: number;
  readonly period: number;
  ended: boolean;
}

/** What determines the open times; `restart` forgets everything before it. */
type Step =
  { readonly kind: 'opened' | 'closed'; readonly at: number; readonly draw: number } | { readonly kind: 'restart' };

/**
 * What the circuit should do, told by its history: nothing is counted as it happens, everything is worked out from the
 * list of all that has happened whenever it is asked for.
 */
class Reference {
  now = 0;
  mayOpen = true;
  readonly changes: CircuitStateChange[] = [];
  private state: CircuitState = 'closed';
  private forced: 'isolated' | 'closed' | undefined;
  private readonly calls: ModelCall[] = [];
  private readonly steps: Step[] = [];
  private samples: Sample[] = [];
  private period = 0;
  private periodBegan = 0;
  private failuresAtOpening = 0;
  /** How the probes of this half-open time ended. */
  private verdicts: boolean[] = [];

  constructor(
    private readonly options: ResolvedCircuitBreakerOptions,
    private readonly draw: () => number,
  ) {}

  private get failures(): number {
    return this.state === 'closed' ? this.failuresOf(this.samples) : this.failuresAtOpening;
  }

  private get retryAfterMs(): number | undefined {
    switch (this.state) {
      case 'open':
        return Math.max(0, this.periodBegan + this.openTime() - this.now);
      case 'half_open': {
        const taken = this.probes();
        if (taken.length < this.options.halfOpenPermits) return undefined;
        return Math.min(...taken.map(({ began }) => began)) + this.options.recoveryTimeout - this.now;
      }
      case 'closed':
        return this.rampWait();
      case 'isolated':
        return undefined;
    }
  }

  view(): object {
    return {
      state: this.state,
      forced: this.forced,
      failures: this.failures,
      stateAgeMs: this.now - this.periodBegan,
      retryAfterMs: this.retryAfterMs,
      probes: this.probes().length,
      counts: this.counts(),
      share: this.share(),
      lets: this.lets,
      ...(this.state === 'closed' && this.metCondition() ? { heldClosed: true } : {}),
    };
  }

  private get lets(): boolean {
    return this.state !== 'isolated' && (this.retryAfterMs ?? 0) === 0;
  }

  /** Those that take a permit. */
  private probes(): ModelCall[] {
    if (this.state !== 'half_open') return [];
    return this.calls.filter(
      ({ began, period, ended }) => period === this.period && !ended && this.now - began < this.options.recoveryTimeout,
    );
  }

  private counts(): { calls: number; failed: number; slow: number } | undefined {
    const { failureRate, slowCallRate } = this.options;
    if (failureRate === false && slowCallRate === false) return undefined;
    return countsOf(this.within(this.samples));
  }

  /** In thousandths. */
  private share(): number {
    const slice = this.rampSlice();
    return slice === undefined ? 1_000 : 100 + 9 * slice.index;
  }

  acquire(): boolean {
    if (!this.lets) return false;
    if (this.state === 'open') this.become('half_open', 'recovery_time_over');
    this.calls.push({ began: this.now, period: this.period, ended: false });
    return true;
  }

  settle(index: number, outcome: OutcomeClass): void {
    const call = this.calls[index]!;
    if (call.ended) return;
    call.ended = true;
    if (call.period !== this.period || outcome === 'ignored' || this.forced) return;
    const { slowCallRate, slowCallDuration, successThreshold, halfOpenFailureRate } = this.options;
    const failed = outcome !== 'success';
    const slow = slowCallRate !== false && this.now - call.began >= Number(slowCallDuration);
    this.samples.push({ at: this.now, failed, slow });
    if (this.state === 'closed') {
      const reason = this.metCondition();
      if (reason && this.mayOpen) this.become('open', reason);
      return;
    }
    this.verdicts.push(!failed && !slow);
    const bad = this.verdicts.filter((good) => !good).length;
    // Judged as if all that it takes to close the circuit succeeded.
    const tooMany = halfOpenFailureRate === false ? bad > 0 : bad / (bad + successThreshold) >= halfOpenFailureRate;
    if ((failed || slow) && tooMany) {
      if (this.mayOpen) this.become('open', failed ? 'probe_failed' : 'probe_slow');
      else this.become('closed', 'max_open_share');
    } else if (this.verdicts.length - bad >= successThreshold) this.become('closed', 'probes_succeeded');
  }

  force(to: 'isolated' | 'closed'): void {
    if (this.forced === to) return;
    this.forced = to;
    this.beginAnew(to, to === 'isolated' ? 'isolated' : 'forced_closed');
  }

  halfOpen(): void {
    if (this.forced || this.state === 'closed') return;
    if (this.state === 'open') this.become('half_open', 'recovered');
    else this.begin('half_open');
  }

  reset(): void {
    this.forced = undefined;
    this.beginAnew('closed', 'reset');
  }

  private beginAnew(to: 'isolated' | 'closed', reason: CircuitReason): void {
    this.failuresAtOpening = this.failures;
    this.samples = [];
    this.steps.push({ kind: 'restart' });
    if (this.state === to) this.period++;
    else this.become(to, reason);
  }

  private become(to: CircuitState, reason: CircuitReason): void {
    const from = this.state;
    if (to === 'open') {
      this.failuresAtOpening = this.failuresOf(this.samples);
      this.steps.push({ kind: 'opened', at: this.now, draw: this.options.recoveryJitter === 0 ? 0 : this.draw() });
    } else if (reason === 'probes_succeeded') {
      this.samples = [];
      this.steps.push({ kind: 'closed', at: this.now, draw: 0 });
    }
    this.begin(to);
    this.changes.push({ from, to, reason, failures: this.failures, retryAfterMs: this.retryAfterMs });
  }

  private begin(state: CircuitState): void {
    this.state = state;
    this.period++;
    this.periodBegan = this.now;
    this.verdicts = [];
  }

  private metCondition(): CircuitReason | undefined {
    const { failureThreshold, failureRate, slowCallRate, minimumCalls } = this.options;
    if (failureThreshold !== false && this.runLength() >= failureThreshold) return 'consecutive_failures';
    const { calls, failed, slow } = countsOf(this.within(this.samples));
    if (calls < minimumCalls) return undefined;
    if (failureRate !== false && failed >= failureRate * calls) return 'failure_rate';
    return slowCallRate !== false && slow >= slowCallRate * calls ? 'slow_call_rate' : undefined;
  }

  private failuresOf(samples: readonly Sample[]): number {
    const { failureThreshold, failureRate, slowCallRate } = this.options;
    if (failureThreshold !== false) return Math.min(failureThreshold, this.runLength());
    return failureRate === false && slowCallRate === false ? 0 : countsOf(this.within(samples)).failed;
  }

  /** The failures after the last success that are young enough. */
  private runLength(): number {
    const { window } = this.options;
    const ageMs = typeof window === 'number' ? window : window.maxAge;
    const lastSuccess = this.samples.findLastIndex(({ failed }) => !failed);
    return this.samples.slice(lastSuccess + 1).filter(({ at }) => this.now - at < ageMs).length;
  }

  private within(samples: readonly Sample[]): readonly Sample[] {
    const { window } = this.options;
    if (typeof window === 'object') {
      return samples.slice(-window.calls).filter(({ at }) => this.now - at < window.maxAge);
    }
    const slice = window / 20;
    return samples.filter(({ at }) => Math.floor(this.now / slice) - Math.floor(at / slice) < 20);
  }

  /** Of the latest opening. */
  private openTime(): number {
    const { recoveryTimeout, recoveryBackoff, maxRecoveryTimeout, recoveryJitter } = this.options;
    const since = this.steps.slice(this.steps.findLastIndex(({ kind }) => kind === 'restart') + 1);
    let repeats = 0;
    let ms = 0;
    for (const [index, step] of since.entries()) {
      if (step.kind !== 'opened') continue;
      const before = since[index - 1];
      const calm = before?.kind === 'closed' && step.at - before.at >= ms;
      repeats = before === undefined || calm ? 0 : repeats + 1;
      ms = recoveryTimeout;
      for (let time = 0; time < repeats && ms < maxRecoveryTimeout; time++) ms *= recoveryBackoff;
      ms = Math.min(ms, maxRecoveryTimeout);
      ms += ms * recoveryJitter * step.draw;
    }
    return ms;
  }

  private rampSlice(): { index: number; endsAt: number } | undefined {
    const { ramp } = this.options;
    const last = this.steps.at(-1);
    if (ramp === false || this.state !== 'closed' || last?.kind !== 'closed') return undefined;
    for (let index = 0; index < 100; index++) {
      const endsAt = last.at + ((index + 1) * ramp) / 100;
      if (this.now < endsAt) return { index, endsAt };
    }
    return undefined;
  }

  private rampWait(): number | undefined {
    const slice = this.rampSlice();
    if (!slice) return undefined;
    const lengthMs = Number(this.options.ramp) / 100;
    const closedPart = (lengthMs * (1_000 - this.share())) / 1_000;
    return slice.endsAt - this.now > closedPart ? undefined : slice.endsAt - this.now;
  }
}

function countsOf(samples: readonly Sample[]): { calls: number; failed: number; slow: number } {
  return {
    calls: samples.length,
    failed: samples.filter(({ failed }) => failed).length,
    slow: samples.filter(({ slow }) => slow).length,
  };
}

// Lengths of time that slices, shares and jitter divide without a rest: the model counts in whole numbers.
const options: fc.Arbitrary<ResolvedCircuitBreakerOptions> = fc
  .record({
    failureThreshold: fc.constantFrom(false as const, 1, 2, 3, 5),
    failureRate: fc.constantFrom(false as const, 0.25, 0.5, 1),
    slowCallRate: fc.constantFrom(false as const, 0.25, 0.5, 1),
    slowCallDuration: fc.constant(500),
    minimumCalls: fc.integer({ min: 1, max: 6 }),
    window: fc.oneof(
      fc.constantFrom(200, 2_000, 20_000),
      fc.record({ calls: fc.integer({ min: 6, max: 9 }), maxAge: fc.constantFrom(1_000, 30_000) }),
    ),
    recoveryTimeout: fc.constantFrom(800, 4_000),
    recoveryBackoff: fc.constantFrom(1, 1.5, 2),
    maxRecoveryTimeout: fc.constantFrom(4_000, 5_000, 16_000),
    recoveryJitter: fc.constantFrom(0, 0.5),
    halfOpenPermits: fc.integer({ min: 1, max: 3 }),
    successThreshold: fc.integer({ min: 1, max: 3 }),
    halfOpenFailureRate: fc.constantFrom(false as const, false as const, 0.5, 0.75),
    ramp: fc.constantFrom(false as const, 100_000, 1_000_000),
    ignoredStatuses: fc.constant([]),
    maxOpenShare: fc.constant(1),
  })
  .filter((given) => given.failureThreshold !== false || given.failureRate !== false || given.slowCallRate !== false)
  .filter(({ halfOpenFailureRate, successThreshold }) => halfOpenFailureRate !== 0.5 || successThreshold > 1);

type Event =
  | { readonly type: 'call'; readonly outcome: OutcomeClass }
  | { readonly type: 'acquire' }
  | { readonly type: 'settle'; readonly which: number; readonly outcome: OutcomeClass }
  | { readonly type: 'advance'; readonly ms: number }
  /** To the moment that the circuit tells, or just before it. */
  | { readonly type: 'wait'; readonly short: number }
  /** Whether the circuit may open. */
  | { readonly type: 'room'; readonly mayOpen: boolean }
  | { readonly type: 'halfOpen' | 'isolate' | 'forceClosed' | 'reset' };

const outcome = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<OutcomeClass>('failure', 'retryable') },
  { weight: 4, arbitrary: fc.constant<OutcomeClass>('success') },
  { weight: 1, arbitrary: fc.constant<OutcomeClass>('ignored') },
);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('call' as const), outcome }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('acquire' as const) }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('settle' as const), which: fc.nat(), outcome }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('advance' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 1_500 }), fc.constantFrom(499, 500, 1_000, 4_000, 20_000, 3_600_000)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('wait' as const), short: fc.constantFrom(0, 0, 0, 0.5, 1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('room' as const), mayOpen: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('halfOpen' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom('isolate' as const, 'forceClosed' as const, 'reset' as const) }),
  },
);

/** Draws that halve without a rest. */
function draws(): () => number {
  let drawn = 0;
  return () => [0, 0.5, 0.75, 0.25][drawn++ % 4]!;
}

describe('the model of the circuit breaker', () => {
  it('behaves as its model, in any sequence of events', () => {
    fc.assert(
      fc.property(options, fc.array(event, { minLength: 1, maxLength: 60 }), (given, events) => {
        const clock = new ManualClock();
        const changes: CircuitStateChange[] = [];
        const breaker = new CircuitBreaker(given, {
          clock,
          random: draws(),
          mayOpen: () => model.mayOpen,
          onStateChange: (change) => changes.push(change),
        });
        const model = new Reference(given, draws());
        const permits: CircuitPermit[] = [];

        /** Who knows the time may tell it. */
        const told = (): number | undefined => (permits.length % 2 === 0 ? clock.now() : undefined);
        const acquire = (): CircuitPermit | null => {
          const permit = breaker.tryAcquire(told());
          expect(permit !== null).toBe(model.acquire());
          if (permit) permits.push(permit);
          return permit;
        };
        const settle = (index: number, how: OutcomeClass): void => {
          permits[index]?.settle(how, told());
          if (permits[index]) model.settle(index, how);
        };
        const advance = (ms: number): void => {
          clock.advance(ms);
          model.now = clock.now();
        };
        const act = (next: Event): void => {
          switch (next.type) {
            case 'call':
              if (acquire()) settle(permits.length - 1, next.outcome);
              return;
            case 'acquire':
              acquire();
              return;
            case 'settle':
              if (permits.length > 0) settle(next.which % permits.length, next.outcome);
              return;
            case 'advance':
              advance(next.ms);
              return;
            case 'wait':
              advance(Math.max(0, (breaker.retryAfterMs ?? 0) - next.short));
              return;
            case 'room':
              model.mayOpen = next.mayOpen;
              return;
            case 'halfOpen':
              breaker.halfOpen();
              model.halfOpen();
              return;
            case 'isolate':
              breaker.isolate();
              model.force('isolated');
              return;
            case 'forceClosed':
              breaker.force('closed');
              model.force('closed');
              return;
            case 'reset':
              breaker.reset();
              model.reset();
              return;
          }
        };
        for (const next of events) {
          act(next);
          const { window, share, ...seen } = breaker.snapshot();
          const counts = window && { calls: window.calls, failed: window.failed, slow: window.slow };
          const does = { ...seen, counts, share: Math.round(share * 1_000), lets: breaker.canAcquire() };
          const should = model.view();
          // The comparison of `expect` takes most of the time, and is worth it only where it has something to tell.
          if (!isDeepStrictEqual(does, should)) expect(does).toEqual(should);
          if (does.probes > given.halfOpenPermits) throw new Error('more probes than permits');
        }
        expect(changes).toEqual(model.changes);
      }),
      modelRuns('the circuit breaker beside its model', 1_000),
    );
  });
});
