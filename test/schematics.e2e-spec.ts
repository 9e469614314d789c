import { join } from 'node:path';
import { HostTree } from '@angular-devkit/schematics';
import { SchematicTestRunner, UnitTestTree } from '@angular-devkit/schematics/testing/index.js';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { BUILD_TIMEOUT_MS } from './support/built-package.js';
import { buildLibrary } from './support/build-library.js';

let runner: SchematicTestRunner;
beforeAll(async () => {
  runner = new SchematicTestRunner('nest-service-discovery', join(await buildLibrary(), 'schematics/collection.json'));
}, BUILD_TIMEOUT_MS);

type Files = Readonly<Record<string, string>>;

function treeOf(files: Files): UnitTestTree {
  const tree = new UnitTestTree(new HostTree());
  for (const [path, content] of Object.entries(files)) tree.create(path, content);
  return tree;
}

const filesOf = (tree: UnitTestTree): Files =>
  Object.fromEntries(tree.files.map((path) => [path.slice(1), tree.readText(path)]));

/** The files after a schematic, of those that it changed or created. */
async function changesOf(schematic: string, options: object, files: Files): Promise<Files> {
  const after = filesOf(await runner.runSchematic(schematic, options, treeOf(files)));
  return Object.fromEntries(Object.entries(after).filter(([path, text]) => files[path] !== text));
}

/** What `nest new` writes. @param extension of imports */
const project = (extension: '' | '.js', type: 'commonjs' | 'module'): Files => ({
  'package.json': JSON.stringify({ name: '@acme/shop', type }),
  'nest-cli.json': '{ "collection": "@nestjs/schematics", "sourceRoot": "src" }',
  'src/main.ts': `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module${extension}';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(process.env.PORT ?? 3000);
}
void bootstrap();
`,
  'src/app.module.ts': `import { Module } from '@nestjs/common';
import { AppController } from './app.controller${extension}';

@Module({
  imports: [],
  controllers: [AppController],
})
export class AppModule {}
`,
});
const NEST_11 = project('', 'commonjs');
const NEST_12 = project('.js', 'module');
const withModule = (text: string): Files => ({ ...NEST_11, 'src/app.module.ts': text });
const withMain = (text: string): Files => ({ ...NEST_11, 'src/main.ts': text });

