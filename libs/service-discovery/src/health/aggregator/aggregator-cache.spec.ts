import { describe, expect, it } from '@jest/globals';
import { type ServiceInstance } from '../../model/index.js';
import { ChangingRegistry } from '../../testing/registry-fixture.js';
import { fakeInstance, ManualClock } from '../../testing/index.js';
import { HealthAggregator } from './health-aggregator.js';

const SERVICES = 1_000;

/** Counts reads of instances' health. */
class Looks {
  count = 0;

  at(overrides: Partial<ServiceInstance>): ServiceInstance {
    const instance = fakeInstance(overrides);
    const { healthStatus } = instance;
    return Object.defineProperty(instance, 'healthStatus', {
      get: () => {
        this.count += 1;
        return healthStatus;
      },
    });
  }

  /** @returns the number of reads during `work` */
  of(work: () => void): number {
    const before = this.count;
    work();
    return this.count - before;
  }
}

function stage(): { looks: Looks; registry: ChangingRegistry; aggregator: HealthAggregator; all: ServiceInstance[] } {
  const looks = new Looks();
  const all = Array.from({ length: SERVICES }, (_, index) => looks.at({ serviceName: `s${index}` }));
  const registry = new ChangingRegistry(all);
  return { looks, registry, aggregator: new HealthAggregator(registry), all };
}

describe('HealthAggregator under polling', () => {
  it('reads each instance once to count it and once to describe it, however often it is polled', () => {
    const { looks, aggregator } = stage();
    const ask = (): void => {
      for (let poll = 0; poll < 50; poll++) {
        aggregator.getSummary();
        aggregator.getSummary({ tag: 'x' });
        aggregator.getAggregatedHealth();
      }
    };
    expect(looks.of(ask)).toBe(2 * SERVICES);
    expect(looks.of(ask)).toBe(0);
  });

  it('reads only the service that changed', () => {
    const { looks, registry, aggregator } = stage();
    expect(aggregator.getSummary().healthyServices).toBe(SERVICES);
    registry.put(looks.at({ serviceName: 's7', healthStatus: 'unhealthy' }));
    // The second read is of the changed health.
    expect(looks.of(() => expect(aggregator.getSummary().healthyServices).toBe(SERVICES - 1))).toBe(1);
    registry.remove(fakeInstance({ serviceName: 's8' }));
    expect(looks.of(() => expect(aggregator.getSummary().totalServices).toBe(SERVICES - 1))).toBe(0);
  });

  it('reads nothing after heartbeats and checks with an unchanged result', () => {
    const { looks, registry, aggregator, all } = stage();
    aggregator.getSummary();
    registry.beat(...all);
    registry.put(looks.at({ serviceName: 's7', health: { checkedAt: 5 } }));
    expect(looks.of(() => aggregator.getSummary())).toBe(0);
    expect(aggregator.getAggregatedHealth().services.s7).toMatchObject({ instances: [{ lastChecked: 5 }] });
  });

  it('reads only lists that differ after the registry resets', () => {
    const { looks, registry, aggregator, all } = stage();
    aggregator.getSummary();
    registry.apply({
      type: 'reset',
      instances: all.with(3, looks.at({ serviceName: 's3', healthStatus: 'unhealthy' })),
    });
    expect(looks.of(() => expect(aggregator.getSummary().unhealthyServices).toBe(1))).toBe(1);
  });

  it('keeps descriptions of unchanged services', () => {
    const { registry, aggregator } = stage();
    const before = aggregator.getAggregatedHealth().services;
    registry.beat(fakeInstance({ serviceName: 's7' }));
    const after = aggregator.getAggregatedHealth().services;
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(changed).toEqual(['s7']);
  });

  it('is up to date for a listener that is notified before it', () => {
    const registry = new ChangingRegistry([fakeInstance()]);
    const heard: string[] = [];
    registry.onChange(() => heard.push(aggregator.getSummary().overallStatus));
    const aggregator = new HealthAggregator(registry);
    registry.put(fakeInstance({ healthStatus: 'unhealthy' }));
    registry.put(fakeInstance({ healthStatus: 'healthy' }));
    expect(heard).toEqual(['unhealthy', 'healthy']);
  });

  it('recomputes ages while expiry is held, and stops afterwards', () => {
    const clock = new ManualClock(0);
    const registry = new ChangingRegistry([fakeInstance({ ttlMs: 30_000, lastHeartbeat: 0 })]);
    const aggregator = new HealthAggregator(registry, { clock });
    const sources = (): string[] | undefined =>
      aggregator.getAggregatedHealth().services['user-service']?.instances[0]?.reasons.map(({ source }) => source);
    expect(sources()).toEqual(['active']);
    registry.apply({ type: 'hold', serviceName: 'user-service', hold: { since: 1, overdue: 9, total: 10 } });
    expect(sources()).toEqual(['active']);
    clock.advance(20_000);
    expect(sources()).toEqual(['lease', 'active']);
    registry.apply({ type: 'hold', serviceName: 'user-service', hold: null });
    expect(sources()).toEqual(['active']);
    expect(aggregator.getAggregatedHealth().services['user-service']?.expiryHeld).toBeNull();
  });

  it('caches a bounded number of selections', () => {
    const { registry } = stage();
    let sums = 0;
    const overallStatus = (): 'healthy' => (sums++, 'healthy');
    const aggregator = new HealthAggregator(registry, {}, { overallStatus });
    const ask = (tag: string): void => void aggregator.getSummary({ tag });
    ask('first');
    ask('first');
    expect(sums).toBe(1);
    for (let index = 0; index < 100; index++) ask(`tag-${index}`);
    ask('first');
    expect(sums).toBe(102);
  });

  it('stops listening when closed', () => {
    const { registry, aggregator } = stage();
    expect(registry.listening).toBe(1);
    aggregator.close();
    expect(registry.listening).toBe(0);
  });
});
