import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentMetadata,
  Body,
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Headers,
  type INestApplication,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  NotFoundException,
  Param,
  ParseIntPipe,
  type PipeTransform,
  Post,
  Query,
  Req,
  Scope,
  ServiceUnavailableException,
  type Type,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory, REQUEST } from '@nestjs/core';
import { ApiOperation, ApiQuery, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { map, type Observable } from 'rxjs';
import {
  bindServiceClient,
  currentSignal,
  DiscoverableService,
  type DiscoverableServiceOptions,
  EventBus,
  InvalidConfigurationError,
  ResilientCall,
  type ServiceDiscoveryEvent,
  ServiceCall,
  ServiceClient,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceMethod,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, PLATFORMS, portOf, registered, startError, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

const root = (options: ServiceDiscoveryOptions = {}) => ServiceDiscoveryModule.forRoot({ logging: false, ...options });

async function get(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url);
  return { status: response.status, body: await response.json() };
}

describe.each(PLATFORMS)('@DiscoverableService on %s', (_name, adapter) => {
  it('registers a module when the server listens, with its real port, and not earlier', async () => {
    @DiscoverableService({
      name: 'user-service',
      version: '1.2.0',
      tags: ['api'],
      metadata: { team: 'core' },
      zone: 'a',
    })
    @Module({ imports: [root()] })
    class AppModule {}
    const app = await apps.create(AppModule, adapter);
    await app.init();
    expect(app.get(ServiceRegistry).listServices()).toEqual([]);

    await app.listen(0, '127.0.0.1');
    const port = portOf(app);
    await expect(registered(app, 'user-service')).resolves.toMatchObject({
      host: '127.0.0.1',
      port,
      instanceId: `127.0.0.1:${port}`,
      protocol: 'http',
      version: '1.2.0',
      tags: ['api'],
      metadata: { team: 'core' },
      zone: 'a',
      healthCheckPath: '/health/ready',
    });
  });

  describe("is checked at the app's health route", () => {
    const check = async (
      options: ServiceDiscoveryOptions,
      {
        path,
        controllers,
        configure,
      }: { path?: string; controllers?: Type[]; configure?: (app: INestApplication) => void },
    ): Promise<string | null> => {
      @DiscoverableService({ name: 'user-service', path })
      @Module({ imports: [root(options)], controllers })
      class AppModule {}
      const app = await apps.create(AppModule, adapter);
      configure?.(app);
      await app.listen(0, '127.0.0.1');
      const { healthCheckPath } = await registered(app, 'user-service');
      if (healthCheckPath !== null) expect((await get(urlOf(app) + healthCheckPath)).status).toBe(200);
      return healthCheckPath;
    };
    @Controller('health')
    class OwnHealth {
      @Get()
      check(): object {
        return { status: 'ok' };
      }
    }

    @Controller('health/ready')
    class OwnReadiness {
      @Get()
      check(): object {
        return { status: 'ok' };
      }
    }

    it('below a global prefix', async () => {
      expect(await check({}, { configure: (app) => app.setGlobalPrefix('api') })).toBe('/api/health/ready');
    });

    it('next to a global prefix that excludes it', async () => {
      const configure = (app: INestApplication) => app.setGlobalPrefix('/api/', { exclude: ['health/ready'] });
      expect(await check({}, { configure })).toBe('/health/ready');
    });

    it('at the root, whatever path is registered', async () => {
      expect(await check({}, { path: '/api/', configure: (app) => app.setGlobalPrefix('api') })).toBe(
        '/api/health/ready',
      );
      expect(await check({}, { path: '/api/' })).toBe('/health/ready');
    });

    it('at a custom path', async () => {
      expect(await check({ api: { healthPath: 'ops/alive' } }, {})).toBe('/ops/alive/ready');
    });

    it('at its own controller, which knows what the app needs', async () => {
      expect(await check({ api: false }, { controllers: [OwnHealth] })).toBe('/health');
      expect(await check({}, { controllers: [OwnHealth] })).toBe('/health');
    });

    it('at its own readiness controller, preferred to a health controller', async () => {
      expect(await check({ api: false }, { controllers: [OwnHealth, OwnReadiness] })).toBe('/health/ready');
      expect(await check({}, { controllers: [OwnReadiness] })).toBe('/health/ready');
    });

    it('by a connection to its port if there is no route', async () => {
      expect(await check({ api: { healthPath: false } }, {})).toBeNull();
    });
  });

  it('registers a controller and a provider once each, even if several modules contain them', async () => {
    @DiscoverableService({ name: 'order-service' })
    @Controller('orders')
    class OrderController {}
    @DiscoverableService({ name: 'stock-service' })
    @Injectable()
    class Stock {}
    @Module({ controllers: [OrderController], providers: [Stock] })
    class Feature {}
    @Module({ imports: [root(), Feature], providers: [Stock] })
    class AppModule {}
    const app = await apps.listen(AppModule, adapter);
    await Promise.all(['order-service', 'stock-service'].map((name) => registered(app, name)));
    const registry = app.get(ServiceRegistry);
    expect(registry.getInstances('order-service')).toHaveLength(1);
    expect(registry.getInstances('stock-service')).toHaveLength(1);
  });
});

describe('@DiscoverableService', () => {
  it('registers a single address for a server bound to all of them', async () => {
    @DiscoverableService({ name: 'user-service' })
    @Module({ imports: [root()] })
    class AppModule {}
    const app = await apps.create(AppModule);
    await app.listen(0, '0.0.0.0');
    await expect(registered(app, 'user-service')).resolves.toMatchObject({ host: '127.0.0.1', port: portOf(app) });
  });

  it("registers the advertised address, or else the class's own", async () => {
    @DiscoverableService({ name: 'user-service' })
    @Module({ imports: [root({ advertise: { host: 'users.internal', port: 80 } })] })
    class AppModule {}
    @DiscoverableService({ name: 'order-service', host: 'orders.internal', protocol: 'https', instanceId: 'order-1' })
    @Module({ imports: [AppModule] })
    class Both {}
    const app = await apps.listen(Both);
    await expect(registered(app, 'user-service')).resolves.toMatchObject({ host: 'users.internal', port: 80 });
    await expect(registered(app, 'order-service')).resolves.toMatchObject({
      host: 'orders.internal',
      port: 80,
      protocol: 'https',
      instanceId: 'order-1',
    });
  });

  it('registers a class provided by a factory or as a value', async () => {
    @DiscoverableService({ name: 'user-service' })
    class Users {}
    @DiscoverableService({ name: 'order-service' })
    class Orders {}
    @Module({
      imports: [root()],
      providers: [
        { provide: 'USERS', useFactory: () => new Users() },
        { provide: 'ORDERS', useValue: new Orders() },
      ],
    })
    class AppModule {}
    const app = await apps.listen(AppModule);
    await expect(registered(app, 'user-service')).resolves.toMatchObject({ port: portOf(app) });
    await expect(registered(app, 'order-service')).resolves.toMatchObject({ port: portOf(app) });
  });

  it('registers classes that name host and port in an app without a server, and skips the rest', async () => {
    @DiscoverableService({ name: 'worker', host: '127.0.0.1', port: 9_000 })
    @Injectable()
    class Worker {}
    @DiscoverableService({ name: 'nowhere' })
    @Injectable()
    class Nowhere {}
    @Module({ imports: [root()], providers: [Worker, Nowhere] })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
    await expect(registered(app as never, 'worker')).resolves.toMatchObject({ port: 9_000 });
    expect([...app.get(ServiceRegistry).snapshot.services.keys()]).toEqual(['worker']);
    await app.close();
  });

  it('stops the start if two classes announce the same service', async () => {
    @DiscoverableService({ name: 'user-service' })
    @Injectable()
    class Users {}
    @DiscoverableService({ name: 'user-service' })
    @Module({ imports: [root()], providers: [Users] })
    class AppModule {}
    const error = await startError(AppModule);
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as Error).message).toContain('a service that no other class announces (AppModule does already)');
  });

  it("applies a timeout shorter than the pattern's to attempts, unless they have their own", () => {
    const declare = (options: Parameters<typeof ResilientCall>[0]) => () => {
      class Hurried {
        @ResilientCall(options)
        async call(): Promise<void> {}
      }
      return Hurried;
    };
    expect(declare({ pattern: 'web', timeout: '100ms' })).not.toThrow();
    expect(declare({ pattern: 'web', timeout: '100ms', attemptTimeout: '200ms' })).toThrow(/attemptTimeout/);
  });

  it('rejects all wrong options at class definition', () => {
    expect(() => {
      @DiscoverableService({ name: 'a b', port: 0, version: 'new' })
      class Wrong {}
      return Wrong;
    }).toThrow(/Wrong\.name.*Wrong\.port.*Wrong\.version/s);
    const misspelled = { name: 'a', healthcheck: { type: 'tcp' } } as DiscoverableServiceOptions;
    expect(() => DiscoverableService(misspelled)(class Wrong {})).toThrow(
      /Wrong\.healthcheck: .*did you mean "healthCheck"/,
    );
  });

  it.each<[unknown, RegExp]>([
    [{ nme: 'x' }, /Wrong\.nme: expected no option of this name \(did you mean "name"\?\)/],
    [{ name: 'a', colour: 1 }, /Wrong\.colour: expected .*: known are name, host, port, /],
    [{ name: 'a', serviceName: 'b' }, /Wrong\.serviceName: expected .*the name of the service is "name"/],
    [
      undefined,
      /Wrong: expected an object: @DiscoverableService\(\{ name: 'user-service' \}\), but got nothing\n {2}See \S+$/,
    ],
    [
      'orders',
      /^Invalid.*\n.*Wrong: expected an object: @DiscoverableService\(\{ name: 'orders' \}\), but got "orders"\n {2}See \S+$/,
    ],
  ])('suggests the option names for %j', (options, message) => {
    const declare = (): unknown => DiscoverableService(options as DiscoverableServiceOptions)(class Wrong {});
    expect(declare).toThrow(InvalidConfigurationError);
    expect(declare).toThrow(message);
  });
});

