import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EventLogger } from '../libs/service-discovery/src/observability/index.js';
import { type ApiOptions, restProviders } from '../libs/service-discovery/src/nest/rest/index.js';
import { type Answer, PLATFORMS, type RestApp, type RestAppOptions, startRestApp } from './support/rest-app.js';
import { readsOfAll } from './support/routes.js';

const USER = { service_name: 'user-service', host: '10.0.0.7', port: 8080 };
const INSTANCE = '/services/user-service/instances/10.0.0.7:8080';

/** All requests that need access, also where reading is open. */
const RESTRICTED: readonly (readonly [method: string, path: string, json?: object])[] = [
  ['POST', '/register', USER],
  ['PUT', `${INSTANCE}/heartbeat`, {}],
  ['PUT', `${INSTANCE}/status`, { status: 'maintenance' }],
  ['PUT', `${INSTANCE}/health`, { status: 'healthy' }],
  ['POST', '/heartbeats', { leases: [] }],
  ['DELETE', INSTANCE],
  ['PUT', '/circuit-breakers/user-service', { state: 'isolated' }],
  ['PUT', '/circuit-breakers/user-service/instances/i', { state: 'isolated' }],
  ['PUT', '/services/user-service/split', { split: {} }],
  ['PUT', '/services/user-service/share', { share: 5 }],
  ['PUT', '/services/user-service/rollout', { version: '2.x' }],
  ['PUT', '/services/user-service/rollout/end', {}],
  ['GET', '/watch'],
  ['GET', '/events'],
  ['GET', '/journal'],
  ['GET', '/journal/stream'],
  ['POST', '/watch', {}],
  ['POST', '/reports', {}],
];
const OPEN = readsOfAll().filter((read) => !RESTRICTED.some(([method, path]) => method === 'GET' && path === read));

/** The warnings that the app's log has from now on. */
function logOf({ bus, clock }: RestApp): string[] {
  const warnings: string[] = [];
  const none = (): void => undefined;
  const port = { debug: none, log: none, error: none, warn: (message: string) => void warnings.push(message) };
  new EventLogger(bus, port, {}, { clock });
  return warnings;
}

/** A client on the network. */
const STRANGER = '192.0.2.7';

@Injectable()
class Keys {
  readonly valid = 'Bearer letmein';
}

@Injectable()
class KeyGuard implements CanActivate {
  constructor(private readonly keys: Keys) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    return headers.authorization === this.keys.valid;
  }
}

