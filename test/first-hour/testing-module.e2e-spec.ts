import { afterEach, describe, expect, it } from '@jest/globals';
import { HttpService } from '@nestjs/axios';
import {
  Controller,
  Get,
  type INestApplication,
  type INestApplicationContext,
  Injectable,
  Module,
  type OnApplicationShutdown,
  Param,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  CircuitOpenError,
  CLOCK,
  DiscoverableService,
  EventBus,
  HealthAggregator,
  MemoryRegistryStore,
  ResilientCall,
  SERVICE_DISCOVERY_OPTIONS,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
} from 'nest-service-discovery';
import { DiscoveryHttpModule } from 'nest-service-discovery/axios';
import {
  ManualClock,
  reply,
  ServiceDiscoveryTestingModule,
  type ServiceHandlers,
} from 'nest-service-discovery/testing';
import { firstValueFrom } from 'rxjs';
import { registered, urlOf } from '../support/nest-app.js';

const running: INestApplicationContext[] = [];
afterEach(() => Promise.all(running.splice(0).map((app) => app.close())));

/** A module as in most unit tests: compiled, but not initialized. */
async function communicatorWith(services: ServiceHandlers): Promise<ServiceCommunicator> {
  const imports = [ServiceDiscoveryTestingModule.forRoot({ services })];
  const module = await Test.createTestingModule({ imports }).compile();
  running.push(module);
  return module.get(ServiceCommunicator);
}

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'no failure',
    (error: unknown) => error,
  );

describe('a call in a test', () => {
  it('reaches the handler of its service as an easily readable request', async () => {
    const seen: unknown[] = [];
    const communicator = await communicatorWith({
      'user-service': ({ headers, ...request }) => {
        seen.push({ ...request, tenant: headers['x-tenant'] });
        return { id: 1 };
      },
    });
    const request = { path: '/users?sort=name', query: { tag: ['a', 'b'], page: 2, none: undefined } };
    const answer = await communicator.callServiceJson('user-service', { ...request, headers: { 'X-Tenant': 't1' } });
    await communicator.callServiceJson('user-service', { method: 'POST', path: '/users', json: { name: 'Ada' } });
    await communicator.callService('user-service', { method: 'PUT', path: '/notes/1', body: Buffer.from('plain') });
    expect(answer).toEqual({ id: 1 });
    expect(seen).toEqual([
      { method: 'GET', path: '/users', query: { sort: 'name', tag: ['a', 'b'], page: '2' }, tenant: 't1' },
      { method: 'POST', path: '/users', query: {}, body: { name: 'Ada' } },
      { method: 'PUT', path: '/notes/1', query: {}, body: 'plain' },
    ]);
  });

  it('is answered with a status, and sent once', async () => {
    let calls = 0;
    const communicator = await communicatorWith({
      'user-service': () => {
        calls++;
        return reply(503, { message: 'closed' }, { 'retry-after': '5', 'content-type': 'application/json' });
      },
    });
    for (let call = 1; call <= 10; call++) {
      const error = await failure(communicator.callServiceJson('user-service', { path: '/' }));
      expect(error).toMatchObject({ code: 'RESPONSE_STATUS', status: 503, body: { message: 'closed' } });
      expect(calls).toBe(call);
    }
    const ofData = communicator.withOptions({ pattern: 'data' });
    expect((await ofData.callService('user-service', { path: '/' })).headers['retry-after']).toBe('5');
    expect(calls).toBe(11);
  });

  it('is retried without a wait if configured', async () => {
    let calls = 0;
    const communicator = await communicatorWith({ 'user-service': () => reply(++calls < 5 ? 503 : 200, { calls }) });
    const patient = communicator.withOptions({ retry: { maxAttempts: 5 } });
    expect(await patient.callServiceJson('user-service', { path: '/' })).toEqual({ calls: 5 });
    const { retry } = communicator.getCommunicationPatterns().web;
    expect(retry).toMatchObject({ maxAttempts: 1, maxDelay: '1ms' });
  });

  it('fails like a request without a response if the handler throws, with the reason', async () => {
    const reason = new Error('connection reset');
    const communicator = await communicatorWith({
      'user-service': () => {
        throw reason;
      },
    });
    expect(await failure(communicator.callService('user-service', { path: '/' }))).toMatchObject({
      code: 'TRANSPORT_FAILURE',
      message:
        'The handler of "user-service" failed: connection reset. See nest-service-discovery/docs/reference/errors.md#TRANSPORT_FAILURE',
      cause: reason,
    });
  });

  it('fails as the handler says if it throws an error of the library', async () => {
    const open = new CircuitOpenError('open');
    const communicator = await communicatorWith({ 'user-service': () => Promise.reject(open) });
    expect(await failure(communicator.callService('user-service', { path: '/' }))).toBe(open);
  });

  it('to a service without a handler lists those with one', async () => {
    const communicator = await communicatorWith({ 'user-service': () => 1, 'order-service': () => 2 });
    const error = await failure(communicator.callService('mail-service', { path: '/' }));
    expect(error).toMatchObject({ code: 'SERVICE_NOT_FOUND' });
    expect(String(error)).toMatch(/"mail-service".*user-service, order-service/);
  });
});