it.each([[null], ['2s'], [[]]])('decorators reject %j in place of options', (wrong) => {
  const options = wrong as never;
  const declare: Record<string, () => unknown> = {
    '@ResilientCall Prices\\.price': () => {
      class Prices {
        @ResilientCall(options)
        async price(): Promise<void> {}
      }
      return Prices;
    },
    '@ServiceClient Users': () => ServiceClient('user-service', options)(class Users {}),
    '@ServiceCall Users\\.all': () => {
      class Users {
        @ServiceCall('GET /users', options)
        readonly all!: ServiceMethod<unknown>;
      }
      return Users;
    },
    '@DiscoverableService Users': () => DiscoverableService(options)(class Users {}),
  };
  for (const [where, run] of Object.entries(declare)) {
    expect(run).toThrow(InvalidConfigurationError);
    expect(run).toThrow(new RegExp(`${where}: expected an object`));
  }
});

it('a client without a service is rejected', () => {
  expect(() => ServiceClient(null as never)(class Users {})).toThrow(/@ServiceClient Users: expected the name/);
});

describe.each(PLATFORMS)('@ResilientCall on %s', (_name, adapter) => {
  it('keeps the circuit of a request-scoped provider across requests', async () => {
    let made = 0;
    let called = 0;
    @Injectable({ scope: Scope.REQUEST })
    class Prices {
      constructor(@Inject(REQUEST) private readonly request: { url: string }) {
        made++;
      }
      @ResilientCall({ service: 'price-service', circuitBreaker: { failureThreshold: 2 } })
      async price(): Promise<never> {
        called++;
        throw new ServiceUnavailableException(this.request.url);
      }
    }
    @Controller('prices')
    class PriceController {
      constructor(@Inject(Prices) private readonly prices: Prices) {}
      @Get(':sku')
      find(): Promise<unknown> {
        return this.prices
          .price()
          .catch((error: Error & { code?: string }) => ({ code: error.code, message: error.message }));
      }
    }
    @Module({ imports: [root()], controllers: [PriceController], providers: [Prices] })
    class AppModule {}
    const app = await apps.listen(AppModule, adapter);
    const ask = async (sku: string): Promise<unknown> => (await get(`${urlOf(app)}/prices/${sku}`)).body;
    await expect(ask('a')).resolves.toEqual({ message: '/prices/a' });
    await expect(ask('b')).resolves.toEqual({ message: '/prices/b' });
    await expect(ask('c')).resolves.toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect({ made, called }).toEqual({ made: 3, called: 2 });
  });

  it('keeps guards, pipes, interceptors, parameters and status of a route, in any order of decorators', async () => {
    const seen: string[] = [];
    @Injectable()
    class OnlyFriends implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        seen.push(`${context.getClass().name}.${context.getHandler().name}`);
        return context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-friend'] === 'yes';
      }
    }
    @Injectable()
    class Wrap implements NestInterceptor {
      intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
        return next.handle().pipe(map((data: unknown) => ({ data })));
      }
    }
    @Controller('orders')
    class OrderController {
      @ResilientCall()
      @Get('above/:id')
      @UseGuards(OnlyFriends)
      @UseInterceptors(Wrap)
      async above(@Param('id', ParseIntPipe) id: number, @Query('q') q: string): Promise<object> {
        return { id, q };
      }

      @Get('below/:id')
      @UseGuards(OnlyFriends)
      @UseInterceptors(Wrap)
      @ResilientCall()
      async below(@Param('id', ParseIntPipe) id: number, @Query('q') q: string): Promise<object> {
        return { id, q };
      }

      @UseGuards(OnlyFriends)
      @Get('between/:id')
      @ResilientCall()
      @UseInterceptors(Wrap)
      async between(@Param('id', ParseIntPipe) id: number, @Query('q') q: string): Promise<object> {
        return { id, q };
      }
    }
    @Module({ imports: [root()], controllers: [OrderController] })
    class AppModule {}
    const url = urlOf(await apps.listen(AppModule, adapter));
    const ask = async (path: string, friend = 'yes'): Promise<[number, unknown]> => {
      const response = await fetch(`${url}/orders/${path}?q=x`, { headers: { 'x-friend': friend } });
      return [response.status, await response.json()];
    };
    for (const place of ['above', 'below', 'between']) {
      await expect(ask(`${place}/7`)).resolves.toEqual([200, { data: { id: 7, q: 'x' } }]);
      await expect(ask(`${place}/seven`)).resolves.toMatchObject([
        400,
        { message: expect.stringContaining('numeric') },
      ]);
      await expect(ask(`${place}/7`, 'no')).resolves.toMatchObject([403, {}]);
    }
    expect([...new Set(seen)]).toEqual(['OrderController.above', 'OrderController.below', 'OrderController.between']);
  });

  it('keeps Swagger metadata of a route, in any order of decorators', async () => {
    class Order {
      sku = '';
    }
    @Controller('orders')
    class OrderController {
      @ResilientCall()
      @ApiOperation({ summary: 'places an order' })
      @ApiQuery({ name: 'dry', required: false })
      @Post('above/:id')
      async above(@Param('id') _id: string, @Body() _order: Order): Promise<void> {}

      @Post('below/:id')
      @ApiQuery({ name: 'dry', required: false })
      @ApiOperation({ summary: 'places an order' })
      @ResilientCall()
      async below(@Param('id') _id: string, @Body() _order: Order): Promise<void> {}
    }
    @Module({ imports: [root({ api: false })], controllers: [OrderController] })
    class AppModule {}
    const app = await apps.listen(AppModule, adapter);
    const { paths } = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    for (const place of ['above', 'below']) {
      const operation = paths[`/orders/${place}/{id}`]?.post;
      expect(operation).toMatchObject({ operationId: `OrderController_${place}`, summary: 'places an order' });
      expect(operation?.parameters).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ name: 'id', in: 'path' }),
          expect.objectContaining({ name: 'dry', in: 'query' }),
        ]),
      );
      expect(operation?.requestBody).toMatchObject({ content: { 'application/json': {} } });
    }
  });
});

