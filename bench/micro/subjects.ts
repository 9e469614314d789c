import { LoadBalancingStrategy, type LoadBalancingStrategyName } from 'nest-service-discovery/core';
import { type MicroSubject } from './micro-case.js';

const STRATEGIES: readonly LoadBalancingStrategyName[] = Object.values(LoadBalancingStrategy);

/** Subjects by name. A subject is imported only when needed. */
export const SUBJECTS: ReadonlyMap<string, () => Promise<MicroSubject>> = new Map([
  ...STRATEGIES.map(
    (strategy) => [`pick ${strategy}`, async () => (await import('./subjects/pick.js')).picking(strategy)] as const,
  ),
  ['breaker', async () => (await import('./subjects/breaker.js')).breaker()],
  ['budget', async () => (await import('./subjects/budget.js')).budget()],
  ['events', async () => (await import('./subjects/events.js')).events()],
  ['call', async () => (await import('./subjects/call.js')).call()],
  ['discover', async () => (await import('./subjects/discover.js')).discover()],
  ['snapshot', async () => (await import('./subjects/snapshot.js')).snapshot()],
  ...STRATEGIES.map(
    (strategy) =>
      [`update ${strategy}`, async () => (await import('./subjects/balancer-update.js')).updating(strategy)] as const,
  ),
  ['memory', async () => (await import('./subjects/memory.js')).memory()],
  ['channel', async () => (await import('./subjects/channel.js')).channel()],
]);
