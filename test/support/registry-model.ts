import assert from 'node:assert/strict';
import { setTimeout as patience } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { RegistryUnavailableError } from '../../libs/service-discovery/src/common/index.js';
import {
  type InstanceKey,
  type Lease,
  type OperatorStatus,
  type RegistrySnapshot,
} from '../../libs/service-discovery/src/model/index.js';
import { type LinkState, RegistryWorld, type SharedStore, type WorldProcess } from './registry-world.js';

const PROCESSES = 3;
const KEYS: readonly InstanceKey[] = ['users/a', 'users/b', 'users/c', 'orders/a', 'orders/b'].map((text) => {
  const [serviceName = '', instanceId = ''] = text.split('/');
  return { serviceName, instanceId };
});
const OPERATOR: readonly OperatorStatus[] = ['up', 'maintenance', 'draining'];

/** One step of the model. */
type Step =
  | { readonly do: 'register' | 'deregister'; readonly process: number; readonly key: number }
  | { readonly do: 'operator'; readonly process: number; readonly key: number; readonly status: number }
  | { readonly do: 'health'; readonly process: number; readonly key: number; readonly healthy: boolean }
  | { readonly do: 'late'; readonly process: number; readonly lease: number; readonly remove: boolean }
  | { readonly do: 'link'; readonly process: number; readonly state: LinkState }
  | { readonly do: 'crash'; readonly process: number }
  | { readonly do: 'start'; readonly process: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'forget' };

/** One step of a running process. */
type StepBy = Exclude<Step, { do: 'wait' | 'forget' | 'start' }>;

const process = fc.nat({ max: PROCESSES - 1 });
const key = fc.nat({ max: KEYS.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('register' as const), process, key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('deregister' as const), process, key }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('operator' as const), process, key, status: fc.nat({ max: 2 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('health' as const), process, key, healthy: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('late' as const), process, lease: fc.nat(), remove: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('link' as const),
      process,
      state: fc.constantFrom<LinkState>('up', 'cut', 'deaf'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.oneof(
      fc.record({ do: fc.constant('crash' as const), process }),
      fc.record({ do: fc.constant('start' as const), process }),
    ),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 500, max: 14_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'forget' as const }) },
);

/** Possible steps, in any order. */
export const steps = fc.array(step, { minLength: 4, maxLength: 30, size: 'max' });

/**
 * Performs the steps in a world, and checks what must be true of it: a registration lasts exactly as long as a live
 * process keeps it; of several under one id the latest wins; an old lease has no effect; and once events stop, all
 * views agree.
 */
class RegistryModel {
  private readonly world: RegistryWorld;
  private readonly processes: (WorldProcess | undefined)[] = [];
  private readonly links: LinkState[] = Array.from({ length: PROCESSES }, () => 'up');
  /**
   * What each process registered, and therefore registers again: the port by the index of the key. Later ports are
   * greater.
   */
  private readonly kept = Array.from({ length: PROCESSES }, () => new Map<number, number>());
  /** The operator status by the index of the key, as far as it is certain. */
  private readonly said = new Map<number, OperatorStatus>();
  /** Leases that are certainly valid, and those that were certainly replaced or ended. */
  private readonly current = new Map<number, Lease>();
  private dead: Lease[] = [];
  private lastPort = 1_000;

  constructor(private readonly shared: SharedStore) {
    this.world = new RegistryWorld(shared);
  }

  async run(all: readonly Step[]): Promise<void> {
    try {
      for (let index = 0; index < PROCESSES; index++) this.processes.push(await this.world.start());
      for (const one of all) await this.take(one);
      await this.comeToRest();
    } finally {
      await this.world.close();
    }
  }

  private async take(one: Step): Promise<void> {
    if (one.do === 'wait') return this.world.advance(one.ms);
    if (one.do === 'forget') return this.forget();
    if (one.do === 'start') return this.start(one.process);
    const running = this.processes[one.process];
    if (running) await this.takeBy(running, one);
  }

