import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  type ArgumentsHost,
  Body,
  type CallHandler,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  HttpException,
  type INestApplication,
  Logger,
  Module,
  type NestInterceptor,
  Post,
  type Type,
  ValidationPipe,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule, type ServiceInstance } from 'nest-service-discovery';
import { map, type Observable } from 'rxjs';
import { EventReader } from './support/event-reader.js';
import { Apps, inRegistry, PLATFORMS as ADAPTERS, urlOf } from './support/nest-app.js';
import { PLATFORMS, type RestApp, type RestAppOptions, send, startRestApp } from './support/rest-app.js';

const USER = { service_name: 'user-service', host: '10.0.0.7', port: 8080 };

class Wrapping implements NestInterceptor {
  readonly seen: unknown[] = [];

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      map((data: unknown) => {
        this.seen.push(data);
        return { data };
      }),
    );
  }
}

@Catch()
class TeapotFilter implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<{ status(code: number): { send(body: string): void } }>();
    response.status(418).send('teapot');
  }
}

@Controller('own')
class OwnController {
  @Get()
  read(): object {
    return { own: true };
  }

  @Get('failing')
  fail(): never {
    throw new HttpException('no', 400);
  }

  @Post('register')
  write(@Body() body: unknown): object {
    return { body };
  }
}

/** All that an app may apply to its routes globally. */
function doEverything(app: INestApplication): Wrapping {
  const wrapping = new Wrapping();
  app.setGlobalPrefix('gateway/v2');
  app.enableVersioning({ type: VersioningType.URI, defaultVersion: '7' });
  app.enableCors({ origin: 'https://dashboard.example' });
  app.useGlobalPipes(
    new ValidationPipe({
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      transform: true,
      transformOptions: { enableImplicitConversion: true },
      validateCustomDecorators: true,
      errorHttpStatusCode: 422,
    }),
  );
  app.useGlobalFilters(new TeapotFilter());
  app.useGlobalInterceptors(wrapping);
  return wrapping;
}

