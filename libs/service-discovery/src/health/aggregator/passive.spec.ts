import { describe, expect, it } from '@jest/globals';
import { ChangingRegistry } from '../../testing/registry-fixture.js';
import { fakeInstance } from '../../testing/index.js';
import { NO_FINDINGS, type PassiveFinding, type PassiveHealth } from '../status-merge.js';
import { HealthAggregator } from './health-aggregator.js';

/** Findings on the only service, set by the test. */
class Findings implements PassiveHealth {
  found: ReadonlyMap<string, PassiveFinding> = NO_FINDINGS;
  readonly listeners = new Set<(serviceName: string) => void>();
  asked = 0;

  findingsOn(): ReadonlyMap<string, PassiveFinding> {
    this.asked += 1;
    return this.found;
  }

  onChange(listener: (serviceName: string) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  say(...ids: readonly string[]): void {
    this.found = new Map(ids.map((id) => [id, { reason: 'its circuit is open', since: 5 }]));
    for (const listener of this.listeners) listener('user-service');
  }
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('findings of calls', () => {
  it('count only for unchecked instances, and are always shown', () => {
    const passive = new Findings();
    const registry = new ChangingRegistry([
      fakeInstance({ instanceId: 'a', healthStatus: 'unknown' }),
      fakeInstance({ instanceId: 'b', healthStatus: 'healthy' }),
    ]);
    const aggregator = new HealthAggregator(registry, { passive });
    expect(aggregator.getSummary().overallStatus).toBe('healthy');
    passive.say('a', 'b');
    const health = aggregator.getAggregatedHealth();
    expect(health.overallStatus).toBe('degraded');
    const found = { source: 'passive', status: 'unhealthy', reason: 'its circuit is open', since: 5 };
    expect(health.services['user-service']?.instances).toMatchObject([
      { status: 'unhealthy', reasons: [found] },
      { status: 'healthy', reasons: [{ source: 'active', status: 'healthy' }, found] },
    ]);
    passive.say();
    expect(aggregator.getAggregatedHealth()).toMatchObject({
      overallStatus: 'healthy',
      services: { 'user-service': { instances: [{ status: 'unknown', reasons: [] }, { status: 'healthy' }] } },
    });
  });

  it('make an unchecked service unhealthy', () => {
    const passive = new Findings();
    const registry = new ChangingRegistry([fakeInstance({ instanceId: 'a', healthStatus: 'unknown' })]);
    const aggregator = new HealthAggregator(registry, { passive });
    expect(aggregator.getSummary().overallStatus).toBe('unknown');
    passive.say('a');
    expect(aggregator.getSummary().overallStatus).toBe('unhealthy');
  });

  it('are pushed, and read only when they may have changed', async () => {
    const passive = new Findings();
    const registry = new ChangingRegistry([fakeInstance({ instanceId: 'a', healthStatus: 'unknown' })]);
    const aggregator = new HealthAggregator(registry, { passive });
    const told: unknown[] = [];
    aggregator.onChange(({ services }) => told.push(services));
    passive.say('a');
    passive.say('a');
    await settled();
    expect(told).toEqual([[{ service: 'user-service', from: 'unknown', to: 'unhealthy' }]]);
    const { asked } = passive;
    aggregator.getAggregatedHealth();
    aggregator.getAggregatedHealth();
    expect(passive.asked).toBe(asked);
    aggregator.close();
    expect(passive.listeners.size).toBe(0);
  });
});