  private async takeBy(running: WorldProcess, one: StepBy): Promise<void> {
    switch (one.do) {
      case 'crash':
        this.processes[one.process] = undefined;
        this.kept[one.process]!.clear();
        this.unsettle();
        return this.world.crash(running);
      case 'link':
        this.links[one.process] = one.state;
        if (one.state !== 'up') this.unsettle();
        return running.link.become(one.state);
      case 'register':
        return this.register(running, one.process, one.key);
      case 'deregister':
        return this.deregister(running, one.process, one.key);
      case 'operator':
        return this.say(running, one.process, one.key, OPERATOR[one.status]!);
      case 'health':
        await settled(
          this.world.complete(running.registry.setStatus(KEYS[one.key]!, one.healthy ? 'healthy' : 'unhealthy')),
        );
        return;
      case 'late':
        return this.actLate(running, one);
    }
  }

  private async forget(): Promise<void> {
    this.dead = [];
    this.unsettle();
    // A server restart takes time: generations follow the clock.
    await this.world.advance(100);
    await this.shared.forget();
  }

  private async start(index: number): Promise<void> {
    if (this.processes[index]) return;
    this.links[index] = 'up';
    this.processes[index] = await this.world.start();
  }

  private async register({ registry }: WorldProcess, process: number, key: number): Promise<void> {
    const port = ++this.lastPort;
    const registering = registry.register({ ...KEYS[key]!, host: '127.0.0.1', port });
    const outcome = await settled(this.world.complete(registering));
    assert.equal(outcome.done, this.links[process] === 'up', 'a registration succeeds where the store answers');
    if (outcome.done) {
      this.bury(key);
      this.current.set(key, outcome.value.lease);
      this.kept[process]!.set(key, port);
      const said = this.isFresh.delete(key) ? 'up' : this.said.get(key);
      if (said !== undefined && said !== 'maintenance') this.said.set(key, 'up');
    } else if (this.links[process] === 'deaf') {
      this.bury(key);
      this.said.delete(key);
      this.isFresh.delete(key);
    }
  }

  /** Ids without a registration: the next one starts fresh. */
  private readonly isFresh = new Set(KEYS.keys());

  private async deregister({ registry }: WorldProcess, process: number, key: number): Promise<void> {
    const isCurrent = this.kept[process]!.has(key) && this.latestOf(key) === process && this.current.has(key);
    const outcome = await settled(this.world.complete(registry.deregister(KEYS[key]!)));
    this.kept[process]!.delete(key);
    this.said.delete(key);
    if (isCurrent && this.links[process] === 'up') {
      assert.deepEqual(outcome, { done: true, value: true }, 'the holder of an id can end its registration');
      this.bury(key);
      if (this.latestOf(key) === undefined) this.isFresh.add(key);
    } else {
      this.current.delete(key);
      this.isFresh.delete(key);
    }
  }

  private async say({ registry }: WorldProcess, process: number, key: number, status: OperatorStatus): Promise<void> {
    const outcome = await settled(this.world.complete(registry.setStatus(KEYS[key]!, status)));
    if (this.links[process] === 'up') assert.ok(outcome.done, 'a status is taken where the store answers');
    // A status that its holder has not seen is lost with the lease.
    const isSure = outcome.done && outcome.value && this.current.has(key) && this.links.every((link) => link === 'up');
    if (isSure) this.said.set(key, status);
    else this.said.delete(key);
  }

  private async actLate(
    { link }: WorldProcess,
    { lease, remove }: { readonly lease: number; readonly remove: boolean },
  ): Promise<void> {
    const old = this.dead[lease % Math.max(1, this.dead.length)];
    if (!old) return;
    const outcome = await settled(remove ? link.remove(old) : link.renew([old]).then(([held]) => held));
    if (outcome.done) assert.equal(outcome.value, false, 'an old lease changes nothing');
  }

