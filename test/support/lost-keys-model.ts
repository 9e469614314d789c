import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type InstanceKey, keyOf, type Lease } from '../../libs/service-discovery/src/model/index.js';
import { agree } from './registry-model.js';
import { RegistryWorld, type SharedStore, type WorldProcess } from './registry-world.js';

const PARTS = ['records', 'states', 'details', 'leases', 'meta', 'changes'] as const;
const SERVICES = ['users', 'orders'] as const;

/** A store that keeps a service in several keys, each of which may be lost at any time. */
export interface EvictingStore extends SharedStore {
  /** Deletes keys of a service. */
  lose(serviceName: string, parts: readonly (typeof PARTS)[number][]): Promise<void>;
  /** Deletes keys of the namespace. */
  loseShared(parts: readonly ('names' | 'sweep' | 'checkers')[]): Promise<void>;
}

/** What renews the registrations of the model: their process, heartbeats from elsewhere, or passing checks. */
const KEPT: readonly { readonly key: InstanceKey; readonly by: 'process' | 'heartbeats' | 'checks' }[] = [
  { key: { serviceName: 'users', instanceId: 'a' }, by: 'process' },
  { key: { serviceName: 'users', instanceId: 'b' }, by: 'process' },
  { key: { serviceName: 'users', instanceId: 'beating' }, by: 'heartbeats' },
  { key: { serviceName: 'users', instanceId: 'checked' }, by: 'checks' },
  { key: { serviceName: 'orders', instanceId: 'a' }, by: 'process' },
];

export type Step =
  | { readonly do: 'lose'; readonly service: (typeof SERVICES)[number]; readonly parts: (typeof PARTS)[number][] }
  | { readonly do: 'lose-shared'; readonly parts: ('names' | 'sweep' | 'checkers')[] }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'health'; readonly index: number; readonly healthy: boolean }
  | { readonly do: 'replace'; readonly index: number }
  | { readonly do: 'crash' | 'reader' };

const index = fc.nat({ max: KEPT.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('lose' as const),
      service: fc.constantFrom(...SERVICES),
      parts: fc.subarray([...PARTS], { minLength: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('lose-shared' as const),
      parts: fc.subarray(['names', 'sweep', 'checkers'] as ('names' | 'sweep' | 'checkers')[], { minLength: 1 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 500, max: 8_000 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('health' as const), index, healthy: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replace' as const), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'reader' as const) }) },
);

/** Possible events, in any order. */
export const losses = fc.array(step, { minLength: 4, maxLength: 20, size: 'max' });

/**
 * The time after the last loss: a store repairs itself within 45 s, and registrations that lost their state end within
 * 60 s.
 */
const REST_MS = 120_000;
const TICK_MS = 2_000;

/**
 * Loses keys during calls. A process keeps finding every instance that it found, for as long as that is kept
 * registered; and once losses stop, every process sees exactly the registrations that are kept.
 */
class LostKeysModel {
  private readonly world: RegistryWorld;
  private readonly views: WorldProcess[] = [];
  private owner!: WorldProcess;
  /** It keeps an instance of its own, and may crash. */
  private other: WorldProcess | undefined;
  private readonly ports = new Map<string, number>();
  private readonly found = new Map<WorldProcess, Set<string>>();
  private beating!: Lease;
  private lastPort = 1_000;

  constructor(private readonly shared: EvictingStore) {
    this.world = new RegistryWorld(shared);
  }

  async run(all: readonly Step[]): Promise<void> {
    try {
      this.owner = await this.start();
      this.other = await this.start();
      for (const position of KEPT.keys()) await this.register(position);
      await this.pass(TICK_MS);
      for (const one of all) {
        await this.take(one);
        this.call();
      }
      await this.pass(REST_MS);
      await this.compare();
    } finally {
      await this.world.close();
    }
  }

  private async start(): Promise<WorldProcess> {
    const process = await this.world.start();
    this.views.push(process);
    this.found.set(process, new Set());
    return process;
  }

  private async take(one: Step): Promise<void> {
    switch (one.do) {
      case 'lose':
        return this.shared.lose(one.service, one.parts);
      case 'lose-shared':
        return this.shared.loseShared(one.parts);
      case 'wait':
        return this.pass(one.ms);
      case 'health': {
        const { registry } = this.views[0]!;
        await this.world.complete(
          registry.setStatus(KEPT[one.index]!.key, one.healthy ? 'healthy' : 'unhealthy', { checkedAt: 1 }),
        );
        return;
      }
      case 'replace':
        return this.register(one.index);
      case 'reader':
        if (this.views.length < 4) await this.start();
        return;
      case 'crash':
        return this.crash();
    }
  }

  private async crash(): Promise<void> {
    const { other } = this;
    if (!other) return;
    this.other = undefined;
    this.views.splice(this.views.indexOf(other), 1);
    this.ports.delete('users/b');
    await this.world.crash(other);
  }

  private async register(position: number): Promise<void> {
    const { key, by } = KEPT[position]!;
    const process = keyOf(key) === 'users/b' ? this.other : this.owner;
    if (!process) return;
    const port = ++this.lastPort;
    const options = by === 'process' ? {} : { heartbeat: 'manual' as const, lease: kindOf(by) };
    const registering = process.registry.register({ ...key, host: '127.0.0.1', port }, options);
    const { lease } = await this.world.complete(registering);
    if (by === 'heartbeats') this.beating = lease;
    this.ports.set(keyOf(key), port);
  }

  /** Advances time, with events from outside the processes: heartbeats, and results of checks. */
  private async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= TICK_MS) {
      await this.world.advance(Math.min(left, TICK_MS));
      const { registry } = this.owner;
      for (const { key, by } of KEPT) {
        const shown = registry.getInstance(key);
        if (by === 'checks' && shown) registry.passedCheck(shown);
      }
      const [held] = await this.world.complete(registry.renewAll([this.beating]));
      if (held !== true) await this.register(KEPT.findIndex(({ by }) => by === 'heartbeats'));
      this.call();
    }
  }

  private call(): void {
    for (const process of this.views) {
      const found = this.found.get(process)!;
      for (const [id, { key }] of KEPT.map((kept) => [keyOf(kept.key), kept] as const)) {
        if (process.registry.getInstance(key)) found.add(id);
        else if (this.ports.has(id)) assert.ok(!found.has(id), `${id} is found by who has found it before`);
      }
    }
  }

  private async compare(): Promise<void> {
    const observer = await this.start();
    await this.world.complete(agree(this.views.map(({ registry }) => registry)));
    const shown = [...observer.registry.snapshot.services.values()].flat();
    const ports = shown.map((instance) => [keyOf(instance), instance.port]);
    assert.deepEqual(
      Object.fromEntries(ports),
      Object.fromEntries(this.ports),
      'what is kept is there, and nothing else',
    );
  }
}

function kindOf(by: 'heartbeats' | 'checks'): 'heartbeat' | 'checks' {
  return by === 'checks' ? 'checks' : 'heartbeat';
}

/** @throws AssertionError naming the violated expectation */
export async function survives(shared: EvictingStore, all: readonly Step[]): Promise<void> {
  await new LostKeysModel(shared).run(all);
}

/** Keys in Redis by the parts of their names. */
export const keysOf = (namespace: string, serviceName: string, parts: readonly string[]): string[] =>
  parts.map((part) => `sd:{${namespace}:${serviceName}}:${part}`);
