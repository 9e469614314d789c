import { afterEach, describe, expect, it } from '@jest/globals';
import {
  ConsoleLogger,
  Controller,
  Get,
  Injectable,
  type LoggerService,
  Module,
  type OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DiscoverableService,
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { type AppModule, Apps, registered, urlOf } from '../support/nest-app.js';

/** The log lines of an app, with their contexts. */
class Lines extends ConsoleLogger {
  readonly lines: string[] = [];

  override log(message: unknown, ...rest: unknown[]): void {
    this.lines.push(`[${String(rest.at(-1))}] ${String(message)}`);
  }
}

/** As in docs/troubleshooting.md. */
class AppLogger extends Lines {
  override log(message: unknown, ...rest: unknown[]): void {
    const isRoute = ['RoutesResolver', 'RouterExplorer'].includes(String(rest.at(-1)));
    if (!isRoute || !String(message).includes('/service-discovery')) super.log(message, ...rest);
  }
}

let app: Awaited<ReturnType<typeof NestFactory.create>> | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function linesOf<T extends Lines>(options: ServiceDiscoveryOptions, logger: T): Promise<string[]> {
  @DiscoverableService({ name: 'user-service' })
  @Module({ imports: [ServiceDiscoveryModule.forRoot(options)] })
  class UserModule {}

  app = await NestFactory.create(UserModule, { logger: logger as LoggerService });
  app.setGlobalPrefix('v1');
  await app.listen(0, '127.0.0.1');
  return logger.lines;
}

describe('an app at startup', () => {
  it('logs in one line which registry it uses, before it registers', async () => {
    const lines = await linesOf({ mode: 'memory_only', healthCheck: false }, new Lines());
    const own = lines.filter((line) => line.startsWith('[ServiceDiscovery] Registry'));
    expect(own).toEqual([
      '[ServiceDiscovery] Registry: this process (memory_only); namespace default; registers user-service; ' +
        'API at /v1/service-discovery, reading and writing from this machine (SERVICE_DISCOVERY_TOKEN lets others in)',
    ]);
    const registered = lines.findIndex((line) => line.includes(' registered at '));
    expect(registered === -1 || registered > lines.indexOf(own[0]!)).toBe(true);
  });

  it('logs nothing with logging off', async () => {
    const lines = await linesOf({ healthCheck: false, logging: false }, new Lines());
    expect(lines.filter((line) => line.startsWith('[ServiceDiscovery]'))).toEqual([]);
  });

  it("omits the lines of the API's routes with the logger of docs/troubleshooting.md", async () => {
    const lines = await linesOf({ healthCheck: false, api: {} }, new AppLogger());
    expect(lines.filter((line) => line.includes('/service-discovery/'))).toEqual([]);
    expect(lines).toContain('[RouterExplorer] Mapped {/v1/health, GET} route');
  });
});

describe('apps that are a registry each', () => {
  const apps = new Apps();
  afterEach(() => apps.close());

  const QUIET: ServiceDiscoveryOptions = { logging: false, healthCheck: false, waitForFirst: false };
  const WAY_OUT =
    'This process is a registry of its own (memory_only), and no other process has registered here: processes find each other ' +
    "by a common registryUrl (SERVICE_DISCOVERY_REGISTRY_URL), or over Redis (mode: 'redis_backed')";

  function appOf(name: string, options: ServiceDiscoveryOptions = {}): AppModule {
    @DiscoverableService({ name })
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ ...QUIET, ...options })] })
    class App {}
    return App;
  }

  describe('two apps without a registryUrl', () => {
    it('fail to find each other with an error that says so, and names the setting that joins them', async () => {
      const [gateway] = [await apps.listen(appOf('gateway')), await apps.listen(appOf('user-service'))];
      await registered(gateway, 'gateway');
      await expect(
        gateway.get(ServiceCommunicator).callServiceJson('user-service', { path: '/' }),
      ).rejects.toMatchObject({
        code: 'SERVICE_NOT_FOUND',
        message: `No service named "user-service" is registered: known are gateway. ${WAY_OUT}. See nest-service-discovery/docs/reference/errors.md#SERVICE_NOT_FOUND`,
      });
      await expect(gateway.get(ServiceDiscovery).waitForService('user-service', { timeout: 0 })).rejects.toMatchObject({
        code: 'SERVICE_NOT_READY',
        message: `"user-service" was not there within 0 ms: no instance of it is registered. ${WAY_OUT}. See nest-service-discovery/docs/reference/errors.md#SERVICE_NOT_READY`,
      });
    });
  });

  describe('an app that other processes register with', () => {
    it('does not say of an unknown service that it is alone', async () => {
      const registry = await apps.listen(appOf('gateway'));
      await apps.listen(appOf('user-service', { registryUrl: urlOf(registry) }));
      await registered(registry, 'user-service');
      await expect(registry.get(ServiceCommunicator).callServiceJson('billing', { path: '/' })).rejects.toMatchObject({
        message: expect.stringMatching(
          /^No service named "billing" is registered: known are [\w-]+, [\w-]+\. Check the name, or start the service\. See \S+#SERVICE_NOT_FOUND$/,
        ),
      });
    });
  });
});

describe('calls at startup', () => {
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
      await registered(app, 'user-service');
      await expect(communicator.callServiceJson('user-servce', { path: '/users/1' })).rejects.toMatchObject({
        code: 'SERVICE_NOT_FOUND',
        message:
          'No service named "user-servce" is registered (did you mean "user-service"?). See nest-service-discovery/docs/reference/errors.md#SERVICE_NOT_FOUND',
      });
    });
  });
});
