import { createServer } from 'node:http';
import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  ConsoleLogger,
  type ExceptionFilter,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  type INestApplication,
  Inject,
  Injectable,
  Module,
  type Provider,
  SetMetadata,
  type Type,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, HttpAdapterHost, Reflector } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  DiscoverableService,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { RemoteRegistryStore } from 'nest-service-discovery/core';
import { Apps, PLATFORMS, urlOf } from '../support/nest-app.js';

const PUBLIC = 'isPublic';
const Public = () => SetMetadata(PUBLIC, true);

/** Lets public routes pass, and requests with a token of a user, which no service has. */
@Injectable()
class JwtAuthGuard implements CanActivate {
  constructor(@Inject(Reflector) private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, [context.getHandler(), context.getClass()])) return true;
    throw new UnauthorizedException();
  }
}

@Injectable()
class ThrottlerGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

/** Answers every error in the app's own form. */
@Catch(HttpException)
class AppFilter implements ExceptionFilter {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  catch(error: HttpException, at: ArgumentsHost): void {
    this.host.httpAdapter.reply(at.switchToHttp().getResponse(), { oops: error.message }, error.getStatus());
  }
}

/** What an app logs from its start on. */
class AppLogger extends ConsoleLogger {
  readonly warnings: string[] = [];
  private tellStart!: (line: string) => void;
  /** The line that says which registry the app is part of. */
  readonly startLine = new Promise<string>((resolve) => (this.tellStart = resolve));

  override debug(): void {}
  override error(): void {}
  override warn(message: unknown): void {
    this.warnings.push(String(message));
  }
  override log(message: unknown): void {
    if (String(message).startsWith('Registry: ')) this.tellStart(String(message));
  }
}

interface Setup {
  readonly options?: ServiceDiscoveryOptions;
  readonly guards?: readonly Type<CanActivate>[];
  readonly prepare?: (app: INestApplication) => void;
  readonly adapter?: (typeof PLATFORMS)[number][1];
}

const apps = new Apps();
const registries: ServiceRegistry[] = [];
afterEach(async () => {
  await Promise.all(registries.splice(0).map((registry) => registry.close()));
  await apps.close();
});

/** An app that is a registry, once it has said so. */
async function start({ options, guards = [JwtAuthGuard], prepare, adapter }: Setup): Promise<{
  readonly app: INestApplication;
  readonly startLine: string;
  /** Those of the API. */
  readonly warnings: readonly string[];
}> {
  const providers: Provider[] = guards.map((guard) => ({ provide: APP_GUARD, useClass: guard }));
  providers.push({ provide: APP_FILTER, useClass: AppFilter });
  @DiscoverableService({ name: 'registry', healthCheckPath: null })
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ healthCheck: false, ...options })], providers })
  class AppModule {}
  const app = await apps.create(AppModule, adapter);
  const logger = new AppLogger();
  app.useLogger(logger);
  prepare?.(app);
  await app.listen(0, '127.0.0.1');
  const startLine = await logger.startLine;
  return { app, startLine, warnings: logger.warnings.filter((line) => line.startsWith('GET ')) };
}

/** What a process is told that registers at a URL with a token. */
async function refusal(url: string, token: string): Promise<string> {
  const registry = new ServiceRegistry(new RemoteRegistryStore({ url, token }));
  registries.push(registry);
  const registration = { serviceName: 'billing', host: '127.0.0.1', port: 8080 };
  return registry.register(registration, { heartbeat: 'manual' }).then(
    () => 'registered',
    (error: unknown) => String(error),
  );
}

const LINE = '`api: { decorators: [Public()] }` into its ServiceDiscoveryModule.forRoot';

