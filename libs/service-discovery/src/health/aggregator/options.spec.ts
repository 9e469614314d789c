import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../../common/index.js';
import { ChangingRegistry } from '../../testing/registry-fixture.js';
import { fakeInstance } from '../../testing/index.js';
import { type HealthSelection } from './aggregated-health.js';
import { HealthAggregator } from './health-aggregator.js';
import { HEALTH_AGGREGATOR_OPTIONS, type HealthAggregatorOptions, type OverallFindings } from './options.js';

/** @param words such as `users healthy, mail unhealthy` */
function aggregatorOf(
  words: string,
  options: Partial<HealthAggregatorOptions>,
  onError?: (error: unknown) => void,
): HealthAggregator {
  const instances = words
    .split(', ')
    .filter(Boolean)
    .map((text, index) => {
      const [serviceName = '', healthStatus] = text.split(' ') as [string, 'healthy' | 'unhealthy' | 'unknown'];
      return fakeInstance({ serviceName, instanceId: `i${index}`, healthStatus, tags: ['all'] });
    });
  return new HealthAggregator(new ChangingRegistry(instances), { onError }, options);
}

describe('required and optional services', () => {
  const rules = { required: ['users'], optional: ['mail', 'ads'] };

  it.each<[string, HealthSelection, string, string[]]>([
    ['users healthy, mail healthy', {}, 'healthy', []],
    ['users healthy, mail unhealthy', {}, 'degraded', []],
    ['users healthy, mail unknown', {}, 'healthy', []],
    ['users unknown, mail healthy', {}, 'healthy', []],
    ['users unhealthy, mail healthy, orders healthy', {}, 'unhealthy', []],
    ['users healthy, mail healthy, mail unhealthy', {}, 'degraded', []],
    ['users healthy, mail unhealthy, ads unhealthy', {}, 'degraded', []],
    ['users unhealthy, mail unhealthy', {}, 'unhealthy', []],
    ['users healthy, mail unhealthy, orders unhealthy', {}, 'degraded', []],
    ['users healthy, mail unhealthy, orders unknown', {}, 'degraded', []],
    ['users healthy', {}, 'healthy', []],
    ['mail healthy', {}, 'unhealthy', ['users']],
    ['', {}, 'unhealthy', ['users']],
    ['users unknown, mail unknown', {}, 'unknown', []],
    // A selection that names a service is judged by that service.
    ['users healthy, mail unhealthy', { service: 'mail' }, 'unhealthy', []],
    ['users healthy, mail unhealthy', { tag: 'all' }, 'degraded', []],
    // Tags of an unregistered service are unknown.
    ['mail healthy', { tag: 'all' }, 'healthy', []],
  ])('with "%s", %p is %s', (words, selection, status, missing) => {
    const summary = aggregatorOf(words, rules).getSummary(selection);
    expect([summary.overallStatus, summary.missingServices]).toEqual([status, missing]);
  });

  it.each<[string, string]>([
    ['mail unhealthy', 'degraded'],
    ['mail unhealthy, ads unhealthy', 'degraded'],
    ['mail unhealthy, orders unhealthy', 'unhealthy'],
    ['mail healthy, orders unhealthy', 'degraded'],
  ])('with only optional services missing, "%s" is %s', (words, status) => {
    const summary = aggregatorOf(words, { optional: ['mail', 'ads'] }).getSummary();
    expect(summary.overallStatus).toBe(status);
  });

  it('are faults if required and not registered', () => {
    expect(aggregatorOf('mail healthy', rules).getAggregatedHealth().faults).toEqual([
      { services: ['users'], kind: 'not_registered', cascades: [], atRisk: [] },
    ]);
  });
});

describe('the rule majority', () => {
  it.each<[string, Partial<HealthAggregatorOptions>, string]>([
    ['a healthy, b healthy, c healthy, d healthy, e unhealthy', {}, 'healthy'],
    ['a healthy, b healthy, b unhealthy, c unhealthy', {}, 'healthy'],
    ['a healthy, b unknown, c unhealthy', {}, 'healthy'],
    ['a healthy, b unhealthy', {}, 'degraded'],
    ['a unhealthy, b unhealthy, c unknown', {}, 'unhealthy'],
    ['a unknown, b unknown', {}, 'unknown'],
    ['a healthy, b healthy, c unhealthy', { required: ['c'] }, 'unhealthy'],
    ['a healthy, b healthy, c healthy', { required: ['d'] }, 'unhealthy'],
  ])('maps "%s" with %j to %s', (words, options, status) => {
    expect(aggregatorOf(words, { ...options, rule: 'majority' }).getSummary().overallStatus).toBe(status);
  });
});

describe("an app's own rule", () => {
  it('decides, given the result of the usual rule', () => {
    const heard: OverallFindings[] = [];
    const overallStatus = (findings: OverallFindings): 'degraded' => (heard.push(findings), 'degraded');
    const aggregator = aggregatorOf('users healthy, mail unhealthy', { required: ['gone'], overallStatus });
    expect(aggregator.getSummary()).toMatchObject({ overallStatus: 'degraded', unhealthyServices: 1 });
    aggregator.getSummary();
    expect(heard).toEqual([
      {
        statuses: new Map([
          ['users', 'healthy'],
          ['mail', 'unhealthy'],
        ]),
        missing: ['gone'],
        usual: 'unhealthy',
      },
    ]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['returns no status', () => 'fine'],
  ])('falls back to the usual rule and reports an error if it %s', (_, overallStatus) => {
    const errors: unknown[] = [];
    const options = { overallStatus: overallStatus as never };
    const aggregator = aggregatorOf('users unhealthy', options, (error) => errors.push(error));
    expect(aggregator.getSummary().overallStatus).toBe('unhealthy');
    expect(errors).toHaveLength(1);
  });
});

describe('the options of aggregated health', () => {
  it('are all checked, and every wrong one is named', () => {
    const wrong = {
      required: ['a', 'a b'],
      optional: 'mail',
      overallStatus: 'healthy',
      rule: 'most',
      history: -1,
      needed: [],
    };
    let error: unknown;
    try {
      HEALTH_AGGREGATOR_OPTIONS.resolve(wrong as never);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as InvalidConfigurationError).problems.map(({ path }) => path).sort()).toEqual([
      'health.history',
      'health.needed',
      'health.optional',
      'health.overallStatus',
      'health.required[1]',
      'health.rule',
    ]);
  });

  it('reject a service that is both required and optional', () => {
    expect(() => HEALTH_AGGREGATOR_OPTIONS.resolve({ required: ['a', 'b'], optional: ['b'] })).toThrow(
      /health\.optional/,
    );
  });
});
