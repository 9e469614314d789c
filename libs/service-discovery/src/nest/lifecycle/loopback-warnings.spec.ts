import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../../testing/fake-instance.js';
import { resolveServiceDiscoveryOptions, type ServiceDiscoveryOptions } from '../options/index.js';
import { LoopbackWarnings } from './loopback-warnings.js';

const TOKEN = 'x'.repeat(32);

function warningsOf(options: ServiceDiscoveryOptions, isOwn = false): { lines: string[]; of: LoopbackWarnings } {
  const lines: string[] = [];
  const logger = { warn: (line: string): void => void lines.push(line) };
  const of = new LoopbackWarnings(resolveServiceDiscoveryOptions(options), { isOwn: () => isOwn }, logger);
  return { lines, of };
}

describe('a service of this process at a loopback address', () => {
  it.each<[when: string, options: ServiceDiscoveryOptions, why: string]>([
    [
      'the registry is on another machine',
      { registryUrl: 'http://10.0.0.5:3000' },
      'the registry at http://10.0.0.5:3000 is on another one',
    ],
    [
      'Redis is on another machine',
      { redis: { url: 'redis://:hush@redis:6379' } },
      'the registry at redis://redis:6379 is on another one',
    ],
    ['a token opens its own registry', { api: { token: TOKEN } }, 'the token lets other machines read the registry'],
    [
      'it has a token for the registry',
      { registryUrl: 'http://127.0.0.1:3000', remote: { token: TOKEN } },
      'the token lets other machines read the registry',
    ],
  ])('is warned of once where %s', (_when, options, why) => {
    const { lines, of } = warningsOf(options);
    of.announced('users', '127.0.0.1');
    of.announced('users', '127.0.0.1');
    expect(lines).toEqual([
      `users registers as 127.0.0.1, which every caller takes for its own machine, and ${why}: listen on 0.0.0.0, or set ` +
        'advertise.host (SERVICE_DISCOVERY_HOST) to an address that callers reach, 127.0.0.1 itself if all of them run here',
    ]);
  });

  it.each<[when: string, options: ServiceDiscoveryOptions, host: string]>([
    ['the process is a registry for itself', {}, '127.0.0.1'],
    ['the registry is on this machine', { registryUrl: 'http://localhost:3000' }, '127.0.0.1'],
    ['Redis is on this machine', { redis: { url: 'redis://127.0.0.1:6379' } }, '::1'],
    ['it is not at such an address', { registryUrl: 'http://10.0.0.5:3000' }, '10.0.0.7'],
  ])('is not warned of where %s', (_when, options, host) => {
    const { lines, of } = warningsOf(options);
    of.announced('users', host);
    expect(lines).toEqual([]);
  });
});

describe('an instance of another process at a loopback address', () => {
  const instance = fakeInstance({ serviceName: 'users', instanceId: 'a', host: 'localhost' });

  it.each<[what: string, api: ServiceDiscoveryOptions['api'], cure: string]>([
    [
      'token',
      { token: TOKEN },
      "give its process the registry's token, set advertise.host (SERVICE_DISCOVERY_HOST) there",
    ],
    ['guard', { guard: { canActivate: () => true } }, 'set advertise.host (SERVICE_DISCOVERY_HOST) in its process'],
  ])('is warned of by a registry that a %s opens to other machines, once for a service', (what, api, cure) => {
    const { lines, of } = warningsOf({ api });
    of.registered(instance);
    of.registered({ ...instance, instanceId: 'b' });
    expect(lines).toEqual([
      `users/a is registered as localhost, which every caller takes for its own machine, and the ${what} lets other machines read this ` +
        `registry: unless all callers run here, ${cure}, or have it listen on 0.0.0.0`,
    ]);
  });

  it.each<[when: string, options: ServiceDiscoveryOptions, isOwn: boolean]>([
    ['the registry is closed to other machines', {}, false],
    ['another process is the registry', { registryUrl: 'http://10.0.0.5:3000' }, false],
    ['this process has registered it', { api: { token: TOKEN } }, true],
  ])('is not warned of where %s', (_when, options, isOwn) => {
    const { lines, of } = warningsOf(options, isOwn);
    of.registered(instance);
    expect(lines).toEqual([]);
  });
});
