import { describe, expect, it, jest } from '@jest/globals';
import { ChangingRegistry } from '../../testing/registry-fixture.js';
import { fakeInstance } from '../../testing/index.js';
import { HealthAggregator } from './health-aggregator.js';
import { type HealthChange } from './sum-up.js';

const SERVICES = 1_000;
const nameOf = (index: number): string => `s${String(index).padStart(3, '0')}`;

function stage(): { registry: ChangingRegistry; aggregator: HealthAggregator; told: HealthChange[]; stop: () => void } {
  const all = Array.from({ length: SERVICES }, (_, index) => fakeInstance({ serviceName: nameOf(index) }));
  const registry = new ChangingRegistry(all);
  const aggregator = new HealthAggregator(registry);
  const told: HealthChange[] = [];
  return { registry, aggregator, told, stop: aggregator.onChange((change) => told.push(change)) };
}

/** Runs everything due in this turn. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('HealthAggregator.onChange', () => {
  it('reports a thousand changes of one turn in one event', async () => {
    const { registry, told } = stage();
    const deferred = jest.spyOn(globalThis, 'queueMicrotask');
    for (let index = 0; index < SERVICES; index++)
      registry.put(fakeInstance({ serviceName: nameOf(index), healthStatus: 'unhealthy' }));
    expect(told).toEqual([]);
    expect(deferred).toHaveBeenCalledTimes(1);
    deferred.mockRestore();
    await settled();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      previous: { overallStatus: 'healthy', healthyServices: SERVICES, unhealthyServices: 0 },
      summary: { overallStatus: 'unhealthy', healthyServices: 0, unhealthyServices: SERVICES },
    });
    expect(told[0]?.services).toHaveLength(SERVICES);
    expect(told[0]?.services[7]).toEqual({ service: 's007', from: 'healthy', to: 'unhealthy' });
  });

  it('reports nothing if the summary is unchanged', async () => {
    const { registry, told } = stage();
    registry.beat(fakeInstance({ serviceName: 's001' }));
    registry.put(fakeInstance({ serviceName: 's001', health: { checkedAt: 5 } }));
    registry.put(fakeInstance({ serviceName: 's001', instanceId: 'second', healthStatus: 'unknown' }));
    registry.put(fakeInstance({ serviceName: 's002', healthStatus: 'unhealthy' }));
    registry.put(fakeInstance({ serviceName: 's002', healthStatus: 'healthy' }));
    registry.show({ ...registry.snapshot });
    await settled();
    expect(told).toEqual([]);
  });

  it('reports services that swap statuses although the counts stay the same', async () => {
    const { registry, told } = stage();
    registry.put(fakeInstance({ serviceName: 's001', healthStatus: 'unhealthy' }));
    await settled();
    registry.put(
      fakeInstance({ serviceName: 's001' }),
      fakeInstance({ serviceName: 's002', healthStatus: 'unhealthy' }),
    );
    await settled();
    expect(told.map(({ services }) => services)).toEqual([
      [{ service: 's001', from: 'healthy', to: 'unhealthy' }],
      [
        { service: 's001', from: 'unhealthy', to: 'healthy' },
        { service: 's002', from: 'healthy', to: 'unhealthy' },
      ],
    ]);
    expect(told[1]?.previous).toBe(told[0]?.summary);
  });

  it('reports services that come and go, and a registry that disconnects and reconnects', async () => {
    const { registry, told } = stage();
    registry.put(fakeInstance({ serviceName: 'new' }));
    registry.remove(fakeInstance({ serviceName: 's001' }));
    await settled();
    registry.show({ ...registry.snapshot, connected: false });
    await settled();
    registry.apply({ type: 'reset', instances: [fakeInstance({ serviceName: 'new' })] });
    await settled();
    expect(told.map(({ services }) => services.length)).toEqual([2, 0, SERVICES - 1]);
    expect(told[0]?.services).toEqual([
      { service: 'new', from: null, to: 'healthy' },
      { service: 's001', from: 'healthy', to: null },
    ]);
    expect(told[1]?.summary.registry.connected).toBe(false);
  });

  it('starts from the state at the time of the first subscription', async () => {
    const registry = new ChangingRegistry([fakeInstance({ healthStatus: 'unhealthy' })]);
    const aggregator = new HealthAggregator(registry);
    const told: HealthChange[] = [];
    aggregator.onChange((change) => told.push(change))();
    registry.put(fakeInstance());
    aggregator.onChange((change) => told.push(change));
    await settled();
    expect(told).toEqual([]);
    registry.put(fakeInstance({ healthStatus: 'unhealthy' }));
    await settled();
    expect(told.map(({ services }) => services)).toEqual([
      [{ service: 'user-service', from: 'healthy', to: 'unhealthy' }],
    ]);
  });

  it('still notifies the other listeners when one throws, and none that has unsubscribed', async () => {
    const registry = new ChangingRegistry([fakeInstance()]);
    const errors: unknown[] = [];
    const aggregator = new HealthAggregator(registry, { onError: (error) => errors.push(error) });
    const told: string[] = [];
    aggregator.onChange(() => {
      throw new Error('mine');
    });
    const stop = aggregator.onChange(() => told.push('first'));
    aggregator.onChange(() => told.push('second'));
    stop();
    stop();
    registry.put(fakeInstance({ healthStatus: 'unhealthy' }));
    await settled();
    expect([told, errors]).toEqual([['second'], [new Error('mine')]]);
    registry.put(fakeInstance());
    aggregator.close();
    await settled();
    expect(told).toEqual(['second']);
  });
});
