import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidInstanceError } from '../../common/index.js';
import { type ServiceInstance, type ServiceRegistration } from '../../model/index.js';
import { idsOf, keyed, RegistryFixture, type RegistryProcess, user } from '../../testing/registry-fixture.js';
import { ListedInstances, type ListedInstancesDeps } from './listed-instances.js';
import { type ServiceRegistry } from '../service-registry.js';

const TTL_MS = 60_000;
const INTERVAL_MS = TTL_MS / 3;
const HOUR_MS = 3_600_000;

/** A process that lists instances. */
interface Lister extends RegistryProcess {
  readonly listed: ListedInstances;
  readonly refused: string[];
}

describe('listed instances', () => {
  let stage: RegistryFixture;
  let listers: Lister[];
  beforeEach(() => {
    stage = new RegistryFixture();
    listers = [];
  });
  afterEach(async () => {
    await Promise.all(listers.map(({ listed }) => listed.close()));
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const lister = async (
    registrations: readonly ServiceRegistration[] = [user('a'), user('b')],
    deps: Partial<ListedInstancesDeps> = {},
  ): Promise<Lister> => {
    const process = await stage.started();
    const refused: string[] = [];
    const listed = new ListedInstances(registrations, {
      registry: process.registry,
      clock: stage.clock,
      random: () => 0,
      serviceTtlMs: TTL_MS,
      removesAtEnd: true,
      refused: ({ instanceId }, error) => void refused.push(`${instanceId}: ${(error as Error).message}`),
      ...deps,
    });
    await listed.start();
    await stage.settled();
    const lister = { ...process, listed, refused };
    listers.push(lister);
    return lister;
  };
  /** Checks that they are registered at every moment of a time span. */
  const stayFor = async (registry: ServiceRegistry, ms: number, ids = ['a', 'b']): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 5_000) {
      await stage.clock.advanceAsync(5_000);
      expect(idsOf(registry).sort()).toEqual(ids);
    }
  };
  const generations = (registry: ServiceRegistry): number[] =>
    registry.getInstances('users').map(({ generation }) => generation);
  const shown = (registry: ServiceRegistry, id = 'a'): ServiceInstance => registry.getInstance(keyed(id))!;

  it('are registered while the process that lists them runs, and deregistered when it closes', async () => {
    const watcher = await stage.started();
    const { registry, listed } = await lister();
    expect(idsOf(registry)).toEqual(['a', 'b']);
    await stayFor(registry, HOUR_MS);
    expect(watcher.log().filter((line) => /expired|registered/.test(line))).toEqual([
      'instance.registered a',
      'instance.registered b',
    ]);
    await listed.close();
    await stage.settled();
    expect(idsOf(watcher.registry)).toEqual([]);
  });

  it('expire if the process that lists them crashes', async () => {
    const watcher = await stage.started();
    const { registry } = await lister(undefined, { removesAtEnd: false });
    await registry.close();
    await listers.splice(0)[0]!.listed.close();
    await stage.clock.advanceAsync(TTL_MS);
    expect(idsOf(watcher.registry)).toEqual([]);
  });

  it('are registered once by several processes', async () => {
    const [one] = [await lister(), await lister(), await lister()];
    expect(idsOf(one.registry)).toEqual(['a', 'b']);
    const before = generations(one.registry);
    await stayFor(one.registry, HOUR_MS);
    expect(generations(one.registry)).toEqual(before);
  });

  it.each([
    ['the first', 0],
    ['the last', 1],
  ])('stay registered with their health when %s of two processes that list them closes', async (_which, index) => {
    const two = [await lister(), await lister()];
    const stays = two[1 - index]!;
    await stays.registry.setStatus(keyed('a'), 'healthy', { checkedAt: 0 });
    const before = shown(stays.registry);
    await two[index]!.listed.close();
    await stayFor(stays.registry, HOUR_MS);
    expect(shown(stays.registry)).toMatchObject({ generation: before.generation, healthStatus: 'healthy' });
  });

  it('stay registered until the last of the processes that list them closes, hours later', async () => {
    const watcher = await stage.started();
    const one = await lister();
    await stage.clock.advanceAsync(7_000);
    const two = await lister();
    await stayFor(watcher.registry, HOUR_MS);
    await one.listed.close();
    await stayFor(watcher.registry, 2 * TTL_MS);
    await two.listed.close();
    await stage.settled();
    expect(idsOf(watcher.registry)).toEqual([]);
  });

  it.each(Array.from({ length: 20 }, (_, step) => step * 50))(
    'with a 3 s lease stay until the last process closes, with heartbeats %d ms out of phase',
    async (phaseMs) => {
      const watcher = await stage.started();
      const short = { serviceTtlMs: 3_000 };
      let leaving = await lister([user('a')], short);
      for (let round = 0; round < 5; round += 1) {
        await stage.clock.advanceAsync(4_000 + phaseMs);
        const staying = await lister([user('a')], short);
        await stage.clock.advanceAsync(4_000 + 100 * round);
        await leaving.listed.close();
        await stage.settled();
        leaving = staying;
      }
      expect(watcher.log()).toEqual(['instance.registered a']);
      await stage.clock.advanceAsync(4_000);
      await leaving.listed.close();
      await stage.settled();
      expect(watcher.log()).toEqual(['instance.registered a', 'instance.deregistered a']);
    },
  );

  it('are registered again at once when a client deregisters one', async () => {
    const { registry } = await lister();
    await registry.deregister(keyed('a'));
    await stage.settled();
    expect(idsOf(registry).sort()).toEqual(['a', 'b']);
  });

  it('are registered again and renewed by all after the registry lost its data', async () => {
    const [one, two] = [await lister(), await lister()];
    await stage.store.restart();
    await stage.clock.advanceAsync(INTERVAL_MS + 5_000);
    const after = generations(one.registry);
    await stayFor(two.registry, HOUR_MS);
    expect(generations(two.registry)).toEqual(after);
  });

  it('keep their maintenance, also after the registry lost its data', async () => {
    const { registry } = await lister();
    await registry.setStatus(keyed('a'), 'maintenance', { reason: 'a disk', by: 'ops' });
    await stage.settled();
    await stage.store.restart();
    await stage.clock.advanceAsync(INTERVAL_MS + 5_000);
    expect(shown(registry)).toMatchObject({
      operatorStatus: 'maintenance',
      operatorNote: { reason: 'a disk', by: 'ops' },
    });
    await registry.setStatus(keyed('a'), 'up');
    await stage.settled();
    await stage.store.restart();
    await stage.clock.advanceAsync(INTERVAL_MS + 5_000);
    expect(shown(registry).operatorStatus).toBe('up');
  });

  it('take the description of the process that started last', async () => {
    const one = await lister([user('a', { weight: 1 })]);
    const two = await lister([user('a', { weight: 2 })]);
    const before = generations(two.registry);
    await stayFor(one.registry, HOUR_MS, ['a']);
    expect(shown(one.registry).weight).toBe(2);
    expect(generations(one.registry)).toEqual(before);
  });

  it('are left as they are by a process with the same description', async () => {
    const registration = user('a', {
      tags: new Set(['x', 'y']),
      metadata: { version: '1.0.0', nested: { list: [1] } },
      healthCheck: { interval: '5s', tls: { rejectUnauthorized: false } },
      zone: 'eu',
      dependencies: ['orders'],
      ttl: '20s',
    });
    const { registry } = await lister([registration]);
    const before = generations(registry);
    await lister([{ ...registration, tags: ['x', 'y'] }]);
    expect(generations(registry)).toEqual(before);
  });

  it('are registered once an unreachable registry is back', async () => {
    stage.store.goAway();
    const process = stage.processOf();
    const starting = process.registry.start();
    await stage.clock.advanceAsync(5_000);
    await starting;
    const listed = new ListedInstances([user('a')], {
      registry: process.registry,
      clock: stage.clock,
      random: () => 0,
      serviceTtlMs: TTL_MS,
      removesAtEnd: true,
      refused: () => undefined,
    });
    listers.push({ ...process, listed, refused: [] });
    await listed.start();
    stage.store.comeBack();
    await stage.clock.advanceAsync(10_000);
    expect(idsOf(process.registry)).toEqual(['a']);
  });

  it('are retried when the registry rejects one, which is reported once', async () => {
    const process = await stage.started();
    let isRefused = true;
    const registry = new Proxy(process.registry, {
      get: (target, name) => {
        if (name !== 'register') return (target[name as keyof ServiceRegistry] as () => unknown).bind?.(target);
        return async (...args: Parameters<ServiceRegistry['register']>) => {
          if (isRefused) throw new InvalidInstanceError([]);
          return target.register(...args);
        };
      },
    });
    const { refused } = await lister([user('a')], { registry });
    await stage.clock.advanceAsync(3 * INTERVAL_MS);
    expect(refused).toHaveLength(1);
    isRefused = false;
    await stage.clock.advanceAsync(INTERVAL_MS);
    expect(idsOf(process.registry)).toEqual(['a']);
  });

  it('are not removed by a process that cannot hear other processes', async () => {
    const watcher = await stage.started();
    const { listed } = await lister(undefined, { removesAtEnd: false });
    await listed.close();
    await stage.settled();
    expect(idsOf(watcher.registry)).toEqual(['a', 'b']);
  });

  it('need nothing if the list is empty', async () => {
    const { listed } = await lister([]);
    expect(stage.store.renewed).toEqual([]);
    expect(listed.has(keyed('a'))).toBe(false);
  });
});
