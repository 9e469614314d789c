import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RedisRegistryStore, type Lease, type ServiceInstance } from 'nest-service-discovery/core';
import { instanceAt, instancesOf, TTL_MS } from '../support/instances.js';
import { Crowd } from './crowd.js';
import { CostMeter } from './spent.js';

const SERVICES = 1_000;
const INSTANCES = 50_000;
const SINGLE_HEARTBEATS = 10_000;
const WATCHERS = 200;
const FEW = 10;
/** Enough that processes no longer try to sweep at each pulse. */
const MANY = 3_000;
const FOLLOWED = 10;
const CHANGES = 500;
const IDLE_SECONDS = 5;
/** The time after which every process has compared what it watches with Redis. */
const AUDIT_MS = 45_000;

/** What one item of each kind costs Redis. Flushes it first. */
export async function measureCost(url: string): Promise<CostMeter> {
  const client = new Redis(url);
  const meter = new CostMeter(client);
  try {
    await client.flushall();
    await measureInstances(url, meter);
    await measureReaders(url, meter);
    await client.flushall();
    await measureProcesses(url, meter);
    return meter;
  } finally {
    client.disconnect();
  }
}

/** Without watchers. */
async function measureInstances(url: string, meter: CostMeter): Promise<void> {
  const store = new RedisRegistryStore({ url, commandTimeout: '30s' });
  try {
    await store.put(instanceAt(0, 1), TTL_MS);
    const instances = instancesOf(INSTANCES, SERVICES);
    const kept = { holds: true };
    await meter.measure('instance registered', INSTANCES, () => putAll(store, instances), kept);
    const leases = await putAll(store, instances);
    await meter.measure('heartbeat, 50 of a service in a call', INSTANCES, () => store.renew(leases));
    const some = leases.slice(0, SINGLE_HEARTBEATS);
    await meter.measure('heartbeat, alone in its round trip', SINGLE_HEARTBEATS, () =>
      Promise.all(some.map((lease) => store.renew([lease]))),
    );
    await meter.measure('service whose stream fills up', FEW, () => putAll(store, repeated(FEW, 1_000)), kept);
    const check = (lease: Lease): Promise<boolean> =>
      store.setStatus(lease, 'healthy', { checkedAt: 1, latencyMs: 2, statusCode: 200, data: { status: 'ok' } });
    await Promise.all(some.map(check));
    await meter.measure('health check stored that is no news', some.length, () => Promise.all(some.map(check)));
  } finally {
    await store.close();
  }
}

/** With enough services that the cost per service shows. */
async function measureReaders(url: string, meter: CostMeter): Promise<void> {
  const idle = (): Promise<void> => pause(IDLE_SECONDS * 1_000);
  // Enough that one of them sweeps each second.
  const crowd = new Crowd(url, 'default');
  try {
    await meter.measure('instance read by a process that comes', INSTANCES * FEW, () => crowd.join(FEW, {}));
    const quiet = await meter.measure('service, a second of sweeps', SERVICES * IDLE_SECONDS, idle);
    const audit = async (): Promise<void> => {
      crowd.skip(AUDIT_MS);
      await idle();
    };
    await meter.measure('service compared by a process', SERVICES * FEW, audit, { without: quiet });
    const store = crowd.open();
    const ids = Array.from({ length: SERVICES }, (_, n) => `0a1b2c3d-4e5f-6071-8293-${String(n).padStart(12, '0')}`);
    const announce = (): Promise<unknown> => Promise.all(ids.map((id) => store.announceChecker(id, 60_000)));
    await announce();
    await meter.measure('checker of health, told to another one', ids.length ** 2, announce);
  } finally {
    await crowd.leave();
  }
}

/** With so few services that the cost of sweeps is negligible. */
async function measureProcesses(url: string, meter: CostMeter): Promise<void> {
  const crowd = new Crowd(url, 'watchers');
  const trackers = new Crowd(url, 'trackers');
  const followers = new Crowd(url, 'followers');
  const many = new Crowd(url, 'many');
  const services = Array.from({ length: FOLLOWED }, (_, n) => `service-${n}`);
  const [serviceName = ''] = services;
  const kept = { holds: true };
  try {
    const writer = crowd.open();
    const changed = repeated(1, CHANGES);
    const untold = await meter.measure('change, no watchers', CHANGES, () => putEach(writer, changed));
    const join = (): Promise<void> => crowd.join(WATCHERS, { services: [serviceName] });
    await meter.measure('process that watches a service, at its start', WATCHERS, join, kept);
    const idle = (): Promise<void> => pause(IDLE_SECONDS * 1_000);
    await meter.measure('process, a second of idling', WATCHERS * IDLE_SECONDS, idle);
    const tell = async (): Promise<void> => {
      const arrived = crowd.heard(CHANGES);
      await putEach(writer, changed);
      await arrived;
    };
    await meter.measure('change told to one more process', WATCHERS * CHANGES, tell, { without: untold });
    await crowd.leave();

    const registrar = followers.open();
    await putEach(registrar, repeated(FOLLOWED, 1));
    const follow = (): Promise<void> => followers.join(WATCHERS, { services });
    await meter.measure(`process that watches ${FOLLOWED} services, at its start`, WATCHERS, follow, kept);
    await followers.leave();

    const keeper = trackers.open();
    const leases = await putAll(keeper, repeated(1, 1));
    const renew = async (): Promise<void> => {
      for (let n = 0; n < CHANGES; n++) await keeper.renew(leases);
    };
    const unheard = await meter.measure('heartbeat, each after the other', CHANGES, renew);
    await trackers.join(WATCHERS, { services: [serviceName], renewals: true });
    const track = async (): Promise<void> => {
      const arrived = trackers.heard(CHANGES);
      await renew();
      await arrived;
    };
    await meter.measure('heartbeat told to one more process', WATCHERS * CHANGES, track, { without: unheard });
    await trackers.leave();

    for (let at = 0; at < MANY; at += WATCHERS) await many.join(WATCHERS, { services: [serviceName] });
    // Until each knows the number of processes.
    await idle();
    await meter.measure('process of 3,000, a second of idling', MANY * IDLE_SECONDS, idle);
  } finally {
    for (const one of [crowd, followers, trackers, many]) await one.leave();
  }
}

function putAll(store: RedisRegistryStore, instances: readonly ServiceInstance[]): Promise<Lease[]> {
  return Promise.all(instances.map((instance) => store.put(instance, TTL_MS)));
}

/** One after another, like unrelated changes. */
export async function putEach(store: RedisRegistryStore, instances: readonly ServiceInstance[]): Promise<void> {
  for (const instance of instances) await store.put(instance, TTL_MS);
}

/** The first instances of a number of services, each repeated. */
export function repeated(services: number, times: number): ServiceInstance[] {
  return Array.from({ length: services * times }, (_, n) => instanceAt(n % services, SERVICES));
}
