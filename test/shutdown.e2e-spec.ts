import { once } from 'node:events';
import { Agent, get, request as httpRequest, type IncomingMessage, type RequestOptions, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  type INestApplication,
  Injectable,
  Logger,
  Module,
  type OnModuleDestroy,
  Post,
  Sse,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  DiscoverableService,
  EventBus,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { NEVER } from 'rxjs';
import { CLOCK } from '../libs/service-discovery/src/nest/tokens.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { type AppModule, Apps, PLATFORMS, portOf, registered, urlOf } from './support/nest-app.js';

/** A dependency of handlers; like those of Nest's database modules, it is closed in `onModuleDestroy`. */
@Injectable()
class Database implements OnModuleDestroy {
  private open = true;
  readonly rows: string[] = [];

  insert(row: string): string {
    if (!this.open) throw new Error('The database is closed');
    this.rows.push(row);
    return row;
  }

  onModuleDestroy(): void {
    this.open = false;
  }
}

/** Requests waiting for the test, in order of arrival. */
class Gate {
  private readonly waiting: (() => void)[] = [];
  private entered!: () => void;
  private next = new Promise<void>((resolve) => (this.entered = resolve));

  /** Resolves when the next request arrives. */
  arrival(): Promise<void> {
    return this.next;
  }

  pass(): Promise<void> {
    this.entered();
    this.next = new Promise((resolve) => (this.entered = resolve));
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  openFirst(): void {
    this.waiting.shift()?.();
  }

  open(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}

const apps = new Apps();
let gate: Gate;
let warnings: string[];

beforeEach(() => {
  gate = new Gate();
  warnings = [];
});
afterEach(async () => {
  gate.open();
  await apps.close();
  Logger.overrideLogger(false);
});

/** A service whose handlers use the database, as the root of an app. */
function orderService(options: ServiceDiscoveryOptions = {}, name = 'order-service'): Type {
  @Controller()
  class OrderController {
    constructor(private readonly database: Database) {}

    @Get('quick')
    quick(): string {
      return this.database.insert('quick');
    }

    @Post('orders')
    place(): string {
      return this.database.insert('order');
    }

    @Get('slow')
    async slow(): Promise<string> {
      await gate.pass();
      return this.database.insert('slow');
    }

    @Sse('events')
    events(): unknown {
      return NEVER;
    }
  }
  Reflect.defineMetadata('design:paramtypes', [Database], OrderController);

  @DiscoverableService({ name })
  @Module({
    imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false, ...options })],
    controllers: [OrderController],
    providers: [Database],
  })
  class OrderModule {}
  return OrderModule;
}

function logWarnings(): void {
  const note = (message: unknown): void => void warnings.push(String(message));
  const silent = (): void => undefined;
  Logger.overrideLogger({ warn: note, log: silent, error: silent });
}

async function ask(url: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const [response] = (await once(httpRequest(url, options).end(), 'response')) as [IncomingMessage];
  return response;
}

function serverOf(app: INestApplication): Server {
  return app.getHttpServer() as Server;
}

