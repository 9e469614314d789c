import { createHook } from 'node:async_hooks';
import { Agent, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, Req, type Type } from '@nestjs/common';
import { ServiceDiscoveryModule } from 'nest-service-discovery';
import { DEADLINE_HEADER } from 'nest-service-discovery/core';
import { Apps, PLATFORMS, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

const REQUESTS = 50;
/** One promise more per request adds 1 to the average; work in the background is less. */
const ONE_MORE = 0.5;

interface Listeners {
  readonly close: number;
  readonly finish: number;
}

@Controller()
class HelloController {
  @Get('hello')
  hello(@Req() request: { readonly raw?: IncomingMessage } & IncomingMessage): Listeners {
    const { socket } = request.raw ?? request;
    const response = (socket as unknown as { _httpMessage: ServerResponse })._httpMessage;
    return { close: response.listenerCount('close'), finish: response.listenerCount('finish') };
  }
}

@Module({ controllers: [HelloController] })
class BareApp {}

@Module({
  imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', healthCheck: false, logging: false })],
  controllers: [HelloController],
})
class DiscoverableApp {}

interface Work {
  readonly promises: number;
  readonly listeners: Listeners;
}

describe.each(PLATFORMS)('a request that an app serves on %s', (_name, adapter) => {
  async function serve(app: Type, headers: Record<string, string> = {}): Promise<Work> {
    return measure(await apps.listen(app, adapter), headers);
  }

  it('makes no promise and no listener more with the module than without it', async () => {
    const bare = await serve(BareApp);
    const discoverable = await serve(DiscoverableApp);
    expect(discoverable.listeners).toEqual(bare.listeners);
    expect(bare.promises).toBeGreaterThan(0);
    expect(discoverable.promises).toBeLessThan(bare.promises + ONE_MORE);
  });

  it('makes no promise more for a deadline either', async () => {
    const bare = await serve(BareApp);
    const discoverable = await serve(DiscoverableApp, { [DEADLINE_HEADER]: String(Date.now() + 600_000) });
    expect(discoverable.listeners).toEqual(bare.listeners);
    expect(discoverable.promises).toBeLessThan(bare.promises + ONE_MORE);
  });
});

async function measure(app: INestApplication, headers: Record<string, string>): Promise<Work> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async (): Promise<Listeners> => {
    const [response] = (await once(get(`${urlOf(app)}/hello`, { agent, headers }), 'response')) as [IncomingMessage];
    return JSON.parse(await text(response)) as Listeners;
  };
  const listeners = await ask();
  let promises = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'PROMISE') promises += 1;
    },
  }).enable();
  for (let request = 0; request < REQUESTS; request += 1) await ask();
  hook.disable();
  agent.destroy();
  return { promises: promises / REQUESTS, listeners };
}
