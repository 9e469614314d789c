import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  Catch,
  type ExceptionFilter,
  type ArgumentsHost,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  HttpException,
  type INestApplication,
  Inject,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  NotFoundException,
  type Provider,
  RequestMethod,
  SetMetadata,
  type Type,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, HttpAdapterHost, Reflector } from '@nestjs/core';
import {
  DiscoverableService,
  NoAvailableInstanceError,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceInstance,
  ServiceReadiness,
} from 'nest-service-discovery';
import { Apps, inRegistry, PLATFORMS, startError, urlOf } from '../support/nest-app.js';

const SERVICE = 'user-service';
const PUBLIC = 'isPublic';
const Public = () => SetMetadata(PUBLIC, true);
const Hidden = () => SetMetadata('hidden', true);

/** Lets requests with a token pass, and public routes, like the guards of most apps. */
@Injectable()
class JwtAuthGuard implements CanActivate {
  constructor(@Inject(Reflector) private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const targets = [context.getHandler(), context.getClass()];
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, targets)) return true;
    if (request.headers.authorization === 'Bearer good') return true;
    throw new UnauthorizedException();
  }
}

/** Looks only at the handler, and always denies. */
@Injectable()
class HandlerGuard implements CanActivate {
  constructor(@Inject(Reflector) private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    return this.reflector.get<boolean | undefined>(PUBLIC, context.getHandler()) === true;
  }
}

/** Returns 404, as an app that hides what it does not show. */
@Injectable()
class HidingGuard extends HandlerGuard {
  override canActivate(context: ExecutionContext): boolean {
    if (super.canActivate(context)) return true;
    throw new NotFoundException();
  }
}

/** Returns 500 for every error. */
@Catch()
class CoarseFilter implements ExceptionFilter {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  catch(error: unknown, at: ArgumentsHost): void {
    const message = error instanceof HttpException ? error.message : 'unknown';
    this.host.httpAdapter.reply(at.switchToHttp().getResponse(), { message }, 500);
  }
}

const guardedBy = (guard: Type): Provider => ({ provide: APP_GUARD, useClass: guard });

/** `GET /users` of the app itself, public. */
@Controller('users')
class UsersController {
  @Get()
  @Public()
  list(): object {
    return { users: [] };
  }
}

const apps = new Apps();
afterEach(() => apps.close());

interface Started {
  readonly app: INestApplication;
  /** But for those about the API. */
  readonly warnings: readonly string[];
  readonly instance: ServiceInstance;
}

interface Setup {
  readonly options?: ServiceDiscoveryOptions;
  readonly providers?: readonly Provider[];
  readonly controllers?: readonly Type[];
  readonly healthCheckPath?: string;
  readonly module?: (target: Type) => void;
  readonly prepare?: (app: INestApplication) => void;
  readonly adapter?: (typeof PLATFORMS)[number][1];
}

/** An app after the first check of its instance. */
async function start({
  options,
  providers = [],
  controllers = [],
  healthCheckPath,
  ...setup
}: Setup): Promise<Started> {
  @DiscoverableService({ name: SERVICE, healthCheckPath })
  @Module({
    imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, ...options })],
    controllers: [UsersController, ...controllers],
    providers: [...providers],
  })
  class AppModule {}
  setup.module?.(AppModule);
  const app = await apps.create(AppModule, setup.adapter);
  const warnings: string[] = [];
  const ignore = (): void => undefined;
  const warn = (message: string): void => {
    if (!message.includes('services that register here')) warnings.push(message);
  };
  app.useLogger({ log: ignore, error: ignore, warn });
  setup.prepare?.(app);
  await app.listen(0, '127.0.0.1');
  const instance = await inRegistry(app, ({ services }) =>
    services.get(SERVICE)?.find(({ healthStatus }) => healthStatus !== 'unknown'),
  );
  return { app, warnings, instance };
}

async function statusOf(app: INestApplication, path: string): Promise<number> {
  return (await fetch(urlOf(app) + path)).status;
}

