import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type DynamicModule,
  type ExceptionFilter,
  Get,
  Inject,
  Logger,
  type ModuleMetadata,
  NotFoundException,
  Param,
  type Provider,
  Query,
  Res,
  Scope,
  type Type,
} from '@nestjs/common';
import { HttpService } from '@nestjs/axios';
import { APP_FILTER } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  InvalidConfigurationError,
  MemoryRegistryStore,
  ServiceCommunicator,
  type ServiceCallRequest,
  ServiceDiscovery,
  ServiceDiscoveryError,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
  UpstreamErrorFilter,
} from 'nest-service-discovery';
import { DiscoveryHttpModule } from 'nest-service-discovery/axios';
import { type AxiosRequestConfig } from 'axios';
import { firstValueFrom } from 'rxjs';
import { Apps, PLATFORMS, urlOf } from '../support/nest-app.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers of `user-service`, by path; other paths are never answered. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  '/users/999': json(404, { reason: 'there is no such user' }),
  '/users/html': (_request, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<b>no</b>'),
  '/users/empty': (_request, response) => response.writeHead(404).end(),
  '/users/list': json(422, [{ field: 'name' }]),
  '/users/secret': (_request, response) => response.writeHead(401, { 'www-authenticate': 'Bearer' }).end('{}'),
  '/users/taken': json(409, { taken: true }),
  '/users/busy': json(429, {}, { 'retry-after': '7' }),
  '/users/late': json(504, {}),
  '/users/broken': json(500, { stack: 'at secret.js' }),
  '/users/text': (_request, response) => response.end('fine'),
};

function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

@Controller()
class Gateway {
  constructor(
    @Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator,
    @Inject(ServiceDiscovery) private readonly discovery: ServiceDiscovery,
  ) {}

  @Get('users/:id')
  user(@Param('id') id: string): Promise<unknown> {
    return this.call({ path: `/users/${id}`, timeout: id === 'hangs' ? '100ms' : undefined });
  }

  @Get('unknown')
  unknown(): Promise<unknown> {
    return this.communicator.callServiceJson('missing-service', { path: '/' });
  }

  @Get('wrong')
  wrong(): Promise<unknown> {
    return this.call({ path: 'no-slash' });
  }

  @Get('begun')
  async begun(@Res() response: { raw?: ServerResponse }): Promise<void> {
    (response.raw ?? (response as ServerResponse)).write('half');
    await this.call({ path: '/users/999' });
  }

  @Get('isolated')
  async isolated(): Promise<unknown> {
    const wary = this.communicator.withOptions({
      circuitBreaker: { failureThreshold: 1, recoveryTimeout: '1h' },
      retry: false,
    });
    await wary.callServiceJson('user-service', { path: '/users/broken' }).catch(() => undefined);
    return wary.callServiceJson('user-service', { path: '/users/999' });
  }

  @Get('unregistered')
  unregistered(): Promise<unknown> {
    return this.discovery.registerService({ serviceName: '', host: '127.0.0.1', port: 1 });
  }

  private call(request: ServiceCallRequest): Promise<unknown> {
    return this.communicator.callServiceJson('user-service', request);
  }
}

/** Makes the calls of {@link Gateway} by the `HttpService` of `DiscoveryHttpModule`. */
@Controller()
class AxiosGateway {
  constructor(@Inject(HttpService) private readonly http: HttpService) {}

  @Get('users/:id')
  user(@Param('id') id: string, @Query('as') responseType?: AxiosRequestConfig['responseType']): Promise<unknown> {
    return this.get(`http://user-service/users/${id}`, {
      timeout: id === 'hangs' ? 100 : undefined,
      responseType: id === 'text' ? 'json' : responseType,
      transitional: { silentJSONParsing: false },
    });
  }

  @Get('unknown')
  unknown(): Promise<unknown> {
    return this.get('http://missing-service/');
  }

  @Get('wrong')
  wrong(): Promise<unknown> {
    return this.get('http://user-service/', { httpsAgent: {} });
  }

  @Get('elsewhere/:port')
  elsewhere(@Param('port') port: string): Promise<unknown> {
    return this.get(`http://127.0.0.1:${port}/users/999`);
  }

  private async get(url: string, config?: AxiosRequestConfig): Promise<unknown> {
    return (await firstValueFrom(this.http.get<unknown>(url, config))).data;
  }
}

const apps = new Apps();
let callee: Server;

