import { beforeAll, describe, expect, it } from '@jest/globals';
import { appWithAll, onNode, succeed } from './shared-apps.js';
import { NEST_VERSIONS, NODE_VERSIONS } from './versions.js';

const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  '@nestjs/common': ['Controller', 'Get', 'Module', 'Param'],
  '@nestjs/core': ['NestFactory'],
  '@nestjs/microservices': ['Transport'],
  '@nestjs/platform-fastify': ['FastifyAdapter'],
  'class-validator': ['IsString'],
  'nest-service-discovery': [
    'DiscoverableService',
    'ServiceCommunicator',
    'ServiceDiscovery',
    'ServiceDiscoveryModule',
  ],
  'nest-service-discovery/dashboard': ['ServiceDiscoveryDashboardModule'],
  valibot: ['object', 'string'],
  zod: ['z'],
};

const importsOf = (type: 'commonjs' | 'module'): string =>
  Object.entries(IMPORTS)
    .map(([from, names]) =>
      type === 'module'
        ? `import { ${names.join(', ')} } from '${from}';`
        : `const { ${names.join(', ')} } = require('${from}');`,
    )
    .join('\n');

/** Does each in turn, and prints what came of it as JSON: 'ok' or the error. */
const MAIN = `
class UsersController {
  find(id) {
    return { id, name: 'Ada' };
  }
}
Param('id')(UsersController.prototype, 'find', 0);
Get(':id')(UsersController.prototype, 'find', Object.getOwnPropertyDescriptor(UsersController.prototype, 'find'));
Controller('users')(UsersController);

function moduleOf(options, ...services) {
  const imports = [ServiceDiscoveryModule.forRoot({ ...options, logging: false })];
  if (options.mode === 'memory_only') imports.push(ServiceDiscoveryDashboardModule);
  for (const service of services) {
    class ServiceModule {}
    Module({ controllers: service.protocol === 'tcp' ? [] : [UsersController] })(ServiceModule);
    DiscoverableService(service)(ServiceModule);
    imports.push(ServiceModule);
  }
  class AppModule {}
  Module({ imports })(AppModule);
  return AppModule;
}
const memory = { mode: 'memory_only' };
const logger = ['error', 'warn'];
const tcp = { transport: Transport.TCP, options: { port: 0, host: '127.0.0.1' }, logger };

class UserDto {}
IsString()(UserDto.prototype, 'name');
class WrongDto {}
IsString()(WrongDto.prototype, 'email');

const call = (app, schema) => app.get(ServiceCommunicator).callServiceJson('user-service', { path: '/users/1' }, schema);
const equal = (actual, expected) => {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(JSON.stringify(actual));
};
async function over(adapter) {
  const app = await NestFactory.create(moduleOf(memory, { name: 'user-service' }), ...adapter, { logger });
  await app.listen(0, '127.0.0.1');
  const { status } = await app.get(ServiceDiscovery).waitForService('user-service');
  equal(status, 'healthy');
  equal(await call(app), { id: '1', name: 'Ada' });
  const page = await fetch(await app.getUrl() + '/service-discovery/ui');
  equal(page.status, 200);
  return app;
}
async function validates(right, wrong) {
  const app = await over([]);
  equal((await call(app, right)).name, 'Ada');
  const error = await call(app, wrong).then(() => undefined, (failure) => failure);
  equal(error?.code, 'RESPONSE_INVALID');
  await app.close();
}

const ROWS = {
  Express: async () => (await over([])).close(),
  Fastify: async () => (await over([new FastifyAdapter()])).close(),
  'a hybrid app': async () => {
    const app = await NestFactory.create(moduleOf(memory, { name: 'web' }, { name: 'math', protocol: 'tcp' }), { logger });
    app.connectMicroservice(tcp);
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    for (const name of ['web', 'math']) equal((await app.get(ServiceDiscovery).waitForService(name)).status, 'healthy');
    await app.close();
  },
  createMicroservice: async () => {
    const app = await NestFactory.createMicroservice(moduleOf(memory, { name: 'math' }), tcp);
    await app.listen();
    equal((await app.get(ServiceDiscovery).waitForService('math')).status, 'healthy');
    await app.close();
  },
  createApplicationContext: async () => {
    const users = await over([]);
    const registryUrl = await users.getUrl();
    const context = await NestFactory.createApplicationContext(moduleOf({ mode: 'remote', registryUrl }), { logger });
    equal(await call(context), { id: '1', name: 'Ada' });
    await context.close();
    await users.close();
  },
  'a class of class-validator': () => validates(UserDto, WrongDto),
  'a schema of zod': () => validates(z.object({ name: z.string() }), z.object({ email: z.string() })),
  'a schema of valibot': () => validates(object({ name: string() }), object({ email: string() })),
};

async function main() {
  const results = {};
  for (const [name, run] of Object.entries(ROWS)) {
    results[name] = await run().then(() => 'ok', (error) => error.stack);
  }
  console.log(JSON.stringify(results));
}
main();
`;

const ROWS = [
  'Express',
  'Fastify',
  'a hybrid app',
  'createMicroservice',
  'createApplicationContext',
  'a class of class-validator',
  'a schema of zod',
  'a schema of valibot',
];

const REQUIRE_WARNING = [
  /ExperimentalWarning: CommonJS module \S+runtime\.js is loading ES Module \S+nest-service-discovery\/index\.js using require\(\)\.$/,
  /^Support for loading ES Module in require\(\) is an experimental feature/,
  /^\(Use `node --trace-warnings/,
];

describe.each(NODE_VERSIONS)('Node %s', (node) => {
  describe.each(NEST_VERSIONS)('Nest %i', (nest, type) => {
    let results: Readonly<Record<string, string>>;

    beforeAll(async () => {
      const app = await onNode(await appWithAll(nest, type), node);
      await app.write({
        'runtime.js': `${type === 'commonjs' ? "require('reflect-metadata');" : "import 'reflect-metadata';"}\n${importsOf(type)}\n${MAIN}`,
      });
      const output = await succeed(app, 'node', 'runtime.js');
      // Standard output comes first.
      const [result, ...others] = output.trim().split('\n');
      results = JSON.parse(result!) as Record<string, string>;
      expect(Object.keys(results)).toEqual(ROWS);
      // Nothing else is printed: no warning of Nest, and none of Node but for its 22.12, which warns of every require() of an ES module.
      const warned = node === '22.12' && type === 'commonjs' ? REQUIRE_WARNING : [];
      expect(others).toEqual(warned.map((line) => expect.stringMatching(line) as unknown));
    });

    it.each(ROWS)('%s', (row) => {
      expect(results[row]).toBe('ok');
    });
  });
});
