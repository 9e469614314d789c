import { describe, expect, it } from '@jest/globals';
import { ServiceMap } from '../../model/service-map.js';
import { ChangingRegistry } from '../../testing/registry-fixture.js';
import { fakeInstance } from '../../testing/index.js';
import { type HealthSelection } from './aggregated-health.js';
import { HealthAggregator } from './health-aggregator.js';

const INSTANCES = [
  fakeInstance({ serviceName: 'users', tags: ['core'], tier: 'app' }),
  fakeInstance({ serviceName: 'orders', instanceId: 'a', tags: ['core', 'money'], tier: 'app' }),
  fakeInstance({ serviceName: 'orders', instanceId: 'b', healthStatus: 'unhealthy', tier: 'data' }),
  fakeInstance({ serviceName: 'mail', healthStatus: 'unhealthy' }),
];

describe('the health of a selection', () => {
  it.each<[string, HealthSelection, string, string[]]>([
    ['all', {}, 'degraded', ['users', 'orders', 'mail']],
    ['one by name', { service: 'users' }, 'healthy', ['users']],
    ['several by name', { service: ['mail', 'users'] }, 'unhealthy', ['users', 'mail']],
    ['with a tag, with all their instances', { tag: 'money' }, 'degraded', ['orders']],
    ['of a tier', { tier: 'app' }, 'degraded', ['users', 'orders']],
    ['that everything applies to', { service: ['users', 'orders'], tag: 'core', tier: 'data' }, 'degraded', ['orders']],
    ['with a tag that none has', { tag: 'none' }, 'unknown', []],
    ['of a tier that none has', { tier: 'ml' }, 'unknown', []],
  ])('%s', (_, selection, status, names) => {
    const aggregator = new HealthAggregator(new ChangingRegistry(INSTANCES));
    const health = aggregator.getAggregatedHealth(selection);
    expect([health.overallStatus, Object.keys(health.services)]).toEqual([status, names]);
    expect(aggregator.getSummary(selection)).toMatchObject({ overallStatus: status, totalServices: names.length });
    expect(health.missingServices).toEqual([]);
  });

  it('is unhealthy if a named service is not registered, and names it', () => {
    const registry = new ChangingRegistry(INSTANCES);
    const aggregator = new HealthAggregator(registry);
    const selection = { service: ['users', 'gone'] };
    expect(aggregator.getSummary(selection)).toMatchObject({
      overallStatus: 'unhealthy',
      totalServices: 1,
      healthyServices: 1,
      unhealthyServices: 0,
      missingServices: ['gone'],
    });
    registry.put(fakeInstance({ serviceName: 'gone' }));
    expect(aggregator.getSummary(selection)).toMatchObject({ overallStatus: 'healthy', missingServices: [] });
  });

  it('rejects an unknown field, which would otherwise select all services', () => {
    const aggregator = new HealthAggregator(new ChangingRegistry(INSTANCES));
    const misspelled = { services: ['users'] } as HealthSelection;
    for (const ask of ['getSummary', 'getAggregatedHealth'] as const) {
      expect(() => aggregator[ask](misspelled)).toThrow(
        'selection.services: expected no option of this name (did you mean "service"?)',
      );
    }
  });

  it('reports no missing services before the registry has answered', () => {
    const registry = new ChangingRegistry();
    const aggregator = new HealthAggregator(registry);
    const ask = (): unknown => aggregator.getSummary({ service: 'users' });
    expect(ask()).toMatchObject({ overallStatus: 'unknown', missingServices: [] });
    registry.apply({ type: 'reset', instances: [] });
    expect(ask()).toMatchObject({ overallStatus: 'unhealthy', missingServices: ['users'] });
  });

  it('reports no missing services among those that this process does not read', () => {
    const registry = new ChangingRegistry([]);
    const aggregator = new HealthAggregator(registry);
    const ask = (): unknown => aggregator.getSummary({ service: 'users' });
    registry.show({ ...registry.snapshot, services: ServiceMap.EMPTY, scope: new Set(['orders']) });
    expect(ask()).toMatchObject({ overallStatus: 'unknown', missingServices: [] });
    registry.show({ ...registry.snapshot, scope: new Set(['orders', 'users']) });
    expect(ask()).toMatchObject({ overallStatus: 'unhealthy', missingServices: ['users'] });
  });
});
