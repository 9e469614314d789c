import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  type INestApplication,
  Injectable,
  Module,
  type NestInterceptor,
  Post,
  type Type,
  UseGuards,
  UseInterceptors,
  VersioningType,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  ServiceDiscoveryCallsController,
  ServiceDiscoveryController,
  ServiceDiscoveryFeedController,
  ServiceDiscoveryHealthController,
  ServiceDiscoveryInsightController,
  ServiceDiscoverySplitsController,
  ServiceDiscoveryLivenessController,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceDiscoveryReadinessController,
} from 'nest-service-discovery';
import { type Observable } from 'rxjs';
import { EventReader } from './support/event-reader.js';
import { Apps, PLATFORMS, urlOf } from './support/nest-app.js';
import { send } from './support/rest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

const QUIET: ServiceDiscoveryOptions = { healthCheck: false, logging: false };
const USER = { service_name: 'user-service', host: '10.0.0.7', port: 8080 };
/** Like a request that a local proxy forwards. */
const FROM_ELSEWHERE = { 'x-forwarded-for': '10.0.0.9' };
const TOO_LONG = JSON.stringify({ ...USER, metadata: { text: 'x'.repeat(5 * 1024 * 1024) } });

@Injectable()
class Allowed {
  readonly key = 'let me in';
}

/** A guard of the app that needs a provider of its own module. */
@Injectable()
class KeyGuard implements CanActivate {
  constructor(private readonly allowed: Allowed) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers['x-key'] === this.allowed.key;
  }
}

@Injectable()
class Recorder implements NestInterceptor {
  readonly handlers: string[] = [];

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    this.handlers.push(context.getHandler().name);
    return next.handle();
  }
}