  /** Lets everything work for long enough that unrenewed registrations expire and renewed ones are visible. */
  private async comeToRest(): Promise<void> {
    for (const running of this.processes) running?.link.become('up');
    // A store may take 45 s to find what it missed, followed by the grace period for forgotten instances.
    await this.world.advance(60_000);
    if (this.processes.every((running) => !running)) await this.start(0);
    const observer = await this.world.start();
    const views = [...this.processes.filter((running) => running !== undefined), observer];
    // Real time differs from the test's: if answers are late, a store finds what it missed after the clock has
    // advanced, and the grace period begins then.
    await this.world.complete(agree(views.map(({ registry }) => registry)));
    for (const [key, { serviceName, instanceId }] of KEYS.entries()) {
      const shown = observer.registry.getInstance({ serviceName, instanceId });
      const latest = this.latestOf(key);
      const what = `${serviceName}/${instanceId}`;
      if (latest === undefined) {
        assert.equal(shown, undefined, `${what} is kept by no process`);
        continue;
      }
      assert.ok(shown, `${what} is kept by a process`);
      assert.equal(shown.port, this.kept[latest]!.get(key), `the last registration of ${what} stands`);
      const said = this.said.get(key);
      if (said !== undefined) assert.equal(shown.operatorStatus, said, `the operator's word on ${what}`);
    }
  }

  /** The process that keeps the latest registration of an id. */
  private latestOf(key: number): number | undefined {
    const port = (process: number): number => this.kept[process]!.get(key) ?? 0;
    const [latest] = [...this.kept.keys()].sort((a, b) => port(b) - port(a));
    return latest !== undefined && port(latest) > 0 ? latest : undefined;
  }

  private bury(key: number): void {
    const lease = this.current.get(key);
    if (lease) this.dead.push(lease);
    this.current.delete(key);
  }

  /** From now on leases may be lost, together with their operator status. */
  private unsettle(): void {
    this.isFresh.clear();
    this.current.clear();
    this.said.clear();
  }
}

/** Runs the steps on their own store. @throws AssertionError naming the violated expectation */
export async function holdsFor(shared: SharedStore, all: readonly Step[]): Promise<void> {
  await new RegistryModel(shared).run(all);
}

type Settled<T> = { readonly done: true; readonly value: T } | { readonly done: false };

async function settled<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { done: true, value: await promise };
  } catch (error) {
    if (error instanceof RegistryUnavailableError) return { done: false };
    throw error;
  }
}

interface View {
  readonly snapshot: RegistrySnapshot;
  onChange(listener: () => void): () => void;
}

/** Twice the grace period, since the test's clock advances as fast as the machine's while waiting. */
const PATIENCE_MS = 30_000;

/** Waits until all views agree. */
export async function agree(views: readonly View[]): Promise<void> {
  const controller = new AbortController();
  const stops: (() => void)[] = [];
  const agreed = new Promise<void>((resolve) => {
    const check = (): void => {
      const [first, ...others] = views.map(({ snapshot }) => listed(snapshot));
      if (others.every((other) => isDeepStrictEqual(other, first))) resolve();
    };
    stops.push(...views.map((view) => view.onChange(check)));
    check();
  });
  const late = patience(PATIENCE_MS, undefined, { signal: controller.signal }).catch(() => undefined);
  await Promise.race([agreed, late]);
  controller.abort();
  for (const stop of stops) stop();
  for (const { snapshot } of views) assert.deepEqual(listed(snapshot), listed(views[0]!.snapshot), 'all see the same');
}

/** All instances of a view, by name and id. */
function listed({ services }: RegistrySnapshot): unknown[] {
  return [...services.values()]
    .flat()
    .map((instance) => JSON.parse(JSON.stringify(instance)) as { serviceName: string; instanceId: string })
    .sort((a, b) => (`${a.serviceName}/${a.instanceId}` < `${b.serviceName}/${b.instanceId}` ? -1 : 1));
}