describe.each(PLATFORMS)('an app with a global guard, on %s', (_, adapter) => {
  const guarded = (setup: Setup): Promise<Started> =>
    start({ providers: [guardedBy(JwtAuthGuard)], adapter, ...setup });

  it('is checked over TCP, stays callable, and warns once with the line that fixes it', async () => {
    const { app, warnings, instance } = await guarded({});
    expect(instance).toMatchObject({ healthStatus: 'healthy', healthCheckPath: null });
    expect(warnings).toEqual([
      'GET /health/ready of this app answers 401 to the app itself, as it would to health checks: its global guard ' +
        '(JwtAuthGuard), a middleware or a filter refuses them. Until that is mended, user-service is registered for a ' +
        'check over TCP, which does not see whether the app is ready. To mend it, let the guard pass it by the decorator ' +
        'that it goes by: ServiceDiscoveryModule.forRoot({ health: { decorators: [Public()] } })',
    ]);
    const communicator = app.get(ServiceCommunicator);
    expect(await communicator.callServiceJson(SERVICE, { path: '/users' })).toEqual({ users: [] });
    expect(await statusOf(app, '/health/ready')).toBe(401);
    expect(await statusOf(app, '/service-discovery/services')).toBe(401);
  });

  it('gets its own decorators on the health routes only', async () => {
    const { app, warnings, instance } = await guarded({ options: { health: { decorators: [Public()] } } });
    expect(instance).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/health/ready' });
    expect(warnings).toEqual([]);
    for (const path of ['/health', '/health/live', '/health/ready']) expect(await statusOf(app, path)).toBe(200);
    expect(await statusOf(app, '/service-discovery/services')).toBe(401);
  });

  it.each([
    ['a guard that looks at the class, too', JwtAuthGuard],
    ['a guard that looks at the handler alone', HandlerGuard],
  ])('gets its own decorators on every route of the library, with %s', async (_name, guard) => {
    const { app, warnings, instance } = await guarded({
      providers: [guardedBy(guard)],
      options: { api: { decorators: [Public()] } },
    });
    expect(instance).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/health/ready' });
    expect(warnings).toEqual([]);
    const services = '/service-discovery/services';
    for (const path of ['/health/ready', services, `${services}/${SERVICE}`, '/service-discovery/patterns']) {
      expect(await statusOf(app, path)).toBe(200);
    }
    const registration = { service_name: 'other', host: '127.0.0.1', port: 1 };
    const registered = await fetch(`${urlOf(app)}/service-discovery/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(registration),
    });
    expect(registered.status).toBe(201);
  });

  it('is checked below its global prefix, or next to it if that excludes the routes', async () => {
    const options = { health: { decorators: [Public()] } };
    const inside = await guarded({ options, prepare: (app) => app.setGlobalPrefix('api') });
    expect(inside.instance).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/api/health/ready' });
    const exclude = ['health', 'health/live', { path: 'health/ready', method: RequestMethod.GET }];
    const outside = await guarded({ options, prepare: (app) => app.setGlobalPrefix('api', { exclude }) });
    expect(outside.instance).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/health/ready' });
    expect([...inside.warnings, ...outside.warnings]).toEqual([]);
  });

  it('is warned of a filter that turns the rejection into another error', async () => {
    const providers = [guardedBy(JwtAuthGuard), { provide: APP_FILTER, useClass: CoarseFilter }];
    const { warnings, instance } = await guarded({ providers });
    expect(instance).toMatchObject({ healthStatus: 'healthy', healthCheckPath: null });
    expect(warnings).toEqual([expect.stringMatching(/^GET \/health\/ready of this app answers 500 .*decorators/)]);
  });

  it('is warned of a guard that hides routes', async () => {
    const { warnings, instance } = await guarded({ providers: [guardedBy(HidingGuard)] });
    expect(instance.healthCheckPath).toBeNull();
    expect(warnings).toEqual([
      expect.stringMatching(
        / answers 404 .*URI versioning .*VERSION_NEUTRAL.*healthCheckPath: '\/…'.*; or let the guard pass/,
      ),
    ]);
  });
});

describe('an app checked at its own readiness route', () => {
  it('is warned of a middleware that redirects', async () => {
    const module = (target: Type): void => {
      const prototype = target.prototype as NestModule;
      prototype.configure = (consumer: MiddlewareConsumer): void => {
        const redirect = (_request: unknown, response: { redirect(to: string): void }): void =>
          response.redirect('https://example.com/');
        consumer.apply(redirect).forRoutes('*path');
      };
    };
    const { warnings, instance } = await start({ module });
    expect(instance.healthCheckPath).toBeNull();
    expect(warnings).toEqual([expect.stringMatching(/answers 302 .*it redirects.*exempt the path from the redirect$/)]);
  });

  it('is warned with the name of its controller if the guard rejects that', async () => {
    @Controller('health')
    class OwnHealthController {
      @Get('ready')
      ready(): object {
        return {};
      }
    }
    const providers = [guardedBy(JwtAuthGuard)];
    const { warnings, instance } = await start({ providers, controllers: [OwnHealthController] });
    expect(instance.healthCheckPath).toBeNull();
    expect(warnings).toEqual([
      expect.stringMatching(/put the decorator .* such as @Public\(\), on OwnHealthController$/),
    ]);
  });

  it('keeps the path in its registration, and is warned that checks will fail', async () => {
    const { warnings, instance } = await start({ providers: [guardedBy(JwtAuthGuard)], healthCheckPath: '/health' });
    expect(instance).toMatchObject({ healthCheckPath: '/health', healthStatus: 'unhealthy' });
    expect(warnings).toEqual([expect.stringMatching(/^GET \/health .* the health checks of user-service will fail\./)]);
  });

  it('is checked with the headers that checks of this process send', async () => {
    const services = { [SERVICE]: { headers: { authorization: 'Bearer good' } } };
    const { warnings, instance } = await start({
      providers: [guardedBy(JwtAuthGuard)],
      options: { healthCheck: { services } },
    });
    expect(instance).toMatchObject({ healthStatus: 'healthy', healthCheckPath: '/health/ready' });
    expect(warnings).toEqual([]);
  });

  it('takes 503 for its own status, even if a filter turns it into 500', async () => {
    const provide = (): Provider[] => [
      { provide: APP_FILTER, useClass: CoarseFilter },
      {
        provide: 'hold',
        inject: [ServiceReadiness],
        useFactory: (readiness: ServiceReadiness) => readiness.hold('it warms up'),
      },
    ];
    const options = { advertise: { when: 'listening' } } as const;
    const { warnings, instance } = await start({ options, providers: provide() });
    expect(instance).toMatchObject({ healthStatus: 'unhealthy', healthCheckPath: '/health/ready' });
    expect(warnings).toEqual([]);
  });

  it('gets no warning if the check passes', async () => {
    expect(await start({})).toMatchObject({ warnings: [], instance: { healthCheckPath: '/health/ready' } });
  });
});

describe("decorators of the app on the library's routes", () => {
  it('apply only in the app that set them', async () => {
    await start({ options: { api: { decorators: [Public(), Hidden()] } }, providers: [guardedBy(JwtAuthGuard)] });
    const { warnings } = await start({ providers: [guardedBy(JwtAuthGuard)] });
    expect(warnings).toHaveLength(1);
  });

  it('for the health check replace those for the API', async () => {
    const closed = new ForbiddenException();
    @Injectable()
    class Closed implements CanActivate {
      canActivate(): boolean {
        throw closed;
      }
    }
    const options = { api: { decorators: [UseGuards(Closed)] }, health: { decorators: [] } };
    const { app, warnings } = await start({ options });
    expect(warnings).toEqual([]);
    expect(await statusOf(app, '/service-discovery/services')).toBe(403);
    expect(await statusOf(app, '/health/ready')).toBe(200);
  });

  it('can be set next to the factory in forRootAsync', async () => {
    const asynchronous = (health: object, made: object) => {
      const useFactory = () => ({ logging: false as const, ...made });
      return ServiceDiscoveryModule.forRootAsync({ useFactory, health });
    };
    @Module({ imports: [asynchronous({ decorators: [Public()] }, {})], providers: [guardedBy(JwtAuthGuard)] })
    class AppModule {}
    expect(await statusOf(await apps.listen(AppModule), '/health')).toBe(200);
    expect(String(await startError(asynchronous({}, { health: { decorators: [Public()] } })))).toMatch(
      /forRootAsync useFactory health\.decorators: expected to stand beside it/,
    );
  });

  it.each([
    ['api', Public(), 'api.decorators: expected a list of decorators of methods, such as [Public()]'],
    ['api', [Public], 'api.decorators[0]: expected a decorator, which Public() returns, but got "Public"'],
    [
      'health',
      'Public',
      'health.decorators: expected a list of decorators of methods, such as [Public()], but got "Public"',
    ],
    ['health', [Public(), true], 'health.decorators[1]: expected a decorator of methods, but got true'],
  ])('for %s cannot be %p', async (group, decorators, problem) => {
    const options = { [group]: { decorators } } as unknown as ServiceDiscoveryOptions;
    expect(String(await startError(ServiceDiscoveryModule.forRoot(options)))).toContain(problem);
  });
});

it('errors of callers report what the latest check found', async () => {
  const { app } = await start({ providers: [guardedBy(JwtAuthGuard)], healthCheckPath: '/health' });
  const message = `No instance of "${SERVICE}" can take a call: 1 instance, unhealthy: status 401 at /health`;
  const strict = app.get(ServiceCommunicator).withOptions({ loadBalancing: { failOpen: false } });
  await expect(strict.callServiceJson(SERVICE, { path: '/users' })).rejects.toThrow(message);
  const lookUp = app.get(ServiceDiscovery).discoverService(SERVICE);
  await expect(lookUp).rejects.toThrow(NoAvailableInstanceError);
  await expect(lookUp).rejects.toThrow(message);
  const answer = await fetch(`${urlOf(app)}/service-discovery/discover/${SERVICE}`, {
    headers: { authorization: 'Bearer good' },
  });
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain('unhealthy: status 401 at /health');
});
