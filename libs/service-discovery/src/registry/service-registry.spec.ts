import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError, InvalidInstanceError, RegistryUnavailableError } from '../common/index.js';
import {
  type Change,
  type EventName,
  type EventSink,
  type ServiceDiscoveryEvents,
  type ServiceRegistration,
} from '../model/index.js';
import { MemoryRegistryStore } from '../store/index.js';
import { ChangeRecorder } from '../testing/change-recorder.js';
import { FlakyRegistryStore } from '../testing/flaky-registry-store.js';
import { ManualClock } from '../testing/manual-clock.js';
import { type ServiceRegistryOptions } from './options.js';
import { ServiceRegistry, type ServiceRegistryDeps } from './service-registry.js';

type Emitted = { type: EventName } & Record<string, unknown>;

/** One process: a registry over the shared store, with the events that it reported. */
interface Process {
  registry: ServiceRegistry;
  events: Emitted[];
  /** The types of the events, and what they are about. */
  log(): string[];
}

let clock: ManualClock;
let store: FlakyRegistryStore;
let processes: Process[];

beforeEach(() => {
  clock = new ManualClock();
  store = new FlakyRegistryStore(clock);
  processes = [];
});

afterEach(async () => {
  await Promise.all(processes.map(({ registry }) => registry.close()));
  await store.close();
  expect(clock.pendingTimers).toBe(0);
});

function processOf(options: Partial<ServiceRegistryOptions> = {}, deps: ServiceRegistryDeps = {}): Process {
  const events: Emitted[] = [];
  const sink: EventSink = {
    emit: <Name extends EventName>(type: Name, payload: ServiceDiscoveryEvents[Name]) =>
      void events.push({ type, ...payload }),
  };
  const registry = new ServiceRegistry(store, options, { clock, random: () => 0, events: sink, ...deps });
  const log = (): string[] => events.map(describeEvent);
  const process = { registry, events, log };
  processes.push(process);
  return process;
}

function describeEvent(event: Emitted): string {
  const { instanceId } = (event.key ?? event.instance ?? {}) as { instanceId?: string };
  return [event.type, instanceId, event.replaced === true ? 'replaced' : undefined, event.to].filter(Boolean).join(' ');
}

async function started(...args: Parameters<typeof processOf>): Promise<Process> {
  const process = processOf(...args);
  await process.registry.start();
  return process;
}

const user = (instanceId: string, more: Partial<ServiceRegistration> = {}): ServiceRegistration => ({
  serviceName: 'users',
  host: '127.0.0.1',
  port: 8080,
  instanceId,
  ...more,
});
const keyed = (instanceId: string, serviceName = 'users') => ({ serviceName, instanceId });
const idsOf = (registry: ServiceRegistry, name = 'users'): string[] =>
  registry.getInstances(name).map(({ instanceId }) => instanceId);
const settled = (): Promise<void> => clock.advanceAsync(0);