describe.each(PLATFORMS)('access to the REST API on %s', (platform) => {
  let rest: RestApp;
  const start = async (options: RestAppOptions = {}): Promise<RestApp> =>
    (rest = await startRestApp(platform, options));
  afterEach(() => rest.close());

  const refusedEverywhere = async (
    ask: (method: string, path: string, json?: object) => Promise<Answer>,
  ): Promise<void> => {
    for (const [method, path, json] of RESTRICTED) {
      const { status, body } = await ask(method, path, json);
      expect([method, path, status, body.error.code]).toEqual([method, path, 403, 'FORBIDDEN']);
      expect(body).toEqual({
        error: { code: 'FORBIDDEN', message: expect.any(String), page: expect.any(String), problems: [] },
        status_code: 403,
      });
    }
    expect(rest.registry.listServices()).toEqual([]);
  };

  describe('without a guard', () => {
    it.each([STRANGER, '2001:db8::7', '::ffff:192.0.2.7'])('allows %s neither to read nor to write', async (peer) => {
      await start({ peer });
      await refusedEverywhere((method, path, json) =>
        rest.send(method, path, { json, headers: { host: 'localhost' } }),
      );
      for (const path of OPEN) {
        const { status, body } = await rest.send('GET', path);
        expect([path, status]).toEqual([path, 403]);
        expect(body.error.message).toMatch(/SERVICE_DISCOVERY_TOKEN[^]*guardReads: false/);
      }
    });

    it('allows strangers to read, but not to write, with guardReads: false', async () => {
      await start({ peer: STRANGER, api: { guardReads: false } });
      await refusedEverywhere((method, path, json) =>
        rest.send(method, path, { json, headers: { host: 'localhost' } }),
      );
      for (const path of OPEN) expect((await rest.send('GET', path)).status).toBe(200);
      const { body } = await rest.send('POST', '/register', { json: USER });
      expect(body.error.message).toContain('api.guard');
    });

    it('logs a rejection once a minute', async () => {
      await start({ peer: STRANGER });
      const warn = logOf(rest);
      const refusals = async (): Promise<unknown[]> => {
        for (let again = 0; again < 3; again++) await rest.send('POST', '/register', { json: USER });
        return warn.splice(0);
      };
      expect(await refusals()).toEqual([expect.stringMatching(/^A request was refused\..*192\.0\.2\.7.*api\.guard/)]);
      rest.clock.advance(60_000);
      expect(await refusals()).toHaveLength(1);
    });

    it('allows local clients to write, under any name of the host', async () => {
      await start();
      for (const host of [
        'localhost',
        'localhost:3000',
        '127.0.0.1',
        '127.0.0.2:80',
        '[::1]:3000',
        'registry.localhost',
      ]) {
        const { status } = await rest.send('POST', '/register', { json: USER, headers: { host } });
        expect([host, status < 300]).toEqual([host, true]);
      }
    });

    it.each([
      'x-forwarded-for',
      'forwarded',
      'via',
      'x-real-ip',
      'x-forwarded-host',
      'cf-connecting-ip',
      'true-client-ip',
      'x-envoy-external-address',
    ])('denies writes through a proxy that sets %s, whatever its value', async (header) => {
      await start();
      await refusedEverywhere((method, path, json) =>
        rest.send(method, path, { json, headers: { [header]: '127.0.0.1' } }),
      );
    });

    it.each<[string, Record<string, string>]>([
      ['asks for another host (DNS rebinding)', { host: 'evil.example' }],
      ['asks for a name that only begins as loopback', { host: '127.0.0.1.evil.example' }],
      ['comes from a page of another origin', { origin: 'https://evil.example' }],
      ['comes from a page without an origin', { origin: 'null' }],
    ])('denies writes to a client that %s', async (_what, headers) => {
      await start();
      await refusedEverywhere((method, path, json) => rest.send(method, path, { json, headers }));
    });

    it('allows writes from a page of the same origin', async () => {
      await start();
      const { status } = await rest.send('POST', '/register', { json: USER, headers: { origin: rest.origin } });
      expect(status).toBe(201);
    });

    it('allows reads from this machine only', async () => {
      await start();
      await rest.send('POST', '/register', { json: USER });
      for (const path of [...OPEN, '/services/user-service', `${INSTANCE}/history`]) {
        expect((await rest.send('GET', path)).status).toBe(200);
        expect((await rest.send('GET', path, { headers: { via: 'x' } })).status).toBe(403);
      }
    });
  });

  describe('with a token', () => {
    const TOKEN = 'correct-horse+battery/staple==';
    const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

    it('allows writes with it from another machine', async () => {
      await start({ peer: STRANGER, api: { token: TOKEN } });
      expect((await rest.send('POST', '/register', { json: USER, headers: bearer(TOKEN) })).status).toBe(201);
      const headers = { authorization: `bearer  ${TOKEN}`, host: 'registry.example', 'x-forwarded-for': '203.0.113.9' };
      for (const [method, path, json] of RESTRICTED.filter(([verb]) => verb !== 'GET')) {
        const { status } = await rest.send(method, path, { json, headers });
        expect([method, path, status === 401 || status === 403]).toEqual([method, path, false]);
      }
    });

    it('answers 401 with instructions to a request without it from another machine', async () => {
      await start({ peer: STRANGER, api: { token: TOKEN } });
      for (const headers of [{}, { authorization: 'Basic dXNlcjpwYXNz' }] as Record<string, string>[]) {
        for (const [method, path, json] of RESTRICTED) {
          const answer = await rest.send(method, path, { json, headers });
          expect([method, path, answer.status]).toEqual([method, path, 401]);
          expect(answer.headers['www-authenticate']).toBe('Bearer realm="service-discovery"');
          expect(answer.body).toEqual({
            error: {
              code: 'UNAUTHORIZED',
              message: expect.stringContaining('Authorization: Bearer'),
              page: expect.stringMatching(/errors\.md#UNAUTHORIZED$/),
              problems: [],
            },
            status_code: 401,
          });
        }
      }
      expect(rest.registry.listServices()).toEqual([]);
    });

    it('needs none for reads with guardReads: false', async () => {
      await start({ peer: STRANGER, api: { token: TOKEN, guardReads: false } });
      for (const path of OPEN) expect((await rest.send('GET', path)).status).toBe(200);
    });

    it.each(['wrong', '', TOKEN.slice(1), `${TOKEN}=`, `${TOKEN},other`, 'other'])(
      'a request with the wrong token %p is answered 403, from this machine as well',
      async (token) => {
        for (const peer of [STRANGER, undefined]) {
          await start({ peer, api: { token: `${TOKEN},another` } });
          await refusedEverywhere((method, path, json) => rest.send(method, path, { json, headers: bearer(token) }));
          const { body } = await rest.send('POST', '/register', { json: USER, headers: bearer(token) });
          expect(body.error.message).toContain('SERVICE_DISCOVERY_TOKEN');
          if (peer !== undefined) await rest.close();
        }
      },
    );

    it('accepts each of several tokens', async () => {
      await start({ peer: STRANGER, api: { token: 'new, old' } });
      for (const token of ['new', 'old']) {
        const { status } = await rest.send('POST', '/register', { json: USER, headers: bearer(token) });
        expect([token, status < 300]).toEqual([token, true]);
      }
    });

    it('allows local writes without one, unless a proxy forwards them', async () => {
      await start({ api: { token: TOKEN } });
      expect((await rest.send('POST', '/register', { json: USER })).status).toBe(201);
      const { status } = await rest.send('POST', '/register', { json: USER, headers: { via: 'x' } });
      expect(status).toBe(401);
    });

    it('lets a guard decide on requests without a valid token', async () => {
      await start({ api: { token: TOKEN, guard: KeyGuard }, providers: [Keys] });
      const statusWith = async (headers: Record<string, string>): Promise<number> =>
        (await rest.send('POST', '/register', { json: USER, headers })).status;
      expect(await statusWith({})).toBe(403);
      expect(await statusWith(bearer('wrong'))).toBe(403);
      expect(await statusWith(bearer('letmein'))).toBe(201);
      expect(await statusWith(bearer(TOKEN))).toBe(200);
    });

    it('requires it for reads as well', async () => {
      await start({ peer: STRANGER, api: { token: TOKEN } });
      for (const path of OPEN) {
        expect((await rest.send('GET', path)).status).toBe(401);
        expect((await rest.send('GET', path, { headers: bearer('wrong') })).status).toBe(403);
        expect((await rest.send('GET', path, { headers: bearer(TOKEN) })).status).toBe(200);
      }
    });

    it('reveals a token in neither an answer nor the log', async () => {
      const shown: unknown[] = [];
      await start({ peer: STRANGER, api: { token: TOKEN } });
      const warn = logOf(rest);
      for (const headers of [{}, bearer('some-wrong-token'), bearer(TOKEN)]) {
        const { text, headers: sent } = await rest.send('POST', '/register', { json: {}, headers });
        shown.push(text, sent);
        rest.clock.advance(60_000);
      }
      shown.push(warn);
      expect(JSON.stringify(shown)).toMatch(/A request was refused/);
      expect(JSON.stringify(shown)).not.toMatch(/correct-horse|some-wrong-token/);
    });
  });

  describe('with a guard', () => {
    const key = { authorization: 'Bearer letmein' };

    it.each<[string, RestAppOptions]>([
      ['an object', { api: { guard: { canActivate: (context) => new KeyGuard(new Keys()).canActivate(context) } } }],
      ['a class that the app provides', { api: { guard: KeyGuard }, providers: [Keys, KeyGuard] }],
      ['a class that is made for the API', { api: { guard: KeyGuard }, providers: [Keys] }],
    ])('is %s, and is the only authority', async (_kind, options) => {
      await start(options);
      await refusedEverywhere((method, path, json) => rest.send(method, path, { json }));
      const through = { ...key, 'x-forwarded-for': '203.0.113.9', host: 'registry.example' };
      expect((await rest.send('POST', '/register', { json: USER, headers: through })).status).toBe(201);
      expect((await rest.send('PUT', `${INSTANCE}/heartbeat`, { headers: through })).status).toBe(200);
    });

    it('can admit other addresses', async () => {
      await start({ peer: STRANGER, api: { guard: KeyGuard }, providers: [Keys] });
      expect((await rest.send('POST', '/register', { json: USER })).status).toBe(403);
      expect((await rest.send('POST', '/register', { json: USER, headers: key })).status).toBe(201);
    });

    it('is asked for reads as well', async () => {
      await start({ api: { guard: KeyGuard }, providers: [Keys] });
      for (const path of OPEN) {
        expect((await rest.send('GET', path)).status).toBe(403);
        expect((await rest.send('GET', path, { headers: key })).status).toBe(200);
      }
    });

    it('is asked for writes only with guardReads: false', async () => {
      await start({ api: { guard: KeyGuard, guardReads: false }, providers: [Keys] });
      for (const path of OPEN) expect((await rest.send('GET', path)).status).toBe(200);
      expect((await rest.send('POST', '/register', { json: USER })).status).toBe(403);
    });

    it('runs before the body is parsed', async () => {
      await start({ api: { guard: KeyGuard }, providers: [Keys] });
      expect((await rest.send('POST', '/register', { raw: 'no JSON' })).status).toBe(403);
    });
  });
});

describe('a guard that cannot be instantiated', () => {
  it('stops the start, with instructions', async () => {
    const starting = startRestApp('express', { api: { guard: KeyGuard } });
    await expect(starting).rejects.toThrow(/api\.guard: expected a guard that is a provider of the app/);
  });
});

describe('wrong options of the API', () => {
  it('are all named in one error', () => {
    const wrong = { path: '/x/', guardReads: 'yes', guard: 'me', token: 'x y', allowedHosts: ['10.0.0.0/99'] };
    expect(() => restProviders(wrong as unknown as Partial<ApiOptions>)).toThrow(
      /api\.path[^]*api\.guardReads[^]*api\.guard:[^]*api\.token:[^]*api\.allowedHosts\[0\]/,
    );
  });
});

describe.each(PLATFORMS)('hosts that are rejected on %s', (platform) => {
  let rest: RestApp;
  afterEach(() => rest.close());

  it('include link-local and cloud metadata addresses, in every spelling', async () => {
    rest = await startRestApp(platform);
    for (const host of [
      '169.254.169.254',
      '169.254.0.1',
      '2852039166',
      '0xa9fea9fe',
      '0xA9.0xFE.0xA9.0xFE',
      '0251.0376.0251.0376',
      '0251.254.169.254',
      '169.254.43518',
      '169.16689662',
      '169.254.169.254.',
      '::ffff:169.254.169.254',
      '[::ffff:169.254.169.254]',
      '::ffff:a9fe:a9fe',
      '::169.254.169.254',
      '64:ff9b::a9fe:a9fe',
      '2002:a9fe:a9fe::',
      'fe80::1',
      '[fe80::1]',
      'fd00:ec2::254',
      '100.100.100.200',
      '168.63.129.16',
      '0.0.0.0',
      '0',
      '::',
      '224.0.0.1',
      '255.255.255.255',
      'metadata',
      'metadata.google.internal',
      'METADATA.Google.Internal.',
      'metadata.goog',
      'instance-data.ec2.internal',
      '169.254.169.254.nip.io',
      'a9fea9fe.nip.io',
      '169-254-169-254.sslip.io',
    ]) {
      const { status, body } = await rest.send('POST', '/register', { json: { ...USER, host } });
      expect([host, status, body.error?.code]).toEqual([host, 400, 'HOST_NOT_ALLOWED']);
      expect(body.error.problems).toEqual([{ field: 'host', value: host, expected: expect.any(String) }]);
      expect(body.error.reason).toEqual(expect.any(String));
    }
    expect(rest.registry.listServices()).toEqual([]);
  });

  it("include all that the app's list does not contain", async () => {
    rest = await startRestApp(platform, { api: { allowedHosts: ['10.0.0.0/8', '*.internal', '169.254.0.0/16'] } });
    const statusFor = async (host: string): Promise<number> =>
      (await rest.send('POST', '/register', { json: { ...USER, host } })).status;
    expect(await statusFor('10.9.8.7')).toBe(201);
    expect(await statusFor('users.internal')).toBe(201);
    expect(await statusFor('192.168.0.1')).toBe(400);
    expect(await statusFor('internal')).toBe(400);
    expect(await statusFor('169.254.169.254')).toBe(400);
  });

  it('include no ordinary hosts', async () => {
    rest = await startRestApp(platform);
    for (const host of ['localhost', '127.0.0.1', '::1', '[fd12::7]', '10.0.0.1', 'users.example.com', 'users_1']) {
      const { status } = await rest.send('POST', '/register', { json: { ...USER, host } });
      expect([host, status]).toEqual([host, 201]);
    }
  });
});

describe.each(PLATFORMS)('secrets on %s', (platform) => {
  let rest: RestApp;
  afterEach(() => rest.close());

  it('are masked wherever readers see metadata and health data', async () => {
    rest = await startRestApp(platform, { api: { checkTargets: 'any' } });
    const secrets = {
      password: 's3cr3t',
      dbPassword: { user: 's3cr3t' },
      client_secret: 's3cr3t',
      'API-KEY': 's3cr3t',
      accessToken: ['s3cr3t'],
      nested: [{ credentials: 's3cr3t', harmless: 'shown' }],
    };
    const healthCheck = { headers: { authorization: 's3cr3t', cookie: 's3cr3t', 'x-any': 's3cr3t' } };
    await rest.send('POST', '/register', {
      json: { ...USER, tags: ['t'], metadata: secrets, health_check: healthCheck },
    });
    await rest.send('PUT', `${INSTANCE}/health`, { json: { status: 'healthy', detail: { data: secrets } } });
    for (const path of [
      '/services',
      '/services/healthy',
      '/services/by-tag/t',
      '/services/user-service',
      '/discover/user-service',
      '/health/aggregated',
    ]) {
      const text = JSON.stringify((await rest.send('GET', path)).body);
      expect([path, text.includes('s3cr3t'), text.includes('***'), text.includes('shown')]).toEqual([
        path,
        false,
        true,
        true,
      ]);
    }
    const [instance] = rest.registry.getInstances('user-service');
    expect(instance).toMatchObject({ metadata: secrets, healthCheck });
  });

  it('are masked below prototype names as well, without pollution', async () => {
    rest = await startRestApp(platform);
    const hostile = '{"__proto__": {"password": "s3cr3t"}, "constructor": {"prototype": {"password": "s3cr3t"}}}';
    const raw = JSON.stringify(USER).replace('}', `,"metadata":${hostile}}`);
    expect((await rest.send('POST', '/register', { raw })).status).toBe(201);
    for (const path of ['/services', '/services/user-service', '/discover/user-service']) {
      const { text } = await rest.send('GET', path);
      expect([path, text.includes('s3cr3t'), text.includes('"__proto__":{"password":"***"}')]).toEqual([
        path,
        false,
        true,
      ]);
    }
    expect(({} as Record<string, unknown>).password).toBeUndefined();
  });
});
