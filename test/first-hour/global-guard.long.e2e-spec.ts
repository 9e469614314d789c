import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createFreshApp, type FreshApp, packLibrary, type PackedLibrary } from '../support/fresh-app.js';

// Package managers take seconds on a quiet machine, and minutes on a busy one.
jest.setTimeout(600_000);

/** The ways to import in both module systems. */
const IMPORTS = {
  commonjs: `
const { Controller, ForbiddenException, Get, Inject, Module, SetMetadata } = require('@nestjs/common');
const { APP_GUARD, NestFactory, Reflector } = require('@nestjs/core');
const { DiscoverableService, ServiceCommunicator, ServiceDiscoveryModule, ServiceRegistry } = require('nest-service-discovery');
`,
  module: `
import { Controller, ForbiddenException, Get, Inject, Module, SetMetadata } from '@nestjs/common';
import { APP_GUARD, NestFactory, Reflector } from '@nestjs/core';
import { DiscoverableService, ServiceCommunicator, ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
`,
};

/** Starts an app with the options in its argument, waits for the first check, and prints the result. */
const MAIN = `
const Public = () => SetMetadata('isPublic', true);
class JwtAuthGuard {
  constructor(reflector) {
    this.reflector = reflector;
  }
  canActivate(context) {
    if (this.reflector.getAllAndOverride('isPublic', [context.getHandler(), context.getClass()])) return true;
    throw new ForbiddenException();
  }
}
Inject(Reflector)(JwtAuthGuard, undefined, 0);

class UsersController {
  list() {
    return { users: [] };
  }
}
Public()(UsersController.prototype, 'list', Object.getOwnPropertyDescriptor(UsersController.prototype, 'list'));
Get()(UsersController.prototype, 'list', Object.getOwnPropertyDescriptor(UsersController.prototype, 'list'));
Controller('users')(UsersController);

const [group, prefix] = process.argv.slice(2);
const decorated = group === 'none' ? {} : { [group]: { decorators: [Public()] } };
class AppModule {}
Module({
  imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, ...decorated })],
  controllers: [UsersController],
  providers: [{ provide: APP_GUARD, useClass: JwtAuthGuard }],
})(AppModule);
DiscoverableService({ name: 'user-service' })(AppModule);

async function main() {
  const warnings = [];
  const ignore = () => undefined;
  const logger = { log: ignore, error: ignore, warn: (message) => void warnings.push(message) };
  const app = await NestFactory.create(AppModule, { logger });
  app.enableShutdownHooks();
  if (prefix) app.setGlobalPrefix(prefix, { exclude: ['health', 'health/live', 'health/ready'] });
  await app.listen(0, '127.0.0.1');
  const registry = app.get(ServiceRegistry);
  const instance = await new Promise((resolve) => {
    const look = () => {
      const [found] = registry.getInstances('user-service');
      if (found && found.healthStatus !== 'unknown') resolve(found);
    };
    registry.onChange(look);
    look();
  });
  const statusOf = async (path) => (await fetch(await app.getUrl() + path)).status;
  const path = prefix ? '/' + prefix + '/users' : '/users';
  const { healthStatus, healthCheckPath } = instance;
  console.log(JSON.stringify({
    warnings,
    instance: { healthStatus, healthCheckPath },
    called: await app.get(ServiceCommunicator).callServiceJson('user-service', { path }),
    ready: await statusOf('/health/ready'),
    services: await statusOf((prefix ? '/' + prefix : '') + '/service-discovery/services'),
  }));
  await app.close();
}
main();
`;

let library: PackedLibrary;
beforeAll(async () => {
  library = await packLibrary();
});
afterAll(() => library.remove());

describe.each([
  [11, 'commonjs'],
  [12, 'module'],
] as const)('a packed app on Nest %i, as %s, with a global guard', (nest, type) => {
  let app: FreshApp;
  beforeAll(async () => {
    app = await createFreshApp({ library, nest, type, files: { 'main.js': IMPORTS[type] + MAIN } });
  });
  afterAll(() => app.remove());

  async function outcomeOf(group: string, prefix = ''): Promise<unknown> {
    const { code, output } = await app.run('node', 'main.js', group, prefix);
    expect({ code, output }).toMatchObject({ code: 0 });
    return JSON.parse(output);
  }

  const apiWarning = expect.stringMatching(/^GET \/service-discovery\/.* answers 403 .*api: { decorators: \[Public/);

  it('stays callable without decorators: it is checked over TCP, with one warning of each group of routes', async () => {
    expect(await outcomeOf('none')).toEqual({
      warnings: [
        apiWarning,
        expect.stringMatching(/^GET \/health\/ready .* answers 403 .*\(JwtAuthGuard\).*decorators: \[Public/),
      ],
      instance: { healthStatus: 'healthy', healthCheckPath: null },
      called: { users: [] },
      ready: 403,
      services: 403,
    });
  });

  it.each([
    ['the health routes', 'health', '', 403],
    ['every route', 'api', '', 200],
    ['every route, with a global prefix that leaves the health routes out', 'api', 'v2', 200],
  ])('is checked over HTTP with its decorators on %s', async (_, group, prefix, services) => {
    expect(await outcomeOf(group, prefix)).toEqual({
      warnings: group === 'health' ? [apiWarning] : [],
      instance: { healthStatus: 'healthy', healthCheckPath: '/health/ready' },
      called: { users: [] },
      ready: 200,
      services,
    });
  });
});