describe('nest add nest-service-discovery', () => {
  const add = (files: Files, options = {}): Promise<Files> => changesOf('nest-add', options, files);

  it.each([
    ['CommonJS', NEST_11, ''],
    ['ES modules', NEST_12, '.js'],
  ])(
    'makes an app of %s a service that serves the dashboard and deregisters at its end',
    async (_, files, extension) => {
      expect(await add(files)).toEqual({
        'src/app.module.ts': `import { Module } from '@nestjs/common';
import { AppController } from './app.controller${extension}';
import {
  DiscoverableService,
  ServiceDiscoveryModule,
} from 'nest-service-discovery';
import { ServiceDiscoveryDashboardModule } from 'nest-service-discovery/dashboard';

@DiscoverableService({ name: 'shop' })
@Module({
  imports: [
    ServiceDiscoveryModule.forRoot({ mode: 'memory_only' }),
    ServiceDiscoveryDashboardModule,
  ],
  controllers: [AppController],
})
export class AppModule {}
`,
        'src/main.ts': files['src/main.ts']!.replace('(AppModule);\n', '(AppModule);\n  app.enableShutdownHooks();\n'),
      });
    },
  );

  it('changes nothing the second time, whichever mode is asked for', async () => {
    const once = { ...NEST_12, ...(await add(NEST_12)) };
    expect(await add(once, { mode: 'remote' })).toEqual({});
  });

  it('leaves the dashboard to the registry in the mode remote, whose address may come from the environment', async () => {
    const { 'src/app.module.ts': module } = await add(NEST_11, { mode: 'remote' });
    expect(module).not.toContain('Dashboard');
    expect(module).toContain(`  imports: [
    ServiceDiscoveryModule.forRoot({
      mode: 'remote',
      registryUrl:
        process.env.SERVICE_DISCOVERY_REGISTRY_URL ?? 'http://127.0.0.1:3000',
    }),
  ],
`);
  });

  it.each(['redis_backed', 'hybrid'])('sets the mode %s', async (mode) => {
    const { 'src/app.module.ts': module } = await add(NEST_11, { mode });
    expect(module).toContain(`ServiceDiscoveryModule.forRoot({ mode: '${mode}' }),`);
  });

  it('refuses an unknown mode, and names those there are', async () => {
    await expect(add(NEST_11, { mode: 'redis' })).rejects.toThrow(/mode.*memory_only.*hybrid/s);
  });

  it.each([
    [
      'modules on several lines, the last one without a comma and with a comment',
      `@Module({
  // imports: [Old]
  providers: [{ provide: 'a', useFactory: () => ({ imports: [] }) }],
  imports: [
    UsersModule.register({ url: 'http://a//b' }),
    OrdersModule // at last
  ],
})
export class AppModule {}`,
      `@Module({
  // imports: [Old]
  providers: [{ provide: 'a', useFactory: () => ({ imports: [] }) }],
  imports: [
    UsersModule.register({ url: 'http://a//b' }),
    OrdersModule, // at last
    ServiceDiscoveryModule.forRoot({ mode: 'memory_only' }),
    ServiceDiscoveryDashboardModule,
  ],
})
export class AppModule {}`,
    ],
    [
      'modules on one line',
      '@Module({\n  imports: [UsersModule, OrdersModule.of(1, 2)],\n})\nclass AppModule {}',
      `@Module({
  imports: [
    UsersModule,
    OrdersModule.of(1, 2),
    ServiceDiscoveryModule.forRoot({ mode: 'memory_only' }),
    ServiceDiscoveryDashboardModule,
  ],
})
class AppModule {}`,
    ],
    [
      'no imports',
      '@Global()\n@Module({\n  providers: [],\n})\nexport class AppModule {}',
      `@Module({
  imports: [
    ServiceDiscoveryModule.forRoot({ mode: 'memory_only' }),
    ServiceDiscoveryDashboardModule,
  ],
  providers: [],
})
export class AppModule {}`,
    ],
    [
      'nothing in it, below another module',
      '@Module({ imports: [] })\nclass Other {}\n@Module({})\nexport class AppModule {}',
      `@Module({ imports: [
  ServiceDiscoveryModule.forRoot({ mode: 'memory_only' }),
  ServiceDiscoveryDashboardModule,
],})
export class AppModule {}`,
    ],
  ])('keeps what a root module has: %s', async (_, before, after) => {
    const { 'src/app.module.ts': module } = await add(withModule(before));
    expect(module).toContain(after.replace('@Module', "@DiscoverableService({ name: 'shop' })\n@Module"));
  });

  it('keeps the line ends of Windows', async () => {
    const files = Object.fromEntries(
      Object.entries(NEST_12).map(([path, text]) => [path, text.replaceAll('\n', '\r\n')]),
    );
    const { 'src/app.module.ts': module } = await add(files);
    expect(module).toContain("@DiscoverableService({ name: 'shop' })\r\n@Module({\r\n");
    expect(module!.replaceAll('\r\n', '')).not.toContain('\n');
  });

  it('finds the app of a monorepo, with its own name and entry file', async () => {
    const projects = { users: { sourceRoot: 'apps/users/src', entryFile: 'start' } };
    const changed = await add(
      {
        'nest-cli.json': JSON.stringify({ sourceRoot: 'apps/gateway/src', projects }),
        'apps/users/src/start.ts': `import { UsersModule } from './users';
const app = await NestFactory.create<NestFastifyApplication>(
  UsersModule,
  new FastifyAdapter({ trustProxy: (ip) => ip === '::1' }),
);
`,
        'apps/users/src/users/index.ts': '@Module({})\nexport class UsersModule {}\n',
      },
      { sourceRoot: 'apps/users/src' },
    );
    expect(changed['apps/users/src/users/index.ts']).toContain("@DiscoverableService({ name: 'users' })");
    expect(changed['apps/users/src/start.ts']).toMatch(/'::1' \}\),\n\);\napp\.enableShutdownHooks\(\);\n$/);
  });

  it('adds to a single file that has the module and starts the app', async () => {
    const { 'src/main.ts': main } = await add(
      withMain('@Module({ imports: [] })\nclass Root {}\nconst app = await NestFactory.create(Root);\n'),
    );
    expect(main).toMatch(
      /^import \{\n {2}DiscoverableService.*@DiscoverableService\(.*\n@Module.*\napp\.enableShutdownHooks\(\);\n$/s,
    );
  });

  it.each([
    ['no entry file', { 'package.json': '{}' }, 'src/main.ts was not found. Run this in the folder of a Nest app.'],
    [
      'no app in the entry file',
      withMain('void start();'),
      'src/main.ts has no "const app = await NestFactory.create(AppModule)"',
    ],
    [
      'a root module of a package',
      withMain(NEST_11['src/main.ts']!.replace('./app.module', '@acme/app')),
      "src/main.ts imports AppModule from '@acme/app', which is no file beside it",
    ],
    [
      'imports in a variable',
      withModule('@Module({ imports: modules })\nclass AppModule {}'),
      'src/app.module.ts has no class AppModule with @Module({ imports: [] }) above it',
    ],
    [
      'no decorator',
      withModule('@Module({})\nclass Other {}\nclass AppModule {}'),
      'src/app.module.ts has no class AppModule with @Module({ imports: [] }) above it',
    ],
    ['a broken nest-cli.json', { ...NEST_11, 'nest-cli.json': '{' }, 'nest-cli.json is not JSON'],
  ])('says what is wrong with %s, and changes nothing', async (_, files, message) => {
    const tree = treeOf(files);
    await expect(runner.runSchematic('nest-add', {}, tree)).rejects.toThrow(message);
    expect(filesOf(tree)).toEqual(files);
  });
});