describe('@ResilientCall', () => {
  it('works with pipes bound to the method, and on a subclass of the controller', async () => {
    class Shout implements PipeTransform<string, string> {
      transform(value: string, { type }: ArgumentMetadata): string {
        return type === 'param' ? value.toUpperCase() : value;
      }
    }
    class Base {
      @Get(':name')
      @ResilientCall({ timeout: '5s' })
      async greet(@Param('name', Shout) name: string): Promise<object> {
        return { name, by: this.constructor.name };
      }
    }
    @Controller('one')
    class One extends Base {}
    @Controller('two')
    class Two extends Base {}
    @Module({ imports: [root()], controllers: [One, Two] })
    class AppModule {}
    const url = urlOf(await apps.listen(AppModule));
    await expect(get(`${url}/one/ada`)).resolves.toEqual({ status: 200, body: { name: 'ADA', by: 'One' } });
    await expect(get(`${url}/two/ada`)).resolves.toEqual({ status: 200, body: { name: 'ADA', by: 'Two' } });
  });

  it('returns its fallback on errors, and leaves results alone', async () => {
    @Controller('stock')
    class StockController {
      @Get(':sku')
      @ResilientCall({ fallback: 'unknown' })
      async find(@Param('sku') sku: string): Promise<object> {
        if (sku === 'none') throw new NotFoundException();
        throw new Error('the database is away');
      }
      async unknown(sku: string, error: Error): Promise<object> {
        return { sku, available: null, because: error.message };
      }
    }
    @Module({ imports: [root()], controllers: [StockController] })
    class AppModule {}
    const url = urlOf(await apps.listen(AppModule));
    await expect(get(`${url}/stock/rope`)).resolves.toEqual({
      status: 200,
      body: { sku: 'rope', available: null, because: 'the database is away' },
    });
    await expect(get(`${url}/stock/none`)).resolves.toMatchObject({ status: 404 });
  });

  it('treats errors as the method declares', async () => {
    class OutOfStock extends Error {}
    class Stock {
      @ResilientCall({
        retry: { maxAttempts: 2, baseDelay: 0 },
        fallback: () => 'unknown',
        classify: (error) => (error instanceof OutOfStock ? 'success' : 'retryable'),
      })
      async find(sku: string): Promise<string> {
        asked.push(sku);
        throw sku === 'none' ? new OutOfStock('none left') : new NotFoundException();
      }
    }
    const asked: string[] = [];
    const stock = new Stock();
    await expect(stock.find('none')).rejects.toThrow('none left');
    await expect(stock.find('rope')).resolves.toBe('unknown');
    expect(asked).toEqual(['none', 'rope', 'rope']);
  });

  it('ends slow executions, and aborts their current signal', async () => {
    let aborted: unknown;
    @Injectable()
    class Slow {
      @ResilientCall({ timeout: '20ms' })
      wait(): Promise<never> {
        const signal = currentSignal();
        return new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            aborted = signal.reason;
            reject(signal.reason as Error);
          });
        });
      }
    }
    @Module({ imports: [root()], providers: [Slow] })
    class AppModule {}
    const app = await apps.listen(AppModule);
    await expect(app.get(Slow).wait()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(aborted).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it("emits events on the app's bus, also for an instance provided by a factory", async () => {
    class Mail {
      @ResilientCall({
        service: 'mail',
        retry: { maxAttempts: 2, baseDelay: 0 },
        circuitBreaker: { failureThreshold: 2 },
      })
      async send(): Promise<never> {
        throw new Error('refused');
      }
    }
    @Module({ imports: [root()], providers: [{ provide: Mail, useFactory: () => new Mail() }] })
    class AppModule {}
    const app = await apps.listen(AppModule);
    const events: ServiceDiscoveryEvent[] = [];
    app.get(EventBus).onAny((event) => events.push(event));
    await expect(app.get(Mail).send()).rejects.toThrow('refused');
    expect(events).toMatchObject([
      { type: 'call.retried', service: 'mail', attempt: 2 },
      { type: 'circuit.opened', service: 'mail', failures: 2 },
    ]);
  });

  it("uses the module's settings as defaults", async () => {
    @Injectable()
    class Rates {
      attempts = 0;
      @ResilientCall()
      async usual(): Promise<never> {
        this.attempts++;
        throw new Error('down');
      }
      @ResilientCall({ retry: {}, circuitBreaker: false })
      async again(): Promise<never> {
        this.attempts++;
        throw new Error('down');
      }
      @ResilientCall({ pattern: 'batch', circuitBreaker: { failureThreshold: 9 } })
      async batch(): Promise<never> {
        this.attempts++;
        throw new Error('down');
      }
    }
    const settings = ServiceDiscoveryModule.forRoot({
      circuitBreaker: { failureThreshold: 1 },
      retry: { maxAttempts: 4, baseDelay: 0 },
      patterns: { batch: { retry: { maxAttempts: 2 } } },
    });
    @Module({ imports: [settings], providers: [Rates] })
    class AppModule {}
    const rates = (await apps.listen(AppModule)).get(Rates);
    // Only the author knows whether a method may run twice.
    await expect(rates.usual()).rejects.toMatchObject({ message: 'down', attempts: 1 });
    await expect(rates.usual()).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    await expect(rates.again()).rejects.toMatchObject({ message: 'down', attempts: 4 });
    await expect(rates.batch()).rejects.toMatchObject({ message: 'down', attempts: 2 });
    expect(rates.attempts).toBe(7);
  });

  it('stops the start of an app that lacks the pattern, and works in one that has it', async () => {
    @Injectable()
    class Nightly {
      @ResilientCall({ pattern: 'batch' })
      async run(): Promise<string> {
        return 'done';
      }
    }
    const appWith = (options: ServiceDiscoveryOptions) => {
      @Module({ imports: [ServiceDiscoveryModule.forRoot(options)], providers: [Nightly] })
      class AppModule {}
      return AppModule;
    };
    const error = await startError(appWith({ patterns: { batches: {} } }));
    expect((error as Error).message).toContain(
      '@ResilientCall Nightly.run: pattern: expected one of "web", "app", "data", "ml", "monitoring", "batches" (did you mean "batches"?)',
    );
    const app = await apps.listen(appWith({ patterns: { batch: { timeout: '1s' } } }));
    await expect(app.get(Nightly).run()).resolves.toBe('done');
    await expect(new Nightly().run()).rejects.toThrow(/Nightly\.run: pattern: expected one of "web", /);
  });

  it('stops the start if its options contradict the settings that they are merged with', async () => {
    @Injectable()
    class Reports {
      @ResilientCall({ bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: '20s' } })
      async make(): Promise<void> {}
    }
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ preset: 'production' })], providers: [Reports] })
    class AppModule {}
    const error = await startError(AppModule);
    expect((error as Error).message).toContain('@ResilientCall Reports.make: bulkhead.maxWait: expected');
  });

  it('has a separate circuit in each app', async () => {
    @Injectable()
    class Flaky {
      @ResilientCall({ circuitBreaker: { failureThreshold: 1 } })
      async call(): Promise<never> {
        throw new Error('down');
      }
    }
    @Module({ imports: [root()], providers: [Flaky] })
    class AppModule {}
    const [one, other] = [await apps.listen(AppModule), await apps.listen(AppModule)];
    await expect(one.get(Flaky).call()).rejects.toThrow('down');
    await expect(one.get(Flaky).call()).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    await expect(other.get(Flaky).call()).rejects.toThrow('down');
  });

  it('coalesces concurrent calls and returns the last good result, keyed by arguments', async () => {
    let calls = 0;
    @Injectable()
    class Prices {
      readonly currency = 'EUR';
      @ResilientCall({
        coalescing: true,
        lastGood: {},
        key(this: Prices, sku: string) {
          return sku === 'secret' ? undefined : `${this.currency} ${sku}`;
        },
      })
      async price(sku: string, fails = false): Promise<string> {
        calls++;
        if (fails) throw new Error('down');
        return `${sku}: ${calls}`;
      }
    }
    @Module({ imports: [root()], providers: [Prices] })
    class AppModule {}
    const app = await apps.listen(AppModule);
    const prices = app.get(Prices);
    const asked = Promise.all(['a', 'a', 'b'].map((sku) => prices.price(sku)));
    await expect(asked).resolves.toEqual(['a: 1', 'a: 1', 'b: 2']);
    await expect(prices.price('b', true)).resolves.toBe('b: 2');
    const secrets = Promise.all(['secret', 'secret'].map((sku) => prices.price(sku)));
    await expect(secrets).resolves.toEqual(['secret: 4', 'secret: 5']);
    await expect(prices.price('secret', true)).rejects.toThrow('down');
  });

  it.each(['coalescing', 'lastGood'])('rejects %s without a key', (option) => {
    expect(() => {
      class Keyless {
        @ResilientCall({ [option]: option === 'coalescing' || {} })
        async call(): Promise<void> {}
      }
      return Keyless;
    }).toThrow(`Keyless.call: key: expected a function that makes a text of the arguments, which ${option} goes by`);
  });

  it('rejects like an async method if the key of a call is invalid', async () => {
    class Keys {
      @ResilientCall({
        coalescing: true,
        key: () => {
          throw new Error('no key');
        },
      })
      async call(): Promise<void> {}
    }
    await expect(new Keys().call()).rejects.toThrow('no key');
  });

  it('protects a static method, and stores nothing on shared prototypes', async () => {
    let called = 0;
    class Clock {
      @ResilientCall({ retry: { maxAttempts: 2, baseDelay: 0 } })
      static async read(): Promise<string> {
        if (++called === 1) throw new Error('down');
        return `${this.name} reads noon`;
      }
    }
    await expect(Clock.read()).resolves.toBe('Clock reads noon');
    expect(Reflect.getMetadataKeys(Function)).toEqual([]);
  });

  it('rejects all wrong options at class definition', () => {
    expect(() => {
      class Wrong {
        @ResilientCall({
          timeout: -1,
          retry: { maxAttempts: 0 },
          pattern: 5 as never,
          fallback: 'unknown',
          key: 'sku' as never,
        })
        async call(): Promise<void> {}
      }
      return Wrong;
    }).toThrow(/pattern.*fallback.*key.*timeout.*retry\.maxAttempts/s);
    expect(() => {
      class Wrong {
        @ResilientCall({ fallback: 5 as never })
        async call(): Promise<void> {}
      }
      return Wrong;
    }).toThrow(/fallback: expected the name of a method of the class, or a function, but got 5/);
  });
});