@Injectable()
class Users {
  constructor(
    private readonly communicator: ServiceCommunicator,
    private readonly http: HttpService,
  ) {}

  @ResilientCall({ fallback: () => ({ name: 'unknown' }) })
  async find(id: string): Promise<unknown> {
    return this.communicator.callServiceJson('user-service', { path: `/users/${id}` });
  }

  async findByUrl(id: string): Promise<unknown> {
    const { data } = await firstValueFrom(this.http.get<unknown>(`http://user-service/users/${id}`));
    return data;
  }
}

@Controller('users')
class UsersController {
  constructor(private readonly users: Users) {}

  @Get(':id')
  find(@Param('id') id: string): Promise<unknown> {
    return this.users.find(id);
  }
}

@DiscoverableService({ name: 'gateway' })
@Module({ imports: [DiscoveryHttpModule.register()], controllers: [UsersController], providers: [Users] })
class GatewayModule {}

@Controller('users')
class UserServiceController {
  @Get(':id')
  find(): { name: string } {
    return { name: 'Grace' };
  }
}

@DiscoverableService({ name: 'user-service' })
@Module({ controllers: [UserServiceController] })
class UserServiceModule {}

const services: ServiceHandlers = {
  'user-service': ({ path }) => (path === '/users/1' ? { name: 'Ada' } : reply(500)),
};

describe('the testing module', () => {
  it('runs decorators, HttpService and fallbacks as in production', async () => {
    const imports = [ServiceDiscoveryTestingModule.forRoot({ services }), GatewayModule];
    const module = await Test.createTestingModule({ imports }).compile();
    running.push(module);
    const users = module.get(Users);
    expect([await users.find('1'), await users.find('2'), await users.findByUrl('1')]).toEqual([
      { name: 'Ada' },
      { name: 'unknown' },
      { name: 'Ada' },
    ]);
  });

  it('shows each service as healthy, and no others', async () => {
    const module = await Test.createTestingModule({
      imports: [ServiceDiscoveryTestingModule.forRoot({ services })],
    }).compile();
    running.push(await module.init());
    const { overallStatus, totalServices } = module.get(HealthAggregator).getAggregatedHealth();
    expect({ overallStatus, totalServices }).toEqual({ overallStatus: 'healthy', totalServices: 1 });
    expect(await module.get(ServiceDiscovery).discoverService('mail-service')).toBeNull();
  });

  it('rejects an invalid handler, with its name', () => {
    const wrong = { 'user-service': { id: 1 }, 'no name': () => 1 } as unknown as ServiceHandlers;
    expect(() => ServiceDiscoveryTestingModule.forRoot({ services: wrong })).toThrow(
      /services\.user-service.*a function[\s\S]*services\.no name/,
    );
  });
});

