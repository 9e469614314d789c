import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../common/index.js';
import { isHealthyStatus, resolveHealthCheckOptions } from './options.js';

describe('health check options', () => {
  it('have defaults', () => {
    expect(resolveHealthCheckOptions()).toEqual({
      enabled: true,
      intervalMs: 30_000,
      timeoutMs: 10_000,
      rise: 2,
      fall: 3,
      concurrency: 50,
      healthyStatuses: [[200, 299]],
      bodyLimit: 65_536,
    });
  });

  it('cut a timeout that is longer than the interval', () => {
    expect(resolveHealthCheckOptions({ interval: '5s' }).timeoutMs).toBe(5_000);
  });

  it('take single statuses and ranges', () => {
    const { healthyStatuses } = resolveHealthCheckOptions({ healthyStatuses: [204, [300, 302]] });
    const healthy = [200, 204, 205, 299, 300, 302, 303].filter((status) => isHealthyStatus(status, healthyStatuses));
    expect(healthy).toEqual([204, 300, 302]);
  });

  it('are refused all together, with paths', () => {
    const wrong = {
      enabled: 'yes' as unknown as boolean,
      interval: 'often',
      timeout: 0,
      rise: 0,
      fall: 1.5,
      concurrency: Number.NaN,
      healthyStatuses: [99, [300, 200] as const],
      bodyLimit: -1,
    };
    let thrown: unknown;
    try {
      resolveHealthCheckOptions(wrong);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidConfigurationError);
    expect((thrown as InvalidConfigurationError).problems.map(({ path }) => path).sort()).toEqual([
      'healthCheck.bodyLimit',
      'healthCheck.concurrency',
      'healthCheck.enabled',
      'healthCheck.fall',
      'healthCheck.healthyStatuses[0]',
      'healthCheck.healthyStatuses[1]',
      'healthCheck.interval',
      'healthCheck.rise',
      'healthCheck.timeout',
    ]);
    expect(() => resolveHealthCheckOptions({ healthyStatuses: [] })).toThrow(/healthyStatuses/);
  });
});