describe.each(PLATFORMS)('a registry behind a global guard, on %s', (_, adapter) => {
  const token = 'right';
  const api = { token };

  it('tells a service that a guard refused it, and not that its token is wrong', async () => {
    const { app } = await start({ adapter, options: { api } });
    const message = await refusal(urlOf(app), token);
    expect(message).toContain('A guard of the registry app refused it (HTTP 401 from http://127.0.0.1:');
    expect(message).toContain(LINE);
    expect(message).not.toContain('SERVICE_DISCOVERY_TOKEN');
    const answer = await fetch(`${urlOf(app)}/service-discovery/services`);
    expect(await answer.json()).toMatchObject({
      error: {
        code: 'UNAUTHORIZED',
        refused_by: 'global_guard',
        message: expect.stringContaining('A global guard of this app refused the request (Unauthorized)'),
      },
      status_code: 401,
    });
  });

  it('warns once at its start with the line that mends it, and says that the API is behind the guard', async () => {
    const { startLine, warnings } = await start({ adapter, options: { api } });
    expect(startLine).toContain(
      'API at /service-discovery, behind a guard (JwtAuthGuard), reading and writing with the token',
    );
    expect(startLine).not.toContain('open');
    expect(warnings).toEqual([
      'GET /service-discovery/patterns of this app answers 401 to the app itself, as it would to services that register ' +
        'here, whatever token they bring: its global guard (JwtAuthGuard), a middleware or a filter refuses them. To mend ' +
        'it, let the guard pass it by the decorator that it goes by: ' +
        'ServiceDiscoveryModule.forRoot({ api: { decorators: [Public()] } }). Where no other process uses this API, ' +
        'api: false leaves it out',
    ]);
  });

  it('with that line is open, says nothing, and still refuses wrong tokens as such', async () => {
    const { app, startLine, warnings } = await start({ adapter, options: { api: { ...api, decorators: [Public()] } } });
    expect(startLine).toContain('API at /service-discovery, reading and writing with the token');
    expect(warnings).toEqual([]);
    expect(await refusal(urlOf(app), token)).toBe('registered');
    const wrong = await refusal(urlOf(app), 'wrong');
    expect(wrong).toContain('does not let this process in (status 403)');
    expect(wrong).toContain('SERVICE_DISCOVERY_TOKEN');
  });
});

describe('an app that asks its own API at the start', () => {
  it('finds it below a global prefix', async () => {
    const { startLine, warnings } = await start({ prepare: (app) => app.setGlobalPrefix('v1') });
    expect(startLine).toContain('API at /v1/service-discovery, behind a guard (JwtAuthGuard)');
    expect(warnings).toEqual([expect.stringMatching(/^GET \/v1\/service-discovery\/patterns .* answers 401 /)]);
  });

  it('takes a guard that lets it pass for none', async () => {
    const { startLine, warnings } = await start({ guards: [ThrottlerGuard] });
    expect(startLine).toContain('API at /service-discovery, reading and writing from this machine');
    expect(warnings).toEqual([]);
  });

  it('shows the first of several tokens', async () => {
    const options = { api: { token: 'old,new' } };
    const open = await start({ guards: [ThrottlerGuard], options });
    expect(open.startLine).toContain('API at /service-discovery, reading and writing with the token');
    const closed = await start({ options });
    expect(closed.startLine).toContain('behind a guard (JwtAuthGuard), reading and writing with the token');
    expect([open.warnings.length, closed.warnings.length]).toEqual([0, 1]);
  });

  it("says nothing of the API's own guard, which refuses in its own name", async () => {
    const guard: CanActivate = {
      canActivate: () => {
        throw new ForbiddenException('no service of ours');
      },
    };
    const { app, warnings } = await start({ guards: [ThrottlerGuard], options: { api: { guard } } });
    expect(warnings).toEqual([]);
    const message = await refusal(urlOf(app), 'any');
    expect(message).toContain('no service of ours');
    expect(message).toContain('`remote.headers` to what its guard asks for');
  });

  it('warns of nothing where it has no API, or follows another registry', async () => {
    const none = await start({ options: { api: false } });
    expect(none.startLine).toContain('no API');
    const { app } = await start({ options: { api: { decorators: [Public()] } } });
    const follower = await start({ options: { mode: 'remote', registryUrl: urlOf(app) } });
    expect(follower.startLine).toContain('behind a guard (JwtAuthGuard)');
    expect([...none.warnings, ...follower.warnings]).toEqual([]);
  });
});

it.each([401, 403])(
  'an answer %i that is not in the form of the API comes from before the registry',
  async (status) => {
    const server = createServer((_request, response) => response.writeHead(status).end('{"message":"no"}'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const message = await refusal(`http://127.0.0.1:${port}`, 'right');
    server.close();
    expect(message).toContain(
      `A guard of the registry app, or a proxy before it, refused it (HTTP ${status} from http://127.0.0.1:${port}/service-discovery)`,
    );
    expect(message).toContain(LINE);
  },
);