describe.each(PLATFORMS)('the bundled controllers in a module of the app, on %s', (_, adapter) => {
  async function start(
    module: Type,
    options: ServiceDiscoveryOptions,
    configure: (app: INestApplication) => void = () => undefined,
  ): Promise<{ app: INestApplication; url: string }> {
    @Module({ imports: [ServiceDiscoveryModule.forRoot(options), module] })
    class AppModule {}
    const app = await apps.create(AppModule, adapter);
    configure(app);
    await app.listen(0, '127.0.0.1');
    return { app, url: urlOf(app) };
  }

  it('work with all their dependencies, below the prefixes of app and module', async () => {
    @Module({
      imports: [],
      controllers: [
        ServiceDiscoveryController,
        ServiceDiscoveryFeedController,
        ServiceDiscoveryCallsController,
        ServiceDiscoveryInsightController,
        ServiceDiscoverySplitsController,
        ServiceDiscoveryHealthController,
        ServiceDiscoveryLivenessController,
        ServiceDiscoveryReadinessController,
      ],
    })
    class ControllersModule {}
    @Module({ imports: [ControllersModule, RouterModule.register([{ path: 'ops', module: ControllersModule }])] })
    class OpsModule {}
    const { url: origin } = await start(OpsModule, { ...QUIET, api: false }, (app) => app.setGlobalPrefix('gateway'));
    const url = `${origin}/gateway/ops/service-discovery`;

    expect((await send(`${url}/register`, 'POST', { json: USER })).status).toBe(201);
    expect((await send(`${url}/discover/user-service`, 'GET')).body.base_url).toBe('http://10.0.0.7:8080');
    const beat = await send(`${url}/services/user-service/instances/10.0.0.7:8080/heartbeat`, 'PUT');
    expect(beat.status).toBe(200);
    for (const path of ['/services', '/health/aggregated', '/patterns', '/pipeline/user-service', '/metrics'])
      expect([path, (await send(url + path, 'GET')).status]).toEqual([path, 200]);
    const watch = await EventReader.open(`${url}/watch?services=user-service`);
    expect((await watch.next())?.data.type).toBe('reset');
    await watch.close();
    for (const path of ['/health', '/health/live', '/health/ready'])
      expect([path, (await send(`${origin}/gateway/ops${path}`, 'GET')).status]).toEqual([path, 200]);

    const malformed = await send(`${url}/register`, 'POST', { raw: '{' });
    expect([malformed.status, malformed.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
    const wrong = await send(`${url}/register`, 'POST', { json: { ...USER, port: '1', colour: 'red' } });
    expect([wrong.status, wrong.body.error.problems.map(({ field }) => field)]).toEqual([400, ['port', 'colour']]);
    expect((await send(`${url}/register`, 'POST', { raw: TOO_LONG })).status).toBe(413);
    expect((await send(`${url}/services/unknown`, 'GET')).body.error.code).toBe('SERVICE_NOT_FOUND');
    expect((await send(`${origin}/gateway/service-discovery/services`, 'GET')).status).toBe(404);
  });

  it('deny writes from other machines while no authorization is configured', async () => {
    @Module({ controllers: [ServiceDiscoveryController] })
    class OpsModule {}
    const { url } = await start(OpsModule, { ...QUIET, api: false });
    const refused = await send(`${url}/service-discovery/register`, 'POST', { json: USER, headers: FROM_ELSEWHERE });
    expect([refused.status, refused.body.error.code]).toEqual([403, 'FORBIDDEN']);
    expect(refused.text).toContain('@UseGuards()');
  });

  it("still deny writes from other machines if the app's subclass redeclares a writing route", async () => {
    @Controller('ops')
    class OpsController extends ServiceDiscoveryController {
      @Post('register')
      override register(): never {
        throw new Error('The request has reached the handler');
      }
    }
    @Module({ controllers: [OpsController] })
    class OpsModule {}
    const { url } = await start(OpsModule, { ...QUIET, api: false });
    const refused = await send(`${url}/ops/register`, 'POST', { json: USER, headers: FROM_ELSEWHERE });
    expect([refused.status, refused.body.error.code]).toEqual([403, 'FORBIDDEN']);
  });

  it('accept a request with the token of the environment', async () => {
    @Module({ controllers: [ServiceDiscoveryController] })
    class OpsModule {}
    process.env.SERVICE_DISCOVERY_TOKEN = 'shared';
    const { url } = await start(OpsModule, { ...QUIET, api: false });
    delete process.env.SERVICE_DISCOVERY_TOKEN;
    const register = async (authorization?: string): Promise<number> => {
      const headers = { ...FROM_ELSEWHERE, ...(authorization === undefined ? {} : { authorization }) };
      return (await send(`${url}/service-discovery/register`, 'POST', { json: USER, headers })).status;
    };
    expect(await register('Bearer shared')).toBe(201);
    expect(await register('Bearer wrong')).toBe(403);
    expect(await register()).toBe(401);
  });

  it('take path, version, guard and interceptor from a subclass', async () => {
    @Controller({ path: 'registry', version: '2' })
    @UseGuards(KeyGuard)
    @UseInterceptors(Recorder)
    class OpsController extends ServiceDiscoveryController {}
    @Module({ controllers: [OpsController], providers: [Allowed, Recorder] })
    class OpsModule {}
    const { app, url: origin } = await start(OpsModule, { ...QUIET, api: false }, (created) =>
      created.enableVersioning({ type: VersioningType.URI }),
    );
    const url = `${origin}/v2/registry`;
    const ask = async (method: string, path: string, sent: object, key?: string): Promise<number> => {
      const headers = { ...FROM_ELSEWHERE, ...(key === undefined ? {} : { 'x-key': key }) };
      return (await send(url + path, method, { ...sent, headers })).status;
    };
    expect(await ask('POST', '/register', { json: USER }, 'let me in')).toBe(201);
    expect(await ask('POST', '/register', { json: USER }, 'open sesame')).toBe(403);
    expect(await ask('POST', '/register', { raw: '{' }, 'let me in')).toBe(400);
    expect(await ask('GET', '/services', {}, 'let me in')).toBe(200);
    expect(await ask('GET', '/services', {})).toBe(403);
    expect(app.get(Recorder).handlers).toEqual(['register', 'register', 'listServices']);
    expect((await send(`${origin}/service-discovery/services`, 'GET')).status).toBe(404);
  });

  it('replace those that the library mounts on the same path', async () => {
    @Controller('service-discovery')
    @UseGuards(KeyGuard)
    class OpsController extends ServiceDiscoveryController {}
    @Module({ controllers: [OpsController, ServiceDiscoveryHealthController], providers: [Allowed] })
    class OpsModule {}
    const { url } = await start(OpsModule, QUIET);
    expect((await send(`${url}/service-discovery/services`, 'GET')).status).toBe(403);
    expect((await send(`${url}/service-discovery/patterns`, 'GET')).status).toBe(200);
    expect((await send(`${url}/health`, 'GET')).status).toBe(200);
  });

  it('coexist with those that the library mounts on another path', async () => {
    @Controller('ops')
    class OpsController extends ServiceDiscoveryController {}
    @Module({ controllers: [OpsController] })
    class OpsModule {}
    const { url } = await start(OpsModule, QUIET);
    expect((await send(`${url}/ops/register`, 'POST', { json: USER })).status).toBe(201);
    expect((await send(`${url}/service-discovery/services`, 'GET')).body.total).toBe(1);
    expect((await send(`${url}/service-discovery/register`, 'POST', { raw: '{' })).body.error.code).toBe(
      'INVALID_REQUEST',
    );
  });
});
