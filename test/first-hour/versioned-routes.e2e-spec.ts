import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  Controller,
  Get,
  type INestApplication,
  Logger,
  Module,
  type Type,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common';
import { DiscoverableService, ServiceDiscoveryModule, type ServiceInstance } from 'nest-service-discovery';
import { Apps, inRegistry, PLATFORMS, urlOf } from '../support/nest-app.js';

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

describe.each(PLATFORMS)('the health routes of an app on %s with versions in its paths', (_name, adapter) => {
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
