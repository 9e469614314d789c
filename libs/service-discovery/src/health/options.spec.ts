import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../common/index.js';
import { resolveHealthCheckOptions } from './options.js';
import { verdictOn } from './probes/statuses.js';

describe('health check options', () => {
  it('have defaults', () => {
    expect(resolveHealthCheckOptions()).toEqual({
      enabled: true,
      flapping: { results: 21, start: 0.3, stop: 0.15, riseFactor: 3 },
      schedule: {
        intervalMs: 30_000,
        changingIntervalMs: 30_000,
        downIntervalMs: 30_000,
        idleIntervalMs: 30_000,
        jitter: 0.1,
        timeoutMs: 10_000,
        rise: 2,
        fall: 3,
      },
      concurrency: 50,
      healthyStatuses: [[200, 299]],
      bodyLimit: 65_536,
    });
  });

  it('cut a timeout that is longer than one of the intervals', () => {
    expect(resolveHealthCheckOptions({ interval: '5s' }).schedule.timeoutMs).toBe(5_000);
    expect(resolveHealthCheckOptions({ changingInterval: '1s' }).schedule.timeoutMs).toBe(1_000);
  });

  it('take the interval for those that are not given', () => {
    const { schedule } = resolveHealthCheckOptions({ interval: '20s', downInterval: '1m' });
    expect(schedule).toMatchObject({ changingIntervalMs: 20_000, downIntervalMs: 60_000, idleIntervalMs: 20_000 });
  });

  it('take single statuses and ranges', () => {
    const { healthyStatuses } = resolveHealthCheckOptions({ healthyStatuses: [204, [300, 302]] });
    const healthy = [200, 204, 205, 299, 300, 302, 303].filter(
      (status) => verdictOn(status, healthyStatuses) === 'healthy',
    );
    expect(healthy).toEqual([204, 300, 302]);
  });

  it('are refused all together, with paths', () => {
    const wrong = {
      enabled: 'yes' as unknown as boolean,
      interval: 'often',
      timeout: 0,
      downInterval: 0,
      jitter: 0.6,
      rise: 0,
      fall: 1.5,
      concurrency: Number.NaN,
      healthyStatuses: [99, [300, 200] as const],
      bodyLimit: -1,
      flapping: { start: 2 },
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
      'healthCheck.downInterval',
      'healthCheck.enabled',
      'healthCheck.fall',
      'healthCheck.flapping.start',
      'healthCheck.healthyStatuses[0]',
      'healthCheck.healthyStatuses[1]',
      'healthCheck.interval',
      'healthCheck.jitter',
      'healthCheck.rise',
      'healthCheck.timeout',
    ]);
    expect(() => resolveHealthCheckOptions({ healthyStatuses: [] })).toThrow(/healthyStatuses/);
  });
});
