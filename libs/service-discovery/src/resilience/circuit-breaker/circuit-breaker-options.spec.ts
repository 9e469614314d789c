import { describe, expect, it } from '@jest/globals';
import { type InvalidConfigurationError } from '../../common/index.js';
import { type CircuitBreakerOptions, CIRCUIT_BREAKER_OPTIONS } from './circuit-breaker-options.js';

function problemsOf(options: object): string[] {
  try {
    CIRCUIT_BREAKER_OPTIONS.resolve(options);
    return [];
  } catch (error) {
    return (error as InvalidConfigurationError).problems.map(({ path, expected }) => `${path}: ${expected}`);
  }
}

describe('the options of a circuit breaker', () => {
  it('have defaults, which open it by failures in a row alone', () => {
    expect(CIRCUIT_BREAKER_OPTIONS.resolve()).toEqual({
      failureThreshold: 5,
      failureRate: false,
      slowCallRate: false,
      slowCallDuration: false,
      minimumCalls: 20,
      window: 60_000,
      recoveryTimeout: 60_000,
      recoveryBackoff: 1,
      maxRecoveryTimeout: 300_000,
      recoveryJitter: 0,
      halfOpenPermits: 1,
      successThreshold: 1,
      halfOpenFailureRate: false,
      ramp: false,
      ignoredStatuses: [408, 429],
      maxOpenShare: 0.5,
    });
  });

  const everything: Partial<CircuitBreakerOptions> = {
    failureThreshold: false,
    failureRate: 0.5,
    slowCallRate: 0.9,
    slowCallDuration: '2s',
    minimumCalls: 10,
    window: { calls: 100, maxAge: '1m' },
    recoveryTimeout: '5s',
    recoveryBackoff: 2,
    maxRecoveryTimeout: '1m',
    recoveryJitter: 0.2,
    halfOpenPermits: 3,
    successThreshold: 3,
    halfOpenFailureRate: 0.4,
    ramp: '30s',
    ignoredStatuses: [429, [500, 502]],
    maxOpenShare: 0.25,
  };

  it('become milliseconds, and are taken again as they are then', () => {
    const resolved = CIRCUIT_BREAKER_OPTIONS.resolve(everything);
    expect(resolved).toEqual({
      ...everything,
      slowCallDuration: 2_000,
      window: { calls: 100, maxAge: 60_000 },
      recoveryTimeout: 5_000,
      maxRecoveryTimeout: 60_000,
      ramp: 30_000,
    });
    expect(CIRCUIT_BREAKER_OPTIONS.resolve(resolved)).toEqual(resolved);
  });

  it('let a default yield to an option that was set', () => {
    expect(CIRCUIT_BREAKER_OPTIONS.resolve({ recoveryTimeout: '1h' }).maxRecoveryTimeout).toBe(3_600_000);
    const few = CIRCUIT_BREAKER_OPTIONS.resolve({ failureRate: 0.5, window: { calls: 8 } });
    expect([few.minimumCalls, few.window]).toEqual([8, { calls: 8, maxAge: 600_000 }]);
    const successes = [0.6, 0.5, 0.3, 0.2, 0.1, 0.01].map(
      (halfOpenFailureRate) => CIRCUIT_BREAKER_OPTIONS.resolve({ halfOpenFailureRate }).successThreshold,
    );
    expect(successes).toEqual([1, 2, 3, 5, 10, 100]);
  });

  it.each([
    [{ failureThreshold: 0 }, 'failureThreshold: a whole number from 1 to 1000'],
    [{ failureThreshold: true }, 'failureThreshold: a whole number from 1 to 1000'],
    [{ failureRate: 0 }, 'failureRate: a number from 0.01 to 1'],
    [{ failureRate: 50 }, 'failureRate: a number from 0.01 to 1'],
    [{ failureRate: Number.NaN }, 'failureRate: a number from 0.01 to 1'],
    [{ slowCallRate: 1.1, slowCallDuration: 1 }, 'slowCallRate: a number from 0.01 to 1'],
    [{ slowCallDuration: 0 }, 'slowCallDuration: a duration from 1ms to 1d'],
    [{ minimumCalls: 0.5 }, 'minimumCalls: a whole number from 1 to 1000000'],
    [{ window: '2d' }, 'window: a duration from 1ms to 1d'],
    [{ window: { calls: 1_001 } }, 'window.calls: a whole number from 1 to 1000'],
    [{ window: {} }, 'window.calls: a whole number from 1 to 1000'],
    [{ window: { calls: 50, maxAge: 0 } }, 'window.maxAge: a duration from 1ms to 1d'],
    [{ window: { calls: 50, maxage: 5 } }, 'window.maxage: no option of this name (did you mean "maxAge"?)'],
    [{ window: [50] }, 'window: an object of options'],
    [{ recoveryTimeout: 'soon' }, 'recoveryTimeout: a duration from 1ms to 1d'],
    [{ recoveryBackoff: 0.5 }, 'recoveryBackoff: a number from 1 to 10'],
    [{ maxRecoveryTimeout: '2d' }, 'maxRecoveryTimeout: a duration from 1ms to 1d'],
    [{ recoveryJitter: 1.5 }, 'recoveryJitter: a number from 0 to 1'],
    [{ halfOpenPermits: 101 }, 'halfOpenPermits: a whole number from 1 to 100'],
    [{ successThreshold: 1.5 }, 'successThreshold: a whole number from 1 to 1000'],
    [{ halfOpenFailureRate: 0 }, 'halfOpenFailureRate: a number from 0.01 to 0.99'],
    [{ halfOpenFailureRate: 1 }, 'halfOpenFailureRate: a number from 0.01 to 0.99'],
    [{ halfOpenFailureRate: '20%' }, 'halfOpenFailureRate: a number from 0.01 to 0.99'],
    [{ ramp: true }, 'ramp: a duration from 1ms to 1d'],
    [{ maxOpenShare: 0 }, 'maxOpenShare: a number from 0.01 to 1'],
    [{ maxOpenShare: '50%' }, 'maxOpenShare: a number from 0.01 to 1'],
  ])('refuse %j', (options, expected) => {
    expect(problemsOf(options)[0]).toMatch(`circuitBreaker.${expected}`);
  });

  it.each([
    [
      { failureThreshold: false },
      'failureThreshold: a number where neither failureRate nor slowCallRate is given: else the circuit never opens',
    ],
    [{ slowCallRate: 0.5 }, 'slowCallDuration: a duration beside slowCallRate'],
    [{ failureRate: 0.5, minimumCalls: 20, window: { calls: 10 } }, 'window.calls: at least minimumCalls, which is 20'],
    [{ failureThreshold: 11, window: { calls: 10 } }, 'window.calls: at least failureThreshold, which is 11'],
    [
      { halfOpenFailureRate: 0.2, successThreshold: 4 },
      'successThreshold: at least 5, so that halfOpenFailureRate tolerates a failure',
    ],
    [
      { recoveryTimeout: '10s', maxRecoveryTimeout: '9s' },
      'maxRecoveryTimeout: a duration not shorter than recoveryTimeout, which is 10000ms',
    ],
  ])('refuse %j, which contradicts itself', (options, expected) => {
    expect(problemsOf(options)).toEqual([`circuitBreaker.${expected}`]);
  });

  it('may contain options without effect, since they override those of a pattern', () => {
    expect(
      problemsOf({ slowCallRate: false, slowCallDuration: '1s', window: { calls: 10 }, minimumCalls: 20 }),
    ).toEqual([]);
  });
});
