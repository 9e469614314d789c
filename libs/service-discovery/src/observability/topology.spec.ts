import { expect, it } from '@jest/globals';
import { HealthAggregator } from '../health/index.js';
import { ServiceRegistry } from '../registry/index.js';
import { MemoryRegistryStore } from '../store/index.js';
import { ManualClock } from '../testing/index.js';
import { type EdgeRate } from './call-figures.js';
import { describeTopology, type Topology } from './topology.js';

const rate = (caller: string, service: string): EdgeRate => ({
  caller,
  service,
  callsPerSecond: 1,
  errorShare: 0,
  p50: 1,
  p95: 1,
  p99: 1,
});

async function topologyOf(
  services: Readonly<Record<string, { dependencies?: string[]; health?: ('healthy' | 'unhealthy')[] }>>,
  rates: readonly EdgeRate[] = [],
): Promise<Topology> {
  const clock = new ManualClock();
  const registry = new ServiceRegistry(new MemoryRegistryStore({ clock }), {}, { clock });
  await registry.start();
  for (const [serviceName, { dependencies, health = ['healthy'] as const }] of Object.entries(services)) {
    for (const [index, status] of health.entries()) {
      const key = { serviceName, instanceId: `${serviceName}-${index}` };
      await registry.register({ ...key, host: '10.0.0.1', port: 80, dependencies }, { heartbeat: 'manual' });
      await registry.setStatus(key, status, { checkedAt: clock.epoch(), reason: status });
    }
  }
  const topology = describeTopology(new HealthAggregator(registry, { clock }), rates);
  await registry.close();
  return topology;
}

it('joins edges of calls and of declarations', async () => {
  const { edges } = await topologyOf({ a: { dependencies: ['b', 'c'] }, b: {}, c: {} }, [
    rate('a', 'b'),
    rate('x', 'a'),
  ]);
  const joined = edges.map(({ from, to, source }) => `${from}>${to} ${source}`).sort();
  expect(joined).toEqual(['a>b both', 'a>c declared', 'x>a calls']);
});

it('finds what depends on a fault through calls and declarations, also in a cycle', async () => {
  const services = { db: { health: ['unhealthy' as const] }, users: { dependencies: ['db'] }, orders: {}, web: {} };
  const rates = [rate('orders', 'users'), rate('web', 'orders'), rate('users', 'orders'), rate('db', 'db')];
  const { faults } = await topologyOf(services, rates);
  expect(faults).toMatchObject([
    { service: 'db', status: 'unhealthy', causedBy: [], breaks: ['orders', 'users', 'web'] },
  ]);
});

it('lists root causes first, then their consequences, and degraded services last', async () => {
  const { faults } = await topologyOf({
    partly: { health: ['healthy', 'unhealthy'] },
    users: { dependencies: ['db'], health: ['unhealthy'] },
    db: { health: ['unhealthy', 'unhealthy'] },
    mail: { dependencies: ['smtp'] },
  });
  expect(faults.map(({ service, status, causedBy }) => [service, status, causedBy])).toEqual([
    ['smtp', 'not_registered', []],
    ['db', 'unhealthy', []],
    ['users', 'unhealthy', ['db']],
    ['partly', 'degraded', []],
  ]);
  expect(faults.at(-1)!.text).toBe('1 of 2 instances of partly cannot be called: unhealthy');
});
