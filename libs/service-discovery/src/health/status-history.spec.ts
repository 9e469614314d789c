import { describe, expect, it } from '@jest/globals';
import { type HealthStatus, type ServiceInstance } from '../model/index.js';
import { ChangingRegistry } from '../testing/registry-fixture.js';
import { fakeInstance, ManualClock } from '../testing/index.js';
import { HealthAggregator } from './aggregator/index.js';

const KEY = { serviceName: 'user-service', instanceId: 'a' };
const BEGAN = Date.UTC(2026, 0, 1);

const one = (overrides: Partial<ServiceInstance> = {}): ServiceInstance =>
  fakeInstance({ ...KEY, healthStatus: 'unknown', ...overrides });

function stage(
  instances: readonly ServiceInstance[] = [],
  history = 20,
): { clock: ManualClock; registry: ChangingRegistry; aggregator: HealthAggregator; words: (id?: string) => string[] } {
  const clock = new ManualClock(BEGAN);
  const registry = new ChangingRegistry(instances);
  const aggregator = new HealthAggregator(registry, { clock }, { history });
  const words = (instanceId = 'a'): string[] =>
    aggregator
      .history({ ...KEY, instanceId })
      .map(({ from, to, source, reason, at }) => `${at - BEGAN} ${from} > ${to}: ${source}, ${reason}`);
  return { clock, registry, aggregator, words };
}

describe('the history of an instance', () => {
  it('records each status, its reason, who set it and when', () => {
    const { clock, registry, words } = stage();
    registry.put(one());
    clock.advance(5);
    registry.put(one({ healthStatus: 'healthy' }));
    clock.advance(5);
    registry.put(one({ healthStatus: 'unhealthy', health: { checkedAt: 1, reason: 'status 503' } }));
    const note = { since: 1, reason: 'a disk is full' };
    registry.put(one({ healthStatus: 'unhealthy', operatorStatus: 'maintenance', operatorNote: note }));
    // A health check result does not change the status in maintenance.
    registry.put(one({ healthStatus: 'healthy', operatorStatus: 'maintenance' }));
    registry.put(one({ healthStatus: 'healthy' }));
    registry.put(one({ generation: 2 }));
    registry.remove(KEY, 'expired');
    expect(words()).toEqual([
      '0 null > unknown: lease, registered',
      '5 unknown > healthy: active, null',
      '10 healthy > unhealthy: active, status 503',
      '10 unhealthy > maintenance: operator, a disk is full',
      '10 maintenance > healthy: operator, null',
      '10 healthy > unknown: lease, registered again',
      '10 unknown > null: lease, expired',
    ]);
  });

  it('ignores heartbeats and checks with an unchanged result', () => {
    const { registry, words } = stage([one()]);
    registry.beat(one());
    registry.put(one({ health: { checkedAt: 9 } }));
    registry.show({ ...registry.snapshot, connected: false });
    expect(words()).toEqual([]);
  });

  it('keeps at most the configured number of entries, the newest', () => {
    const { registry, words } = stage([one()], 3);
    const statuses: HealthStatus[] = ['healthy', 'unhealthy', 'healthy', 'unhealthy', 'healthy'];
    for (const healthStatus of statuses) registry.put(one({ healthStatus }));
    expect(words()).toEqual([
      '0 unhealthy > healthy: active, null',
      '0 healthy > unhealthy: active, null',
      '0 unhealthy > healthy: active, null',
    ]);
    const none = stage([one()], 0);
    none.registry.put(one({ healthStatus: 'healthy' }));
    expect(none.words()).toEqual([]);
  });

  it('starts when this process starts following the registry', () => {
    const clock = new ManualClock();
    const registry = new ChangingRegistry();
    const aggregator = new HealthAggregator(registry, { clock });
    registry.apply({ type: 'reset', instances: [one({ healthStatus: 'healthy' })] });
    expect(aggregator.history(KEY)).toEqual([]);
  });

  it('includes changes made while the registry could not be followed', () => {
    const other = one({ instanceId: 'b', healthStatus: 'healthy' });
    const { registry, words } = stage([one(), other]);
    const third = one({ instanceId: 'c' });
    registry.apply({ type: 'reset', instances: [one({ healthStatus: 'healthy' }), third] });
    expect([words('a'), words('b'), words('c')]).toEqual([
      ['0 unknown > healthy: active, null'],
      ['0 healthy > null: lease, gone while the registry could not be followed'],
      ['0 null > unknown: lease, registered'],
    ]);
  });

  it('does not report instances that only came into scope', () => {
    const { registry, aggregator } = stage([one()]);
    registry.show({ ...registry.snapshot, scope: new Set(['user-service']) });
    const more = fakeInstance({ serviceName: 'orders', instanceId: 'o' });
    registry.apply({ type: 'reset', instances: [one(), more] });
    expect(registry.keys()).toContain('orders/o');
    expect(aggregator.history(more)).toEqual([]);
  });

  it('is kept for ten minutes after the instance left, and continues if it returns', () => {
    const { clock, registry, words } = stage([one()]);
    registry.remove(KEY);
    clock.advance(599_999);
    expect(words()).toHaveLength(1);
    registry.put(one());
    clock.advance(600_000);
    expect(words()).toHaveLength(2);
    registry.remove(KEY);
    clock.advance(600_000);
    expect(words()).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is kept for the latest thousand instances that left', () => {
    const { registry, words } = stage();
    for (let index = 0; index < 1_002; index++) {
      registry.put(one({ instanceId: `i${index}` }));
      registry.remove({ ...KEY, instanceId: `i${index}` });
    }
    expect(['i0', 'i1', 'i2', 'i1001'].map((id) => words(id).length)).toEqual([0, 0, 2, 2]);
  });
});

describe('since when a service is missing', () => {
  it('is when its last instance left, else when this process began to read the registry', () => {
    const { clock, registry, aggregator } = stage([one({ instanceId: 'a' }), one({ instanceId: 'b' })]);
    clock.advance(5);
    registry.remove({ ...KEY, instanceId: 'a' });
    clock.advance(5);
    registry.remove({ ...KEY, instanceId: 'b' });
    expect(aggregator.missingSince(KEY.serviceName)).toBe(BEGAN + 10);
    expect(aggregator.missingSince('mail')).toBe(BEGAN);
    clock.advance(5);
    registry.put(one());
    registry.apply({ type: 'reset', instances: [] });
    expect(aggregator.missingSince(KEY.serviceName)).toBe(BEGAN + 15);
  });

  it('is unknown before the registry was read, and without history all the same', () => {
    const { registry, aggregator } = stage([], 0);
    registry.show({ ...registry.snapshot, ready: false });
    expect(aggregator.missingSince('mail')).toBe(BEGAN);
    const unread = new ChangingRegistry([]);
    unread.show({ ...unread.snapshot, ready: false });
    expect(new HealthAggregator(unread, { clock: new ManualClock(BEGAN) }).missingSince('mail')).toBeNull();
  });

  it('is kept for 1,000 services', () => {
    const names = Array.from({ length: 1_001 }, (_, index) => `s${index}`);
    const { clock, registry, aggregator } = stage(names.map((serviceName) => one({ serviceName })));
    clock.advance(5);
    for (const serviceName of names) registry.remove({ serviceName, instanceId: 'a' });
    expect(['s0', 's1'].map((name) => aggregator.missingSince(name))).toEqual([BEGAN, BEGAN + 5]);
  });
});
