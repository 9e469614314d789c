import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventBus } from '../../observability/index.js';
import { RegistryUnavailableError } from '../../common/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { type ManualClock } from '../../testing/manual-clock.js';
import { keyed, RegistryFixture, user } from '../../testing/registry-fixture.js';
import { ServiceReadiness } from '../readiness/index.js';
import { OwnHealth, type OwnHealthDeps } from './own-health.js';

let stage: RegistryFixture;
let clock: ManualClock;
let registry: ServiceRegistry;
let readiness: ServiceReadiness;
let own: OwnHealth;

beforeEach(async () => {
  stage = new RegistryFixture();
  ({ clock } = stage);
  const events = new EventBus({ clock });
  ({ registry } = await stage.started({}, { events }));
  readiness = new ServiceReadiness(clock);
  const onRecovered: OwnHealthDeps['onRecovered'] = (listener) =>
    events.on('lease.recovered', ({ key }) => listener(key));
  own = new OwnHealth({ registry, readiness, onRecovered, clock });
});
afterEach(async () => {
  await own.close();
  await stage.close();
  expect(clock.pendingTimers).toBe(0);
});

async function announce(id = 'a'): Promise<void> {
  const { lease } = await registry.register(user(id));
  own.add(lease);
  await stage.settled();
}

const words = (id = 'a'): unknown[] => {
  const { operatorStatus, healthStatus, health } = registry.getInstance(keyed(id))!;
  return [operatorStatus, healthStatus, health?.reason];
};
const written = (): number => stage.store.timesOf('setStatus').length;

describe('an instance of a process that becomes not ready', () => {
  it('is unhealthy at once, for the reason, and unknown when that has ended', async () => {
    await announce();
    await registry.setStatus(keyed('a'), 'healthy');
    const release = readiness.hold('the database is lost');
    await stage.settled();
    expect(words()).toEqual(['up', 'unhealthy', 'not ready: the database is lost']);
    release();
    await stage.settled();
    expect(words()).toEqual(['up', 'unknown', undefined]);
    expect(clock.now()).toBe(0);
  });

  it('is unhealthy also where the hold comes in any moment of the telling that the one before has ended', async () => {
    await announce();
    for (let moment = 0; moment < 60; moment++) {
      const release = readiness.hold('one');
      await stage.settled();
      release();
      for (let turn = 0; turn < moment; turn++) await Promise.resolve();
      const again = readiness.hold('two');
      await stage.settled();
      expect([moment, ...words()]).toEqual([moment, 'up', 'unhealthy', 'not ready: two']);
      again();
      await stage.settled();
    }
  });

  it('keeps what an operator has said', async () => {
    await announce();
    await registry.setStatus(keyed('a'), 'maintenance');
    const release = readiness.hold('overloaded');
    await stage.settled();
    expect(words()).toEqual(['maintenance', 'unhealthy', 'not ready: overloaded']);
    release();
    await stage.settled();
    expect(words()).toEqual(['maintenance', 'unknown', undefined]);
  });

  it('has all reasons, and each change of them is told once', async () => {
    await announce();
    const before = written();
    const release = readiness.hold('one');
    readiness.hold('two');
    await stage.settled();
    expect(words()[2]).toBe('not ready: one; two');
    release();
    await stage.settled();
    expect(words()[2]).toBe('not ready: two');
    const after = written();
    expect(after - before).toBeLessThanOrEqual(3);
    await registry.setStatus(keyed('a'), 'healthy');
    await clock.advanceAsync(60_000);
    expect(written()).toBe(after + 1);
    expect(words()).toEqual(['up', 'healthy', undefined]);
  });

  it('is told of also where it was announced while the process was not ready', async () => {
    readiness.hold('overloaded');
    await announce();
    expect(words()).toEqual(['up', 'unhealthy', 'not ready: overloaded']);
  });

  it('is reported again after its lease was lost and it registered again', async () => {
    await announce();
    readiness.hold('overloaded');
    await stage.settled();
    await stage.store.restart();
    await clock.advanceAsync(120_000);
    expect(words()).toEqual(['up', 'unhealthy', 'not ready: overloaded']);
  });

  it('is told of when the registry is back that did not answer', async () => {
    await announce();
    stage.store.goAway();
    const release = readiness.hold('overloaded');
    await clock.advanceAsync(3_000);
    stage.store.comeBack();
    await clock.advanceAsync(10_000);
    expect(words()[1]).toBe('unhealthy');
    stage.store.goAway();
    release();
    await clock.advanceAsync(3_000);
    stage.store.comeBack();
    await clock.advanceAsync(10_000);
    expect(words()[1]).toBe('unknown');
  });

  it('is said to be unknown also where it is in doubt whether it was heard to be unhealthy', async () => {
    await own.close();
    let answers = 0;
    const doubtful: OwnHealthDeps['registry'] = {
      ownLeases: () => registry.ownLeases(),
      getInstance: (key) => registry.getInstance(key),
      onChange: (listener) => registry.onChange(listener),
      setStatus: async (...args) => {
        const found = await registry.setStatus(...args);
        if (answers++ === 0) throw new RegistryUnavailableError('no answer');
        return found;
      },
    };
    own = new OwnHealth({ registry: doubtful, readiness, onRecovered: () => () => undefined, clock });
    await announce();
    const release = readiness.hold('overloaded');
    await stage.settled();
    release();
    await stage.settled();
    expect(words()[1]).toBe('unknown');
  });

  it('is left alone where a later process holds its id', async () => {
    await announce();
    const { registry: other } = await stage.started();
    await other.register(user('a'));
    await stage.settled();
    readiness.hold('overloaded');
    await stage.settled();
    expect(words()).toEqual(['up', 'unknown', undefined]);
  });
});

describe('what the process says of its readiness', () => {
  it('does not concern what it registered for others', async () => {
    await announce('a');
    await registry.register(user('legacy'));
    readiness.hold('overloaded');
    await stage.settled();
    expect(words('legacy')).toEqual(['up', 'unknown', undefined]);
  });

  it('costs nothing while it is ready', async () => {
    const before = written();
    await announce();
    await registry.register(user('b'));
    expect(written()).toBe(before);
    expect(clock.pendingTimers).toBeGreaterThan(0);
  });

  it('ends with the app, of which draining tells', async () => {
    await announce();
    readiness.close();
    readiness.hold('late');
    await stage.settled();
    expect(words()).toEqual(['up', 'unknown', undefined]);
  });

  it('ends when it is closed, also between two tries', async () => {
    await announce();
    const before = clock.pendingTimers;
    stage.store.refuse('setStatus', 1);
    readiness.hold('overloaded');
    await stage.settled();
    expect(clock.pendingTimers).toBe(before + 1);
    await own.close();
    expect(clock.pendingTimers).toBe(before);
    readiness.hold('late');
    await clock.advanceAsync(5_000);
    expect(words()).toEqual(['up', 'unknown', undefined]);
  });
});