describe('ServiceRegistry', () => {
  it('names every wrong option at once', () => {
    const options = {
      serviceTtl: '1ms',
      heartbeatInterval: 'often',
      startTimeout: -1,
      trackHeartbeats: 'yes',
      maxSnapshotAge: 0,
    };
    let error: unknown;
    try {
      new ServiceRegistry(store, options as never);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as InvalidConfigurationError).problems.map(({ path }) => path)).toEqual([
      'serviceTtl',
      'heartbeatInterval',
      'startTimeout',
      'trackHeartbeats',
      'maxSnapshotAge',
    ]);
  });

  it('refuses heartbeats that come no sooner than a lease ends', () => {
    expect(() => new ServiceRegistry(store, { serviceTtl: '10s', heartbeatInterval: '10s' })).toThrow(
      /heartbeatInterval: expected less than serviceTtl \(10s\)/,
    );
  });

  describe('registering', () => {
    it('can be discovered as soon as it resolves, with all that was said', async () => {
      const { registry } = await started();
      const registration = user('a', {
        tags: ['api'],
        version: '1.2.3',
        weight: 7,
        zone: 'z',
        metadata: { team: 'x' },
      });
      const { instance, lease, replaced } = await registry.register(registration);
      expect(registry.getInstances('users')).toEqual([instance]);
      expect(registry.getInstance(keyed('a'))).toBe(instance);
      expect(registry.listServices()).toEqual(['users']);
      expect(instance).toMatchObject({ ...registration, status: 'unknown', generation: lease.generation });
      expect(replaced).toBe(false);
    });

    it('reaches other processes', async () => {
      const [one, two] = [await started(), await started()];
      await one.registry.register(user('a'));
      await settled();
      expect(idsOf(two.registry)).toEqual(['a']);
    });

    it('twice replaces: one instance, a new generation', async () => {
      const { registry } = await started();
      const first = await registry.register(user('a'));
      const second = await registry.register(user('a', { weight: 5 }));
      expect(second.replaced).toBe(true);
      expect(second.lease.generation).toBeGreaterThan(first.lease.generation);
      expect(registry.getInstances('users')).toEqual([second.instance]);
      expect(registry.ownLeases()).toEqual([second.lease]);
    });

    it('twice at the same moment is one registration and one replacement', async () => {
      const { registry, log } = await started();
      store.lagMs = 50;
      const both = Promise.all([registry.register(user('a')), registry.register(user('a', { weight: 5 }))]);
      await clock.advanceAsync(100);
      expect((await both).map(({ replaced }) => replaced)).toEqual([false, true]);
      expect(registry.getInstances('users')).toMatchObject([{ instanceId: 'a', weight: 5 }]);
      expect(log()).toEqual(['instance.registered a', 'instance.registered a replaced']);
    });

    it('from one address without an id is the same instance', async () => {
      const { registry } = await started();
      for (const host of ['10.0.0.7', '10.0.0.7', '::1', '::1'])
        await registry.register(user('', { host, instanceId: undefined }));
      expect(idsOf(registry)).toEqual(['10.0.0.7:8080', '0--1:8080']);
    });

    it('refuses what is wrong before it touches the store', async () => {
      const { registry } = await started();
      const wrong = registry.register(user('a', { port: 0, host: 'http://x' }));
      await expect(wrong).rejects.toBeInstanceOf(InvalidInstanceError);
      await expect(wrong).rejects.toMatchObject({ problems: [{ path: 'host' }, { path: 'port' }] });
      expect(store.timesOf('put')).toEqual([]);
    });

    it('takes the lease length from the options unless it has its own', async () => {
      const { registry } = await started({ serviceTtl: '90s' });
      expect((await registry.register(user('a'))).lease.ttlMs).toBe(90_000);
      expect((await registry.register(user('b', { ttl: '5s' }))).lease.ttlMs).toBe(5_000);
    });

    it('works before the start, though nothing is shown yet', async () => {
      const { registry } = processOf();
      const { instance, lease } = await registry.register(user('a'));
      expect(instance).toMatchObject({ instanceId: 'a', generation: lease.generation });
      expect(registry.getInstances('users')).toEqual([]);
      await registry.start();
      expect(idsOf(registry)).toEqual(['a']);
    });

    it('rejects while the store is away', async () => {
      const { registry } = await started();
      store.goAway();
      await expect(registry.register(user('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
      expect(registry.ownLeases()).toEqual([]);
    });
  });

  describe('where changes take their time', () => {
    it('resolves what was done when the own snapshot shows it', async () => {
      const { registry } = await started();
      store.lagMs = 400;
      const seen: unknown[] = [];
      const doing = (async () => {
        await registry.register(user('a'));
        seen.push(clock.now(), idsOf(registry));
        await registry.setStatus(keyed('a'), 'maintenance');
        seen.push(clock.now(), registry.getInstance(keyed('a'))?.status);
        await registry.deregister(keyed('a'));
        seen.push(clock.now(), idsOf(registry));
      })();
      await clock.advanceAsync(1_200);
      await doing;
      expect(seen).toEqual([400, ['a'], 800, 'maintenance', 1_200, []]);
    });

    it('waits no longer than a second', async () => {
      const { registry } = await started();
      store.lagMs = 60_000;
      const registering = registry.register(user('a'));
      await clock.advanceAsync(1_000);
      expect((await registering).instance).toMatchObject({ instanceId: 'a', status: 'unknown' });
      expect(idsOf(registry)).toEqual([]);
    });

    it('does not wait where the snapshot follows no more', async () => {
      const { registry } = await started();
      store.lagMs = 900;
      const registering = registry.register(user('a'), { heartbeat: 'manual' });
      await clock.advanceAsync(10);
      await registry.close();
      expect((await registering).instance.instanceId).toBe('a');
      expect(clock.now()).toBe(10);
    });
  });

  describe('heartbeats', () => {
    it('keep an instance for as long as the process runs', async () => {
      const { registry, log } = await started();
      await registry.register(user('a', { ttl: '3s' }));
      await clock.advanceAsync(600_000);
      expect(idsOf(registry)).toEqual(['a']);
      expect(log()).toEqual(['instance.registered a']);
    });

    it('of all own instances go out together', async () => {
      const { registry } = await started({ heartbeatInterval: '10s' });
      for (const id of ['a', 'b', 'c']) await registry.register(user(id));
      await clock.advanceAsync(30_000);
      expect(store.timesOf('renew')).toEqual([10_000, 20_000, 30_000]);
      expect(store.renewed.map((batch) => batch.length)).toEqual([3, 3, 3]);
    });

    it('can be timed by a clock of their own, all else by the other', async () => {
      const heartbeatClock = new ManualClock();
      const { registry } = await started({}, { heartbeatClock });
      await registry.register(user('a', { ttl: '60s' }));
      expect(heartbeatClock.pendingTimers).toBe(1);
      await heartbeatClock.advanceAsync(20_000);
      expect(store.renewed).toHaveLength(1);
      await registry.close();
      expect(heartbeatClock.pendingTimers).toBe(0);
    });

    it('are not sent for what somebody else heartbeats: without one it expires', async () => {
      const { registry, log } = await started();
      await registry.register(user('a', { ttl: '10s' }), { heartbeat: 'manual' });
      expect(registry.ownLeases()).toEqual([]);
      await clock.advanceAsync(6_000);
      expect(await registry.heartbeat(keyed('a'))).toBe(true);
      await clock.advanceAsync(9_999);
      expect(idsOf(registry)).toEqual(['a']);
      await clock.advanceAsync(1);
      expect(idsOf(registry)).toEqual([]);
      expect(await registry.heartbeat(keyed('a'))).toBe(false);
      expect(log()).toEqual(['instance.registered a', 'instance.expired a']);
    });

    it('of an older registration do not keep a newer one', async () => {
      const { registry } = await started();
      const first = await registry.register(user('a', { ttl: '10s' }), { heartbeat: 'manual' });
      await registry.register(user('a', { ttl: '10s' }), { heartbeat: 'manual' });
      expect(await registry.heartbeat(keyed('a'), { generation: first.lease.generation })).toBe(false);
      expect(await registry.heartbeat(keyed('a'))).toBe(true);
    });

    it('go to the own registration, not to that of a successor', async () => {
      const [old, successor] = [await started(), await started()];
      await old.registry.register(user('a'));
      await successor.registry.register(user('a'));
      await settled();
      expect(await old.registry.heartbeat(keyed('a'))).toBe(false);
      expect(await successor.registry.heartbeat(keyed('a'))).toBe(true);
    });

    it('can be sent in a batch', async () => {
      const { registry } = await started();
      const a = await registry.register(user('a'), { heartbeat: 'manual' });
      const lost = { ...a.lease, generation: 1 };
      expect(await registry.renewAll([a.lease, lost])).toEqual([true, false]);
      expect(await registry.renewAll([])).toEqual([]);
      expect(store.timesOf('renew')).toHaveLength(1);
    });

    it('move the last heartbeat that is shown, unless that is not wanted', async () => {
      const [following, quiet] = [await started(), await started({ trackHeartbeats: false })];
      const { lease, instance } = await following.registry.register(user('a'), { heartbeat: 'manual' });
      await clock.advanceAsync(5_000);
      await following.registry.renewAll([lease]);
      await settled();
      const shownBy = ({ registry }: Process) => registry.getInstance(keyed('a'))?.lastHeartbeat;
      expect(shownBy(following)).toBe(instance.lastHeartbeat + 5_000);
      expect(shownBy(quiet)).toBe(instance.lastHeartbeat);
    });
  });

  describe('a lost lease', () => {
    it('is registered again as soon as the registry shows that it lost it, and said so', async () => {
      const { registry, events } = await started();
      const { lease } = await registry.register(user('a', { ttl: '300s' }));
      await clock.advanceAsync(1_000);
      await store.restart();
      await clock.advanceAsync(100);
      expect(idsOf(registry)).toEqual(['a']);
      expect(registry.getInstance(keyed('a'))!.generation).toBeGreaterThan(lease.generation);
      expect(events.filter(({ type }) => type === 'lease.recovered')).toEqual([
        { type: 'lease.recovered', key: keyed('a') },
      ]);
    });

    it('of a manual registration stays lost', async () => {
      const { registry, log } = await started();
      await registry.register(user('a'), { heartbeat: 'manual' });
      await store.restart();
      await clock.advanceAsync(60_000);
      expect(idsOf(registry)).toEqual([]);
      expect(log()).not.toContain('lease.recovered a');
    });
  });

  describe('deregistering', () => {
    it('is seen as soon as it resolves, and stays so', async () => {
      const { registry, log } = await started();
      await registry.register(user('a'));
      expect(await registry.deregister(keyed('a'))).toBe(true);
      expect(registry.listServices()).toEqual([]);
      await clock.advanceAsync(600_000);
      expect(registry.listServices()).toEqual([]);
      expect(log()).toEqual(['instance.registered a', 'instance.deregistered a']);
    });

    it('twice, or of what never was, says false', async () => {
      const { registry } = await started();
      await registry.register(user('a'));
      await registry.deregister(keyed('a'));
      expect(await registry.deregister(keyed('a'))).toBe(false);
      expect(await registry.deregister(keyed('a', 'nobody'))).toBe(false);
    });

    it('by an older generation never removes a newer registration', async () => {
      const { registry } = await started();
      const first = await registry.register(user('a'), { heartbeat: 'manual' });
      await registry.register(user('a'), { heartbeat: 'manual' });
      expect(await registry.deregister(keyed('a'), { generation: first.lease.generation })).toBe(false);
      expect(idsOf(registry)).toEqual(['a']);
    });

    it('leaves what a successor registered under the id', async () => {
      const [old, successor] = [await started(), await started()];
      await old.registry.register(user('a'));
      await successor.registry.register(user('a'));
      await settled();
      expect(await old.registry.deregister(keyed('a'))).toBe(false);
      expect(old.registry.ownLeases()).toEqual([]);
      expect(idsOf(successor.registry)).toEqual(['a']);
    });

    it("can be done for another process's instance", async () => {
      const [one, two] = [await started(), await started()];
      await one.registry.register(user('a'), { heartbeat: 'manual' });
      await settled();
      expect(await two.registry.deregister(keyed('a'))).toBe(true);
      await settled();
      expect(idsOf(one.registry)).toEqual([]);
    });

    it('says that it cannot know, rather than false, where no answer has ever come', async () => {
      store.goAway();
      const { registry } = processOf({ startTimeout: 0 });
      await Promise.all([registry.start(), settled()]);
      await expect(registry.deregister(keyed('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
      await expect(registry.heartbeat(keyed('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
    });
  });

  describe('status', () => {
    it('is shown as soon as it is set, and reported once', async () => {
      const { registry, events } = await started();
      await registry.register(user('a'));
      events.length = 0;
      const detail = { checkedAt: clock.epoch(), reason: 'status 503', statusCode: 503 };
      expect(await registry.setStatus(keyed('a'), 'healthy')).toBe(true);
      expect(await registry.setStatus(keyed('a'), 'healthy')).toBe(true);
      expect(await registry.setStatus(keyed('a'), 'unhealthy', detail)).toBe(true);
      expect(registry.getInstance(keyed('a'))).toMatchObject({ status: 'unhealthy', health: detail });
      expect(events).toEqual([
        { type: 'instance.status_changed', key: keyed('a'), from: 'unknown', to: 'healthy', reason: undefined },
        { type: 'instance.status_changed', key: keyed('a'), from: 'healthy', to: 'unhealthy', reason: 'status 503' },
      ]);
    });

    it('of health that the operator outranks is no event', async () => {
      const { registry, log } = await started();
      await registry.register(user('a'));
      await registry.setStatus(keyed('a'), 'maintenance');
      await registry.setStatus(keyed('a'), 'healthy');
      await registry.setStatus(keyed('a'), 'up');
      expect(log().slice(1)).toEqual(['instance.status_changed a maintenance', 'instance.status_changed a healthy']);
    });

    it('of an unknown instance is answered with false', async () => {
      const { registry } = await started();
      expect(await registry.setStatus(keyed('a'), 'maintenance')).toBe(false);
    });
  });

  describe('events', () => {
    it('of a change reach each process once', async () => {
      const [one, two] = [await started(), await started()];
      await one.registry.register(user('a'));
      await one.registry.register(user('a'));
      await two.registry.setStatus(keyed('a'), 'healthy');
      await one.registry.register(user('b', { ttl: '1s' }), { heartbeat: 'manual' });
      await clock.advanceAsync(1_000);
      await one.registry.deregister(keyed('a'));
      await settled();
      const expected = [
        'instance.registered a',
        'instance.registered a replaced',
        'instance.status_changed a healthy',
        'instance.registered b',
        'instance.expired b',
        'instance.deregistered a',
      ];
      expect(one.log()).toEqual(expected);
      expect(two.log()).toEqual(expected);
    });

    it('do not tell of what was there before', async () => {
      const first = await started();
      await first.registry.register(user('a'));
      expect((await started()).log()).toEqual([]);
    });
  });

  describe('while the store is away', () => {
    it('serves the last good snapshot, and says how old it is', async () => {
      const { registry, events } = await started();
      await registry.register(user('a'));
      events.length = 0;
      store.goAway();
      await clock.advanceAsync(30_000);
      expect(idsOf(registry)).toEqual(['a']);
      expect(registry.ageMs()).toBe(30_000);
      expect(registry.snapshot).toMatchObject({ ready: true, connected: false });
      expect(events).toEqual([{ type: 'registry.unavailable', reason: 'The connection was lost', hasSnapshot: true }]);
    });

    it('serves it no longer than it may, then says so, until there is a new one', async () => {
      const { registry } = await started({ maxSnapshotAge: '1h' });
      await registry.register(user('a', { ttl: '1d' }));
      const served = (): unknown[] => registry.servedInstances('users').map(({ instanceId }) => instanceId);
      store.goAway();
      await clock.advanceAsync(3_600_000);
      expect(served()).toEqual(['a']);
      expect([...registry.servedServices().keys()]).toEqual(['users']);
      await clock.advanceAsync(1_000);
      for (const ask of [served, () => registry.servedServices()]) {
        expect(ask).toThrow(RegistryUnavailableError);
        expect(ask).toThrow(/its last answer is 3601 s old: more than the 3600 s of maxSnapshotAge/);
      }
      expect(idsOf(registry)).toEqual(['a']);
      store.comeBack();
      await clock.advanceAsync(5_000);
      expect(served()).toEqual(['a']);
    });

    it('comes back by itself, and reports what happened meanwhile', async () => {
      const { registry, events, log } = await started();
      for (const id of ['stays', 'goes', 'replaced']) await registry.register(user(id), { heartbeat: 'manual' });
      await registry.register(user('runs-out', { ttl: '5s' }), { heartbeat: 'manual' });
      const truth = new ServiceRegistry(store.truth, {}, { clock });
      await truth.start();
      events.length = 0;

      store.goAway();
      await truth.deregister(keyed('goes'));
      await truth.register(user('replaced'), { heartbeat: 'manual' });
      await truth.register(user('comes'), { heartbeat: 'manual' });
      await truth.setStatus(keyed('stays'), 'healthy');
      await clock.advanceAsync(10_000);
      await truth.close();
      store.comeBack();
      await clock.advanceAsync(5_000);

      expect(registry.ageMs()).toBe(0);
      expect(log().slice().sort()).toEqual([
        'instance.deregistered goes',
        'instance.expired runs-out',
        'instance.registered comes',
        'instance.registered replaced replaced',
        'instance.status_changed stays healthy',
        'registry.available',
        'registry.unavailable',
      ]);
      expect(events.find(({ type }) => type === 'registry.available')?.downMs).toBeGreaterThanOrEqual(10_000);
    });

    it('says so where it never answered, and reports once what registers before its first answer', async () => {
      store.goAway();
      const { registry, events, log } = processOf({ startTimeout: '1s' });
      const start = registry.start();
      await clock.advanceAsync(1_000);
      await start;
      expect(events).toMatchObject([{ type: 'registry.unavailable', hasSnapshot: false }]);
      await expect(registry.register(user('early'))).rejects.toThrow('away');
      store.comeBack();
      // It gets through before the watch is opened again.
      await registry.register(user('a'));
      await clock.advanceAsync(5_000);
      expect(log().filter((line) => line.startsWith('instance.'))).toEqual(['instance.registered a']);
    });

    it('starts in bounded time and catches up later', async () => {
      store.goAway();
      const { registry } = processOf({ startTimeout: '2s' });
      const start = registry.start();
      await clock.advanceAsync(2_000);
      await start;
      expect(registry.snapshot.ready).toBe(false);
      expect(registry.listServices()).toEqual([]);
      store.comeBack();
      await clock.advanceAsync(5_000);
      expect(registry.snapshot.ready).toBe(true);
    });
  });

  describe('watching', () => {
    it('opens with a reset, then gives every change', async () => {
      const { registry } = await started();
      await registry.register(user('a'));
      const recorder = watchOf(registry);
      const { lease } = await registry.register(user('b'));
      await registry.setStatus(lease, 'healthy');
      await registry.deregister(lease);
      await settled();
      expect(recorder.changes.map(({ type }) => type)).toEqual(['reset', 'put', 'put', 'remove']);
      expect(idsOf(registry)).toEqual(recorder.snapshot.services.get('users')?.map(({ instanceId }) => instanceId));
      await recorder.stop();
    });

    it('may begin before the registry has started: the reset comes when there is one', async () => {
      const { registry } = processOf();
      const recorder = watchOf(registry);
      await settled();
      expect(recorder.changes).toEqual([]);
      await registry.start();
      await settled();
      expect(recorder.changes.map(({ type }) => type)).toEqual(['reset']);
      await recorder.stop();
    });

    it('heeds its scope', async () => {
      const { registry } = await started();
      const recorder = new ChangeRecorder(registry, { services: ['orders'] });
      await registry.register(user('a'));
      await registry.register(user('b', { serviceName: 'orders' }));
      await settled();
      expect([...recorder.snapshot.services.keys()]).toEqual(['orders']);
      expect(recorder.changes).toHaveLength(2);
      await recorder.stop();
    });

    it('survives an outage of the store: another reset follows', async () => {
      const { registry } = await started();
      const recorder = watchOf(registry);
      await registry.register(user('a'), { heartbeat: 'manual' });
      await store.restart();
      await clock.advanceAsync(5_000);
      expect(recorder.changes.map(({ type }) => type)).toEqual(['reset', 'put', 'reset']);
      // The store has forgotten it, but it may register again.
      expect(recorder.snapshot.services.size).toBe(1);
      await clock.advanceAsync(10_000);
      expect(recorder.changes.at(-1)).toMatchObject({ type: 'remove', reason: 'expired' });
      expect(recorder.snapshot.services.size).toBe(0);
      await recorder.stop();
    });

    it('ends with the registry', async () => {
      const { registry } = await started();
      const recorder = watchOf(registry);
      await settled();
      await registry.close();
      await expect(recorder.ended).resolves.toBeUndefined();
      const late: Change[] = [];
      for await (const change of registry.watch()) late.push(change);
      expect(late).toEqual([]);
    });
  });

  describe('listeners', () => {
    it('are called in order with the snapshots before and after, until they are taken off', async () => {
      const { registry } = await started();
      const seen: string[] = [];
      const stop = registry.onChange((snapshot, previous, change) => {
        seen.push(`first ${change?.type} ${previous.services.size}->${snapshot.services.size}`);
      });
      registry.onChange((_snapshot, _previous, change) => seen.push(`second ${change?.type}`));
      await registry.register(user('a'));
      stop();
      stop();
      await registry.deregister(keyed('a'));
      expect(seen).toEqual(['first put 0->1', 'second put', 'second remove']);
    });

    it('do not disturb each other by what they throw', async () => {
      const errors: unknown[] = [];
      const { registry } = await started({}, { onListenerError: (error) => errors.push(error) });
      const mistake = new Error('a mistake');
      const seen: (string | undefined)[] = [];
      registry.onChange(() => {
        throw mistake;
      });
      registry.onChange((_snapshot, _previous, change) => seen.push(change?.type));
      await registry.register(user('a'));
      expect(seen).toEqual(['put']);
      expect(errors).toEqual([mistake]);
    });

    it('may throw, and so may whoever is told of it, without the watch being taken for lost', async () => {
      const { registry } = await started(
        {},
        {
          onListenerError: (error) => {
            throw error;
          },
        },
      );
      const connected: boolean[] = [];
      registry.onChange(() => {
        throw new Error('a mistake');
      });
      registry.onChange((snapshot) => connected.push(snapshot.connected));
      await registry.register(user('a'));
      expect(connected).toEqual([true]);
    });

    it('hear that the connection came and went', async () => {
      const { registry } = await started();
      const seen: unknown[] = [];
      registry.onChange(({ connected }, _previous, change) => seen.push([connected, change?.type ?? null]));
      store.goAway();
      store.comeBack();
      await clock.advanceAsync(100);
      expect(seen).toEqual([
        [false, null],
        [true, 'reset'],
      ]);
    });
  });

  describe('shutting down', () => {
    it('drains, then deregisters, what this process registered, and nothing else', async () => {
      const [leaving, staying] = [await started(), await started()];
      await leaving.registry.register(user('a'));
      await leaving.registry.register(user('b'));
      await leaving.registry.register(user('remote'), { heartbeat: 'manual' });
      await staying.registry.register(user('c'));

      expect(await leaving.registry.drainOwn()).toEqual({ done: [keyed('a'), keyed('b')], failed: [] });
      await settled();
      const shown = (): string[] =>
        staying.registry.getInstances('users').map((one) => `${one.instanceId} ${one.status}`);
      expect(shown()).toEqual(['a draining', 'b draining', 'remote unknown', 'c unknown']);

      expect(await leaving.registry.deregisterOwn()).toEqual({ done: [keyed('a'), keyed('b')], failed: [] });
      await settled();
      expect(shown()).toEqual(['remote unknown', 'c unknown']);
      expect(leaving.registry.ownLeases()).toEqual([]);
      const isOwn = (id: string): boolean => leaving.registry.isOwn(keyed(id));
      expect(['a', 'b', 'remote', 'c'].map(isOwn)).toEqual([true, true, false, false]);
    });

    it('sees its own instances leave before it is done', async () => {
      const { registry, log } = await started();
      await registry.register(user('a'));
      await registry.deregisterOwn();
      expect(log().at(-1)).toBe('instance.deregistered a');
    });

    it('leaves a successor under the same id alone', async () => {
      const [old, successor] = [await started(), await started()];
      await old.registry.register(user('a'));
      await successor.registry.register(user('a'));
      await settled();
      await old.registry.drainOwn();
      await old.registry.deregisterOwn();
      await settled();
      expect(successor.registry.getInstances('users')).toMatchObject([{ instanceId: 'a', status: 'unknown' }]);
    });

    it('also ends what is being registered meanwhile', async () => {
      const { registry } = await started();
      const answer = store.hold('put');
      const registering = registry.register(user('a'));
      await settled();
      const ending = registry.deregisterOwn();
      await settled();
      answer();
      await registering;
      expect(await ending).toEqual({ done: [keyed('a')], failed: [] });
      expect(idsOf(registry)).toEqual([]);
    });

    it('does not fail where the store is away: it says what could not be done', async () => {
      const { registry } = await started();
      await registry.register(user('a'));
      store.goAway();
      const failed = [{ key: keyed('a'), error: expect.any(RegistryUnavailableError) }];
      expect(await registry.drainOwn()).toEqual({ done: [], failed });
      expect(await registry.deregisterOwn()).toEqual({ done: [], failed });
    });

    it('waits 5 s at most for a store that does not answer', async () => {
      const { registry } = await started();
      await registry.register(user('a'));
      for (const method of ['setStatus', 'remove'] as const) store.hold(method);
      const failed = [{ key: keyed('a'), error: expect.any(RegistryUnavailableError) }];
      const draining = registry.drainOwn();
      await clock.advanceAsync(5_000);
      expect(await draining).toEqual({ done: [], failed });
      const ending = registry.deregisterOwn();
      await clock.advanceAsync(5_000);
      expect(await ending).toEqual({ done: [], failed });
    });

    it('is done at once where there is nothing to end', async () => {
      const { registry } = await started();
      expect(await registry.drainOwn()).toEqual({ done: [], failed: [] });
      expect(await registry.deregisterOwn()).toEqual({ done: [], failed: [] });
    });
  });

  describe('closing', () => {
    it('leaves no timer, neither of its own nor, once its owner closes that, of the store', async () => {
      const { registry } = await started();
      await registry.register(user('a'));
      await registry.close();
      expect(clock.pendingTimers).toBe(1);
      await store.close();
      expect(clock.pendingTimers).toBe(0);
    });

    it('leaves the store to the other registries over it', async () => {
      const [closing, staying] = [await started(), await started()];
      await closing.registry.close();
      await staying.registry.register(user('a'));
      expect(idsOf(staying.registry)).toEqual(['a']);
    });

    it('takes no registration any more, since nobody would renew it', async () => {
      const { registry } = await started();
      await registry.close();
      await expect(registry.register(user('a'))).rejects.toBeInstanceOf(RegistryUnavailableError);
      expect(store.timesOf('put')).toEqual([]);
    });

    it('may be asked for twice, and without a start', async () => {
      const { registry } = processOf();
      await registry.close();
      await registry.close();
      expect(clock.pendingTimers).toBe(0);
    });
  });

  it('needs nothing but a store', async () => {
    const memory = new MemoryRegistryStore();
    const registry = new ServiceRegistry(memory);
    await registry.start();
    await registry.register(user('a'));
    expect(idsOf(registry)).toEqual(['a']);
    await registry.close();
    await memory.close();
  });
});

function watchOf(registry: ServiceRegistry): ChangeRecorder {
  return new ChangeRecorder(registry);
}
