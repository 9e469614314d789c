import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../../common/index.js';
import { type Environment } from './environment.js';
import { type ServiceDiscoveryOptions } from './options.js';
import { getServiceDiscoveryConfig } from './presets.js';
import { resolveServiceDiscoveryOptions } from './resolve.js';

const CRON = '*/30 * * * * *';

function problemsOf(healthCheck: object, env: Environment = {}): string[] {
  try {
    resolveServiceDiscoveryOptions({ healthCheck }, env);
  } catch (error) {
    if (error instanceof InvalidConfigurationError)
      return error.problems.map(({ path, value, expected }) => `${path} ${JSON.stringify(value)}: ${expected}`);
  }
  return [];
}

describe('healthCheck.cron', () => {
  it('stands for its times', () => {
    const { healthCheck } = resolveServiceDiscoveryOptions({ healthCheck: { cron: CRON, timeout: '2s' } });
    expect(healthCheck.cron?.next(1_000)).toBe(30_000);
    expect(healthCheck).toMatchObject({ timeout: '2s' });
  });

  it("may be times of one's own", () => {
    const cron = { next: (after: number) => after + 1_000 };
    expect(resolveServiceDiscoveryOptions({ healthCheck: { cron } }).healthCheck.cron).toBe(cron);
  });

  it.each<[unknown, string]>([
    ['often', 'Unknown alias: oft'],
    ['* * * *', 'Too few fields'],
    ['* * * * * * *', 'Too many fields'],
    ['61 * * * * *', 'Field value (61) is out of range'],
    ['0 0 31 2 *', 'No execution date was found'],
    ['', 'Too few fields'],
  ])('is refused by its name where it is %j', (cron, problem) => {
    const problems = problemsOf({ cron });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(
      `healthCheck.cron ${JSON.stringify(cron)}: a cron expression of five fields, or of six`,
    );
    expect(problems[0]).toContain(problem);
  });

  it.each([[30], [null], [true], [{ next: 1 }], [new Date(0)]])('is refused where it is %p', (cron) => {
    expect(problemsOf({ cron })).toEqual([
      expect.stringMatching(/^healthCheck\.cron .*: a cron expression of five fields/),
    ]);
  });

  it('contradicts an interval beside it', () => {
    expect(problemsOf({ cron: CRON, interval: '30s' })).toEqual([
      'healthCheck.interval "30s": nothing beside healthCheck.cron: only one of them can say when to check',
    ]);
  });

  it('takes the place of the interval of a preset and of the environment', () => {
    const env = { SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL: '15', SERVICE_DISCOVERY_HEALTH_CHECK_TIMEOUT: '2' };
    const production = getServiceDiscoveryConfig('production');
    for (const options of [
      { preset: 'production', healthCheck: { cron: CRON } },
      { ...production, healthCheck: { ...(production.healthCheck as object), cron: CRON } },
    ] satisfies ServiceDiscoveryOptions[]) {
      const { healthCheck } = resolveServiceDiscoveryOptions(options, env);
      expect(healthCheck.interval).toBeUndefined();
      expect(healthCheck.cron?.next(0)).toBe(30_000);
      expect(healthCheck.timeout).toBe('2s');
    }
  });

  it('is no option of a service, nor of a registration', () => {
    expect(problemsOf({ services: { users: { cron: CRON } } })).toEqual([
      expect.stringMatching(/^healthCheck\.services\.users\.cron .*no option of this name/),
    ]);
  });
});
