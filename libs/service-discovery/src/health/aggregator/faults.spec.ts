import { describe, expect, it } from '@jest/globals';
import { type HealthStatus, type ServiceInstance } from '../../model/index.js';
import { ChangingRegistry } from '../../testing/registry-fixture.js';
import { fakeInstance } from '../../testing/index.js';
import { type AggregatedHealth } from './aggregated-health.js';
import { type DependentService, findFaults } from './faults.js';
import { HealthAggregator } from './health-aggregator.js';

const serviceOf = (
  serviceName: string,
  healthStatus: HealthStatus,
  dependencies?: readonly string[],
  instanceId = 'i',
): ServiceInstance => fakeInstance({ serviceName, instanceId, healthStatus, dependencies });

const healthOf = (...instances: readonly ServiceInstance[]): AggregatedHealth =>
  new HealthAggregator(new ChangingRegistry(instances)).getAggregatedHealth();

describe('faults', () => {
  it('are told apart from their consequences, even with a healthy service in between', () => {
    const { faults, services } = healthOf(
      serviceOf('shop', 'unhealthy', ['orders']),
      serviceOf('orders', 'healthy', ['inventory']),
      serviceOf('inventory', 'unhealthy'),
      serviceOf('users', 'healthy'),
    );
    expect(faults).toEqual([{ services: ['inventory'], kind: 'unhealthy', cascades: ['shop'], atRisk: ['orders'] }]);
    expect(Object.entries(services).map(([name, { affectedBy }]) => [name, ...affectedBy])).toEqual([
      ['shop', 'inventory'],
      ['orders', 'inventory'],
      ['inventory'],
      ['users'],
    ]);
  });

  it('are merged where unhealthy services depend on each other in a cycle', () => {
    const { faults } = healthOf(
      serviceOf('a', 'unhealthy', ['b']),
      serviceOf('b', 'unhealthy', ['c']),
      serviceOf('c', 'healthy', ['a']),
    );
    expect(faults).toEqual([{ services: ['a', 'b'], kind: 'unhealthy', cascades: [], atRisk: ['c'] }]);
  });

  it('are limited to a hundred per service', () => {
    const chain = Array.from({ length: 4 }, (_, index) => {
      const absent = Array.from({ length: 60 }, (__, each) => `absent-${index}-${each}`);
      return serviceOf(`s${index}`, 'unhealthy', index > 0 ? [`s${index - 1}`, ...absent] : absent);
    });
    const { faults, services } = healthOf(...chain);
    expect(Object.values(services).map(({ affectedBy }) => affectedBy.length)).toEqual([60, 100, 100, 100]);
    expect(faults.length).toBe(100);
    expect(faults.reduce((sum, { cascades }) => sum + cascades.length, 0)).toBe(60 + 3 * 100);
  });

  it('are independent of each other when no service declares dependencies', () => {
    const { faults } = healthOf(serviceOf('b', 'unhealthy'), serviceOf('a', 'unhealthy'), serviceOf('c', 'healthy'));
    expect(faults).toEqual([
      { services: ['a'], kind: 'unhealthy', cascades: [], atRisk: [] },
      { services: ['b'], kind: 'unhealthy', cascades: [], atRisk: [] },
    ]);
  });

  it('ignore a service that depends on itself', () => {
    const { faults, services } = healthOf(serviceOf('a', 'unhealthy', ['a']));
    expect(faults).toEqual([{ services: ['a'], kind: 'unhealthy', cascades: [], atRisk: [] }]);
    expect(services.a).toMatchObject({ dependencies: [], affectedBy: [] });
  });

  it('use the dependencies that any instance of a service declares', () => {
    const { services } = healthOf(
      serviceOf('a', 'healthy', ['b', 'c'], '1'),
      serviceOf('a', 'healthy', ['c', 'd'], '2'),
    );
    expect(services.a?.dependencies).toEqual(['b', 'c', 'd']);
  });

  it('are sorted by impact', () => {
    const { faults } = healthOf(
      serviceOf('a', 'unhealthy'),
      serviceOf('z', 'unhealthy'),
      serviceOf('x', 'healthy', ['z']),
    );
    expect(faults.map(({ services }) => services)).toEqual([['z'], ['a']]);
  });

  it('include a dependency that is not registered, until it is', () => {
    const registry = new ChangingRegistry([serviceOf('shop', 'healthy', ['mail'])]);
    const aggregator = new HealthAggregator(registry);
    const mail = { services: ['mail'], kind: 'not_registered', cascades: [], atRisk: ['shop'] };
    expect(aggregator.getAggregatedHealth()).toMatchObject({ overallStatus: 'healthy', faults: [mail] });
    registry.put(serviceOf('mail', 'unknown'));
    expect(aggregator.getAggregatedHealth().faults).toEqual([]);
    registry.show({ ...registry.snapshot, scope: new Set(['shop']) });
    registry.remove(serviceOf('mail', 'unknown'));
    expect(aggregator.getAggregatedHealth().faults).toEqual([]);
  });

  it('are found along a chain of any length in linear time', () => {
    const length = 50_000;
    let steps = 0;
    const services = new Map<string, DependentService>(
      Array.from({ length }, (_, at) => {
        const dependencies = at + 1 < length ? [`s${at + 1}`] : [];
        const counted = {
          [Symbol.iterator]: () => ((steps += 1), dependencies[Symbol.iterator]()),
          length: dependencies.length,
        };
        const status = at + 1 < length ? 'healthy' : 'unhealthy';
        return [`s${at}`, { status, dependencies: counted as unknown as readonly string[] }];
      }),
    );
    const { faults } = findFaults(services, new Set());
    expect(faults.map((fault) => [fault.services, fault.atRisk.length])).toEqual([[[`s${length - 1}`], length - 1]]);
    expect(steps).toBe(2 * length);
  });
});
