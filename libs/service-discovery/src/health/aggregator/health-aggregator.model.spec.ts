import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type HealthStatus, type OperatorStatus, type ServiceInstance } from '../../model/index.js';
import { ChangingRegistry } from '../../testing/registry-fixture.js';
import { fakeInstance } from '../../testing/index.js';
import { type AggregatedStatus } from './aggregated-health.js';
import { HealthAggregator } from './health-aggregator.js';

interface State {
  readonly operator: OperatorStatus;
  readonly health: HealthStatus;
  readonly weight: number;
}

const OPERATORS: readonly OperatorStatus[] = ['up', 'maintenance', 'draining'];
const HEALTHS: readonly HealthStatus[] = ['unknown', 'healthy', 'unhealthy'];
const STATES: readonly State[] = OPERATORS.flatMap((operator) =>
  HEALTHS.flatMap((health) => [100, 0].map((weight) => ({ operator, health, weight }))),
);

/** The documented rules, written as directly as possible. */
function plainly(services: readonly (readonly State[])[]): {
  overallStatus: AggregatedStatus;
  totalServices: number;
  healthyServices: number;
  degradedServices: number;
  unhealthyServices: number;
  unknownServices: number;
} {
  const inUse = ({ operator }: State): boolean => operator === 'up';
  const has = (service: readonly State[], health: HealthStatus): boolean =>
    service.some((state) => inUse(state) && state.health === health);
  const wasChecked = (service: readonly State[]): boolean => service.some(({ health }) => health !== 'unknown');
  const canBeCalled = (service: readonly State[]): boolean => has(service, 'healthy') || has(service, 'unknown');
  const statusOf = (service: readonly State[]): AggregatedStatus => {
    if (!wasChecked(service)) return 'unknown';
    if (!has(service, 'healthy')) return 'unhealthy';
    return has(service, 'unhealthy') ? 'degraded' : 'healthy';
  };
  const overall = (): AggregatedStatus => {
    if (!services.some(wasChecked)) return 'unknown';
    const isWell = (service: readonly State[]): boolean => ['healthy', 'unknown'].includes(statusOf(service));
    if (services.every((service) => isWell(service) && canBeCalled(service))) return 'healthy';
    return services.some((service) => has(service, 'healthy')) ? 'degraded' : 'unhealthy';
  };
  const each = services.map(statusOf);
  const count = (wanted: AggregatedStatus): number => each.filter((status) => status === wanted).length;
  return {
    overallStatus: overall(),
    totalServices: services.length,
    healthyServices: count('healthy'),
    degradedServices: count('degraded'),
    unhealthyServices: count('unhealthy'),
    unknownServices: count('unknown'),
  };
}

function instancesOf(services: readonly (readonly State[])[]): ServiceInstance[] {
  return services.flatMap((states, at) =>
    states.map(({ operator, health, weight }, index) =>
      fakeInstance({
        serviceName: `s${at}`,
        instanceId: `i${index}`,
        operatorStatus: operator,
        healthStatus: health,
        weight,
      }),
    ),
  );
}

/** Expects the aggregator to say what the reference says. */
function expectSame(services: readonly (readonly State[])[]): void {
  const { missingServices, registry, ...counts } = new HealthAggregator(
    new ChangingRegistry(instancesOf(services)),
  ).getSummary();
  const judged = { ...counts, missingServices, isConnected: registry.connected };
  const expected = { ...plainly(services), missingServices: [], isConnected: true };
  // Of thousands of combinations, `expect` takes most of the time.
  if (!isDeepStrictEqual(judged, expected)) expect({ services, ...judged }).toEqual({ services, ...expected });
}

describe('aggregated health compared with a reference', () => {
  it('agrees for every service of up to two instances, alone and next to each other one', () => {
    const kinds = [...STATES.map((one) => [one]), ...STATES.flatMap((one) => STATES.map((other) => [one, other]))];
    for (const service of kinds) expectSame([service]);
    // One representative per status and per reason for it.
    for (const service of kinds) {
      for (const state of STATES) expectSame([service, [state]]);
    }
  });

  it('agrees for every combination of up to five services with one instance each', () => {
    const states = STATES.filter(({ weight, operator }) => weight > 0 && operator !== 'draining');
    const combine = (services: readonly (readonly State[])[], left: number): void => {
      expectSame(services);
      if (left > 0) for (const state of states) combine([...services, [state]], left - 1);
    };
    combine([], 5);
  });

  it('agrees for random services while they change', () => {
    const state = fc.constantFrom(...STATES);
    const services = fc.array(fc.array(state, { minLength: 1, maxLength: 4 }), { maxLength: 5 });
    const changes = fc.array(
      fc.record({
        service: fc.nat({ max: 4 }),
        instance: fc.nat({ max: 3 }),
        to: fc.option(state),
        asks: fc.boolean(),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(services, changes, (given, taken) => {
        const now = given.map((states) => new Map(states.map((one, index) => [index, one])));
        while (now.length < 5) now.push(new Map());
        const registry = new ChangingRegistry(instancesOf(given));
        const aggregator = new HealthAggregator(registry);
        let generation = 1;
        for (const { service, instance, to, asks } of taken) {
          const of = now[service]!;
          const overrides = { serviceName: `s${service}`, instanceId: `i${instance}` };
          const known = of.get(instance);
          if (to) {
            of.set(instance, to);
            // A weight changes only when the instance registers again.
            if (known?.weight !== to.weight) generation += 1;
            registry.put(
              fakeInstance({
                ...overrides,
                operatorStatus: to.operator,
                healthStatus: to.health,
                weight: to.weight,
                generation,
              }),
            );
          } else if (known) {
            of.delete(instance);
            registry.remove(fakeInstance(overrides));
          }
          if (asks) aggregator.getSummary();
        }
        const left = now.filter((of) => of.size > 0).map((of) => [...of.values()]);
        expect(aggregator.getSummary()).toMatchObject(plainly(left));
        expect(aggregator.getAggregatedHealth()).toMatchObject(plainly(left));
      }),
      modelRuns('aggregated health', 1_000),
    );
  });
});
