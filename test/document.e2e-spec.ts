import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AppProcess, AppProcesses } from './support/app-processes.js';
import { RedisServer } from './support/redis-server.js';
import {
  addSources,
  buildPackage,
  type BuiltPackage,
  BUILD_TIMEOUT_MS,
  installPacked,
} from './support/built-package.js';

/**
 * The promises in the description of this module, one row per statement, checked against the package as npm packs and
 * installs it. Environment, bodies and examples are literal, except for ports and a namespace of the test.
 */

const ENVIRONMENT = {
  SERVICE_DISCOVERY_MODE: 'hybrid',
  SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL: '30',
  SERVICE_DISCOVERY_SERVICE_TTL: '300',
  SERVICE_DISCOVERY_HEALTH_CHECK_TIMEOUT: '10',
  SERVICE_DISCOVERY_CIRCUIT_BREAKER_FAILURE_THRESHOLD: '5',
  SERVICE_DISCOVERY_CIRCUIT_BREAKER_RECOVERY_TIMEOUT: '60',
  SERVICE_DISCOVERY_RETRY_MAX_ATTEMPTS: '3',
  SERVICE_DISCOVERY_RETRY_BASE_DELAY: '1.0',
  SERVICE_DISCOVERY_RETRY_MAX_DELAY: '60.0',
  SERVICE_DISCOVERY_DEFAULT_LOAD_BALANCING: 'round_robin',
};

const REGISTER_BODY = {
  service_name: 'user-service',
  host: 'localhost',
  port: 8080,
  protocol: 'http',
  path: '/api/v1',
  health_check_path: '/health',
  metadata: { version: '1.0.0', environment: 'production' },
  tags: ['api', 'user', 'web'],
};

/** An app of the installed package, and its answers. */
class Documented {
  url = '';

  constructor(readonly app: AppProcess) {}

  async open(): Promise<this> {
    ({ url: this.url } = (await this.app.message()) as { url: string });
    return this;
  }

  /** Runs an example in the app, and resolves with its result. */
  async run(example: string): Promise<unknown> {
    const answer = this.app.message();
    this.app.child.send(example);
    const { value, error } = (await answer) as { value?: unknown; error?: { code?: string; message: string } };
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return value;
  }

  async ask(path: string, init?: RequestInit): Promise<{ status: number; body: unknown; text: string }> {
    const response = await fetch(`${this.url}${path}`, init);
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, text };
  }

  get(path: string): Promise<unknown> {
    return this.ask(path).then(({ body }) => body);
  }

  post(path: string, body: object): Promise<{ status: number; body: unknown }> {
    return this.ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
}

let built: BuiltPackage;
const processes = new AppProcesses();
/** With the documented environment, and a Redis. */
let main: Documented;
/** With the `majority` rule for overall health. */
let majority: Documented;
/** With the documented environment only. */
let alone: Documented;
let redis: RedisServer;
/** For REST only, in memory. */
let rest: Documented;
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ status: 'healthy', uptime: 3600, memory_usage: '45%' }));
});
await once(server.listen(0, 'localhost'), 'listening');
const { port } = server.address() as AddressInfo;

const start = (env: Record<string, string>): Promise<Documented> =>
  new Documented(processes.start(join(built.consumer, 'app.js'), env)).open();

beforeAll(async () => {
  built = await buildPackage({ name: 'reader', type: 'module' });
  await installPacked(built);
  await addSources(built, 'test/document');
  redis = await RedisServer.start();
  const promised = { ...ENVIRONMENT, SERVICE_DISCOVERY_NAMESPACE: `document-${process.pid}` };
  [main, alone, majority, rest] = await Promise.all([
    start({ ...promised, SERVICE_DISCOVERY_REDIS_URL: redis.url }),
    start(promised),
    start({ SERVICE_DISCOVERY_MODE: 'memory_only', HEALTH_RULE: 'majority' }),
    start({ SERVICE_DISCOVERY_MODE: 'memory_only' }),
  ]);
  const registered = await rest.post('/service-discovery/register', { ...REGISTER_BODY, port });
  expect(registered).toMatchObject({ status: 201 });
  await rest.run('wait for user-service');
  await main.run('register services');
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  processes.kill();
  await redis.stop();
  server.close();
  await built.remove();
});

interface Row {
  readonly says: string;
  readonly seen: () => Promise<unknown>;
  readonly expected: unknown;
}

