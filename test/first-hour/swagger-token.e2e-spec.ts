import { Controller, Module } from '@nestjs/common';
import { ApiSecurity, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type ApiOptions,
  ServiceDiscoveryController,
  ServiceDiscoveryModule,
  ShowInSwagger,
} from 'nest-service-discovery';
import { Apps } from '../support/nest-app.js';

@ShowInSwagger()
@Controller('registry')
class RegistryController extends ServiceDiscoveryController {}

const apps = new Apps();
afterEach(() => apps.close());

/** The security schemes of each operation of an app, by method and path. */
async function schemesOf(api: Partial<ApiOptions>): Promise<Record<string, readonly object[] | undefined>> {
  @Module({
    imports: [ServiceDiscoveryModule.forRoot({ mode: 'memory_only', logging: false, api })],
    controllers: [RegistryController],
  })
  class AppModule {}
  const app = await apps.create(AppModule);
  const { paths } = SwaggerModule.createDocument(app, new DocumentBuilder().addBearerAuth().build());
  return Object.fromEntries(
    Object.entries(paths).flatMap(([path, { get, put, post, delete: remove }]) =>
      Object.entries({ GET: get, PUT: put, POST: post, DELETE: remove }).flatMap(([method, operation]) =>
        operation ? [[`${method} ${path}`, operation.security]] : [],
      ),
    ),
  );
}

describe("the app's Swagger document with the routes of the API", () => {
  const optional = [{ bearer: [] }, {}];

  it('has the bearer scheme on each of these routes, and not on those of the health check', async () => {
    const schemes = await schemesOf({ swagger: true });
    const operations = Object.keys(schemes).filter((name) => / \/(service-discovery|registry)\//.test(name));
    const secured = Object.keys(schemes).filter((name) => schemes[name]);
    expect(secured).toEqual(operations);
    expect(Object.keys(schemes)).toContain('GET /health/ready');
    expect(secured).toContain('GET /service-discovery/services');
    expect(secured).toContain('POST /service-discovery/register');
    expect(secured).toContain('POST /registry/register');
    for (const name of secured) expect(schemes[name]).toEqual(optional);
  });

  it("leaves the scheme to the app's own decorator if that names one", async () => {
    const schemes = await schemesOf({ swagger: true, decorators: [ApiSecurity('registry-token')] });
    expect(schemes['POST /service-discovery/register']).toEqual([{ 'registry-token': [] }]);
    expect(schemes['POST /registry/register']).toEqual(optional);
  });
});
