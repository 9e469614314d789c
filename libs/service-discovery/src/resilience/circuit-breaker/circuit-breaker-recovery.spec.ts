import { beforeEach, describe, expect, it } from '@jest/globals';
import { type OutcomeClass } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type CircuitBreakerOptions } from './circuit-breaker-options.js';
import { CircuitBreaker } from './circuit-breaker.js';

let clock: ManualClock;
let breaker: CircuitBreaker;

const create = (options: Partial<CircuitBreakerOptions>, random = (): number => 0): void => {
  breaker = new CircuitBreaker({ failureThreshold: 1, ...options }, { clock, random });
};
const settle = (outcome: OutcomeClass): void => {
  const permit = breaker.tryAcquire();
  if (!permit) throw new Error('the circuit refused the call');
  permit.settle(outcome);
};
/** Opens the circuit, by a call or by a probe, and waits until it lets a probe through. */
const openFor = (): number => {
  settle('failure');
  const ms = breaker.retryAfterMs ?? Number.NaN;
  clock.advance(ms);
  return ms;
};

beforeEach(() => {
  clock = new ManualClock();
});

describe('the open time of a circuit breaker', () => {
  it('is the same each time by default', () => {
    create({ recoveryTimeout: 10_000 });
    expect([openFor(), openFor(), openFor()]).toEqual([10_000, 10_000, 10_000]);
  });

  it('grows with each probe that fails, up to the longest', () => {
    create({ recoveryTimeout: 10_000, recoveryBackoff: 2, maxRecoveryTimeout: 60_000 });
    expect(Array.from({ length: 5 }, openFor)).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it('is the longest after any number of openings', () => {
    create({ recoveryTimeout: '1ms', recoveryBackoff: 10, maxRecoveryTimeout: 1_000 });
    expect(Array.from({ length: 2_000 }, openFor).at(-1)).toBe(1_000);
  });

  it('goes on to grow when the circuit opens again before it was closed for as long as it was open', () => {
    create({ recoveryTimeout: 10_000, recoveryBackoff: 2 });
    expect([openFor(), openFor()]).toEqual([10_000, 20_000]);
    settle('success');
    clock.advance(19_999);
    expect(openFor()).toBe(40_000);
    settle('success');
    clock.advance(40_000);
    expect(openFor()).toBe(10_000);
  });

  it('grows with a probe that fails after such an opening, however long ago the circuit was closed', () => {
    create({ recoveryTimeout: 10_000, recoveryBackoff: 2 });
    openFor();
    settle('success');
    clock.advance(5_000);
    expect([openFor(), openFor()]).toEqual([20_000, 40_000]);
  });

  it('starts over after a reset', () => {
    create({ recoveryTimeout: 10_000, recoveryBackoff: 2 });
    expect([openFor(), openFor()]).toEqual([10_000, 20_000]);
    breaker.reset();
    expect(openFor()).toBe(10_000);
  });

  it('is longer by a random share, even beyond maxRecoveryTimeout', () => {
    const draws = [0.5, 0, 0.75];
    const options = { recoveryTimeout: 10_000, recoveryBackoff: 2, maxRecoveryTimeout: 20_000, recoveryJitter: 0.2 };
    create(options, () => draws.shift() ?? 0);
    expect([openFor(), openFor(), openFor()]).toEqual([11_000, 20_000, 23_000]);
  });

  it('leaves the time after which a hung probe frees its permit as it is', () => {
    create({ recoveryTimeout: 10_000, recoveryBackoff: 10 });
    expect([openFor(), openFor()]).toEqual([10_000, 100_000]);
    breaker.tryAcquire();
    expect(breaker.retryAfterMs).toBe(10_000);
  });
});

describe('the ramp of a circuit breaker', () => {
  const RAMP_MS = 100_000;
  const ramping = (): void => {
    create({ recoveryTimeout: 1_000, recoveryBackoff: 2, ramp: RAMP_MS });
    openFor();
    settle('success');
  };
  /** How many of one call a millisecond are let through. */
  const passed = (ms: number): number => {
    let calls = 0;
    for (let step = 0; step < ms; step++) {
      if (breaker.tryAcquire()) calls++;
      clock.advance(1);
    }
    return calls;
  };

  it('lets a share of the calls through that grows from a tenth to all after the circuit has closed', () => {
    ramping();
    const tenths = Array.from({ length: 11 }, () => passed(RAMP_MS / 10));
    expect(tenths).toEqual([1_405, 2_305, 3_205, 4_105, 5_005, 5_905, 6_805, 7_705, 8_605, 9_505, 10_000]);
  });

  it('reports in retryAfterMs when the next call is admitted', () => {
    ramping();
    clock.advance(20_280);
    const { retryAfterMs, state, share } = breaker.snapshot();
    expect({ retryAfterMs, state, share }).toEqual({ retryAfterMs: 720, state: 'closed', share: 0.28 });
    expect([breaker.canAcquire(), breaker.tryAcquire()]).toEqual([false, null]);
    expect(breaker.refusal()).toMatchObject({
      retryAfterMs: 720,
      message:
        'The circuit has closed just now and lets only a part of the calls through. Try again in 720 ms. See nest-service-discovery/docs/reference/errors.md#CIRCUIT_OPEN',
    });
    clock.advance(719);
    expect(breaker.canAcquire()).toBe(false);
    clock.advance(1);
    expect([breaker.canAcquire(), breaker.retryAfterMs]).toEqual([true, undefined]);
  });

  it('ends with its time, and with it all refusals', () => {
    ramping();
    clock.advance(RAMP_MS - 1);
    expect(breaker.snapshot().share).toBeCloseTo(0.991);
    clock.advance(1);
    expect([breaker.snapshot().share, passed(5_000)]).toEqual([1, 5_000]);
  });

  it('ends when the circuit opens again, and restarts when it closes', () => {
    ramping();
    clock.advance(50_000);
    expect(openFor()).toBe(1_000);
    settle('success');
    expect(breaker.snapshot().share).toBe(0.1);
  });

  it('does not run after a reset or in a circuit that is forced closed', () => {
    ramping();
    breaker.reset();
    expect(passed(5_000)).toBe(5_000);
    openFor();
    settle('success');
    breaker.force('closed');
    expect([breaker.snapshot().share, passed(5_000)]).toEqual([1, 5_000]);
  });
});
