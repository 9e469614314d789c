import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Module, RequestMethod } from '@nestjs/common';
import { ApiSecurity, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import {
  type ApiOptions,
  ServiceDiscoveryController,
  ServiceDiscoveryModule,
  ShowInSwagger,
} from 'nest-service-discovery';
import 'reflect-metadata';
import { CircuitDto } from '../libs/service-discovery/src/nest/rest/dto/circuit.dto.js';
import { DiscoverQuery, ExplainQuery } from '../libs/service-discovery/src/nest/rest/dto/criteria.query.js';
import { HealthQuery } from '../libs/service-discovery/src/nest/rest/dto/list.query.js';
import { DeregisterQuery, HeartbeatDto, HeartbeatsDto } from '../libs/service-discovery/src/nest/rest/dto/lease.dto.js';
import { RegisterServiceDto } from '../libs/service-discovery/src/nest/rest/dto/register-service.dto.js';
import { loadClassValidator } from '../libs/service-discovery/src/nest/rest/dto/rule.js';
import { HealthDto, StatusDto } from '../libs/service-discovery/src/nest/rest/dto/status.dto.js';
import { WatchDto, WatchQuery } from '../libs/service-discovery/src/nest/rest/dto/watch.query.js';
import { REST_CONTROLLERS } from '../libs/service-discovery/src/nest/rest/index.js';
import { openApiDocument } from '../libs/service-discovery/src/nest/rest/openapi/document.js';
import { OPERATIONS } from '../libs/service-discovery/src/nest/rest/openapi/operations.js';
import { type Schema, withoutReferences } from '../libs/service-discovery/src/nest/rest/openapi/schema.js';
import { SCHEMAS } from '../libs/service-discovery/src/nest/rest/openapi/schemas.js';
import { Apps } from './support/nest-app.js';
import { type RestApp, startRestApp } from './support/rest-app.js';
import { operationOf } from './support/routes.js';
import { schemaFaults } from './support/schema-faults.js';

const library = join(import.meta.dirname, '../libs/service-discovery');

describe('openapi.json', () => {
  it('is the output of `npm run generate:openapi`', async () => {
    const [file, manifest] = await Promise.all(
      ['openapi.json', 'package.json'].map(async (name) => readFile(join(library, name), 'utf8')),
    );
    const { version } = JSON.parse(manifest!) as { version: string };
    expect(JSON.parse(file!)).toEqual(JSON.parse(JSON.stringify(openApiDocument(version))));
  });

  it('has every route of the controllers, and no other', () => {
    const routes = REST_CONTROLLERS.flatMap(({ prototype }) =>
      Object.getOwnPropertyNames(prototype).flatMap((name) => {
        const handler = (prototype as Record<string, object>)[name]!;
        const method = Reflect.getMetadata('method', handler) as RequestMethod | undefined;
        if (method === undefined) return [];
        return [[name, `${RequestMethod[method]} /${String(Reflect.getMetadata('path', handler))}`]];
      }),
    );
    const described = Object.entries(OPERATIONS).map(([name, { route }]) => [name, route]);
    expect(described.sort()).toEqual(routes.sort());
  });

  const fieldsOf = async (dto: new () => object): Promise<string[]> => {
    const { getMetadataStorage } = await loadClassValidator();
    const rules = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
    return [...new Set(rules.map(({ propertyName }) => propertyName))].sort();
  };

  it.each([
    ['RegisterService', RegisterServiceDto],
    ['Heartbeat', HeartbeatDto],
    ['Heartbeats', HeartbeatsDto],
    ['OperatorStatusUpdate', StatusDto],
    ['HealthReport', HealthDto],
    ['CircuitCommand', CircuitDto],
    ['WatchScope', WatchDto],
  ] as const)('has the fields that a body may have (%s)', async (name, dto) => {
    expect(Object.keys(SCHEMAS[name].properties ?? {}).sort()).toEqual(await fieldsOf(dto));
  });

  it.each([
    ['discover', DiscoverQuery],
    ['explain', ExplainQuery],
    ['aggregatedHealth', HealthQuery],
    ['deregister', DeregisterQuery],
    ['watch', WatchQuery],
  ])('has all query parameters (%s)', async (name, dto) => {
    expect(Object.keys(OPERATIONS[name]?.query ?? {}).sort()).toEqual(await fieldsOf(dto));
  });
});

describe('responses of the API', () => {
  let rest: RestApp;

  beforeAll(async () => {
    rest = await startRestApp('express');
    const { registry, clock } = rest;
    await registry.register(
      {
        serviceName: 'users',
        instanceId: 'a',
        host: '127.0.0.1',
        port: 8001,
        version: '1.2.0',
        tags: ['api'],
        zone: 'eu-1',
        tier: 'web',
        dependencies: ['mail'],
        metadata: { team: 'payments' },
        healthCheck: { interval: '5s' },
      },
      { heartbeat: 'manual' },
    );
    const detail = { checkedAt: clock.epoch(), latencyMs: 3, statusCode: 200, data: null, flapping: false };
    await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'healthy', detail);
    // A breaker exists from the first call on.
    await rest.communicator.callService('users', { path: '/' });
  });

  afterAll(async () => {
    await rest.close();
  });

  function faultsOf(value: unknown, name: string): string[] {
    return schemaFaults(value, withoutReferences<Schema>(SCHEMAS[name as keyof typeof SCHEMAS], SCHEMAS));
  }

  const instance = '/services/users/instances/a';
  const lease = { service_name: 'users', instance_id: 'a', generation: 1 };

  const ROWS = [
    ['POST', '/register', 201, { service_name: 'mail', host: '127.0.0.1', port: 8002, lease: 'heartbeat' }],
    ['POST', '/register', 400, { service_name: '' }],
    ['PUT', `${instance}/heartbeat`, 200, undefined],
    ['PUT', '/services/users/instances/none/heartbeat', 404, undefined],
    ['PUT', `${instance}/status`, 200, { status: 'maintenance', reason: 'a new disk', by: 'ada' }],
    ['GET', '/services/users', 200, undefined],
    ['GET', `${instance}/history`, 200, undefined],
    ['GET', '/health/aggregated', 200, undefined],
    ['PUT', `${instance}/status`, 200, { status: 'up' }],
    ['PUT', `${instance}/health`, 200, { status: 'healthy', detail: { reason: 'fine', latency_ms: 1 } }],
    ['GET', '/discover/users?version=^1.2&tag=api', 200, undefined],
    ['GET', '/discover/unknown', 404, undefined],
    ['GET', '/services', 200, undefined],
    ['GET', '/services/healthy', 200, undefined],
    ['GET', '/services/by-tag/api', 200, undefined],
    ['GET', '/health/aggregated?service=users', 200, undefined],
    ['POST', '/heartbeats', 200, { leases: [lease] }],
    ['GET', '/patterns', 200, undefined],
    ['PUT', '/circuit-breakers/users', 200, { state: 'isolated' }],
    ['PUT', `/circuit-breakers/users/instances/a`, 200, { state: 'closed' }],
    ['GET', '/circuit-breakers', 200, undefined],
    ['PUT', '/services/users/split', 200, { split: { via: { url: 'http://kong:8000/users', share: 20 } } }],
    ['PUT', '/services/users/share', 200, { share: 30, reason: 'step 2', by: 'ada' }],
    [
      'PUT',
      '/services/users/rollout',
      200,
      { version: '2.x', steps: [5, 100], step_duration: '1m', reason: 'release 2' },
    ],
    ['GET', '/services/users/split', 200, undefined],
    ['PUT', '/services/users/rollout/end', 200, { reason: 'wrong build' }],
    ['GET', '/ejections', 200, undefined],
    ['GET', '/journal?service=users&limit=1', 200, undefined],
    ['GET', '/journal?limit=0', 400, undefined],
    [
      'POST',
      '/reports',
      204,
      { version: 1, reporter: 'r', process: 'p:1', service_name: 'users', steps: [], entries: [] },
    ],
    ['GET', '/calls?minutes=5', 200, undefined],
    ['GET', '/topology', 200, undefined],
    ['GET', '/overview', 200, undefined],
    ['GET', '/sd/prometheus', 200, undefined],
    ['GET', '/scaling/users', 200, undefined],
    ['GET', '/scaling/unknown', 404, undefined],
    ['GET', '/explain/users', 200, undefined],
    ['GET', '/pipeline/users', 200, undefined],
  ] as const;

  it('are asked for on every route that answers with JSON', () => {
    const asked = ROWS.filter(([, , status]) => status < 400).map(([method, path]) => operationOf(method, path));
    const withJson = Object.values(OPERATIONS).filter(({ answers }) =>
      Object.values(answers).some((it) => it in SCHEMAS),
    );
    const missing = withJson.filter((operation) => !asked.includes(operation)).map(({ route }) => route);
    expect(missing).toEqual([]);
  });

  it.each(ROWS)('are what the document says: %s %s, %i', async (method, path, status, json) => {
    const operation = operationOf(method, path)!;
    const answer = await rest.send(method, path, { json });
    expect(answer.status).toBe(status);
    const name = status < 400 ? operation.answers[status]! : 'Error';
    if (name !== 'nothing') expect(faultsOf(answer.body, name)).toEqual([]);
    if (json !== undefined && status < 400) expect(faultsOf(json, operation.body!)).toEqual([]);
  });
});

describe('the token in Swagger', () => {
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
});