describe('nest generate -c nest-service-discovery client', () => {
  const generate = (files: Files, options: object): Promise<Files> => changesOf('client', options, files);
  const added = async (): Promise<Files> => ({ ...NEST_12, ...(await changesOf('nest-add', {}, NEST_12)) });

  it('makes a client with its test, and imports it in the nearest module', async () => {
    const changed = await generate(await added(), { name: 'user' });
    expect(Object.keys(changed).sort()).toEqual([
      'src/app.module.ts',
      'src/user/user.client.spec.ts',
      'src/user/user.client.ts',
    ]);
    expect(changed['src/user/user.client.ts']).toContain("@ServiceClient('user-service')\nexport class UserClient {");
    expect(changed['src/user/user.client.spec.ts']).toContain("from './user.client.js'");
    expect(changed['src/app.module.ts']).toContain("import { UserClient } from './user/user.client.js';\n");
    expect(changed['src/app.module.ts']).toContain('    ServiceDiscoveryModule.forFeature([UserClient]),\n  ],');
  });

  it('changes nothing the second time', async () => {
    const files = await added();
    const once = { ...files, ...(await generate(files, { name: 'user' })) };
    expect(await generate(once, { name: 'user-service' })).toEqual({});
  });

  it('takes a folder, a name with several words, and no test', async () => {
    const files = { ...NEST_11, 'src/shop/shop.module.ts': '@Module({})\nexport class ShopModule {}\n' };
    const changed = await generate(files, {
      name: 'clients/order-history-service',
      path: 'shop',
      flat: true,
      spec: false,
    });
    expect(Object.keys(changed).sort()).toEqual([
      'src/shop/clients/order-history.client.ts',
      'src/shop/shop.module.ts',
    ]);
    expect(changed['src/shop/clients/order-history.client.ts']).toMatch(
      /@ServiceClient\('order-history-service'\)\nexport class OrderHistoryClient \{\n {2}@ServiceCall\('GET \/order-histories\/:id'\)/,
    );
    expect(changed['src/shop/shop.module.ts']).toContain(
      "import { OrderHistoryClient } from './clients/order-history.client';",
    );
  });

  it('leaves the module alone if asked to', async () => {
    expect(Object.keys(await generate(NEST_11, { name: 'user', skipImport: true, spec: false }))).toEqual([
      'src/user/user.client.ts',
    ]);
  });

  it('says what to import where there is no module', async () => {
    const warnings: string[] = [];
    const subscription = runner.logger.subscribe(
      ({ level, message }) => void (level === 'warn' && warnings.push(message)),
    );
    await generate({ 'package.json': '{}' }, { name: 'user' });
    subscription.unsubscribe();
    expect(warnings).toEqual([
      'No module was found for it: add ServiceDiscoveryModule.forFeature([UserClient]) to the imports of one.',
    ]);
  });
});
