import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import {
  DiscoverableService,
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { type AppModule, Apps } from '../support/nest-app.js';

const apps = new Apps();
let store: MemoryRegistryStore | undefined;
afterEach(async () => {
  await apps.close();
  await store?.close();
  store = undefined;
});

/** As long as a slow machine may need. */
const QUIET: ServiceDiscoveryOptions = { logging: false, healthCheck: false, waitForFirst: '30s' };

@DiscoverableService({ name: 'user-service' })
@Controller('users')
class UserController {
  @Get('1')
  find(): object {
    return { id: '1' };
  }
}

describe('right after startup, a call', () => {
  it('in onModuleInit waits for a service of another app that starts at the same time', async () => {
    store = new MemoryRegistryStore();
    const root = ServiceDiscoveryModule.forRoot({ ...QUIET, store });

    @Injectable()
    class Warmup implements OnModuleInit {
      user: unknown;
      constructor(private readonly communicator: ServiceCommunicator) {}
      async onModuleInit(): Promise<void> {
        this.user = await this.communicator.callServiceJson('user-service', { path: '/users/1' });
      }
    }
    @Module({ imports: [root], providers: [Warmup] })
    class Caller {}
    @Module({ imports: [root], controllers: [UserController] })
    class Callee {}

    const caller = apps.listen(Caller);
    await apps.listen(Callee);
    expect((await caller).get(Warmup).user).toEqual({ id: '1' });
  });

  function moduleWith(options: ServiceDiscoveryOptions): AppModule {
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ ...QUIET, ...options })], controllers: [UserController] })
    class App {}
    return App;
  }

  it('after listen() reaches a service that is registering at this moment', async () => {
    const app = await apps.listen(moduleWith({}));
    const call = app.get(ServiceCommunicator).callServiceJson('user-service', { path: '/users/1' });
    await expect(call).resolves.toEqual({ id: '1' });
  });

  it('to a misspelled name fails with a suggestion', async () => {
    const app = await apps.listen(moduleWith({ waitForFirst: '100ms' }));
    const communicator = app.get(ServiceCommunicator);
    await communicator.callServiceJson('user-service', { path: '/users/1' });
    await expect(communicator.callServiceJson('user-servce', { path: '/users/1' })).rejects.toMatchObject({
      code: 'SERVICE_NOT_FOUND',
      message: 'No service named "user-servce" is registered (did you mean "user-service"?)',
    });
  });
});
