import { getEventListeners } from 'node:events';
import { createServer, Agent as HttpAgent } from 'node:http';
import { Agent } from 'node:https';
import { type AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { HttpModule, HttpService } from '@nestjs/axios';
import {
  Body,
  Controller,
  type DynamicModule,
  Get,
  Headers,
  HttpCode,
  type INestApplication,
  Module,
  NotFoundException,
  Param,
  Post,
  Query,
  Redirect,
  Req,
  ServiceUnavailableException,
  StreamableFile,
} from '@nestjs/common';
import { type AxiosError, isAxiosError } from 'axios';
import {
  DiscoverableService,
  EventBus,
  type EventOf,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { DiscoveryHttpModule, type DiscoveryHttpOptions } from 'nest-service-discovery/axios';
import { firstValueFrom, type Observable } from 'rxjs';
import { Apps, PLATFORMS, portOf, registered, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

let failures = 0;
let held: Promise<void> | undefined;

@DiscoverableService({ name: 'user-service' })
@Controller('users')
class UserController {
  @Get('missing')
  missing(): never {
    throw new NotFoundException('no such user');
  }
  @Get('flaky')
  flaky(): object {
    if (failures-- > 0) throw new ServiceUnavailableException();
    return { id: 'flaky' };
  }
  @Get('held')
  async held(): Promise<object> {
    await held;
    return {};
  }
  @Get('endless')
  endless(): StreamableFile {
    const stream = new PassThrough();
    stream.write('first');
    return new StreamableFile(stream);
  }
  @Get('moved')
  @Redirect('/users/1', 302)
  moved(): void {}
  @Get(':id')
  find(@Param('id') id: string, @Query() query: object, @Headers() headers: Record<string, string>): object {
    const { authorization, 'x-traced': traced, accept } = headers;
    return { id, query, authorization, traced, accept };
  }
  @Post()
  @HttpCode(201)
  create(@Body() body: unknown, @Headers('content-type') contentType?: string): object {
    return { body, contentType };
  }
  @Post('raw')
  async raw(@Req() request: Readable, @Headers('content-type') contentType?: string): Promise<object> {
    return { contentType, text: await text(request) };
  }
}

async function start(
  http: unknown = DiscoveryHttpModule,
  options: ServiceDiscoveryOptions = {},
  adapter = PLATFORMS[0]![1],
): Promise<INestApplication> {
  const root = ServiceDiscoveryModule.forRoot({
    logging: false,
    retry: { baseDelay: '1ms' },
    healthCheck: false,
    ...options,
  });
  @Module({ imports: [root, http as never], controllers: [UserController] })
  class AppModule {}
  const app = await apps.listen(AppModule, adapter);
  await registered(app, 'user-service');
  return app;
}

async function rejection(observable: Observable<unknown>): Promise<AxiosError> {
  const error: unknown = await firstValueFrom(observable).catch((thrown: unknown) => thrown);
  if (!isAxiosError(error)) throw new Error('expected an error of axios', { cause: error });
  return error;
}

describe.each(PLATFORMS)('HttpService of DiscoveryHttpModule on %s', (_name, adapter) => {
  it('resolves a service by the host name of a URL', async () => {
    const http = (await start(DiscoveryHttpModule, {}, adapter)).get(HttpService);
    const { status, data, headers } = await firstValueFrom(
      http.get<object>('http://user-service/users/a%2Fb?x=1', { params: { y: ['2', '3'] } }),
    );
    expect(status).toBe(200);
    expect(data).toMatchObject({ id: 'a/b' });
    expect(data).toHaveProperty('query.x', '1');
    expect(headers['content-type']).toContain('application/json');
  });

  it('sends JSON, forms and text with their content types', async () => {
    const http = (await start(DiscoveryHttpModule, {}, adapter)).get(HttpService);
    const post = async (data: unknown): Promise<unknown> =>
      (await firstValueFrom(http.post('http://user-service/users', data))).data;
    await expect(post({ name: 'Ada' })).resolves.toEqual({ body: { name: 'Ada' }, contentType: 'application/json' });
  });
});

describe('HttpService of DiscoveryHttpModule', () => {
  it('runs interceptors of requests and responses', async () => {
    const http = (await start()).get(HttpService);
    http.axiosRef.interceptors.request.use((config) => {
      config.headers.set('x-traced', 'yes');
      return config;
    });
    http.axiosRef.interceptors.response.use((response) => ({
      ...response,
      data: { wrapped: response.data as unknown },
    }));
    const { data } = await firstValueFrom(http.get('http://user-service/users/1'));
    expect(data).toMatchObject({ wrapped: { id: '1', traced: 'yes' } });
  });

  describe('applies defaults: a base URL, headers, auth', () => {
    const defaults = { baseURL: 'http://user-service/users', auth: { username: 'ada', password: 'x' } };
    const expectDefaults = async (module: DynamicModule): Promise<void> => {
      const { data } = await firstValueFrom((await start(module)).get(HttpService).get('/1'));
      expect(data).toMatchObject({ id: '1', authorization: `Basic ${Buffer.from('ada:x').toString('base64')}` });
    };

    it('as they are', () => expectDefaults(DiscoveryHttpModule.register(defaults)));

    it('from a factory', async () => {
      @Module({ providers: [{ provide: 'DEFAULTS', useValue: defaults }], exports: ['DEFAULTS'] })
      class Config {}
      const useFactory = async (found: typeof defaults): Promise<DiscoveryHttpOptions> => found;
      await expectDefaults(DiscoveryHttpModule.registerAsync({ imports: [Config], inject: ['DEFAULTS'], useFactory }));
    });
  });

  it('is balanced and retried like any call', async () => {
    const app = await start();
    failures = 2;
    const completed: EventOf<'call.completed'>[] = [];
    app.get(EventBus).on('call.completed', (event) => completed.push(event));
    const { data } = await firstValueFrom(app.get(HttpService).get('http://user-service/users/flaky'));
    expect(data).toEqual({ id: 'flaky' });
    expect(completed).toMatchObject([{ service: 'user-service', ok: true, attempts: 3 }]);
  });

  it('rejects an error status as axios does, unless validateStatus accepts it', async () => {
    const http = (await start()).get(HttpService);
    const error = await rejection(http.get('http://user-service/users/missing'));
    expect(error).toMatchObject({
      code: 'ERR_BAD_REQUEST',
      message: 'Request failed with status code 404',
      response: { status: 404, data: { message: 'no such user' } },
      config: { url: 'http://user-service/users/missing' },
    });
    const { status } = await firstValueFrom(
      http.get('http://user-service/users/missing', { validateStatus: () => true }),
    );
    expect(status).toBe(404);
  });

  it('rejects with an error of axios for a forbidden host, which interceptors see as well', async () => {
    const app = await start();
    const http = app.get(HttpService);
    const seen: unknown[] = [];
    http.axiosRef.interceptors.response.use(undefined, (error: unknown) => {
      seen.push(isAxiosError(error) && error.code);
      throw error;
    });
    const registration = { serviceName: 'evil', host: '0.0.0.0', port: 80 };
    await app.get(ServiceRegistry).register(registration, { heartbeat: 'manual' });
    const error = await rejection(http.get('http://evil/'));
    expect(error).toMatchObject({
      code: 'HOST_NOT_ALLOWED',
      message: expect.stringContaining('The host "0.0.0.0" is not allowed: it is the unspecified address'),
      config: { url: 'http://evil/' },
      cause: { code: 'HOST_NOT_ALLOWED', service: 'evil' },
    });
    expect(error.response).toBeUndefined();
    expect(seen).toEqual(['HOST_NOT_ALLOWED']);
  });

  it("rejects with the library's code and the cause if no response arrived", async () => {
    const http = (await start()).get(HttpService);
    await expect(rejection(http.get('http://order-service/orders'))).resolves.toMatchObject({
      code: 'SERVICE_NOT_FOUND',
      message: expect.stringMatching(
        /^No service named "order-service" is registered: known are user-service\. This process /,
      ),
      cause: { code: 'SERVICE_NOT_FOUND', service: 'order-service' },
      config: { url: 'http://order-service/orders' },
    });
  });

  it('limits a call by its timeout', async () => {
    const http = (await start()).get(HttpService);
    let release: () => void = () => undefined;
    held = new Promise((resolve) => (release = resolve));
    const error = await rejection(http.get('http://user-service/users/held', { timeout: 30 }));
    release();
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it.each(['its signal aborts', 'its subscriber leaves'])('ends a call when %s', async (what) => {
    const app = await start();
    let release: () => void = () => undefined;
    held = new Promise((resolve) => (release = resolve));
    const bus = app.get(EventBus);
    const picked = new Promise((resolve) => bus.on('call.picked', resolve));
    const completed = new Promise((resolve) => bus.on('call.completed', resolve));
    const controller = new AbortController();
    const call = app.get(HttpService).get('http://user-service/users/held', { signal: controller.signal });
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise((resolve) => (fail = resolve));
    const subscription = call.subscribe({ error: fail });
    await picked;
    if (what === 'its signal aborts') {
      controller.abort();
      await expect(failed).resolves.toMatchObject({ code: 'ERR_CANCELED' });
    } else {
      subscription.unsubscribe();
    }
    await expect(completed).resolves.toMatchObject({ ok: false, attempts: 1 });
    release();
  });

  it('returns streams, bytes and text', async () => {
    const http = (await start()).get(HttpService);
    const url = 'http://user-service/users/1';
    const { data: stream } = await firstValueFrom(http.get<Readable>(url, { responseType: 'stream' }));
    expect(JSON.parse(await text(stream))).toMatchObject({ id: '1' });
    const { data: bytes } = await firstValueFrom(http.get<Buffer>(url, { responseType: 'arraybuffer' }));
    expect(Buffer.isBuffer(bytes)).toBe(true);
    const { data: blob } = await firstValueFrom(http.get<Blob>(url, { responseType: 'blob' }));
    expect(JSON.parse(await blob.text())).toMatchObject({ id: '1' });
  });

  it('ends a stream when the signal of its request aborts, and then stops listening to it', async () => {
    const http = (await start()).get(HttpService);
    const controller = new AbortController();
    const { signal } = controller;
    const open = (path: string): Promise<{ data: Readable }> =>
      firstValueFrom(http.get<Readable>(`http://user-service/users/${path}`, { responseType: 'stream', signal }));
    const { data: endless } = await open('endless');
    await text((await open('1')).data);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const reading = text(endless);
    controller.abort();
    await expect(reading).rejects.toHaveProperty('name', 'AbortError');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('sends forms, parameters, bytes and streams', async () => {
    const http = (await start()).get(HttpService);
    const post = async (data: unknown, headers = {}): Promise<{ contentType: string; text: string; body: unknown }> =>
      (await firstValueFrom(http.post('http://user-service/users/raw', data, { headers }))).data as never;
    const form = new FormData();
    form.set('name', 'Ada');
    const sent = await post(form);
    expect(sent.contentType).toMatch(/^multipart\/form-data; boundary=/);
    expect(sent.text).toContain('name="name"\r\n\r\nAda');
    await expect(post(Buffer.from('bytes'), { 'content-type': 'text/x-own' })).resolves.toEqual({
      contentType: 'text/x-own',
      text: 'bytes',
    });
    await expect(post(Readable.from(['a', 'b']), { 'content-type': 'text/x-own' })).resolves.toMatchObject({
      text: 'ab',
    });
    const { data } = await firstValueFrom(http.post('http://user-service/users', new URLSearchParams({ name: 'Ada' })));
    expect(data).toMatchObject({ body: { name: 'Ada' } });
  });

  it('does not follow redirects, which could lead out of the service', async () => {
    const http = (await start()).get(HttpService);
    await expect(rejection(http.get('http://user-service/users/moved'))).resolves.toMatchObject({
      response: { status: 302, headers: { location: '/users/1' } },
    });
  });

  it('ignores URLs that name no service', async () => {
    const app = await start();
    const { data } = await firstValueFrom(app.get(HttpService).get(`${urlOf(app)}/users/1`));
    expect(data).toMatchObject({ id: '1' });
  });

  it('keeps the case of a name, and finds a listed name with dots', async () => {
    const app = await start(DiscoveryHttpModule.register({ services: ['users.shop'] }));
    const discovery = app.get(ServiceDiscovery);
    const address = { host: '127.0.0.1', port: portOf(app) };
    await discovery.registerService({ serviceName: 'UserService', ...address });
    await discovery.registerService({ serviceName: 'users.shop', ...address });
    for (const name of ['UserService', 'users.shop']) {
      const { data } = await firstValueFrom(app.get(HttpService).get(`http://${name}/users/1`));
      expect(data).toMatchObject({ id: '1' });
    }
  });
});

describe('an httpsAgent', () => {
  const agent = new Agent();
  const WAY_OUT = /services are called with the TLS of ServiceDiscoveryModule \(transport: \{ tls \}\)/;

  it('of DiscoveryHttpModule is rejected at startup, naming the option to set instead', async () => {
    const module = DiscoveryHttpModule.register({ httpsAgent: agent } as DiscoveryHttpOptions);
    await expect(start(module)).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(WAY_OUT),
    });
  });

  it('of a request fails a call to a service, and applies to another host', async () => {
    const app = await start();
    const http = app.get(HttpService);
    const error = await rejection(http.get('http://user-service/users/1', { httpsAgent: agent }));
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringMatching(WAY_OUT) });
    const { data } = await firstValueFrom(http.get(`${urlOf(app)}/users/1`, { httpsAgent: agent }));
    expect(data).toMatchObject({ id: '1' });
  });
});

describe("the transport 'axios'", () => {
  // At its end the app would wait for the connections that its own HttpService keeps open.
  const WithoutKeepAlive = HttpModule.register({ httpAgent: new HttpAgent({ keepAlive: false }) });

  it("sends calls through the app's own HttpService, with its interceptors", async () => {
    const app = await start(WithoutKeepAlive, { transport: 'axios' });
    app.get(HttpService).axiosRef.interceptors.request.use((config) => {
      config.headers.set('x-traced', 'yes');
      return config;
    });
    const communicator = app.get(ServiceCommunicator);
    await expect(communicator.callServiceJson('user-service', { path: '/users/1' })).resolves.toMatchObject({
      id: '1',
      traced: 'yes',
    });
    await expect(
      communicator.callServiceJson('user-service', { method: 'POST', path: '/users', json: { name: 'Ada' } }),
    ).resolves.toEqual({ body: { name: 'Ada' }, contentType: 'application/json' });
  });

  it('retries and returns error statuses as undici does', async () => {
    const communicator = (await start(WithoutKeepAlive, { transport: 'axios' })).get(ServiceCommunicator);
    failures = 1;
    await expect(communicator.callServiceJson('user-service', { path: '/users/flaky' })).resolves.toEqual({
      id: 'flaky',
    });
    await expect(communicator.callServiceJson('user-service', { path: '/users/missing' })).rejects.toMatchObject({
      code: 'RESPONSE_STATUS',
      status: 404,
      body: { message: 'no such user' },
    });
  });

  it('does not recurse in an app that also has DiscoveryHttpModule', async () => {
    @Module({ imports: [DiscoveryHttpModule], exports: [DiscoveryHttpModule] })
    class Discovered {}
    @Module({ imports: [Discovered, WithoutKeepAlive] })
    class Both {}
    const app = await start(Both, { transport: 'axios' });
    const http = app.select(DiscoveryHttpModule).get(HttpService, { strict: true });
    const { data } = await firstValueFrom(http.get('http://user-service/users/1'));
    expect(data).toMatchObject({ id: '1' });
  });
});

describe('service URLs with ports', () => {
  @DiscoverableService({ name: 'user-service' })
  @Controller('users')
  class UserController {
    @Get('1')
    find(): object {
      return { id: '1' };
    }
  }

  @Module({
    imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false }), DiscoveryHttpModule.register()],
    controllers: [UserController],
  })
  class AppModule {}

  describe('HttpService of DiscoveryHttpModule and a URL with a port', () => {
    it.each(['http://user-service:3000/users/1', 'http://user-service:/users/1'])(
      'sends %s to an instance of the registered service, at the port of the instance',
      async (url) => {
        const app = await apps.listen(AppModule);
        await registered(app, 'user-service');
        const { data, request } = await firstValueFrom(app.get(HttpService).get(url));
        expect(data).toEqual({ id: '1' });
        expect(request).toMatchObject({ service: 'user-service', attempts: 1 });
      },
    );

    it('sends it to the host of that name while no such service speaks HTTP', async () => {
      const server = createServer((_request, response) => response.end('host'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const app = await apps.listen(AppModule);
        const { port } = server.address() as AddressInfo;
        await app.get(ServiceDiscovery).registerService({
          serviceName: 'search.localhost',
          host: '127.0.0.1',
          port,
          protocol: 'tcp',
        });
        const lookup = (
          _host: string,
          _options: object,
          found: (error: null, address: string, family: 4) => void,
        ): void => found(null, '127.0.0.1', 4);
        const ask = async (host: string): Promise<unknown> =>
          (await firstValueFrom(app.get(HttpService).get(`http://${host}:${port}/`, { lookup }))).data;
        await expect(ask('orders')).resolves.toBe('host');
        await expect(ask('search.localhost')).resolves.toBe('host');
      } finally {
        server.close();
      }
    });
  });
});
