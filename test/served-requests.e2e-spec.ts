import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { type EventEmitter, once } from 'node:events';
import { Agent, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, Req } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { ServiceCommunicator, ServiceDiscoveryModule } from 'nest-service-discovery';
import { DEADLINE_HEADER } from 'nest-service-discovery/core';
import { Apps, PLATFORMS, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

const REQUESTS = 50;
/** One more per request adds 1 to the average; work in the background is less. */
const ONE_MORE = 0.5;
const DEADLINE = { [DEADLINE_HEADER]: String(Date.now() + 3_600_000) };

/** How many listeners each event has: the closures that a request holds. */
interface Listeners {
  readonly request: Readonly<Record<string, number>>;
  readonly response: Readonly<Record<string, number>>;
  readonly connection: Readonly<Record<string, number>>;
}

@Controller()
class HelloController {
  @Get('hello')
  hello(@Req() request: { readonly raw?: IncomingMessage } & IncomingMessage): Listeners {
    const { socket } = request.raw ?? request;
    const response = (socket as unknown as { _httpMessage: ServerResponse })._httpMessage;
    return {
      request: listenersOf(request.raw ?? request),
      response: listenersOf(response),
      connection: listenersOf(socket),
    };
  }
}

@Module({ controllers: [HelloController] })
class BareApp {}

const discovery = ServiceDiscoveryModule.forRoot({ mode: 'memory_only', healthCheck: false, logging: false });

@Module({ imports: [discovery], controllers: [HelloController] })
class DiscoverableApp {}

@Controller()
class CallingController extends HelloController {
  constructor(readonly communicator: ServiceCommunicator) {
    super();
  }
}

@Module({ imports: [discovery], controllers: [CallingController] })
class CallingApp {}

/** Per request, but for the listeners. */
interface Work {
  readonly promises: number;
  /** Whatever Node tells async hooks of: timers, ticks, handles, and promises as well. */
  readonly resources: number;
  /** Contexts of `AsyncLocalStorage` that are entered. */
  readonly contexts: number;
  readonly listeners: Omit<Listeners, 'connection'>;
}

describe.each(PLATFORMS)('a request that an app serves on %s', (_name, adapter) => {
  it.each([
    ['without our headers', {}],
    ['with a deadline, in an app that makes no calls', DEADLINE],
  ])('makes nothing more with the module than without it: %s', async (_case, headers) => {
    const bare = await measure(await apps.listen(BareApp, adapter), headers);
    const discoverable = await measure(await apps.listen(DiscoverableApp, adapter), headers);
    expect(discoverable.listeners).toEqual(bare.listeners);
    expect(bare.promises).toBeGreaterThan(0);
    expect(discoverable.promises).toBeLessThan(bare.promises + ONE_MORE);
    expect(discoverable.resources).toBeLessThan(bare.resources + ONE_MORE);
    expect(discoverable.contexts).toBe(bare.contexts);
  });
});

describe.each(PLATFORMS)('the routes of an app on %s', (name, adapter) => {
  it('have the hook for what requests carry, and nothing else', async () => {
    const bare = await apps.listen(BareApp, adapter);
    const discoverable = await apps.listen(DiscoverableApp, adapter);
    expect(hooksOf(name, discoverable)).toBe(hooksOf(name, bare) + 1);
    expect(globalsOf(discoverable)).toEqual(globalsOf(bare));
  });
});

// Last, since from the start of such an app on, all apps of the process enter contexts.
describe.each(PLATFORMS)('a request that an app which makes calls serves on %s', (_name, adapter) => {
  it('enters one context for a deadline, and makes nothing else more', async () => {
    const bare = await measure(await apps.listen(BareApp, adapter), DEADLINE);
    const calling = await measure(await apps.listen(CallingApp, adapter), DEADLINE);
    expect(calling.contexts).toBe(bare.contexts + 1);
    expect(calling.listeners).toEqual(bare.listeners);
    expect(calling.promises).toBeLessThan(bare.promises + ONE_MORE);
    expect(calling.resources).toBeLessThan(bare.resources + ONE_MORE);
  });

  it('enters no context without a deadline', async () => {
    const bare = await measure(await apps.listen(BareApp, adapter), {});
    const calling = await measure(await apps.listen(CallingApp, adapter), {});
    expect(calling.contexts).toBe(bare.contexts);
  });
});

async function measure(app: INestApplication, headers: Record<string, string>): Promise<Work> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async (): Promise<Listeners> => {
    const [response] = (await once(get(`${urlOf(app)}/hello`, { agent, headers }), 'response')) as [IncomingMessage];
    return JSON.parse(await text(response)) as Listeners;
  };
  const { connection, ...listeners } = await ask();
  let promises = 0;
  let resources = 0;
  const hook = createHook({
    init: (_id, type) => {
      resources += 1;
      if (type === 'PROMISE') promises += 1;
    },
  }).enable();
  const entered = jest.spyOn(AsyncLocalStorage.prototype, 'run');
  for (let request = 0; request < REQUESTS; request += 1) await ask();
  const contexts = entered.mock.calls.length / REQUESTS;
  entered.mockRestore();
  hook.disable();
  expect((await ask()).connection).toEqual(connection);
  agent.destroy();
  return { promises: promises / REQUESTS, resources: resources / REQUESTS, contexts, listeners };
}

/** Those that Fastify calls for a request that goes well. */
const HOOKS_OF_REQUESTS = [
  'onRequest',
  'preParsing',
  'preValidation',
  'preHandler',
  'preSerialization',
  'onSend',
  'onResponse',
];

interface ExpressLayer {
  readonly route?: unknown;
  match(path: string): unknown;
}

/** What each request passes before it comes to its route: middleware of Express, hooks of Fastify. */
function hooksOf(platform: string, app: INestApplication): number {
  const instance = app.getHttpAdapter().getInstance() as object;
  if (platform === 'Express') {
    const { stack } = (instance as { readonly router: { readonly stack: readonly ExpressLayer[] } }).router;
    return stack.filter(({ route, match }, index) => route === undefined && match.call(stack[index], '/hello')).length;
  }
  const symbol = Object.getOwnPropertySymbols(instance).find(({ description }) => description === 'fastify.hooks')!;
  const hooks = (instance as Readonly<Record<symbol, Readonly<Record<string, unknown>>>>)[symbol]!;
  return HOOKS_OF_REQUESTS.reduce((sum, hook) => sum + (hooks[hook] as readonly unknown[]).length, 0);
}

/** Interceptors, guards and pipes that Nest runs for all routes. */
function globalsOf(app: INestApplication): number[] {
  const config = app.get(ApplicationConfig);
  return [config.getGlobalInterceptors(), config.getGlobalGuards(), config.getGlobalPipes()].map(
    ({ length }) => length,
  );
}

function listenersOf(emitter: EventEmitter): Record<string, number> {
  return Object.fromEntries(emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]));
}