describe('@ServiceClient', () => {
  interface Echo {
    method: string;
    url: string;
    body: unknown;
    token?: string;
  }

  @DiscoverableService({ name: 'echo-service' })
  @Controller('echo')
  class EchoController {
    @Get(':id/parts/:part')
    read(@Req() { method, url }: { method: string; url: string }, @Headers('x-token') token?: string): object {
      return { method, url, token };
    }
    @Post()
    write(@Req() { method, url }: { method: string; url: string }, @Body() body: unknown): object {
      return { method, url, body };
    }
    @Get('missing')
    missing(): never {
      throw new NotFoundException('no such thing');
    }
  }

  @ServiceClient('echo-service', { timeout: '5s' })
  class EchoClient {
    @ServiceCall('GET /echo/:id/parts/:part')
    readonly read!: ServiceMethod<Echo, { params: { id: string; part: number } }>;
    @ServiceCall('POST /echo', { retry: false })
    readonly write!: ServiceMethod<Echo, { json: { name: string } }>;
    @ServiceCall('GET /echo/missing')
    readonly missing!: ServiceMethod<Echo>;
  }

  async function start(provider: object = EchoClient) {
    @Module({ imports: [root()], controllers: [EchoController], providers: [provider as never] })
    class AppModule {}
    const app = await apps.listen(AppModule);
    await registered(app, 'echo-service');
    return app;
  }

  it('fills in the route, and sends query, headers and JSON', async () => {
    const client = (await start()).get(EchoClient);
    await expect(
      client.read({ params: { id: 'a/b c', part: 7 }, query: { q: ['x', 'y'] }, headers: { 'x-token': 't' } }),
    ).resolves.toEqual({ method: 'GET', url: '/echo/a%2Fb%20c/parts/7?q=x&q=y', token: 't' });
    await expect(client.write({ json: { name: 'Ada' } })).resolves.toEqual({
      method: 'POST',
      url: '/echo',
      body: { name: 'Ada' },
    });
  });

  it('rejects as the communicator does, and for a parameter that is invalid in a path', async () => {
    const client = (await start()).get(EchoClient);
    await expect(client.missing()).rejects.toMatchObject({
      code: 'RESPONSE_STATUS',
      status: 404,
      body: { message: 'no such thing' },
    });
    await expect(client.read({ params: { id: '..', part: 1 } })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('works when provided by a factory, and when constructed manually', async () => {
    const app = await start({ provide: EchoClient, useFactory: () => new EchoClient() });
    const params = { id: '1', part: 1 };
    await expect(app.get(EchoClient).read({ params })).resolves.toMatchObject({ url: '/echo/1/parts/1' });
    const own = new EchoClient();
    bindServiceClient(own, app.get(ServiceCommunicator));
    await expect(own.read({ params })).resolves.toMatchObject({ url: '/echo/1/parts/1' });
  });

  it('rejects an invalid name and an invalid route at class definition', () => {
    expect(() => {
      @ServiceClient('no name')
      class Wrong {}
      return Wrong;
    }).toThrow('@ServiceClient Wrong: expected the name of a service');
    expect(() => {
      @ServiceClient('user-service')
      class Wrong {
        @ServiceCall('GET users' as never)
        readonly call!: ServiceMethod<void>;
      }
      return Wrong;
    }).toThrow('Wrong.call');
  });
});
