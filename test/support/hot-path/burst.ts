/**
 * A client process that begins with bursts of calls, as after a deployment, and prints how many bytes of each later call
 * end up in the old generation. Its arguments are the options of the calls, as JSON, and ports: with those it calls servers
 * there through undici, else a transport that makes no objects of literals, so that only those of the library count.
 */
import { GCProfiler, getHeapSpaceStatistics } from 'node:v8';
import {
  type CommunicatorOptions,
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  type ServiceResponse,
  type Transport,
  UndiciTransport,
} from 'nest-service-discovery/core';

const AT_ONCE = 300;
const CALLS = 10_000;
const FEW = 10;

const USER = { name: 'Ann' };
const BYTES = Buffer.from(JSON.stringify(USER));
const HEADERS = { 'content-type': 'application/json' };
const REQUEST = { path: '/200/users/1' };

const collect = (): void => gc!({ type: 'minor' });
const heads: (() => void)[] = [];
const bodies: (() => void)[] = [];

const read = <T>(content: T): Promise<T> => new Promise((resolve) => bodies.push(() => resolve(content)));
const BODY = { json: () => read(USER), bytes: () => read(BYTES) } as unknown as ServiceResponse['body'];

class Answer implements ServiceResponse {
  readonly status = 200;
  readonly headers = HEADERS;
  readonly body = BODY;
}

const send = (): Promise<ServiceResponse> => new Promise((resolve) => heads.push(() => resolve(new Answer())));
const heldBack: Transport = { send, dispatch: send, sendsAsGiven: true, close: () => Promise.resolve() };

const [, , options = '{}', listed] = process.argv;
const ports = listed?.split(',').map(Number);
const store = new MemoryRegistryStore();
const registry = new ServiceRegistry(store);
await registry.start();
for (const port of ports ?? [1, 2, 3]) {
  await registry.register({ serviceName: 'users', host: '127.0.0.1', port, ttl: '1d' }, { heartbeat: 'manual' });
}
const transport = ports ? new UndiciTransport({ keepAliveTimeout: 3_600_000 }) : heldBack;
const communicator = new ServiceCommunicator({ registry, transport }, JSON.parse(options) as CommunicatorOptions);

async function deliver(all: (() => void)[], whileWaiting?: () => void): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  whileWaiting?.();
  for (const one of all.splice(0)) one();
}

/** @param whileWaiting called while all wait for their heads, and while all wait for their bodies */
async function burst(calls: number, whileWaiting?: () => void): Promise<void> {
  const all = Promise.all(Array.from({ length: calls }, () => communicator.callServiceJson('users', REQUEST)));
  await deliver(heads, whileWaiting);
  await deliver(bodies, whileWaiting);
  await all;
}

/** The same over sockets, where a response is kept until its body is read. */
async function burstOfResponses(calls: number, whileWaiting?: () => void): Promise<void> {
  const all = await Promise.all(Array.from({ length: calls }, () => communicator.callService('users', REQUEST)));
  whileWaiting?.();
  for (const { body } of all) await body.json();
}

async function make(calls: number): Promise<void> {
  for (let made = 0; made < calls; made += FEW) await (ports ? burstOfResponses : burst)(FEW);
}

/** How many bytes `work` puts into the old generation: its growth, and what major collections free of it. */
async function oldBytesOf(work: () => Promise<void>): Promise<number> {
  const used = (): number =>
    getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size;
  const profiler = new GCProfiler();
  profiler.start();
  const before = used();
  await work();
  const grown = used() - before;
  const freed = profiler.stop().statistics.map(({ beforeGC, afterGC }) => {
    const [was = 0, is = 0] = [beforeGC, afterGC].map(
      ({ heapSpaceStatistics: spaces }) => spaces.find(({ spaceName }) => spaceName === 'old_space')?.spaceUsedSize,
    );
    return Math.max(0, was - is);
  });
  return freed.reduce((sum, bytes) => sum + bytes, grown);
}

// V8 decides about a literal once it has seen a hundred of its objects.
for (let times = 0; times < 5; times++) await (ports ? burstOfResponses : burst)(AT_ONCE, collect);
await make(3 * CALLS);
const oldBytesPerCall = (await oldBytesOf(() => make(CALLS))) / CALLS;
await communicator.close();
await registry.close();
await store.close();
process.stdout.write(`${oldBytesPerCall}`);