beforeEach(async () => {
  callee = createServer((request, response) => ANSWERS[request.url!.split('?')[0]!]?.(request, response));
  await new Promise<void>((resolve) => callee.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  jest.restoreAllMocks();
  await apps.close();
  callee.closeAllConnections();
  callee.close();
});

/** A catch-all filter, as many apps have one. */
@Catch()
class AllExceptionsFilter implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<{ status(code: number): { send(body: unknown): void } }>();
    response.status(500).send({ by: 'AllExceptionsFilter' });
  }
}

const CATCH_ALL = { provide: APP_FILTER, useClass: AllExceptionsFilter };
const UPSTREAM = { provide: APP_FILTER, useClass: UpstreamErrorFilter };

function moduleWith(
  filter: UpstreamErrorFilter | undefined,
  options: ServiceDiscoveryOptions = {},
): ModuleMetadata & { module: Type } {
  return {
    module: class {},
    imports: [
      ServiceDiscoveryModule.forRoot({
        store: new MemoryRegistryStore(),
        healthCheck: false,
        retry: { maxAttempts: 1 },
        waitForFirst: false,
        shutdown: { drainDelay: 0 },
        ...options,
      }),
    ],
    controllers: [Gateway],
    providers: [
      filter ? { provide: APP_FILTER, useValue: filter } : { provide: APP_FILTER, useClass: UpstreamErrorFilter },
    ],
  };
}

async function register(registry: ServiceRegistry): Promise<void> {
  const { port } = callee.address() as AddressInfo;
  await registry.register({ serviceName: 'user-service', host: '127.0.0.1', port, healthCheckPath: null });
}

