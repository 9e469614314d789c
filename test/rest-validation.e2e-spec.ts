import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, PLATFORMS, type RestApp, type SendOptions, startRestApp } from './support/rest-app.js';

const USER = { service_name: 'user-service', host: '10.0.0.7', port: 8080 };
const REMOVED = 'x-service-discovery-removed';
const INSTANCE = '/services/user-service/instances/10.0.0.7:8080';

describe.each(PLATFORMS)('invalid input to the REST API on %s', (platform) => {
  let rest: RestApp;

  beforeAll(async () => {
    rest = await startRestApp(platform);
  });
  afterEach(async () => {
    // Whatever was sent: nothing was registered, and the API still works.
    expect((await rest.send('GET', '/services')).body).toEqual({ services: [], total: 0 });
  });
  afterAll(() => rest.close());

  const register = (json: unknown): Promise<Answer> => rest.send('POST', '/register', { json });
  const fieldsOf = ({ body }: Answer): unknown => body.error.problems.map((problem) => problem.field);

  describe('in one field of a registration', () => {
    it.each<[field: string, value: unknown]>([
      ['service_name', undefined],
      ['service_name', null],
      ['service_name', 7],
      ['service_name', ''],
      ['service_name', 'user service'],
      ['service_name', 'user/service'],
      ['service_name', '../admin'],
      ['service_name', '-user'],
      ['service_name', 'ü'],
      ['service_name', 'a'.repeat(129)],
      ['service_name', ['user-service']],
      ['host', undefined],
      ['host', ''],
      ['host', 7],
      ['host', 'example.com/path'],
      ['host', 'user:secret@example.com'],
      ['host', 'http://example.com'],
      ['host', 'example.com:80'],
      ['host', 'exa mple.com'],
      ['host', 'example.com?x'],
      ['host', 'example.com#x'],
      ['host', 'exam\nple.com'],
      ['host', `${'a'.repeat(254)}`],
      ['port', undefined],
      ['port', null],
      ['port', 0],
      ['port', 65_536],
      ['port', -1],
      ['port', 80.5],
      ['port', '80'],
      ['port', '80a'],
      ['port', true],
      ['protocol', 'ftp'],
      ['protocol', 'HTTP'],
      ['protocol', 1],
      ['path', 'api'],
      ['path', '/api?x=1'],
      ['path', '/../etc'],
      ['path', '//evil.example'],
      ['health_check_path', 'health'],
      ['health_check_path', 'http://evil.example/'],
      ['health_check', '/ready'],
      ['health_check', null],
      ['health_check', []],
      ['metadata', 'x'],
      ['metadata', [1]],
      ['metadata', null],
      ['metadata', { blob: 'x'.repeat(200_000) }],
      ['tags', 'api'],
      ['tags', { 0: 'api' }],
      ['tags', ['api', 7]],
      ['tags', ['']],
      ['tags', ['with space']],
      ['tags', Array.from({ length: 65 }, (_, index) => `t${index}`)],
      ['version', '1.2'],
      ['version', 'latest'],
      ['version', 1],
      ['weight', -1],
      ['weight', 65_536],
      ['weight', '100'],
      ['weight', 1.5],
      ['zone', ''],
      ['zone', 'a/b'],
      ['zone', 7],
      ['tier', 'front end'],
      ['instance_id', ''],
      ['instance_id', 'a/b'],
      ['instance_id', 'a b'],
      ['instance_id', 7],
      ['ttl', 0],
      ['ttl', 0.5],
      ['ttl', 86_401],
      ['ttl', '30s'],
      ['ttl', null],
      ['dependencies', 'orders'],
      ['dependencies', ['orders', 'a b']],
      ['unknown_field', 1],
      ['serviceName', 'user-service'],
      ['generation', 1],
    ])('%s = %j is rejected with 400 and its name', async (field, value) => {
      const answer = await register({ ...USER, [field]: value });
      expect([answer.status, answer.body.error.code, fieldsOf(answer)]).toEqual([400, 'INVALID_INSTANCE', [field]]);
      const [problem] = answer.body.error.problems;
      expect(problem?.expected).toEqual(expect.any(String));
      expect(answer.body.error.message).toContain(field);
      expect(JSON.stringify(answer.body).length).toBeLessThan(2_000);
    });
  });

  it('names the invalid dependency', async () => {
    const { body } = await register({ ...USER, dependencies: ['orders', 'a b'] });
    expect(body.error.problems[0]?.expected).toMatch(/^a name of 1 to 128 letters.* as dependencies\[1\]$/);
  });

  it('names wrong fields within a health check, in REST spelling and along with other fields', async () => {
    const healthCheck = { interval: 0.5, timeout: '2s', path: '/a\r\nb', headers: { host: 's3cr3t' }, aliasOf: 'a' };
    const answer = await register({ ...USER, port: 0, health_check: healthCheck });
    expect([answer.status, answer.body.error.code]).toEqual([400, 'INVALID_INSTANCE']);
    expect(fieldsOf(answer)).toEqual([
      'port',
      'health_check.aliasOf',
      'health_check.interval',
      'health_check.timeout',
      'health_check.path',
      'health_check.headers.host',
      'health_check.headers',
    ]);
    expect(JSON.stringify(answer.body)).not.toContain('s3cr3t');
  });

  it('names every wrong or unknown field together', async () => {
    const answer = await register({ host: 'a b', port: '80a', tags: 'x', protocol: 'ftp', colour: 'red', ttl: '1s' });
    expect(answer.status).toBe(400);
    expect((fieldsOf(answer) as string[]).sort()).toEqual([
      'colour',
      'host',
      'port',
      'protocol',
      'service_name',
      'tags',
      'ttl',
    ]);
    expect(answer.body).toEqual({
      error: {
        code: 'INVALID_INSTANCE',
        message: expect.any(String),
        page: expect.any(String),
        problems: expect.any(Array),
      },
      status_code: 400,
    });
    expect(answer.body.error.problems).toContainEqual({
      field: 'port',
      value: '80a',
      expected: 'a whole number from 1 to 65535',
    });
  });

  it('names a forbidden host along with the wrong fields', async () => {
    const answer = await register({ ...USER, host: '169.254.169.254', port: 0 });
    expect([answer.body.error.code, (fieldsOf(answer) as string[]).sort()]).toEqual([
      'INVALID_INSTANCE',
      ['host', 'port'],
    ]);
  });

  it('rejects metadata that is nested too deeply to serialize', async () => {
    const deep = '{"x":'.repeat(30_000) + '1' + '}'.repeat(30_000);
    const raw = JSON.stringify(USER).replace('}', `,"metadata":${deep}}`);
    const answer = await rest.send('POST', '/register', { raw });
    expect([answer.status, fieldsOf(answer)]).toEqual([400, ['metadata']]);
  });

  it('rejects names that could register but never appear in a path', async () => {
    const long = 'a'.repeat(101);
    const named = await register({ ...USER, service_name: long, instance_id: `${long}1` });
    const hosted = await register({ ...USER, host: `${'a'.repeat(50)}.${'b'.repeat(50)}` });
    if (platform === 'fastify') {
      expect([named.status, fieldsOf(named)]).toEqual([400, ['service_name', 'instance_id']]);
      expect([hosted.status, fieldsOf(hosted)]).toEqual([400, ['instance_id']]);
    } else {
      for (const { status, body } of [named, hosted]) {
        const { service_name: name, instance_id: id } = body;
        expect([status, (await rest.send('DELETE', `/services/${name}/instances/${id}`)).headers[REMOVED]]).toEqual([
          201,
          'true',
        ]);
      }
    }
  });

  it('reveals no contents of an object', async () => {
    const answer = await register({ ...USER, tags: { password: 'hunter2' }, extra: { password: 'hunter2' } });
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
  });

  describe('in the body as a whole', () => {
    const register = (options: SendOptions): Promise<Answer> => rest.send('POST', '/register', options);
    it.each<[name: string, options: SendOptions]>([
      ['that is no JSON', { raw: '{"service_name": ' }],
      ['that is text', { raw: 'hello' }],
      ['that is a list', { raw: '[1]' }],
      ['that is null', { raw: 'null' }],
      ['that is a number', { raw: '7' }],
      ['that is not there', {}],
      ['that is a form', { raw: 'host=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
      ['that is JSON said to be text', { raw: JSON.stringify(USER), headers: { 'content-type': 'text/plain' } }],
      ['that is XML', { raw: '<a/>', headers: { 'content-type': 'application/xml' } }],
      ['that is said to be compressed', { raw: JSON.stringify(USER), headers: { 'content-encoding': 'gzip' } }],
    ])('%s: 400', async (_name, options) => {
      const answer = await register(options);
      expect([answer.status, answer.body.error.code, fieldsOf(answer)]).toEqual([400, 'INVALID_REQUEST', ['body']]);
    });

    it('that is far too long: 413', async () => {
      const answer = await register({ raw: JSON.stringify({ ...USER, metadata: { x: 'x'.repeat(5 * 1_048_576) } }) });
      expect([answer.status, answer.body.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    });

    it('that breaks off has no effect', async () => {
      await new Promise<void>((resolve) => {
        const broken = request({
          port: rest.port,
          path: '/service-discovery/register',
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': '1000' },
        });
        broken.on('error', () => undefined);
        broken.on('close', () => resolve());
        broken.write('{"service_name": ', () => broken.destroy());
      });
    });

    it('with prototype keys pollutes nothing', async () => {
      const answer = await register({
        raw: '{"__proto__": {"polluted": true}, "constructor": 1, "service_name": "user-service", "host": "x", "port": 1}',
      });
      expect([answer.status, (fieldsOf(answer) as string[]).sort()]).toEqual([400, ['__proto__', 'constructor']]);
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    });
  });

  describe('in other calls', () => {
    it.each<[method: string, path: string, json: unknown, fields: string[]]>([
      ['PUT', `${INSTANCE}/status`, { status: 'down' }, ['status']],
      ['PUT', `${INSTANCE}/status`, {}, ['status']],
      [
        'PUT',
        `${INSTANCE}/status`,
        { status: 'up', reason: '', by: 'x'.repeat(129), why: 'x' },
        ['reason', 'by', 'why'],
      ],
      ['PUT', `${INSTANCE}/status`, { status: 'healthy' }, ['status']],
      ['PUT', `${INSTANCE}/status`, undefined, ['body']],
      ['PUT', `${INSTANCE}/heartbeat`, { generation: '1' }, ['generation']],
      ['PUT', `${INSTANCE}/heartbeat`, { generation: -1, x: 1 }, ['generation', 'x']],
      ['PUT', `${INSTANCE}/health`, { status: 'up' }, ['status']],
      ['PUT', `${INSTANCE}/health`, { status: 'healthy', detail: { latency_ms: -1 } }, ['detail']],
      ['PUT', `${INSTANCE}/health`, { status: 'healthy', detail: { surprise: 1 } }, ['detail']],
      ['PUT', `${INSTANCE}/health`, { status: 'healthy', detail: { data: 'x'.repeat(70_000) } }, ['detail']],
      ['POST', '/heartbeats', {}, ['leases']],
      ['POST', '/heartbeats', { leases: 'x' }, ['leases']],
      ['POST', '/heartbeats', { leases: [{ service_name: 'a', instance_id: 'b' }] }, ['leases']],
      ['DELETE', `${INSTANCE}?generation=x`, undefined, ['generation']],
      ['DELETE', `${INSTANCE}?force=true`, undefined, ['force']],
      ['GET', '/discover/user-service?version=banana', undefined, ['version']],
      ['GET', '/discover/user-service?strategy=best', undefined, ['strategy']],
      ['GET', '/discover/user-service?strategy=random&strategy=random', undefined, ['strategy']],
      ['GET', '/discover/user-service?colour=red&zone=a&zone=b', undefined, ['zone', 'colour']],
      ['GET', `/discover/user-service?key=${'k'.repeat(1_025)}`, undefined, ['key']],
      ['GET', '/watch?services=a,,b', undefined, ['services']],
      ['GET', '/watch?renewals=maybe&x=1', undefined, ['renewals', 'x']],
    ])('%s %s %j is rejected with 400 and its name', async (method, path, json, fields) => {
      const answer = await rest.send(method, path, { json });
      expect([answer.status, answer.body.error.code]).toEqual([400, 'INVALID_REQUEST']);
      expect(fieldsOf(answer)).toEqual(fields);
    });

    it.each(['user%20service', 'a%2Fb', '%00', '..%2f..', '__proto__', 'constructor', 'a'.repeat(100)])(
      'a service named %s is reported as not registered',
      async (name) => {
        for (const path of [`/discover/${name}`, `/services/${name}`]) {
          expect((await rest.send('GET', path)).body.error.code).toBe('SERVICE_NOT_FOUND');
        }
        for (const what of ['heartbeat', 'status']) {
          const answer = await rest.send('PUT', `/services/${name}/instances/${name}/${what}`, {
            json: what === 'status' ? { status: 'up' } : {},
          });
          expect(answer.status).toBe(404);
        }
        expect((await rest.send('DELETE', `/services/${name}/instances/${name}`)).status).toBe(204);
      },
    );
  });
});
