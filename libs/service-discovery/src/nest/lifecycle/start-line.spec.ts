import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { MemoryRegistryStore } from '../../store/index.js';
import { resolveServiceDiscoveryOptions, type ServiceDiscoveryOptions } from '../options/index.js';
import { logNoRegistry, logStart, type StartedApp } from './start-line.js';

class OperatorsOnly {
  canActivate(): boolean {
    return false;
  }
}

function lineOf(options: ServiceDiscoveryOptions, app: Partial<StartedApp> = {}): string {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const logger = { debug: log, log, warn: log, error: log };
  logStart(logger, resolveServiceDiscoveryOptions(options), { registers: [], prefix: '', ...app });
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

function warningsOf(options: ServiceDiscoveryOptions, env: Record<string, string>): string[] {
  const warnings: string[] = [];
  const ignore = (): void => undefined;
  const logger = { debug: ignore, log: ignore, warn: (line: string) => void warnings.push(line), error: ignore };
  logStart(logger, resolveServiceDiscoveryOptions(options, env), { registers: [], prefix: '' });
  return warnings;
}

describe('the line at the start', () => {
  it('says where the registry is, what the app registers, and who may read and write', () => {
    expect(lineOf({})).toBe(
      'Registry: this process (memory_only); namespace default; registers nothing; ' +
        'API at /service-discovery, reading and writing from this machine (SERVICE_DISCOVERY_TOKEN lets others in)',
    );
    const services = [{ name: 'billing', targets: ['http://10.0.0.5:80', 'http://10.0.0.6:80'] }];
    expect(lineOf({ services }, { registers: ['user-service', 'admin'], prefix: '/v1/' })).toBe(
      'Registry: this process (memory_only); namespace default; registers user-service, admin; lists billing; ' +
        'API at /v1/service-discovery, reading and writing from this machine (SERVICE_DISCOVERY_TOKEN lets others in)',
    );
  });

  it.each([
    [{ registryUrl: 'http://registry:3000/api' }, 'http://registry:3000/api (remote); registers'],
    [
      { redis: { url: 'redis://:hush@redis:6379' }, namespace: 'shop' },
      'redis://redis:6379 (redis_backed); namespace shop;',
    ],
    [{ mode: 'hybrid' }, 'redis://127.0.0.1:6379 (hybrid); namespace default;'],
    [
      { redis: { client: new Redis({ lazyConnect: true }) } },
      "Redis, by the app's own client (redis_backed); namespace",
    ],
    [{ store: new MemoryRegistryStore() }, 'a store of the app (MemoryRegistryStore); namespace default;'],
  ])('names the registry, without its password (%#)', (options, registry) => {
    const line = lineOf(options as ServiceDiscoveryOptions);
    expect(line).toContain(`Registry: ${registry}`);
    expect(line).not.toContain('hush');
  });

  it.each([
    [{ token: 'hush' }, 'reading and writing with the token or from this machine'],
    [{ guard: OperatorsOnly }, 'reading and writing as OperatorsOnly decides'],
    [{ guard: new OperatorsOnly(), token: 'hush' }, 'reading and writing with the token or as OperatorsOnly decides'],
    [{ guardReads: false }, 'reading open, writing from this machine \\(SERVICE_DISCOVERY_TOKEN lets others in\\)'],
    [
      { access: [{ token: 'orders', may: ['read' as const] }], token: 'hush' },
      'reading and writing with the token or by the rules of api.access',
    ],
    [{ guardReads: false, token: 'hush' }, 'reading open, writing with the token or from this machine'],
  ])('says who is let in (%#)', (api, access) => {
    expect(lineOf({ api })).toMatch(new RegExp(`API at /service-discovery, ${access}$`));
  });

  it.each(['SERVICE_DISCOVERY_REGISTRY_URL', 'SERVICE_DISCOVERY_REDIS_URL'])(
    'comes with a warning where the mode in the code wins over %s',
    (variable) => {
      const env = { [variable]: variable.includes('REDIS') ? 'redis://redis:6379' : 'http://registry:3000' };
      expect(warningsOf({ mode: 'memory_only' }, env)).toEqual([
        `mode: 'memory_only' in the code wins over ${variable}, so this process is a registry of its own: ` +
          `leave mode out to use the registry of ${variable}, or unset ${variable} here`,
      ]);
      expect(warningsOf({}, env)).toEqual([]);
      expect(warningsOf({ store: new MemoryRegistryStore() }, env)).toEqual([]);
    },
  );

  it('says that there is no API where it is off, or nothing listens for HTTP', () => {
    expect(lineOf({ api: false })).toMatch(/; no API$/);
    expect(lineOf({}, { prefix: undefined })).toMatch(/; no API$/);
  });
});

it.each<[failure: string | undefined, what: string, end: RegExp]>([
  [
    undefined,
    'did not answer',
    / In a test, use ServiceDiscoveryTestingModule or preset: 'testing', which do not wait$/,
  ],
  ['connect ECONNREFUSED', 'could not be read', / the background\. The last attempt failed: connect ECONNREFUSED$/],
  // What was answered is no silence.
  ['refused (status 403)', 'could not be read', / the background\. The last attempt failed: refused \(status 403\)$/],
])(
  'an app that starts without its registry says which one, how long it waited, and what to do (%s)',
  (failure, what, end) => {
    const errors: string[] = [];
    const refuse = (line: string): never => {
      throw new Error(`hidden in tests: ${line}`);
    };
    const logger = { debug: refuse, log: refuse, warn: refuse, error: (line: string) => void errors.push(line) };
    logNoRegistry(logger, resolveServiceDiscoveryOptions({ registryUrl: 'http://registry:3000' }), 1_500, failure);
    expect(errors).toEqual([
      expect.stringContaining(`http://registry:3000 ${what} within 1.5 s (startTimeout); connecting goes on`),
    ]);
    expect(errors[0]).toMatch(end);
  },
);