describe.each(PLATFORMS)('UpstreamErrorFilter on %s', (_name, adapter) => {
  async function ask(
    path: string,
    filter?: UpstreamErrorFilter,
  ): Promise<{ status: number; body: unknown; type: string | null; headers: Headers }> {
    const app = await apps.listen(moduleWith(filter), adapter);
    await register(app.get(ServiceRegistry));
    const response = await fetch(urlOf(app) + path);
    const { status, headers } = response;
    return { status, body: await response.json(), type: headers.get('content-type'), headers };
  }

  it.each([
    ['/users/999', 404, { reason: 'there is no such user' }],
    ['/users/html', 404, { statusCode: 404, message: '<b>no</b>' }],
    ['/users/empty', 404, { statusCode: 404, message: 'Not Found' }],
    ['/users/list', 422, [{ field: 'name' }]],
    ['/users/taken', 409, { taken: true }],
  ])("passes the callee's 4xx on, as JSON (%s)", async (path, status, body) => {
    const answer = await ask(path);
    expect(answer).toMatchObject({ status, body });
    expect(answer.type).toMatch(/^application\/json/);
  });

  async function statusBeside(providers: Provider[], filters: ExceptionFilter[] = []): Promise<number> {
    const app = await apps.create({ ...moduleWith(undefined), providers }, adapter);
    app.useGlobalFilters(...filters);
    await app.listen(0, '127.0.0.1');
    await register(app.get(ServiceRegistry));
    return (await fetch(`${urlOf(app)}/users/999`)).status;
  }

  it('takes precedence over a catch-all filter if it comes last in the same list', async () => {
    expect(await statusBeside([CATCH_ALL, UPSTREAM])).toBe(404);
    expect(await statusBeside([UPSTREAM, CATCH_ALL])).toBe(500);
    expect(await statusBeside([], [new AllExceptionsFilter(), new UpstreamErrorFilter()])).toBe(404);
    expect(await statusBeside([], [new UpstreamErrorFilter(), new AllExceptionsFilter()])).toBe(500);
  });

  it('comes after filters of useGlobalFilters as an APP_FILTER', async () => {
    expect(await statusBeside([UPSTREAM], [new AllExceptionsFilter()])).toBe(500);
  });

  it('passes on headers that belong to the status', async () => {
    const { status, headers } = await ask('/users/secret');
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  it('passes on only the configured statuses', async () => {
    expect((await ask('/users/taken', new UpstreamErrorFilter({ passOn: [[404, 409]] }))).status).toBe(409);
    const { status, body } = await ask('/users/taken', new UpstreamErrorFilter({ passOn: [404] }));
    expect(status).toBe(502);
    expect(body).toEqual({ statusCode: 502, message: 'Bad Gateway', code: 'RESPONSE_STATUS' });
  });

  it.each([
    ['/unknown', 503, 'SERVICE_NOT_FOUND', /^1$/],
    // Less by the duration of the test.
    ['/isolated', 503, 'CIRCUIT_OPEN', /^3[56]\d\d$/],
    ['/users/busy', 503, 'RESPONSE_STATUS', /^7$/],
    ['/users/hangs', 504, 'DEADLINE_EXCEEDED', /^$/],
    ['/users/late', 504, 'RESPONSE_STATUS', /^$/],
    ['/users/broken', 502, 'RESPONSE_STATUS', /^$/],
    ['/users/text', 502, 'RESPONSE_BODY', /^$/],
    ['/wrong', 500, 'INVALID_REQUEST', /^$/],
    ['/unregistered', 500, 'INVALID_INSTANCE', /^$/],
  ])('answers %s with %i and the code %s', async (path, status, code, retryAfter) => {
    const { body, ...answer } = await ask(path);
    expect(body).toEqual({ statusCode: status, message: expect.any(String), code });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('retry-after') ?? '').toMatch(retryAfter);
  });

  it('ends a response that has already begun', async () => {
    const app = await apps.listen(moduleWith(undefined) as never, adapter);
    await register(app.get(ServiceRegistry));
    expect(await (await fetch(`${urlOf(app)}/begun`)).text()).toBe('half');
  });
});

describe('UpstreamErrorFilter with the HttpService of DiscoveryHttpModule', () => {
  interface Received {
    readonly status: number;
    readonly body: unknown;
    readonly retryAfter: string | null;
  }

  async function start(filter?: UpstreamErrorFilter): Promise<(path: string) => Promise<Received>> {
    const { imports = [], ...module } = moduleWith(filter, {
      circuitBreaker: { failureThreshold: 1, recoveryTimeout: '1h' },
    });
    const app = await apps.listen({
      ...module,
      imports: [...imports, DiscoveryHttpModule.register()],
      controllers: [AxiosGateway],
    });
    await register(app.get(ServiceRegistry));
    return async (path) => {
      const response = await fetch(urlOf(app) + path);
      return { status: response.status, body: await response.json(), retryAfter: response.headers.get('retry-after') };
    };
  }

  it.each([
    ['/users/999', 404, { reason: 'there is no such user' }],
    ['/users/999?as=text', 404, { reason: 'there is no such user' }],
    ['/users/999?as=arraybuffer', 404, { reason: 'there is no such user' }],
    ['/users/999?as=stream', 404, { statusCode: 404, message: 'Not Found' }],
    ['/users/html', 404, { statusCode: 404, message: '<b>no</b>' }],
    ['/users/list', 422, [{ field: 'name' }]],
  ])("passes the callee's 4xx on (%s)", async (path, status, body) => {
    const ask = await start();
    expect(await ask(path)).toEqual({ status, body, retryAfter: null });
  });

  it('passes on only the configured statuses', async () => {
    const ask = await start(new UpstreamErrorFilter({ passOn: [404] }));
    expect((await ask('/users/999')).status).toBe(404);
    expect((await ask('/users/taken')).status).toBe(502);
  });

  it.each([
    ['/unknown', 503, 'SERVICE_NOT_FOUND', '1'],
    ['/users/busy', 503, 'RESPONSE_STATUS', '7'],
    ['/users/hangs', 504, 'DEADLINE_EXCEEDED', null],
    ['/users/late', 504, 'RESPONSE_STATUS', null],
    ['/users/broken', 502, 'RESPONSE_STATUS', null],
    ['/users/text', 502, 'RESPONSE_BODY', null],
    ['/wrong', 500, 'INVALID_REQUEST', null],
  ])('answers %s with %i and the code %s', async (path, status, code, retryAfter) => {
    const ask = await start();
    expect(await ask(path)).toEqual({
      status,
      body: { statusCode: status, message: expect.any(String), code },
      retryAfter,
    });
  });

  it('answers 503 with the time to retry while the circuits are open', async () => {
    const ask = await start();
    await ask('/users/broken');
    const { status, body, retryAfter } = await ask('/users/999');
    expect([status, body]).toEqual([503, expect.objectContaining({ code: 'CIRCUIT_OPEN' })]);
    expect(Number(retryAfter)).toBeGreaterThan(3_000);
  });

  it('names the request of the failed call in the log', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const ask = await start();
    await ask('/users/broken');
    expect(warn.mock.calls).toContainEqual([
      'Answered 502: GET /users/broken of user-service answered 500. Find out why in its log. See nest-service-discovery/docs/reference/errors.md#RESPONSE_STATUS',
    ]);
  });

  it('leaves errors of calls to other hosts to Nest', async () => {
    const ask = await start();
    const { port } = callee.address() as AddressInfo;
    const answer = { status: 500, body: { statusCode: 500, message: 'Internal server error' }, retryAfter: null };
    expect(await ask(`/elsewhere/${port}`)).toEqual(answer);
  });
});