describe.each(PLATFORMS)('an app that shuts down on %s', (_name, adapter) => {
  const listen = async (module: AppModule): Promise<INestApplication> => {
    const app = await apps.listen(module, adapter);
    await registered(app, 'order-service');
    return app;
  };

  it('finishes calls in flight, and those that arrive while it drains, before its own modules close their resources', async () => {
    const app = await listen(orderService({ shutdown: { drainDelay: '50ms' } }));
    const agent = new Agent({ keepAlive: true });
    const slow = ask(`${urlOf(app)}/slow`, { agent });
    await gate.arrival();
    const drains = new Promise<void>((resolve) => {
      app.get(EventBus).onAny(({ type }) => type === 'instance.status_changed' && resolve());
    });
    const closed = app.close();
    await drains;

    const late = await ask(`${urlOf(app)}/orders`, { agent, method: 'POST' });
    expect([late.statusCode, late.headers.connection]).toEqual([201, 'close']);
    gate.open();
    expect(await text(await slow)).toBe('slow');
    await closed;
    expect(app.get(Database).rows).toEqual(['order', 'slow']);
    agent.destroy();
  });

  it('answers requests accepted while calls in flight finish, then refuses others, before its own modules close', async () => {
    const app = await listen(orderService({ shutdown: { drainDelay: 0 } }));
    const url = urlOf(app);
    const deregistered = new Promise<void>((resolve) => {
      app.get(EventBus).onAny(({ type }) => type === 'instance.deregistered' && resolve());
    });
    const slow = ask(`${url}/slow`);
    await gate.arrival();
    const closed = app.close();
    await deregistered;
    const late = ask(`${url}/slow`);
    await gate.arrival();
    expect((await ask(`${url}/quick`, { agent: false })).statusCode).toBe(200);

    gate.openFirst();
    expect(await text(await slow)).toBe('slow');
    const statuses = new Set<number | undefined>();
    const askUntilRefused = async (): Promise<unknown> => {
      try {
        for (;;) statuses.add((await ask(`${url}/quick`, { agent: false })).resume().statusCode);
      } catch (error) {
        return error;
      }
    };
    expect(await askUntilRefused()).toMatchObject({ syscall: expect.stringMatching(/connect|read/) });
    expect([...statuses].filter((status) => status !== 200)).toEqual([]);
    gate.openFirst();
    expect(await text(await late)).toBe('slow');
    await closed;
  });

  it('cuts off a request that does not end in time, and logs it', async () => {
    const app = await listen(orderService({ shutdown: { timeout: '100ms' } }));
    logWarnings();
    const never = ask(`${urlOf(app)}/slow?token=secret`);
    await gate.arrival();
    await Promise.all([expect(never).rejects.toThrow('socket hang up'), app.close()]);
    expect(warnings).toEqual(['Requests in flight did not end within shutdown.timeout, 1 were cut off: GET /slow']);
  });

  it('does not wait for event streams, WebSockets and idle connections', async () => {
    const app = await listen(orderService());
    const { port } = new URL(urlOf(app));
    const agent = new Agent({ keepAlive: true });
    await text(await ask(`${urlOf(app)}/quick`, { agent }));
    const silent = connect(Number(port), '127.0.0.1');
    const events = await ask(`${urlOf(app)}/events`, { headers: { accept: 'text/event-stream' } });
    serverOf(app).on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    });
    const upgrade = get(`${urlOf(app)}/`, { headers: { connection: 'upgrade', upgrade: 'websocket' } });
    const [, webSocket] = (await once(upgrade, 'upgrade')) as [unknown, Socket];
    const ends = [silent, webSocket, events].map((stream) => {
      stream.on('error', () => undefined).resume();
      return new Promise((resolve) => stream.once('close', resolve));
    });
    logWarnings();
    await app.close();
    await Promise.all(ends);
    expect(warnings).toEqual([]);
    agent.destroy();
  });

  it('does all of that once, however often it is signalled', async () => {
    const app = await listen(orderService());
    const steps: string[] = [];
    app.get(EventBus).onAny(({ type }) => steps.push(type));
    const slow = ask(`${urlOf(app)}/slow`);
    await gate.arrival();
    const closed = Promise.all([app.close(), app.close()]);
    gate.open();
    expect(await text(await slow)).toBe('slow');
    await closed;
    await app.close();
    expect(steps.filter((type) => type === 'instance.deregistered')).toHaveLength(1);
  });
});