describe('an app whose own module uses an unreachable registry', () => {
  const registryUrl = 'http://127.0.0.1:1';

  async function startTesting(): Promise<{ url: string; close(): Promise<void> }> {
    const module = await Test.createTestingModule({
      imports: [ServiceDiscoveryModule.forRoot({ registryUrl }), GatewayModule],
    })
      .overrideProvider(SERVICE_DISCOVERY_OPTIONS)
      .useValue(ServiceDiscoveryTestingModule.options({ services }))
      .compile();
    const app = module.createNestApplication({ logger: false });
    running.push(app);
    await app.listen(0, '127.0.0.1');
    return { url: urlOf(app), close: () => app.close() };
  }

  it('is tested with handlers by one line', async () => {
    const { url } = await startTesting();
    expect(await (await fetch(`${url}/users/1`)).json()).toEqual({ name: 'Ada' });
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'healthy' });
  });

  async function listenWith(imports: readonly Type[], options: ServiceDiscoveryOptions): Promise<INestApplication> {
    const module = await Test.createTestingModule({
      imports: [ServiceDiscoveryModule.forRoot({ registryUrl }), ...imports],
    })
      .overrideProvider(SERVICE_DISCOVERY_OPTIONS)
      .useValue(options)
      .compile();
    const app = module.createNestApplication({ logger: false });
    running.push(app);
    await app.listen(0, '127.0.0.1');
    return app;
  }

  it('calls another app of the same test over a store given to both by one line', async () => {
    const store = new MemoryRegistryStore();
    await listenWith([UserServiceModule], { store });
    const gateway = await listenWith([GatewayModule], { store });
    await registered(gateway, 'user-service');
    expect(await (await fetch(`${urlOf(gateway)}/users/1`)).json()).toEqual({ name: 'Grace' });
  });

  it('reports wrong replacement options by name', async () => {
    const error = await failure(listenWith([], { serviceTtl: -1 }));
    expect(String(error)).toMatch(/^InvalidConfigurationError: Invalid configuration:[\s\S]*serviceTtl/);
  });

  it('explains how to test it if the testing module is next to its own', async () => {
    const imports = [
      ServiceDiscoveryTestingModule.forRoot({ services }),
      ServiceDiscoveryModule.forRoot({ registryUrl }),
    ];
    const error = await failure(Test.createTestingModule({ imports }).compile());
    expect(String(error).split('\n')).toEqual([
      'InvalidConfigurationError: Invalid configuration:',
      expect.stringContaining('.useValue(ServiceDiscoveryTestingModule.options({ services }))'),
      expect.stringMatching(/^ {2}See .*#INVALID_CONFIGURATION$/),
    ]);
  });

  it('starts without waiting with the testing preset', async () => {
    const imports = [ServiceDiscoveryModule.forRoot({ preset: 'testing', registryUrl })];
    const clock = new ManualClock();
    const module = await Test.createTestingModule({ imports }).overrideProvider(CLOCK).useValue(clock).compile();
    let isStarted = false;
    const starting = module.init().then(() => (isStarted = true));
    for (let turn = 0; turn < 1_000 && !isStarted; turn++) await clock.advanceAsync(0);
    expect(isStarted).toBe(true);
    await starting;
    const closing = module.close();
    await clock.advanceAsync(10_000);
    await closing;
  });
});

describe('an app whose registry does not respond', () => {
  it('starts within 4 s, including listed services, and logs so in a line that tests print', async () => {
    const listed = [{ name: 'billing', targets: ['http://127.0.0.1:1'] }];
    const imports = [ServiceDiscoveryModule.forRoot({ registryUrl: 'http://127.0.0.1:1', services: listed })];
    const clock = new ManualClock();
    const errors: string[] = [];
    // Like the logger of Nest's testing module, it prints only errors.
    const silent = (): void => undefined;
    const logger = { log: silent, warn: silent, error: (line: string) => void errors.push(line) };
    const module = await Test.createTestingModule({ imports })
      .overrideProvider(CLOCK)
      .useValue(clock)
      .setLogger(logger)
      .compile();
    const isAway = new Promise((resolve) => module.get(EventBus).on('registry.unavailable', resolve));
    const starting = module.init();
    await isAway;
    await clock.advanceAsync(4_000);
    await starting;
    expect(errors).toEqual([
      expect.stringMatching(
        /http:\/\/127\.0\.0\.1:1 could not be read within 3 s \(startTimeout\).* The last attempt failed: .*ECONNREFUSED/,
      ),
    ]);
    const closing = module.close();
    await clock.advanceAsync(10_000);
    await closing;
  });
});

describe('a stand-in for the communicator', () => {
  it('neither fails the shutdown of the app nor skips the rest of it', async () => {
    const closed: string[] = [];
    @Injectable()
    class Database implements OnApplicationShutdown {
      onApplicationShutdown(): void {
        closed.push('database');
      }
    }
    const imports = [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false }), GatewayModule];
    const module = await Test.createTestingModule({ imports, providers: [Database] })
      .overrideProvider(ServiceCommunicator)
      .useValue({ callServiceJson: async () => ({ name: 'Grace' }) })
      .compile();
    const app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    const url = urlOf(app);
    expect(await (await fetch(`${url}/users/1`)).json()).toEqual({ name: 'Grace' });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const discovery = app.get(ServiceDiscovery);
    await discovery.registerService({ serviceName: 'users', host: '127.0.0.1', port: 1 });
    expect(await discovery.discoverService('users')).toMatchObject({ baseUrl: 'http://127.0.0.1:1' });
    await app.close();
    expect(closed).toEqual(['database']);
  });
});