describe('UpstreamErrorFilter beside a catch-all filter', () => {
  /** Starts an app, and calls a service that answers 404. */
  async function start(
    module: ModuleMetadata,
    ...filters: ExceptionFilter[]
  ): Promise<{ status: number; warnings: string[] }> {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { imports = [], ...rest } = moduleWith(undefined);
    const app = await apps.create({
      ...rest,
      providers: [],
      ...module,
      imports: [...imports, ...(module.imports ?? [])],
    });
    app.useGlobalFilters(...filters);
    await app.listen(0, '127.0.0.1');
    const lines = warn.mock.calls.map(([line]) => String(line));
    await register(app.get(ServiceRegistry));
    const { status } = await fetch(`${urlOf(app)}/users/999`);
    return { status, warnings: lines.filter((line) => line.includes('before UpstreamErrorFilter')) };
  }

  const moduleOf = (...providers: Provider[]): DynamicModule => ({ module: class {}, providers });

  const ASKED_FIRST: [order: string, module: ModuleMetadata, filters?: ExceptionFilter[]][] = [
    ['later in the same providers', { providers: [UPSTREAM, CATCH_ALL] }],
    ['in a module imported later', { imports: [moduleOf(UPSTREAM), moduleOf(CATCH_ALL)] }],
    ['in a module that the root imports', { imports: [moduleOf(CATCH_ALL)], providers: [UPSTREAM] }],
    ['in useGlobalFilters', { providers: [UPSTREAM] }, [new AllExceptionsFilter()]],
    ['later in useGlobalFilters', {}, [new UpstreamErrorFilter(), new AllExceptionsFilter()]],
  ];

  it.each(ASKED_FIRST)(
    'warns once, with a remedy, if the other is asked first: %s',
    async (_order, module, filters = []) => {
      const { status, warnings } = await start(module, ...filters);
      expect(status).toBe(500);
      expect(warnings).toEqual([
        'AllExceptionsFilter takes errors before UpstreamErrorFilter, which answers no failed call: call ' +
          'app.useGlobalFilters(new UpstreamErrorFilter()) after all other useGlobalFilters() and before app.listen()',
      ]);
    },
  );

  it.each(ASKED_FIRST)('is asked first with the remedy of the warning: %s', async (_order, module, filters = []) => {
    const remedied = await start(module, ...filters, new UpstreamErrorFilter());
    expect(remedied).toEqual({ status: 404, warnings: [] });
  });

  it.each<[order: string, module: ModuleMetadata, filters?: ExceptionFilter[]]>([
    ['earlier in the same providers', { providers: [CATCH_ALL, UPSTREAM] }],
    ['in a module imported earlier', { imports: [moduleOf(CATCH_ALL), moduleOf(UPSTREAM)] }],
    ['in the providers of the root', { imports: [moduleOf(UPSTREAM)], providers: [CATCH_ALL] }],
    ['earlier in useGlobalFilters', {}, [new AllExceptionsFilter(), new UpstreamErrorFilter()]],
  ])('does not warn if the other is asked later: %s', async (_order, module, filters = []) => {
    expect(await start(module, ...filters)).toEqual({ status: 404, warnings: [] });
  });

  it('warns of a catch-all with request scope, which is asked first wherever it is', async () => {
    const scoped = { ...CATCH_ALL, scope: Scope.REQUEST };
    const { status, warnings } = await start({ providers: [scoped, UPSTREAM] }, new UpstreamErrorFilter());
    expect(status).toBe(500);
    expect(warnings).toEqual([
      'AllExceptionsFilter takes errors before UpstreamErrorFilter, which answers no failed call: Nest asks filters with request ' +
        'scope first. Give AllExceptionsFilter no scope, and put UpstreamErrorFilter after it in the same providers',
    ]);
  });

  it('warns of a filter for Error as of a catch-all', async () => {
    @Catch(Error)
    class ErrorFilter extends AllExceptionsFilter {}
    const { warnings } = await start({ providers: [UPSTREAM] }, new ErrorFilter());
    expect(warnings).toEqual([expect.stringMatching(/^ErrorFilter takes errors before UpstreamErrorFilter/)]);
  });

  it('does not warn of a catch-all that extends it, nor of filters for other errors', async () => {
    @Catch()
    class OwnFilter extends UpstreamErrorFilter {}
    @Catch(NotFoundException)
    class NotFoundFilter extends AllExceptionsFilter {}
    const filters = [new OwnFilter(), new NotFoundFilter()];
    expect(await start({ providers: [UPSTREAM] }, ...filters)).toEqual({ status: 404, warnings: [] });
  });

  it('does not warn of what factories make for each request, or do not make', async () => {
    const perRequest = { provide: APP_FILTER, scope: Scope.REQUEST, useFactory: () => new AllExceptionsFilter() };
    const none = { provide: APP_FILTER, useFactory: () => null };
    expect((await start({ providers: [UPSTREAM, perRequest, none] })).warnings).toEqual([]);
  });

  it('does not warn in an app without UpstreamErrorFilter', async () => {
    expect(await start({ providers: [CATCH_ALL] })).toEqual({ status: 500, warnings: [] });
  });
});