const table: Readonly<Record<string, readonly Row[]>> = {
  'registration and discovery over REST': [
    {
      says: 'discover answers name, base URL and status',
      seen: () => rest.get('/service-discovery/discover/user-service'),
      expected: expect.objectContaining({
        service_name: 'user-service',
        base_url: `http://localhost:${port}/api/v1`,
        status: 'healthy',
      }),
    },
    {
      says: 'the health check path is taken from the root of the host, not below the path',
      seen: () => rest.get('/service-discovery/services/user-service'),
      expected: expect.objectContaining({
        instances: [
          expect.objectContaining({ path: '/api/v1', health_check_path: '/health', health_status: 'healthy' }),
        ],
      }),
    },
    {
      says: 'the version in the metadata is the version',
      seen: () => rest.ask('/service-discovery/discover/user-service?version=^1').then(({ status }) => status),
      expected: 200,
    },
    {
      says: 'services are grouped by tags',
      seen: () => rest.get('/service-discovery/services/by-tag/api'),
      expected: expect.objectContaining({ services: [expect.objectContaining({ service_name: 'user-service' })] }),
    },
    {
      says: 'a tag that no service has lists none',
      seen: () => rest.get('/service-discovery/services/by-tag/none'),
      expected: expect.objectContaining({ services: [] }),
    },
    {
      says: 'all services are listed',
      seen: () => rest.get('/service-discovery/services'),
      expected: expect.objectContaining({ services: [expect.objectContaining({ service_name: 'user-service' })] }),
    },
    {
      says: 'healthy services are listed',
      seen: () => rest.get('/service-discovery/services/healthy'),
      expected: expect.objectContaining({ services: [expect.objectContaining({ service_name: 'user-service' })] }),
    },
  ],
  'aggregated health': [
    {
      says: 'the answer has the overall status, a time, every service with its health data, and counts',
      seen: () => rest.get('/service-discovery/health/aggregated'),
      expected: expect.objectContaining({
        overall_status: 'healthy',
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/),
        services: {
          'user-service': expect.objectContaining({
            status: 'healthy',
            endpoint: `http://localhost:${port}/api/v1`,
            last_heartbeat: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
            health_data: { status: 'healthy', uptime: 3600, memory_usage: '45%' },
          }),
        },
        total_services: 1,
        healthy_services: 1,
        unhealthy_services: 0,
      }),
    },
    {
      says: 'four healthy services of five are healthy as a whole, where the majority decides',
      seen: () => majority.run('four of five services'),
      expected: { overallStatus: 'healthy', totalServices: 5, healthyServices: 4, unhealthyServices: 1 },
    },
    {
      says: 'a service whose checks fail is not among the healthy ones',
      seen: async () => {
        const list = (await majority.get('/service-discovery/services/healthy')) as {
          services: { service_name: string }[];
        };
        return list.services.map(({ service_name: name }) => name).sort();
      },
      expected: ['inventory', 'mail', 'orders', 'users'],
    },
    {
      says: 'the health endpoint of the app includes it',
      seen: () => rest.get('/health'),
      expected: expect.objectContaining({
        status: 'healthy',
        service_discovery: expect.objectContaining({
          overall_status: 'healthy',
          total_services: 1,
          healthy_services: 1,
          unhealthy_services: 0,
        }),
      }),
    },
  ],
  'registering again': [
    {
      says: 'a second registration with the same body is taken as well',
      seen: () => rest.post('/service-discovery/register', { ...REGISTER_BODY, port }),
      expected: expect.objectContaining({
        status: 200,
        body: expect.objectContaining({ service_name: 'user-service', base_url: `http://localhost:${port}/api/v1` }),
      }),
    },
    {
      says: 'a registration lives for its TTL, and says for how long',
      seen: () =>
        rest.post('/service-discovery/register', { ...REGISTER_BODY, port, ttl: 120 }).then(({ body }) => body),
      expected: expect.objectContaining({ ttl: 120 }),
    },
    {
      says: 'a heartbeat renews it',
      seen: () =>
        rest
          .ask(`/service-discovery/services/user-service/instances/localhost:${port}/heartbeat`, { method: 'PUT' })
          .then(({ status }) => status),
      expected: 200,
    },
  ],
  'the end of a registration': [
    {
      says: 'one that no heartbeat renews ends after its TTL',
      seen: async () => {
        const ended = rest.run('wait for an expiry');
        await rest.post('/service-discovery/register', { service_name: 'silent', host: 'localhost', port, ttl: 1 });
        return ended;
      },
      expected: 'silent',
    },
    {
      says: 'one that is taken back is gone',
      seen: async () => {
        const id = `/service-discovery/services/user-service/instances/localhost:${port}`;
        const { status } = await rest.ask(id, { method: 'DELETE' });
        return [status, (await rest.ask('/service-discovery/discover/user-service')).status];
      },
      expected: [204, 404],
    },
  ],
  'the environment': [
    {
      says: 'the environment alone starts an app, also where no Redis is at the usual address',
      seen: () => alone.ask('/health/live').then(({ status }) => status),
      expected: 200,
    },
    {
      says: 'circuit breaker, retry and load balancing go by it',
      seen: () => main.get('/service-discovery/pipeline/user-service'),
      expected: expect.objectContaining({
        stages: expect.arrayContaining([
          expect.objectContaining({
            stage: 'circuit_breaker',
            options: expect.objectContaining({ failure_threshold: 5, recovery_timeout: 60 }),
          }),
          expect.objectContaining({
            stage: 'retry',
            options: expect.objectContaining({ max_attempts: 3, base_delay: 1, max_delay: 60 }),
          }),
          expect.objectContaining({
            stage: 'load_balancing',
            options: expect.objectContaining({ strategy: 'round_robin' }),
          }),
        ]),
      }),
    },
    {
      says: 'the TTL of a registration is that of the environment',
      seen: () =>
        main
          .post('/service-discovery/register', { service_name: 'other', host: 'localhost', port: 1 })
          .then(({ body }) => body),
      expected: expect.objectContaining({ ttl: 300 }),
    },
    {
      says: 'a configuration can be had by the name of an environment',
      seen: () => main.run('configuration by environment name'),
      expected: expect.objectContaining({ retry: expect.anything(), circuitBreaker: expect.anything() }),
    },
  ],
  'examples of use': [
    {
      says: 'a resilient call answers with JSON',
      seen: () => main.run('call as JSON'),
      expected: { service: 'user-service', method: 'GET', url: '/users/123' },
    },
    {
      says: 'circuit breaker and retry are configured for a communicator of its own',
      seen: () => main.run('circuit breaker and retry'),
      expected: {
        answer: { service: 'user-service', method: 'GET', url: '/users' },
        retry: expect.objectContaining({ maxAttempts: 5, baseDelay: 2_000 }),
        circuitBreaker: expect.objectContaining({ failureThreshold: 3, recoveryTimeout: 30_000 }),
      },
    },
    {
      says: 'another load balancing strategy is a constant away',
      seen: () => main.run('load balancing'),
      expected: { answer: expect.objectContaining({ service: 'user-service' }), strategy: 'least_connections' },
    },
    {
      says: 'parallel calls answer in the order of the calls, and one that fails stops no other',
      seen: () => main.run('parallel calls'),
      expected: [
        { index: 0, data: expect.objectContaining({ service: 'user-service', url: '/users/123' }) },
        { index: 1, data: expect.objectContaining({ service: 'order-service', url: '/orders/456' }) },
        { index: 2, data: expect.objectContaining({ service: 'inventory-service', url: '/inventory/789' }) },
        { index: 3, code: 'SERVICE_NOT_FOUND' },
      ],
    },
    {
      says: 'a fallback service answers in place of one that fails',
      seen: () => main.run('fallback'),
      expected: { data: { service: 'backup-ml-service', method: 'POST', url: '/recommend' }, fallback: true },
    },
    {
      says: 'it is an error where both fail',
      seen: () =>
        main.run('both services fail').then(
          () => 'no error',
          (error: { code?: string }) => error.code,
        ),
      expected: 'FALLBACK_FAILED',
    },
    {
      says: 'a test registers a service, discovers it and cleans up',
      seen: () => main.run('integration test'),
      expected: { found: true, ended: true, after: null },
    },
    {
      says: 'services, health and a failing call can be looked at for debugging',
      seen: () => main.run('debug commands'),
      expected: { services: expect.anything(), total: expect.any(Number), failure: 'SERVICE_NOT_FOUND' },
    },
  ],
  communication: [
    {
      says: 'calls are spread evenly over the instances',
      seen: () => main.run('spread of calls'),
      expected: [5, 5],
    },
    {
      says: 'connections are kept from call to call',
      seen: () => main.run('connections of calls'),
      expected: 1,
    },
    {
      says: 'a call ends at its timeout',
      seen: () => main.run('timeout'),
      expected: 'DEADLINE_EXCEEDED',
    },
    {
      says: 'every load balancing strategy can be chosen',
      seen: async () => {
        const { strategies, inForce } = (await main.run('load balancing strategies')) as Record<string, string[]>;
        return { same: JSON.stringify(strategies) === JSON.stringify(inForce), strategies };
      },
      expected: {
        same: true,
        strategies: expect.arrayContaining(['round_robin', 'weighted_round_robin', 'random', 'least_connections']),
      },
    },
  ],
  'protection of calls': [
    {
      says: 'five failures in a row open the circuit, and the next call is refused',
      seen: () => main.run('open circuit'),
      expected: {
        opened: [{ service: 'failing-service', failures: 5 }],
        codes: [...Array.from({ length: 5 }, () => 'RESPONSE_STATUS'), 'CIRCUIT_OPEN'],
      },
    },
    {
      says: 'a failed call is repeated up to three attempts',
      seen: () => main.run('retries with backoff'),
      expected: { retried: [2, 3], attempts: 3 },
    },
    {
      says: 'there is a pattern for each tier',
      seen: () => main.run('communication patterns'),
      expected: ['web', 'app', 'data', 'ml', 'monitoring'],
    },
    {
      says: 'the patterns are in the API',
      seen: () => main.get('/service-discovery/patterns'),
      expected: {
        patterns: expect.objectContaining({
          web: expect.anything(),
          app: expect.anything(),
          data: expect.anything(),
          ml: expect.anything(),
          monitoring: expect.anything(),
        }),
      },
    },
  ],
};

