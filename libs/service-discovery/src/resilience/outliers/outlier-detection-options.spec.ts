import { describe, expect, it } from '@jest/globals';
import { type InvalidConfigurationError } from '../../common/index.js';
import { type OutlierDetectionOptions, OUTLIER_DETECTION_OPTIONS } from './outlier-detection-options.js';

function problemsOf(options: object): string[] {
  try {
    OUTLIER_DETECTION_OPTIONS.resolve(options);
    return [];
  } catch (error) {
    return (error as InvalidConfigurationError).problems.map(({ path, expected }) => `${path}: ${expected}`);
  }
}

describe('the options of outlier detection', () => {
  it('have defaults', () => {
    expect(OUTLIER_DETECTION_OPTIONS.resolve()).toEqual({
      consecutiveFailures: 5,
      successRate: { minimumInstances: 3, minimumCalls: 20, factor: 1.9, margin: 0.05 },
      failurePercentage: { minimumInstances: 2, minimumCalls: 20, threshold: 85 },
      latency: false,
      interval: 10_000,
      ejectionTime: 30_000,
      maxEjectionTime: 300_000,
      ejectionJitter: 0.1,
      maxEjectedShare: 0.3,
      enforcing: true,
    });
    expect(OUTLIER_DETECTION_OPTIONS.resolve({ latency: {} }).latency).toEqual({
      minimumInstances: 3,
      minimumCalls: 20,
      factor: 3,
      margin: 50,
      quantile: 0.5,
    });
    expect(OUTLIER_DETECTION_OPTIONS.resolve({ ejectionTime: '1h' }).maxEjectionTime).toBe(3_600_000);
  });

  it('become milliseconds, and are taken again as they are then', () => {
    const options: Partial<OutlierDetectionOptions> = {
      successRate: false,
      latency: { margin: '1s' },
      interval: '5s',
      ejectionTime: '1m',
      maxEjectionTime: '1m',
    };
    const resolved = OUTLIER_DETECTION_OPTIONS.resolve(options);
    expect(resolved).toMatchObject({
      successRate: false,
      latency: { margin: 1_000 },
      interval: 5_000,
      ejectionTime: 60_000,
    });
    expect(OUTLIER_DETECTION_OPTIONS.resolve(resolved)).toEqual(resolved);
  });

  it.each([
    [{ consecutiveFailures: 0 }, 'consecutiveFailures: a whole number from 1 to 1000'],
    [{ interval: '10ms' }, 'interval: a duration from 100ms to 1h'],
    [{ ejectionTime: 0 }, 'ejectionTime: a duration from 1ms to 1d'],
    [{ maxEjectionTime: '2d' }, 'maxEjectionTime: a duration from 1ms to 1d'],
    [{ ejectionJitter: 2 }, 'ejectionJitter: a number from 0 to 1'],
    [{ maxEjectedShare: 0 }, 'maxEjectedShare: a number from 0.01 to 1'],
    [{ maxEjectedShare: Number.NaN }, 'maxEjectedShare: a number from 0.01 to 1'],
    [{ enforcing: 0 }, 'enforcing: true or false'],
    [{ successRate: true }, 'successRate: an object of options'],
    [{ successRate: { minimumInstances: 1 } }, 'successRate.minimumInstances: a whole number from 2 to 1000'],
    [{ successRate: { minimumCalls: 0 } }, 'successRate.minimumCalls: a whole number from 1 to 1000000'],
    [{ successRate: { factor: -1 } }, 'successRate.factor: a number from 0 to 100'],
    [{ successRate: { margin: 5 } }, 'successRate.margin: a number from 0 to 1'],
    [{ failurePercentage: { threshold: 0.85 } }, 'failurePercentage.threshold: a number from 1 to 100'],
    [
      { failurePercentage: { treshold: 85 } },
      'failurePercentage.treshold: no option of this name (did you mean "threshold"?)',
    ],
    [{ latency: { factor: 1 } }, 'latency.factor: a number from 1.1 to 1000'],
    [{ latency: { margin: '2d' } }, 'latency.margin: a duration from 0ms to 1d'],
    [{ latency: { quantile: 1 } }, 'latency.quantile: a number from 0.01 to 0.99'],
    [{ intervall: 5 }, 'intervall: no option of this name (did you mean "interval"?)'],
  ])('refuse %j', (options, expected) => {
    expect(problemsOf(options)[0]).toMatch(`outlierDetection.${expected}`);
  });

  it.each([
    [
      { ejectionTime: '10s', maxEjectionTime: '9s' },
      'maxEjectionTime: a duration not shorter than ejectionTime, which is 10000ms',
    ],
    [
      { consecutiveFailures: false, successRate: false, failurePercentage: false },
      'consecutiveFailures: a number where successRate, failurePercentage and latency are off, too: else nothing is ever ejected',
    ],
  ])('refuse %j, which contradicts itself', (options, expected) => {
    expect(problemsOf(options)).toEqual([`outlierDetection.${expected}`]);
  });
});
