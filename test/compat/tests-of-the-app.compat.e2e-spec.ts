import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFreshApp, type FreshApp } from '../support/fresh-app.js';
import { type GeneratedProject, NEST_11, NEST_12 } from '../support/nest-new.js';
import { sharedLibrary } from './shared-apps.js';

let library: { readonly tarball: string };

beforeAll(async () => {
  library = await sharedLibrary();
});

/** @param ext extension of imports within the app */
const appFiles = (ext: '' | '.js'): Record<string, string> => ({
  'src/app.controller.ts': `
    import { Controller, Get, Param } from '@nestjs/common';
    import { ServiceCommunicator } from 'nest-service-discovery';

    @Controller()
    export class AppController {
      constructor(private readonly communicator: ServiceCommunicator) {}

      @Get('users/:id')
      user(@Param('id') id: string): Promise<unknown> {
        return this.communicator.callServiceJson('user-service', { path: '/users/' + id });
      }
    }
  `,
  'src/app.module.ts': `
    import { Module } from '@nestjs/common';
    import { DiscoverableService, ServiceDiscoveryModule } from 'nest-service-discovery';
    import { AppController } from './app.controller${ext}';

    @DiscoverableService({ name: 'gateway' })
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ registryUrl: 'http://127.0.0.1:1' })], controllers: [AppController] })
    export class AppModule {}
  `,
  'src/app.controller.spec.ts': `
    import { Test } from '@nestjs/testing';
    import { ServiceDiscoveryModule } from 'nest-service-discovery';
    import { RedisRegistryStore, ResponseStatusError } from 'nest-service-discovery/core';
    import { reply, ServiceDiscoveryTestingModule } from 'nest-service-discovery/testing';
    import { AppController } from './app.controller${ext}';

    const services = { 'user-service': ({ path }: { path: string }) => (path === '/users/1' ? { name: 'Ada' } : reply(404)) };

    describe('AppController', () => {
      it('gets its answers from the test', async () => {
        const imports = [ServiceDiscoveryTestingModule.forRoot({ services })];
        const app = await Test.createTestingModule({ imports, controllers: [AppController] }).compile();
        expect(await app.get(AppController).user('1')).toEqual({ name: 'Ada' });
        const failure = await app.get(AppController).user('2').catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(ResponseStatusError);
      });

      it('reads cron expressions, and loads the Redis client', async () => {
        const healthCheck = { cron: '*/5 * * * *' };
        const imports = [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, healthCheck })];
        const app = await Test.createTestingModule({ imports }).compile();
        await (await app.init()).close();
        const store = new RedisRegistryStore({ url: 'redis://127.0.0.1:1', commandTimeout: '100ms' });
        const lease = { serviceName: 'a', instanceId: 'b', generation: 1, ttlMs: 1_000 };
        await expect(store.renew([lease])).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
        await store.close();
      });
    });
  `,
  'test/app.e2e-spec.ts': `
    import { INestApplication } from '@nestjs/common';
    import { Test, TestingModule } from '@nestjs/testing';
    import request from 'supertest';
    import { App } from 'supertest/types${ext}';
    import { SERVICE_DISCOVERY_OPTIONS } from 'nest-service-discovery';
    import { ServiceDiscoveryTestingModule } from 'nest-service-discovery/testing';
    import { AppModule } from './../src/app.module${ext}';

    const services = { 'user-service': () => ({ name: 'Ada' }) };

    describe('AppController (e2e)', () => {
      let app: INestApplication<App>;

      beforeEach(async () => {
        const moduleFixture: TestingModule = await Test.createTestingModule({ imports: [AppModule] })
          .overrideProvider(SERVICE_DISCOVERY_OPTIONS)
          .useValue(ServiceDiscoveryTestingModule.options({ services }))
          .compile();
        app = moduleFixture.createNestApplication();
        await app.init();
      });

      it('/users/1 (GET)', () => {
        return request(app.getHttpServer()).get('/users/1').expect(200).expect({ name: 'Ada' });
      });

      afterEach(async () => {
        await app.close();
      });
    });
  `,
});

const BUNDLED = {
  'required.cjs': `module.exports = require('nest-service-discovery/core');`,
  'both.mjs': `
    import { ServiceNotFoundError } from 'nest-service-discovery/core';
    import required from './required.cjs';
    console.log(ServiceNotFoundError === required.ServiceNotFoundError);
  `,
  'esbuild.cjs': `
    const options = { bundle: true, platform: 'node', logLevel: 'error' };
    require('esbuild').buildSync({ ...options, entryPoints: ['both.mjs'], outfile: 'by-esbuild.cjs' });
  `,
  'webpack.cjs': `
    const output = { path: __dirname, filename: 'by-webpack.cjs' };
    const done = (error, stats) => { if (error || stats.hasErrors()) throw error ?? new Error(stats.toString()); };
    require('webpack')({ mode: 'none', target: 'node', entry: './both.mjs', output }, done);
  `,
  'start.cjs': `
    require('reflect-metadata');
    const { NestFactory } = require('@nestjs/core');
    const { HealthAggregator, ServiceDiscovery, ServiceDiscoveryModule } = require('nest-service-discovery');
    const { sep } = require('node:path');
    const imports = [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', healthCheck: false, logging: false })];
    NestFactory.create({ module: class App {}, imports }, { logger: false }).then(async (app) => {
      await app.init();
      await app.get(ServiceDiscovery).registerService({ serviceName: 'user-service', host: '127.0.0.1', port: 1 });
      const file = require.resolve('nest-service-discovery').split(sep).slice(-2).join('/');
      const { services } = app.get(HealthAggregator).getAggregatedHealth();
      console.log(file, Object.keys(services).join());
      await app.close();
    });
  `,
  'types.ts': `
    import { ServiceDiscoveryModule } from 'nest-service-discovery';
    import { createLoadBalancer } from 'nest-service-discovery/core';
    import { ManualClock } from 'nest-service-discovery/testing';
    const name: string = ServiceDiscoveryModule.name + createLoadBalancer.name + ManualClock.name;
    export { name };
    // @ts-expect-error no such option
    ServiceDiscoveryModule.forRoot({ modes: 'memory_only' });
  `,
};