describe.each(Object.entries(table))('%s', (_chapter, rows) => {
  it.each(rows.map((row) => [row.says, row] as const))('%s', async (_says, { seen, expected }) => {
    expect(await seen()).toEqual(expected);
  });
});

describe('metrics', () => {
  it.each([
    ['registrations', 'registrations_total'],
    ['deregistrations', 'deregistrations_total'],
    ['successes and failures of health checks', 'health_checks_total{service="user-service",result="success"}'],
    ['changes of circuit breakers', 'circuit_state_changes_total'],
    ['retries', 'retries_total{service="retried-service"} 2'],
    ['load balancing decisions', 'balancing_decisions_total{service="user-service"'],
  ])('count %s', async (_what, series) => {
    const { text } = await main.ask('/service-discovery/metrics');
    expect(text).toContain(`service_discovery_${series}`);
  });
});

describe('the chapters', () => {
  it.each([
    ['migrate-from-kong.md', ['Identify', 'Configure', 'Register', 'Update', 'Monitor']],
    [
      'migrate-from-kong.md',
      [
        'Upstream health checks',
        'Load balancing',
        'Service discovery',
        'Circuit breaker',
        'Retry policy',
        'Service mesh',
      ],
    ],
    [
      'troubleshooting.md',
      ['Service not discovered', 'Health checks failing', 'Circuit breaker always open', 'Load balancing not working'],
    ],
    ['mesh.md', ['Istio', 'Linkerd']],
    ['autoscaling.md', ['HorizontalPodAutoscaler', 'KEDA']],
  ])('docs/%s has %j, and comes with the package', async (file, parts) => {
    const text = await readFile(join(built.consumer, 'node_modules/nest-service-discovery/docs', file), 'utf8');
    for (const part of parts) expect(text).toContain(part);
  });
});

describe('the end of the app', () => {
  let log: string;

  beforeAll(async () => {
    main.app.child.disconnect();
    expect(await main.app.ended).toEqual({ code: 0, signal: null });
    log = await main.app.output;
  });

  it.each([
    ['the life of services', 'registered at'],
    ['the life of services, also their end', 'deregistered'],
    ['results of health checks', 'Health check of user-service'],
    ['failures of communication', 'GET / of failing-service failed'],
    ['changes of circuit breakers', 'Circuit of failing-service'],
    ['load balancing decisions', 'Attempt 1 of a call to user-service goes to'],
  ])('leaves %s in the log', (_what, line) => {
    expect(log).toContain(line);
  });
});
