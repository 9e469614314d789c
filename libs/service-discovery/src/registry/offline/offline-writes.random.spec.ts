import { expect, it } from '@jest/globals';
import { RegistryUnavailableError, seededRandom } from '../../common/index.js';
import { type OperatorStatus } from '../../model/index.js';
import { type RegistryStore } from '../../store/index.js';
import { FlakyRegistryStore } from '../../testing/flaky-registry-store.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ServiceRegistry } from '../service-registry.js';

const IDS = ['a', 'b', 'c', 'd'];
const WORDS: OperatorStatus[] = ['up', 'maintenance', 'draining'];
const STEPS = 40;
/** Longer than the grace period of lost instances, and than any reconnect delay. */
const QUIET_MS = 30_000;

/** The same store, for a process that is never cut off. */
function beside(store: FlakyRegistryStore): RegistryStore {
  return {
    put: (...args) => store.truth.put(...args),
    recover: (...args) => store.truth.recover(...args),
    renew: (...args) => store.truth.renew(...args),
    remove: (...args) => store.truth.remove(...args),
    setStatus: (...args) => store.truth.setStatus(...args),
    generationNow: () => store.truth.generationNow(),
    watch: (...args) => store.truth.watch(...args),
    close: () => Promise.resolve(),
  };
}

const view = (registry: ServiceRegistry): string[] =>
  registry
    .getInstances('users')
    .map(({ instanceId, operatorStatus, healthStatus, port, generation }) =>
      [instanceId, operatorStatus, healthStatus, port, generation].join(':'),
    )
    .sort();

async function run(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const clock = new ManualClock();
  const store = new FlakyRegistryStore(clock);
  const registries = [store, beside(store)].map(
    (over) => new ServiceRegistry(over, { maxOfflineWrites: 100, startTimeout: 0 }, { clock, random }),
  );
  const [cutOff, other] = registries as [ServiceRegistry, ServiceRegistry];
  const oneOf = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const history: string[] = [];
  const pending: Promise<unknown>[] = [];

  const act = (): void => {
    const registry = random() < 0.7 ? cutOff : other;
    const key = { serviceName: 'users', instanceId: oneOf(IDS) };
    const port = registry === cutOff ? 1_000 : 2_000;
    const kind = oneOf(['register', 'register', 'deregister', 'setStatus', 'health', 'heartbeat', 'store', 'store']);
    history.push(`${registry === cutOff ? 'cut off' : 'other'} ${kind} ${key.instanceId}`);
    const doIt = async (): Promise<unknown> => {
      switch (kind) {
        case 'register': {
          const heartbeat = random() < 0.5 ? 'auto' : 'manual';
          return registry.register({ ...key, host: '127.0.0.1', port, ttl: '1d' }, { heartbeat });
        }
        case 'deregister':
          return registry.deregister(key);
        case 'setStatus':
          return registry.setStatus(key, oneOf(WORDS));
        case 'health':
          return registry.setStatus(key, oneOf(['healthy', 'unhealthy']));
        case 'heartbeat':
          return registry.heartbeat(key);
        default:
          return disturb();
      }
    };
    pending.push(
      doIt().catch((error: unknown) => {
        if (!(error instanceof RegistryUnavailableError)) throw error;
      }),
    );
  };
  const disturb = async (): Promise<void> => {
    const what = oneOf(['goAway', 'goAway', 'comeBack', 'comeBack', 'restart', 'lag', 'refuse']);
    history.push(what);
    if (what === 'goAway') store.goAway();
    else if (what === 'comeBack') store.comeBack();
    else if (what === 'restart') await store.restart();
    else if (what === 'lag') store.lagMs = oneOf([0, 50, 700]);
    else store.refuse(oneOf(['put', 'remove', 'setStatus']), 1);
  };

  try {
    await Promise.all([...registries.map((registry) => registry.start()), clock.advanceAsync(0)]);
    for (let step = 0; step < STEPS; step++) {
      act();
      await clock.advanceAsync(oneOf([0, 1, 100, 2_000]));
    }
    store.comeBack();
    store.lagMs = 0;
    await clock.advanceAsync(QUIET_MS);
    await Promise.all(pending);
    await clock.advanceAsync(QUIET_MS);
    expect({ history, view: view(cutOff), waiting: cutOff.offlineWrites }).toEqual({
      history,
      view: view(other),
      waiting: 0,
    });
    const leases = cutOff.ownLeases().filter((lease) => cutOff.getInstance(lease)?.port === 1_000);
    expect({ history, renewed: await store.truth.renew(leases) }).toEqual({ history, renewed: leases.map(() => true) });
  } finally {
    await Promise.all(registries.map((registry) => registry.close()));
    await store.close();
  }
  expect(clock.pendingTimers).toBe(0);
}

it('all processes see the same after random writes on both sides of an outage', async () => {
  for (let seed = 1; seed <= 300; seed++) {
    await run(seed).catch((error: unknown) => {
      throw new Error(`With seed ${seed}: ${(error as Error).message}`, { cause: error });
    });
  }
});
