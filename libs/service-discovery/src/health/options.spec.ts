import { describe, expect, it } from '@jest/globals';
import { pem } from '../../../../test/support/probed-server.js';
import { InvalidConfigurationError } from '../common/index.js';
import { resolveHealthCheckOptions } from './options.js';

describe('health check options', () => {
  it('have defaults', () => {
    expect(resolveHealthCheckOptions()).toEqual({
      enabled: true,
      concurrency: 50,
      flapping: { results: 21, start: 0.3, stop: 0.15, riseFactor: 3 },
      schedule: {
        intervalMs: 30_000,
        changingIntervalMs: 3_000,
        downIntervalMs: 30_000,
        idleIntervalMs: 30_000,
        jitter: 0.1,
        timeoutMs: 10_000,
        rise: 2,
        fall: 3,
        fallOf: {},
      },
      defaults: {
        interval: 30_000,
        jitter: 0.1,
        timeout: 10_000,
        rise: 2,
        fall: 3,
        healthyStatuses: [[200, 299]],
        bodyLimit: 65_536,
      },
      services: new Map(),
      probes: new Map(),
      tls: { all: {}, services: new Map() },
    });
  });

  it('accept cron times in place of an interval, and derive the interval from them', () => {
    const cron = { next: (after: number) => Math.floor(after / 4_000 + 1) * 4_000 };
    const { schedule } = resolveHealthCheckOptions({ cron });
    expect(schedule).toMatchObject({
      cron,
      intervalMs: 4_000,
      changingIntervalMs: 4_000,
      downIntervalMs: 4_000,
      timeoutMs: 4_000,
    });
    expect(() => resolveHealthCheckOptions({ cron, interval: '10s' })).toThrow(
      /healthCheck\.interval: expected nothing beside healthCheck\.cron/,
    );
  });

  it('cap the timeout at the shortest interval', () => {
    expect(resolveHealthCheckOptions({ interval: '5s' }).schedule.timeoutMs).toBe(5_000);
    expect(resolveHealthCheckOptions({ changingInterval: '1s' }).schedule.timeoutMs).toBe(1_000);
  });

  it('default other intervals to the interval', () => {
    const { schedule } = resolveHealthCheckOptions({ interval: '20s', downInterval: '1m' });
    expect(schedule).toMatchObject({ downIntervalMs: 60_000, idleIntervalMs: 20_000 });
  });

  it.each([
    ['30s', 3_000],
    ['5s', 1_000],
    ['200ms', 200],
  ] as const)('follow up on a first failure within a tenth of an interval of %s', (interval, changingIntervalMs) => {
    expect(resolveHealthCheckOptions({ interval }).schedule).toMatchObject({ changingIntervalMs });
  });

  it('accept wider bounds per service than in a registration', () => {
    const ping = (): boolean => true;
    const isUp = (): boolean => true;
    const { services, tls } = resolveHealthCheckOptions({
      probes: { ping },
      services: {
        users: {
          interval: '50ms',
          timeout: '1ms',
          method: 'POST',
          headers: { Authorization: 'Bearer s3cr3t' },
          body: isUp,
          bodyLimit: 0,
        },
        cache: { type: 'custom', probe: 'ping' },
        queue: { type: 'custom', probe: ping },
        'proxy.v1': { type: 'alias', aliasOf: 'users', rise: 1 },
        mail: {
          tls: {
            ca: [pem('ca.pem')],
            cert: pem('client.pem'),
            key: Buffer.from(pem('client.key')),
            servername: 'mail.internal',
          },
        },
      },
    });
    expect(services.get('users')).toEqual({
      interval: 50,
      timeout: 1,
      method: 'POST',
      headers: { authorization: 'Bearer s3cr3t' },
      body: isUp,
      bodyLimit: 0,
    });
    expect(services.get('cache')).toEqual({ type: 'custom', probe: 'ping' });
    expect(services.get('queue')).toEqual({ type: 'custom', probe: ping });
    expect(services.get('proxy.v1')).toEqual({ type: 'alias', aliasOf: 'users', rise: 1 });
    expect(services.get('mail')).toEqual({});
    expect(tls.services.get('mail')).toEqual({
      servername: 'mail.internal',
      ca: [{ text: pem('ca.pem') }],
      cert: { text: pem('client.pem') },
      key: { text: pem('client.key') },
    });
  });

  it.each<[path: string, wrong: object]>([
    ['services', { services: [] }],
    ['services', { services: 'users' }],
    ['services.a b', { services: { 'a b': {} } }],
    ['services.users', { services: { users: 5 } }],
    ['services.users.intervall', { services: { users: { intervall: 5 } } }],
    ['services.users.interval', { services: { users: { interval: '9ms' } } }],
    ['services.users.timeout', { services: { users: { timeout: '2h' } } }],
    ['services.users.method', { services: { users: { method: 'DELETE' } } }],
    ['services.users.headers.host', { services: { users: { headers: { host: 'a' } } } }],
    ['services.users.bodyLimit', { services: { users: { bodyLimit: 1_048_577 } } }],
    ['services.users.enabled', { services: { users: { enabled: false } } }],
    ['services.users.probe', { services: { users: { type: 'custom', probe: 'ping' } } }],
    ['services.users.probe', { services: { users: { type: 'custom' } } }],
    ['services.users.aliasOf', { services: { users: { type: 'alias' } } }],
    [
      'services.a.aliasOf',
      {
        services: {
          way: { type: 'alias', aliasOf: 'b' },
          b: { type: 'alias', aliasOf: 'a' },
          a: { type: 'alias', aliasOf: 'b' },
        },
      },
    ],
    ['services.a.aliasOf', { services: { a: { type: 'alias', aliasOf: 'a' } } }],
    ['services.users.tls.rejectUnauthorized', { services: { users: { tls: { rejectUnauthorized: 1 } } } }],
    ['services.users.tls.key', { services: { users: { tls: { cert: 'x' } } } }],
    ['services.users.tls.cert', { services: { users: { tls: { key: 's3cr3t' } } } }],
    ['services.users.tls.key', { services: { users: { tls: { cert: pem('client.pem'), key: 's3cr3t' } } } }],
    ['services.users.tls.key', { services: { users: { tls: { cert: pem('client.pem'), key: pem('server.key') } } } }],
    ['tls.ca', { tls: { ca: 's3cr3t' } }],
    ['tls.pfx', { tls: { pfx: 'x' } }],
    ['probes', { probes: 5 }],
    ['probes.ping', { probes: { ping: 'PONG' } }],
    ['unhealthyStatuses', { unhealthyStatuses: [299] }],
    ['headers', { headers: {} }],
  ])('reject a wrong %s without revealing secrets', (path, wrong) => {
    const resolve = (): unknown => resolveHealthCheckOptions(wrong);
    expect(resolve).toThrow(InvalidConfigurationError);
    expect(resolve).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ path: `healthCheck.${path}` })] }),
    );
    expect(resolve).not.toThrow('s3cr3t');
  });

  it('do not leave an identity unverified that calls expect', () => {
    const identity = ['{service}.internal'];
    for (const calls of [
      { all: { identity }, services: new Map() },
      { all: {}, services: new Map([['users', { identity }]]) },
    ]) {
      expect(() => resolveHealthCheckOptions({ tls: { rejectUnauthorized: false } }, 'healthCheck', calls)).toThrow(
        /^Invalid configuration:\n {2}- healthCheck\.tls\.rejectUnauthorized: expected true, since a certificate [^\n]*\n {2}See \S+$/,
      );
    }
  });

  it('are rejected together, with their paths', () => {
    const wrong = {
      enabled: 'yes' as unknown as boolean,
      interval: 'often' as never,
      timeout: 0,
      downInterval: 0,
      jitter: 0.6,
      rise: 0,
      fall: 1.5,
      httpFailures: -1,
      tcpFailures: 256,
      timeouts: '3' as unknown as number,
      concurrency: Number.NaN,
      healthyStatuses: [99, [300, 200] as const],
      bodyLimit: -1,
      flapping: { start: 2 },
    };
    let thrown: unknown;
    try {
      resolveHealthCheckOptions(wrong);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidConfigurationError);
    expect((thrown as InvalidConfigurationError).problems.map(({ path }) => path).sort()).toEqual([
      'healthCheck.bodyLimit',
      'healthCheck.concurrency',
      'healthCheck.downInterval',
      'healthCheck.enabled',
      'healthCheck.fall',
      'healthCheck.flapping.start',
      'healthCheck.healthyStatuses[0]',
      'healthCheck.healthyStatuses[1]',
      'healthCheck.httpFailures',
      'healthCheck.interval',
      'healthCheck.jitter',
      'healthCheck.rise',
      'healthCheck.tcpFailures',
      'healthCheck.timeout',
      'healthCheck.timeouts',
    ]);
    expect(() => resolveHealthCheckOptions({ healthyStatuses: [] })).toThrow(/healthyStatuses/);
  });
});
