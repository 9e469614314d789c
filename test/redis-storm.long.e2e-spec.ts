import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sleep, systemClock } from '../libs/service-discovery/src/common/index.js';
import { type Change, type WatchScope } from '../libs/service-discovery/src/model/index.js';
import { ServiceRegistry } from '../libs/service-discovery/src/registry/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { CommandRate } from './support/command-rate.js';
import { RedisServer } from './support/redis-server.js';
import { report } from './support/timing.js';

const CLIENTS = 1_000;
const SERVICES = 100;
const HEARTBEAT_MS = 10_000;
const AWAY_MS = 3_000;
/** The window in which a thousand processes that read one service each return. */
const WINDOW_MS = 11_000;
/** How much longer it may take on a busy machine. */
const NOISE_MS = 4_000;
/** Before the first heartbeats after the return. */
const AFTERWARDS_MS = 3_000;

/**
 * Sees only its own service, like a process that uses no other. If all processes saw all services, a thousand
 * registrations would cause a million messages, too many for two cores. Messages are not commands, so the count is the
 * same.
 */
class OneServiceStore extends RedisRegistryStore {
  constructor(
    url: string,
    private readonly serviceName: string,
  ) {
    super({ url });
  }

  override watch(scope: WatchScope, signal: AbortSignal): AsyncGenerator<Change, void, undefined> {
    return super.watch({ ...scope, services: [this.serviceName] }, signal);
  }
}

let server: RedisServer;
let quiet: CommandRate;
const stores: RedisRegistryStore[] = [];
const registries: ServiceRegistry[] = [];
const serviceOf = (index: number): string => `s${index % SERVICES}`;

async function join(index: number): Promise<void> {
  const serviceName = serviceOf(index);
  const store = new OneServiceStore(server.url, serviceName);
  const registry = new ServiceRegistry(store, { heartbeatInterval: HEARTBEAT_MS });
  stores.push(store);
  registries.push(registry);
  await registry.start();
  await registry.register({ serviceName, instanceId: `i${index}`, host: '127.0.0.1', port: 1 + index });
}

async function registered(): Promise<number> {
  const pipeline = server.client().pipeline();
  for (let index = 0; index < SERVICES; index++) pipeline.zcard(`sd:{default:${serviceOf(index)}}:leases`);
  const answers = await pipeline.exec();
  return (answers ?? []).reduce((sum, [, count]) => sum + Number(count), 0);
}

const watching = (): number => registries.filter(({ snapshot }) => snapshot.connected).length;

/**
 * @param wereLost whether all clients have noticed the outage
 * @returns the time until all were registered, in milliseconds
 */
async function expectNoStorm(what: string, wereLost: () => boolean): Promise<number> {
  const start = systemClock.now();
  let registeredMs = Number.POSITIVE_INFINITY;
  const isBack = async (): Promise<boolean> => {
    if (!wereLost()) return false;
    if (registeredMs === Number.POSITIVE_INFINITY && (await registered()) === CLIENTS) {
      registeredMs = Math.round(systemClock.now() - start);
    }
    return registeredMs < Number.POSITIVE_INFINITY && watching() === CLIENTS;
  };
  const returning = await CommandRate.until(isBack, server, 2 * (HEARTBEAT_MS + WINDOW_MS));
  const backMs = Math.round(systemClock.now() - start);
  const { peak } = returning.and(await CommandRate.during(server, AFTERWARDS_MS));
  report(
    `${what}: ${CLIENTS} clients registered after ${registeredMs} ms, all watch after ${backMs} ms, at most ${Math.round(peak)} commands in a second, ` +
      `${(peak / quiet.mean).toFixed(2)} times the mean of a quiet time, ${(peak / quiet.peak).toFixed(2)} times its busiest one`,
  );
  // Compares the busiest seconds: on a busy machine clients are late, which lowers the mean but not the peak.
  expect(peak / quiet.peak).toBeLessThanOrEqual(2);
  expect(backMs).toBeLessThanOrEqual(HEARTBEAT_MS + WINDOW_MS + NOISE_MS);
  return registeredMs;
}

beforeAll(async () => {
  server = await RedisServer.start();
  const all = Array.from({ length: CLIENTS }, (_, index) => index);
  for (let start = 0; start < CLIENTS; start += 50) await Promise.all(all.slice(start, start + 50).map(join));
  // Each sends one heartbeat in this time.
  quiet = await CommandRate.during(server, HEARTBEAT_MS);
}, 60_000);

afterAll(async () => {
  await Promise.all(registries.map((registry) => registry.close()));
  await Promise.all(stores.map((store) => store.close()));
  await server.stop();
}, 60_000);

it('clients return to an empty Redis one after the other, within a heartbeat', async () => {
  await server.kill();
  await sleep(systemClock, AWAY_MS);
  expect(watching()).toBe(0);
  await server.startAgain();
  expect(await expectNoStorm('SIGKILL', () => true)).toBeLessThanOrEqual(HEARTBEAT_MS + WINDOW_MS);
}, 60_000);

it('connections that are all cut at once return one after the other', async () => {
  const lost = new Set<ServiceRegistry>();
  for (const registry of registries) {
    registry.onChange(({ connected }) => {
      if (!connected) lost.add(registry);
    });
  }
  await server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await server.client().call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await expectNoStorm('CLIENT KILL', () => lost.size === CLIENTS);
}, 60_000);
