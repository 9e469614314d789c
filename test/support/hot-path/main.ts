/**
 * A client process that makes many calls with all defaults of a Nest app, and prints as JSON what they created and what
 * they left behind.
 */
import { NestFactory } from '@nestjs/core';
import { ServiceDiscoveryModule } from 'nest-service-discovery';
import {
  DiscoveryMetrics,
  EventBus,
  EventLogger,
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  systemClock,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { Pool } from 'undici';
import { allocatedBy, type Held, madeBy, type MadePerCall, SocketWatch, timersLeftBy } from './counters.js';

type Counted = MadePerCall & { readonly bytes: number };

export interface HotPathCounts {
  /** A bare pool of undici as a user would write it: the minimum of any call. */
  readonly floor: Counted;
  readonly get: Counted;
  readonly post: Counted;
  /** As `get`, in an app of Nest, which also has a journal, call figures and a tracer that finds no SDK. */
  readonly inApp: Counted;
  /** One at a time, and the same with a bare pool. */
  readonly alone: MadePerCall;
  readonly floorAlone: MadePerCall;
  readonly timersLeft: number;
  readonly before: Held;
  /** After many more calls. */
  readonly after: Held;
}

const [ports = '', concurrency = '', many = ''] = process.argv.slice(2);
const WARM_UP = 5_000;
const COUNTED = 4_096;
/** Longer than a connection can be idle, even on a slow machine. */
const KEEP_ALIVE = 3_600_000;

const sockets = new SocketWatch();
const events = new EventBus();
const store = new MemoryRegistryStore();
const registry = new ServiceRegistry(store, {}, { events });
await registry.start();
const registerAll = (at: ServiceRegistry): Promise<unknown> =>
  Promise.all(
    ports.split(',').map((port) => {
      const registration = { serviceName: 'users', host: '127.0.0.1', port: Number(port), ttl: '1d' } as const;
      return at.register(registration, { heartbeat: 'manual' });
    }),
  );
await registerAll(registry);
const metrics = new DiscoveryMetrics(events, registry);
const drop = (): void => undefined;
const lines = { debug: drop, log: drop, warn: drop, error: drop };
const logger = new EventLogger(events, lines, {}, { clock: systemClock });
const transport = new UndiciTransport({ keepAliveTimeout: KEEP_ALIVE });
const communicator = new ServiceCommunicator({ registry, transport, events });
const { signal } = new AbortController();
const json = { name: 'x'.repeat(1_000) };

const get = (n: number): Promise<unknown> => communicator.callServiceJson('users', { path: `/200/users/${n % 1_000}` });
const post = (n: number): Promise<unknown> =>
  communicator.callServiceJson('users', { method: 'POST', path: `/200/users/${n % 1_000}`, json });
const withSignal = (n: number): Promise<unknown> =>
  communicator.callServiceJson('users', { path: `/200/users/${n % 1_000}`, signal });
const pools = ports.split(',').map((port) => new Pool(`http://127.0.0.1:${port}`, { keepAliveTimeout: KEEP_ALIVE }));
const bare = async (n: number): Promise<unknown> => {
  const { body } = await pools[n % pools.length]!.request({ method: 'GET', path: `/200/users/${n % 1_000}` });
  return body.json();
};

async function make(
  calls: number,
  call: (n: number) => Promise<unknown>,
  workers = Number(concurrency),
): Promise<void> {
  let made = 0;
  const worker = async (): Promise<void> => {
    while (made < calls) await call(made++);
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

async function count(call: (n: number) => Promise<unknown>): Promise<Counted> {
  await make(WARM_UP, call);
  const run = (): Promise<void> => make(COUNTED, call);
  const bytes = await allocatedBy(COUNTED, run);
  return { ...(await madeBy(COUNTED, run)), bytes };
}

const kinds = [get, post, withSignal];
for (const call of kinds) await make(WARM_UP, call);
const before = await sockets.heldNow(signal);
for (const call of kinds) await make(Number(many) / kinds.length, call);
const after = await sockets.heldNow(signal);
const library = ServiceDiscoveryModule.forRoot({
  mode: 'memory_only',
  healthCheck: { enabled: false },
  transport: { keepAliveTimeout: KEEP_ALIVE },
});
const module = { module: class ClientApp {}, imports: [library] };

async function countInApp(): Promise<Counted> {
  const app = await NestFactory.createApplicationContext(module, { logger: false });
  await registerAll(app.get(ServiceRegistry));
  const inApp = app.get(ServiceCommunicator);
  const counted = await count((n) => inApp.callServiceJson('users', { path: `/200/users/${n % 1_000}` }));
  await app.close();
  return counted;
}

const counts: HotPathCounts = {
  before,
  after,
  get: await count(get),
  post: await count(post),
  timersLeft: await timersLeftBy(() => make(COUNTED, get)),
  floor: await count(bare),
  inApp: await countInApp(),
  alone: await madeBy(COUNTED, () => make(COUNTED, get, 1)),
  floorAlone: await madeBy(COUNTED, () => make(COUNTED, bare, 1)),
};
await communicator.close();
metrics.close();
logger.close();
await registry.close();
await store.close();
await Promise.all(pools.map((pool) => pool.close()));
process.stdout.write(JSON.stringify(counts));