describe.each(PLATFORMS)('the REST API in an app with its own conventions on %s', (platform) => {
  let rest: RestApp;
  afterEach(() => rest.close());
  const start = async (options: RestAppOptions): Promise<RestApp> =>
    (rest = await startRestApp(platform, { controllers: [OwnController], ...options }));

  it('answers exactly as documented below the global prefix, whatever global pipes, filters, interceptors and versions', async () => {
    let wrapping = new Wrapping();
    await start({ configure: (app) => (wrapping = doEverything(app)) });
    const base = `${rest.origin}/gateway/v2/service-discovery`;

    const registered = await send(`${base}/register`, 'POST', { json: { ...USER, metadata: { a: 1 }, tags: ['t'] } });
    expect([registered.status, registered.body.instance_id]).toEqual([201, '10.0.0.7:8080']);
    expect(rest.registry.getInstances('user-service')[0]).toMatchObject({ metadata: { a: 1 }, tags: ['t'] });
    expect((await send(`${base}/discover/user-service?tag=t`, 'GET')).body.base_url).toBe('http://10.0.0.7:8080');
    expect((await send(`${base}/services`, 'GET')).body.total).toBe(1);
    expect((await send(`${base}/metrics`, 'GET')).text).toMatch(/^# HELP/);
    expect(wrapping.seen).toHaveLength(4);

    const wrong = await send(`${base}/register`, 'POST', { json: { ...USER, port: '8080', colour: 'red' } });
    expect([wrong.status, wrong.body.error.problems.map((problem) => problem.field)]).toEqual([
      400,
      ['port', 'colour'],
    ]);
    const query = await send(`${base}/discover/user-service?colour=red&zone=`, 'GET');
    expect([query.status, query.body.error.problems[0]?.field]).toEqual([400, 'colour']);
    expect((await send(`${base}/register`, 'POST', { raw: '{' })).body.error.code).toBe('INVALID_REQUEST');
    expect((await send(`${base}/services/unknown`, 'GET')).body.error.code).toBe('SERVICE_NOT_FOUND');

    const watch = await EventReader.open(`${base}/watch?services=user-service`);
    expect((await watch.next())?.data.type).toBe('reset');
    await watch.close();
    const instance = `${base}/services/user-service/instances/10.0.0.7:8080`;
    expect((await send(`${instance}/heartbeat`, 'PUT')).status).toBe(200);
    expect((await send(instance, 'DELETE')).status).toBe(204);
  });

  it("does not affect the conventions of the app's own routes", async () => {
    await start({ configure: doEverything });
    const base = `${rest.origin}/gateway/v2/v7/own`;
    expect((await send(base, 'GET')).body).toEqual({ data: { own: true } });
    expect((await send(`${base}/failing`, 'GET')).status).toBe(418);
    expect((await send(`${base}/register`, 'POST', { json: { a: 1 } })).body).toEqual({ data: { body: { a: 1 } } });
  });

  it('keeps CORS headers on streams', async () => {
    await start({ configure: doEverything });
    const url = `${rest.origin}/gateway/v2/service-discovery/events`;
    const events = await EventReader.open(url, { origin: 'https://dashboard.example' });
    expect(events.response.headers['access-control-allow-origin']).toBe('https://dashboard.example');
    await events.close();
  });

  it('is mounted at the path that the app configures', async () => {
    await start({ api: { path: 'internal/registry.v1' } });
    const base = `${rest.origin}/internal/registry.v1`;
    expect((await send(`${base}/register`, 'POST', { raw: 'no JSON' })).body.error.code).toBe('INVALID_REQUEST');
    expect((await send(`${base}/register`, 'POST', { json: USER })).status).toBe(201);
    expect((await send(`${base}/register`, 'POST', { json: USER, headers: { via: 'x' } })).status).toBe(403);
    expect((await send(`${base}/discover/user-service`, 'GET')).status).toBe(200);
    expect((await rest.send('GET', '/services')).status).toBe(404);
  });
});

describe('versioned routes', () => {
  const apps = new Apps();
  afterEach(async () => {
    await apps.close();
    jest.restoreAllMocks();
  });

  @Controller('health')
  class OwnHealthController {
    @Get()
    check(): object {
      return { own: true };
    }
  }

  @Controller({ path: 'health', version: ['1', VERSION_NEUTRAL] })
  class NeutralHealthController extends OwnHealthController {}

  describe.each(ADAPTERS)('the health routes of an app on %s with versions in its paths', (_name, adapter) => {
    async function start(controllers: Type[], defaultVersion?: string): Promise<INestApplication> {
      @DiscoverableService({ name: 'user-service' })
      @Module({
        imports: [ServiceDiscoveryModule.forRoot({ healthCheck: { interval: '1s' }, logging: false })],
        controllers,
      })
      class App {}

      const app = await apps.create(App, adapter);
      app.enableVersioning({ type: VersioningType.URI, defaultVersion });
      await app.listen(0, '127.0.0.1');
      return app;
    }

    async function answer(app: INestApplication, path: string): Promise<unknown> {
      const response = await fetch(urlOf(app) + path);
      return response.status === 200 ? response.json() : response.status;
    }

    const checked = (app: INestApplication): Promise<ServiceInstance> =>
      inRegistry(app, ({ services }) => services.get('user-service')?.find((one) => one.healthStatus !== 'unknown'));

    it.each([undefined, '1'])(
      'are without a version, and keep the instance healthy, by default version %s',
      async (version) => {
        const warn = jest.spyOn(Logger.prototype, 'warn');
        const app = await start([], version);
        expect(await checked(app)).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/health/ready' });
        expect(await answer(app, '/health')).toHaveProperty('service_discovery');
        expect(warn).not.toHaveBeenCalled();
      },
    );

    it('stay beside a health check of the app that the default version puts at /v1/health', async () => {
      const warn = jest.spyOn(Logger.prototype, 'warn');
      const app = await start([OwnHealthController], '1');
      expect(await checked(app)).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/health/ready' });
      expect(await answer(app, '/health')).toHaveProperty('service_discovery');
      expect(await answer(app, '/v1/health')).toEqual({ own: true });
      expect(warn).not.toHaveBeenCalled();
    });

    it.each([
      ['without a default version', [OwnHealthController], undefined],
      ['that is version-neutral, too', [NeutralHealthController], '1'],
    ])('give way to a health check of the app %s', async (_which, controllers, version) => {
      const app = await start(controllers, version);
      expect(await checked(app)).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/health' });
      expect(await answer(app, '/health')).toEqual({ own: true });
    });
  });
});
