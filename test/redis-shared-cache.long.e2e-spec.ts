import { afterEach, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { ServiceCommunicator } from '../libs/service-discovery/src/communicator/index.js';
import { ServiceRegistry } from '../libs/service-discovery/src/registry/index.js';
import { FakeTransport } from '../libs/service-discovery/src/testing/index.js';
import { pollUntil } from './support/poll.js';
import { RedisSetting } from './support/redis-setting.js';
import { report } from './support/timing.js';

const SERVICES = Array.from({ length: 20 }, (_, index) => `service-${index}`);
const INSTANCES_PER_SERVICE = 3;
/** `SHARED_CACHE_SECONDS=60 npm run test:long -- <spec>` fills the cache for longer. */
const SECONDS = Number(process.env.SHARED_CACHE_SECONDS ?? 3);
const VALUE = 'x'.repeat(4_096);
const VALUES_PER_BATCH = 250;
/** By then each key of the registry has been the oldest several times: Redis holds about 13,000 values. */
const LEAST_EVICTIONS = 50_000;

const redis = new RedisSetting();
afterEach(() => redis.end());

it('a Redis that is shared with a cache and evicts with allkeys-lru loses no instance during calls', async () => {
  await redis.startServer({ args: ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'] });
  const registryOver = async (): Promise<ServiceRegistry> => {
    const store = redis.openStore({ commandTimeout: '5s' });
    const registry = new ServiceRegistry(store, { heartbeatInterval: '1s' });
    redis.atEnd(() => registry.close());
    await registry.start();
    return registry;
  };
  const owners = await Promise.all(Array.from({ length: INSTANCES_PER_SERVICE }, registryOver));
  await Promise.all(
    owners.flatMap((owner, index) =>
      SERVICES.map((serviceName) =>
        owner.register({ serviceName, instanceId: `i${index}`, host: '127.0.0.1', port: 8080 + index }),
      ),
    ),
  );
  const caller = await registryOver();
  const communicator = new ServiceCommunicator({ registry: caller, transport: new FakeTransport() });
  redis.atEnd(() => communicator.close());

  const cache = redis.server.client();
  const failures: unknown[] = [];
  let calls = 0;
  let evicted = 0;
  const began = systemClock.now();
  while (systemClock.now() - began < SECONDS * 1_000 || evicted < LEAST_EVICTIONS) {
    const batch = cache.pipeline();
    for (let index = 0; index < VALUES_PER_BATCH; index++) batch.set(`cache:${calls}:${index}`, VALUE);
    await batch.exec();
    const serviceName = SERVICES[calls % SERVICES.length]!;
    calls += 1;
    await communicator.callService(serviceName, { path: '/' }).catch((error: unknown) => failures.push(error));
    evicted = Number(/^evicted_keys:(\d+)/m.exec(await cache.info('stats'))![1]);
  }
  report(`${calls} calls beside a cache: ${failures.length} failed, ${evicted} keys evicted`);
  expect(failures).toEqual([]);

  const all = SERVICES.length * INSTANCES_PER_SERVICE;
  const countIn = ({ snapshot }: ServiceRegistry): number => [...snapshot.services.values()].flat().length;
  const newcomer = await registryOver();
  for (const registry of [...owners, caller, newcomer]) {
    await pollUntil(`all ${all} instances`, async () => countIn(registry) === all);
  }
}, 240_000);
