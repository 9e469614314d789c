import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFreshApp, type FreshApp, packLibrary, type PackedLibrary } from '../support/fresh-app.js';

const INSTALL_TIMEOUT_MS = 300_000;

/**
 * Prints three documents of an app with a route of its own: unchanged, with the library's routes, with a mounted
 * controller.
 */
const SCRIPT = `
const { Controller, Get, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { ApiSecurity, DocumentBuilder, SwaggerModule } = require('@nestjs/swagger');
const { ServiceDiscoveryController, ServiceDiscoveryModule, ShowInSwagger } = require('nest-service-discovery');

class OwnController {
  find() {}
}
Get('users')(OwnController.prototype, 'find', Object.getOwnPropertyDescriptor(OwnController.prototype, 'find'));
Controller()(OwnController);

class MountedController extends ServiceDiscoveryController {}
Controller('registry')(MountedController);
class ShownController extends ServiceDiscoveryController {}
Controller('shown')(ShownController);
ShowInSwagger()(ShownController);

async function documentOf(api, controllers) {
  class AppModule {}
  const discovery = ServiceDiscoveryModule.forRoot({ mode: 'memory_only', api, logging: false, healthCheck: false });
  Module({ imports: [discovery], controllers })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: false });
  const document = SwaggerModule.createDocument(app, new DocumentBuilder().build());
  await app.close();
  return document;
}

(async () => {
  const plain = await documentOf({}, [OwnController]);
  const full = await documentOf({ swagger: true, decorators: [ApiSecurity('bearer')] }, [OwnController]);
  const again = await documentOf({}, [OwnController]);
  const mounted = await documentOf(false, [OwnController, MountedController, ShownController]);
  const { openapi, paths } = require('nest-service-discovery/openapi.json');
  console.log(JSON.stringify({ plain, full, again, mounted, openapi, paths: Object.keys(paths) }));
})();
`;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters: readonly unknown[];
  readonly requestBody: unknown;
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Printed {
  readonly plain: Document;
  readonly full: Document;
  readonly again: Document;
  readonly mounted: Document;
  readonly openapi: string;
  readonly paths: readonly string[];
}

let library: PackedLibrary;

beforeAll(async () => {
  library = await packLibrary();
}, INSTALL_TIMEOUT_MS);

afterAll(async () => {
  await library.remove();
});

describe.each([
  [11, 'commonjs', 'app.js'],
  [12, 'module', 'app.cjs'],
] as const)('the Swagger document of an app with Nest %i (%s)', (nest, type, file) => {
  let app: FreshApp;
  let printed: Printed;

  beforeAll(async () => {
    const packages = { '@nestjs/swagger': `^${nest}.0.0` };
    app = await createFreshApp({ library, nest, type, packages, files: { [file]: SCRIPT } });
    const { code, output } = await app.run(process.execPath, file);
    if (code !== 0) throw new Error(output);
    printed = JSON.parse(output) as Printed;
  }, INSTALL_TIMEOUT_MS);

  afterAll(async () => {
    await app.remove();
  });

  it("has the app's own routes and none of the library", () => {
    expect(Object.keys(printed.plain.paths)).toEqual(['/users']);
    expect(Object.keys(printed.again.paths)).toEqual(['/users']);
  });

  it("has the library's routes with the option, including the health routes", () => {
    const paths = Object.keys(printed.full.paths);
    const declared = printed.paths.map((path) => `/service-discovery${path}`);
    expect(paths.sort()).toEqual(['/health', '/health/live', '/health/ready', '/users', ...declared].sort());
  });

  it('has schemas for their requests and responses', () => {
    const { post: register } = printed.full.paths['/service-discovery/register']!;
    expect(register).toMatchObject({
      summary: 'Registers an instance, or replaces the one of the same id',
      tags: ['service-discovery'],
      // From the app's own decorators.
      security: [{ bearer: [] }],
      parameters: [],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              required: ['service_name', 'host', 'port'],
              properties: { service_name: { type: 'string' }, port: { type: 'integer', maximum: 65_535 } },
            },
          },
        },
      },
      responses: { 201: { content: { 'application/json': { schema: { properties: { generation: {} } } } } }, 400: {} },
    });
    const { get: discover } = printed.full.paths['/service-discovery/discover/{name}']!;
    expect(discover!.parameters).toContainEqual(
      expect.objectContaining({ name: 'name', in: 'path', required: true, schema: expect.anything() as unknown }),
    );
    expect(discover!.parameters).toContainEqual(
      expect.objectContaining({ name: 'version', in: 'query', required: false, schema: expect.anything() as unknown }),
    );
    expect(JSON.stringify(printed.full)).not.toContain('#/components/schemas/Registered');
  });

  it('has a controller that the app mounts, if requested', () => {
    const paths = Object.keys(printed.mounted.paths);
    expect(paths.filter((path) => path.startsWith('/registry'))).toEqual([]);
    expect(paths).toContain('/shown/register');
  });

  it('is complemented by an OpenAPI file of the API in the package', () => {
    expect(printed.openapi).toBe('3.0.3');
    expect(printed.paths).toContain('/register');
  });
});