/** Adds the parts of an app that uses `HttpService`. */
const withAxios = (project: GeneratedProject, version: string, files = {}): GeneratedProject => ({
  ...project,
  packages: { ...project.packages, '@nestjs/axios': version, axios: '^1.7.0' },
  files: { ...project.files, ...files },
});

const HTTP_SERVICE = {
  'src/http-service.spec.ts': `
    import { HttpService } from '@nestjs/axios';
    import { Test } from '@nestjs/testing';
    import { DiscoveryHttpModule } from 'nest-service-discovery/axios';
    import { ServiceDiscoveryTestingModule } from 'nest-service-discovery/testing';
    import { firstValueFrom } from 'rxjs';

    it('HttpService resolves services by name', async () => {
      const services = { 'user-service': () => ({ name: 'Ada' }) };
      const imports = [ServiceDiscoveryTestingModule.forRoot({ services }), DiscoveryHttpModule.register()];
      const app = await Test.createTestingModule({ imports }).compile();
      const response = app.get(HttpService).get('http://user-service/users/1');
      expect((await firstValueFrom(response)).data).toEqual({ name: 'Ada' });
    });
  `,
};

/** Terminus 11 cannot be installed with `@nestjs/axios@12`. */
const NEST_11_WITHOUT_TERMINUS = { ...NEST_11, packages: { ...NEST_11.packages, '@nestjs/terminus': undefined } };

const PROJECTS: [name: string, nest: 11 | 12, manager: 'npm' | 'pnpm', project: GeneratedProject][] = [
  // Jest cannot load this version in a CommonJS project, and does not need to.
  ['Nest 11, CommonJS, Jest, npm, @nestjs/axios@12', 11, 'npm', withAxios(NEST_11_WITHOUT_TERMINUS, '^12.0.0')],
  ['Nest 11, CommonJS, Jest, pnpm, @nestjs/axios@4', 11, 'pnpm', withAxios(NEST_11, '^4.0.0', HTTP_SERVICE)],
  ['Nest 12, ES modules, Vitest, npm, without @nestjs/axios', 12, 'npm', NEST_12],
];

describe.each(PROJECTS)('in a project as `nest new` writes it (%s)', (_name, nest, manager, project) => {
  let app: FreshApp;

  beforeAll(async () => {
    const type = nest === 11 ? 'commonjs' : 'module';
    const files = { ...project.files, ...appFiles(nest === 11 ? '' : '.js') };
    app = await createFreshApp({ ...project, library, nest, type, manager, files });
  });
  afterAll(() => app.remove());

  it.each(['test', 'test:e2e'])('`npm run %s` passes', async (script) => {
    const flags = nest === 11 ? ['--', '--detectOpenHandles'] : [];
    const { code, output } = await app.run('npm', 'run', script, ...flags);
    expect(output).toMatch(/[1-9] passed/);
    expect(output).not.toContain('open handle');
    expect(code).toBe(0);
  });

  it('compiles', async () => {
    expect(await app.run('npx', 'tsc', '--noEmit')).toEqual({ code: 0, output: '' });
  });
});

describe('in a CommonJS project on Nest 11', () => {
  let app: FreshApp;

  beforeAll(async () => {
    const packages = { '@types/node': '^24.0.0', esbuild: '^0.28.0', typescript: '^5.7.3', webpack: '^5.100.0' };
    app = await createFreshApp({ library, nest: 11, type: 'commonjs', packages, files: BUNDLED });
  });
  afterAll(() => app.remove());

  it.each(['esbuild', 'webpack'])('a bundle made by %s has every class once', async (bundler) => {
    expect(await app.run('node', `${bundler}.cjs`)).toEqual({ code: 0, output: '' });
    expect(await app.run('node', `by-${bundler}.cjs`)).toEqual({ code: 0, output: 'true\n' });
  });

  it('works as pure CommonJS if Node must not require ES modules', async () => {
    const started = await app.run('node', '--no-experimental-require-module', 'start.cjs');
    expect(started).toEqual({ code: 0, output: 'cjs/index.js user-service\n' });
  });

  it.each([
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['commonjs', 'node10'],
  ])('compiles with module %s and moduleResolution %s', async (module, moduleResolution) => {
    const options = ['--module', module, '--moduleResolution', moduleResolution, '--strict', '--noEmit'];
    expect(await app.run('npx', 'tsc', ...options, '--skipLibCheck', 'true', 'types.ts')).toEqual({
      code: 0,
      output: '',
    });
  });
});