describe('a caller using this library', () => {
  const callerOf = (registry: INestApplication, options: ServiceDiscoveryOptions = {}): Promise<INestApplication> =>
    apps.listen(ServiceDiscoveryModule.forRoot({ registryUrl: urlOf(registry), logging: false, ...options }));

  it('closes its connections when an instance drains, and the server waits for that', async () => {
    const registry = await apps.listen(ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false }));
    const app = await apps.listen(orderService({ registryUrl: urlOf(registry), shutdown: { drainDelay: 0 } }));
    const caller = await callerOf(registry);
    await registered(caller, 'order-service');
    const communicator = caller.get(ServiceCommunicator);
    await communicator.callService('order-service', { path: '/quick' });

    const sockets = new Set<Socket>();
    serverOf(app).on('request', ({ socket }) => void sockets.add(socket));
    await communicator.callService('order-service', { method: 'POST', path: '/orders' });
    const [socket] = sockets;
    // Which side closes first: the caller ends the connection, and nothing is cut off.
    const endedBy = new Promise<string>((resolve) => {
      socket!.once('end', () => resolve('caller'));
      socket!.once('close', () => resolve('server'));
    });
    await app.close();
    await expect(endedBy).resolves.toBe('caller');
  });

  it('that has not noticed yet is answered on its connection', async () => {
    const app = await apps.listen(orderService({ mode: 'memory_only' }));
    await registered(app, 'order-service');
    const agent = new Agent({ keepAlive: true });
    const call = async (): Promise<IncomingMessage> => {
      const headers = { 'x-request-deadline': String(Date.now() + 10_000) };
      const request = httpRequest(`${urlOf(app)}/orders`, { method: 'POST', agent, headers }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return response;
    };
    await text(await call());
    const gone = new Promise<void>((resolve) => {
      app.get(EventBus).onAny(({ type }) => type === 'instance.deregistered' && resolve());
    });
    const closed = app.close();
    await gone;
    const late = await call();
    expect([late.statusCode, late.headers.connection]).toEqual([201, 'close']);
    await text(late);
    await closed;
    expect(app.get(Database).rows).toEqual(['order', 'order']);
    agent.destroy();
  });
});

describe('another kind of app', () => {
  it('with HTTP/2 finishes what is in flight, and opens no new streams', async () => {
    const adapter = new FastifyAdapter({ http2: true } as object);
    const app = await NestFactory.create(orderService(), adapter, { logger: false });
    await app.listen(0, '127.0.0.1');
    await registered(app, 'order-service');
    const session = connectHttp2(`http://127.0.0.1:${portOf(app)}`);
    const idle = connectHttp2(`http://127.0.0.1:${portOf(app)}`);
    await once(idle, 'connect');
    const goaway = Promise.all([session, idle].map((one) => once(one, 'goaway')));
    const slow = session.request({ ':path': '/slow' });
    const body = text(slow);
    await gate.arrival();
    const closed = app.close();
    await goaway;
    gate.open();
    expect(await body).toBe('slow');
    await closed;
    expect(session.closed).toBe(true);
  });

  it('without a server leaves the registry as well', async () => {
    const registry = await apps.listen(ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false }));
    @DiscoverableService({ name: 'worker', host: '127.0.0.1', port: 9 })
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ registryUrl: urlOf(registry), logging: false })] })
    class WorkerModule {}
    const app = await NestFactory.createApplicationContext(WorkerModule, { logger: false });
    await registered(registry, 'worker');
    await app.close();
    expect(registry.get(ServiceRegistry).listServices()).toEqual([]);
  });
});

describe('shutdown hooks', () => {
  let app: INestApplication | undefined;

  afterEach(() => app?.close());

  @DiscoverableService({ name: 'user-service' })
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false })] })
  class AppModule {}

  /** Warnings of an app some time after it registered. */
  async function warningsOf(prepare: (starting: INestApplication) => void): Promise<unknown[]> {
    const clock = new ManualClock();
    const builder = Test.createTestingModule({ imports: [AppModule] });
    const module = await builder.overrideProvider(CLOCK).useValue(clock).compile();
    app = module.createNestApplication();
    const warnings: unknown[] = [];
    const ignore = (): void => undefined;
    app.useLogger({ log: ignore, error: ignore, warn: (message: unknown) => void warnings.push(message) });
    prepare(app);
    await app.listen(0, '127.0.0.1');
    await registered(app, 'user-service');
    await clock.advanceAsync(15_000);
    return warnings;
  }

  it('an app that registers without shutdown hooks is warned', async () => {
    const told = /^user-service will not deregister at SIGTERM or SIGINT.* Call app\.enableShutdownHooks\(\)$/;
    expect(await warningsOf(() => undefined)).toEqual([expect.stringMatching(told)]);
  });

  it('an app with shutdown hooks is not warned', async () => {
    expect(await warningsOf((starting) => starting.enableShutdownHooks())).toEqual([]);
  });
});
