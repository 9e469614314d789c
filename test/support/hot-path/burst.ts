/**
 * A client process that begins with bursts of calls, as after a deployment, and prints how many bytes of each later call
 * end up in the old generation. Its transport makes no objects of literals, so that only those of the library count.
 */
import { getHeapSpaceStatistics } from 'node:v8';
import {
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  type ServiceResponse,
  type Transport,
} from 'nest-service-discovery/core';

const AT_ONCE = 300;
const CALLS = 10_000;
const FEW = 10;

const USER = { name: 'Ann' };
const BODY = { json: () => Promise.resolve(USER) } as unknown as ServiceResponse['body'];
const HEADERS = { 'content-type': 'application/json' };
const REQUEST = { path: '/users/1' };

class Answer implements ServiceResponse {
  readonly status = 200;
  readonly headers = HEADERS;
  readonly body = BODY;
}

const waiting: ((answer: ServiceResponse) => void)[] = [];
const send = (): Promise<ServiceResponse> => new Promise((resolve) => waiting.push(resolve));
const transport: Transport = { send, dispatch: send, close: () => Promise.resolve() };

const store = new MemoryRegistryStore();
const registry = new ServiceRegistry(store);
await registry.start();
for (const port of [1, 2, 3]) {
  await registry.register({ serviceName: 'users', host: '127.0.0.1', port, ttl: '1d' }, { heartbeat: 'manual' });
}
const communicator = new ServiceCommunicator({ registry, transport });

async function burst(calls: number, whileWaiting?: () => void): Promise<void> {
  const all = Promise.all(Array.from({ length: calls }, () => communicator.callServiceJson('users', REQUEST)));
  await new Promise((resolve) => setImmediate(resolve));
  whileWaiting?.();
  for (const answer of waiting.splice(0)) answer(new Answer());
  await all;
}

async function make(calls: number): Promise<void> {
  for (let made = 0; made < calls; made += FEW) await burst(FEW);
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size;
}

// V8 decides about a literal once it has seen a hundred of its objects.
for (let times = 0; times < 5; times++) await burst(AT_ONCE, () => gc!({ type: 'minor' }));
await make(3 * CALLS);
const before = oldBytes();
await make(CALLS);
const oldBytesPerCall = (oldBytes() - before) / CALLS;
await communicator.close();
await registry.close();
await store.close();
process.stdout.write(`${oldBytesPerCall}`);
