import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../../common/index.js';
import { toInstance } from '../../model/index.js';
import { readListedServices } from './listed-services.js';

const read = (...services: unknown[]): ReturnType<typeof readListedServices> =>
  readListedServices(services, 'services');
const idOf = (url: string): string => {
  const [registration] = read({ name: 'users', targets: [url] });
  return toInstance(registration!, { ttlMs: 1_000, now: 0 }).instanceId;
};
function problemsOf(services: unknown): Record<string, unknown> {
  try {
    readListedServices(services, 'services');
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    const { problems } = error as InvalidConfigurationError;
    return Object.fromEntries(problems.map(({ path, value }) => [path, value]));
  }
  return {};
}

describe('readListedServices', () => {
  it('makes a registration of each target from the values of the service and the target', () => {
    const healthCheck = { interval: '5s' } as const;
    const service = {
      name: 'user-service',
      targets: [
        'http://10.0.0.5:8080/api/v1/',
        { url: 'https://users.internal', weight: 20, tags: new Set(['canary']), zone: 'b' },
      ],
      version: '1.2.0',
      tags: ['api'],
      weight: 50,
      zone: 'a',
      tier: 'app',
      healthCheckPath: '/health',
      healthCheck,
      metadata: { team: 'core' },
      ttl: '30s',
    };
    const common = {
      serviceName: 'user-service',
      version: '1.2.0',
      tier: 'app',
      healthCheckPath: '/health',
      healthCheck,
      metadata: { team: 'core' },
      ttl: '30s',
    };
    expect(read(service)).toMatchObject([
      {
        ...common,
        host: '10.0.0.5',
        port: 8080,
        protocol: 'http',
        path: '/api/v1',
        weight: 50,
        tags: ['api'],
        zone: 'a',
      },
      {
        ...common,
        host: 'users.internal',
        port: 443,
        protocol: 'https',
        weight: 20,
        tags: ['api', 'canary'],
        zone: 'b',
      },
    ]);
  });

  it.each([
    ['redis://10.0.0.9:6379/0', { protocol: 'redis', host: '10.0.0.9', port: 6379, path: '/0' }],
    ['postgresql://db.internal:5432', { protocol: 'postgresql', host: 'db.internal', port: 5432, path: '' }],
    ['ws://chat', { protocol: 'ws', host: 'chat', port: 80 }],
    ['http://[2001:db8::1]:8080', { protocol: 'http', host: '[2001:db8::1]', port: 8080 }],
  ])('accepts the target %s', (url, address) => {
    expect(read({ name: 'a', targets: [url] })).toMatchObject([address]);
  });

  it('derives the instance id from the address, and from the path if there is one', () => {
    expect(idOf('http://10.0.0.5:8080')).toBe('10.0.0.5:8080');
    expect(idOf('http://10.0.0.5:8080/')).toBe('10.0.0.5:8080');
    expect(idOf('http://10.0.0.5:8080/a')).toMatch(/^10\.0\.0\.5:8080@[0-9a-f]{12}$/);
    expect(idOf('http://10.0.0.5:8080/a')).toBe(idOf('http://10.0.0.5:8080/a/'));
    expect(idOf('http://10.0.0.5:8080/a')).not.toBe(idOf('http://10.0.0.5:8080/b'));
  });

  it('accepts an empty list', () => {
    expect(read()).toEqual([]);
  });

  it.each([['x'], [{}], [null], [7], [true]])('rejects %p as a list', (services) => {
    expect(Object.keys(problemsOf(services))).toEqual(['services']);
  });

  it.each<[what: string, service: unknown, path: string]>([
    ['no object', 'http://10.0.0.5:8080', 'services[0]'],
    ['without a name', { targets: ['http://a:1'] }, 'services[0].name'],
    ['with a wrong name', { name: 'a b', targets: ['http://a:1'] }, 'services[0].name'],
    ['without targets', { name: 'a' }, 'services[0].targets'],
    ['with no target', { name: 'a', targets: [] }, 'services[0].targets'],
    ['with targets that are no list', { name: 'a', targets: 'http://a:1' }, 'services[0].targets'],
    ['with a misspelled option', { name: 'a', targets: ['http://a:1'], wieght: 5 }, 'services[0].wieght'],
    ['with an option of a single instance', { name: 'a', targets: ['http://a:1'], host: 'b' }, 'services[0].host'],
    ['with a wrong weight', { name: 'a', targets: ['http://a:1'], weight: -1 }, 'services[0].weight'],
    ['with wrong tags', { name: 'a', targets: ['http://a:1'], tags: 'api' }, 'services[0].tags'],
    ['with a wrong ttl', { name: 'a', targets: ['http://a:1'], ttl: '1ms' }, 'services[0].ttl'],
    [
      'with a wrong health check',
      { name: 'a', targets: ['http://a:1'], healthCheck: { intervall: '5s' } },
      'services[0].healthCheck.intervall',
    ],
    ['with a target that is no URL', { name: 'a', targets: ['10.0.0.5:8080'] }, 'services[0].targets[0]'],
    ['with a target of another protocol', { name: 'a', targets: ['ftp://a:1'] }, 'services[0].targets[0]'],
    ['with a target without a port', { name: 'a', targets: ['redis://cache'] }, 'services[0].targets[0]'],
    ['with a target with a query', { name: 'a', targets: ['http://a:1/?x=1'] }, 'services[0].targets[0]'],
    ['with a target that is nothing', { name: 'a', targets: [null] }, 'services[0].targets[0]'],
    ['with a target without a URL', { name: 'a', targets: [{ weight: 5 }] }, 'services[0].targets[0].url'],
    ['with a wrong URL', { name: 'a', targets: [{ url: 'a' }] }, 'services[0].targets[0].url'],
    [
      'with a wrong weight of a target',
      { name: 'a', targets: ['http://a:1', { url: 'http://b:1', weight: 'x' }] },
      'services[0].targets[1].weight',
    ],
    [
      'with wrong tags of a target',
      { name: 'a', targets: [{ url: 'http://b:1', tags: 'x' }] },
      'services[0].targets[0].tags',
    ],
    [
      'with a wrong zone of a target',
      { name: 'a', targets: [{ url: 'http://b:1', zone: '' }] },
      'services[0].targets[0].zone',
    ],
    [
      'with a misspelled option of a target',
      { name: 'a', targets: [{ url: 'http://b:1', wieght: 1 }] },
      'services[0].targets[0].wieght',
    ],
    ['with a target twice', { name: 'a', targets: ['http://a:1', 'http://a:1/'] }, 'services[0].targets[1]'],
  ])('names the wrong option of a service %s', (_what, service, path) => {
    expect(Object.keys(problemsOf([service]))).toEqual([path]);
  });

  it('rejects an address that is listed twice, also in two entries of one service', () => {
    const service = { name: 'a', targets: ['http://a:1'] };
    expect(Object.keys(problemsOf([service, { ...service, version: '2.0.0' }]))).toEqual(['services[1].targets[0]']);
    expect(problemsOf([service, { ...service, name: 'b' }])).toEqual({});
  });

  it('names everything that is wrong, and shows no password', () => {
    const problems = problemsOf([
      { name: '', targets: ['redis://me:hush@cache:6379'] },
      { name: 'b', targets: [{ url: 'http://b:1', weight: -1, zone: '' }] },
    ]);
    expect(Object.keys(problems)).toEqual([
      'services[0].name',
      'services[0].targets[0]',
      'services[1].targets[0].weight',
      'services[1].targets[0].zone',
    ]);
    expect(JSON.stringify(problems)).not.toContain('hush');
  });
});
