import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { toInstance } from '../libs/service-discovery/src/model/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { pollUntil } from './support/poll.js';
import { RedisServer } from './support/redis-server.js';

let server: RedisServer;
let others: Socket[];
let store: RedisRegistryStore;
let clock: ManualClock;
let pulses: ManualClock;

beforeEach(async () => {
  server = await RedisServer.start();
  clock = new ManualClock();
  pulses = new ManualClock();
  others = [];
  store = new RedisRegistryStore({ url: server.url }, { clock, expiryClock: pulses, random: () => 0.5 });
});
afterEach(async () => {
  for (const socket of others) socket.destroy();
  await store.close();
  await server.stop();
});

/** This many other processes listen. */
async function listen(count: number): Promise<void> {
  others = Array.from({ length: count }, () => connect(server.port, '127.0.0.1'));
  for (const socket of others) socket.write('SUBSCRIBE sd:{default}:processes\r\n');
  await Promise.all(others.map((socket) => once(socket, 'data')));
}

/** How often the process tried to sweep in that many intervals. */
async function triesAt(count: number): Promise<number> {
  for (let pulse = 0; pulse < count; pulse++) {
    clock.advance(1_000);
    pulses.advance(1_000);
    await pollUntil('the pulse is over and the next one is due', () => pulses.pendingTimers === 1);
  }
  const stats = await server.client().info('commandstats');
  return Number(/^cmdstat_pubsub\|numsub:calls=(\d+)/m.exec(stats)?.[1]);
}

/** Starts the sweep interval. */
async function register(): Promise<void> {
  const registration = { serviceName: 'users', instanceId: 'one', host: '127.0.0.1', port: 8080 };
  await store.put(toInstance(registration, { ttlMs: 60_000, now: 0 }), 60_000);
}

it('one of few processes tries to sweep in each interval', async () => {
  await register();
  await listen(3);
  expect(await triesAt(10)).toBe(10);
});

it('one of three thousand processes tries in every third interval, so that Redis is not kept busy', async () => {
  await register();
  await listen(3_000);
  expect(await triesAt(10)).toBe(4);
});