describe('UpstreamErrorFilter', () => {
  it('logs why the app answered 5xx, in one line', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const app = await apps.listen(moduleWith(undefined) as never);
    await fetch(`${urlOf(app)}/unknown`);
    expect(warn.mock.calls).toContainEqual([
      'Answered 503: No service named "missing-service" is registered. Check the name, or start the service. See nest-service-discovery/docs/reference/errors.md#SERVICE_NOT_FOUND',
    ]);
  });

  it.each([
    [{ passOn: [200] }, 'UpstreamErrorFilter.passOn: expected a list of statuses from 400 to 599'],
    [{ pass: [404] }, 'UpstreamErrorFilter.pass: expected no option of this name (did you mean'],
    [[404], 'UpstreamErrorFilter: expected an object of options, but got [404]'],
  ])('rejects wrong options (%j)', (options, message) => {
    const make = (): unknown => new UpstreamErrorFilter(options as object);
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(message);
  });
});

describe('the error of a call', () => {
  async function messageOf(request: ServiceCallRequest): Promise<string> {
    const app = await apps.listen(moduleWith(undefined) as never);
    await register(app.get(ServiceRegistry));
    const error: unknown = await app
      .get(ServiceCommunicator)
      .callServiceJson('user-service', { query: { token: 's3cret' }, ...request })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ServiceDiscoveryError);
    return (error as Error).message;
  }

  it.each([
    [
      { path: '/users/999' },
      /^GET \/users\/999 of user-service answered 404\. Handle its status, or use callService, which returns every response\. See \S+#RESPONSE_STATUS$/,
    ],
    [
      { path: '/users/999?key=s3cret', method: 'DELETE' },
      /^DELETE \/users\/999 of user-service answered 404\. Handle its status, or use callService, which returns every response\. See \S+#RESPONSE_STATUS$/,
    ],
    [
      { path: '/users/hangs', timeout: '100ms' },
      /^GET \/users\/hangs of user-service did not finish within 100 ms\. Find out what takes so long, or raise timeout\. See \S+#DEADLINE_EXCEEDED$/,
    ],
    [{ path: '/users/hangs', attemptTimeout: '100ms' }, /^An attempt at GET \/users\/hangs of user-service did not /],
    [{ path: '/users/text' }, /^GET \/users\/text of user-service\/\S+ answered with status 200 and a body that is no/],
  ] as [ServiceCallRequest, RegExp][])('names method and path, and not the query (%j)', async (request, message) => {
    expect(await messageOf(request)).toMatch(message);
  });

  it('includes service and request if it could not be sent', async () => {
    const app = await apps.listen(moduleWith(undefined) as never);
    await register(app.get(ServiceRegistry));
    callee.close();
    const call = app
      .get(ServiceCommunicator)
      .callServiceJson('user-service', { path: '/users/1', query: { token: 's3cret' } });
    await expect(call).rejects.toThrow(/^GET \/users\/1 of user-service\/\S+ at 127\.0\.0\.1:\d+ could not be sent: /);
  });

  it('does not include the query of an invalid path', async () => {
    expect(await messageOf({ path: 'users?token=s3cret', query: {} })).not.toContain('s3cret');
  });
});
