import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError, type Problem } from '../../common/index.js';
import { namesIn, TOP_LEVEL_OPTIONS } from './known-options.js';
import { type ServiceDiscoveryOptions } from './options.js';
import { resolveServiceDiscoveryOptions } from './resolve.js';

function problemsOf(options: unknown): readonly Problem[] {
  try {
    resolveServiceDiscoveryOptions(options as never);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    return (error as InvalidConfigurationError).problems;
  }
  return [];
}

const ignore = (): void => undefined;

/** What the types allow of the values below; whatever is not here is wrong for every option. */
const RIGHT: Readonly<Partial<Record<keyof ServiceDiscoveryOptions, readonly unknown[]>>> = {
  namespace: ['x'],
  services: [[]],
  trackHeartbeats: [true],
  loadBalancing: [ignore],
  coalescing: [true],
  requireTls: [true],
  report: [true],
  mesh: [true],
  traceContext: [true],
  allowedHosts: [[], ignore],
  inheritDeadline: [true, ignore],
};

/** Without it the option would be refused whatever it is. */
const BESIDE: Readonly<Record<string, object>> = {
  maxOfflineWrites: { mode: 'hybrid', redis: { url: 'redis://redis' } },
};

describe.each(TOP_LEVEL_OPTIONS.names as readonly (keyof ServiceDiscoveryOptions)[])('the option %s', (name) => {
  it.each([['x'], [-5], [true], [[]], [null], [ignore], [new Map()]])('takes %p only where its type does', (value) => {
    const paths = problemsOf({ [name]: value, ...BESIDE[name] }).map(({ path }) => path);
    if (RIGHT[name]?.some((right) => isDeepStrictEqual(right, value))) expect(paths).toEqual([]);
    else expect(paths).toContain(name);
  });

  it('may be undefined', () => {
    expect(problemsOf({ [name]: undefined, mode: 'memory_only' })).toEqual([]);
  });
});

it('the groups that false leaves out are those of which the type says so', () => {
  const groups = TOP_LEVEL_OPTIONS.names.filter((name) => namesIn(name) !== null);
  const refused = groups.filter((name) => problemsOf({ [name]: false }).length > 0);
  expect(refused).toEqual(['loadBalancing', 'remote', 'redis', 'health', 'advertise', 'shutdown', 'metrics']);
});

it.each([
  ['remote', 'http://127.0.0.1:3000', "the registry's URL is registryUrl"],
  ['redis', 'redis://localhost', 'the URL of a Redis is redis.url'],
  ['advertise', '10.0.0.1:80', "{ host: '10.0.0.1', port: 80 }"],
  ['loadBalancing', true, 'a strategy alone is its name'],
  ['metrics', false, 'api: false leaves out their route'],
  ['logging', 'debug', 'or false: any of repeatWindow, maxLines, levels, fields'],
])('%s: %j is told where that belongs', (name, value, wayOut) => {
  expect(problemsOf({ [name]: value })).toEqual([
    { path: name, value, expected: expect.stringMatching(/^an object of options/) as unknown },
  ]);
  expect(problemsOf({ [name]: value })[0]?.expected).toContain(wayOut);
});

it('shows no password of what stands in place of a group', () => {
  const wrong = {
    redis: 'redis://:hush@redis',
    remote: ['http://me:hush@registry'],
    health: new URL('http://me:hush@health'),
    api: 'hush@api',
    advertise: 'http://host?password=hush',
  };
  expect(JSON.stringify(problemsOf(wrong))).not.toContain('hush');
  expect(problemsOf(wrong).map(({ value }) => value)).toEqual([
    'redis://***@redis',
    '***',
    'http://***@health/',
    '***@api',
    'http://host?***',
  ]);
});

it('a wrong group hides nothing else that is wrong', () => {
  const paths = problemsOf({ retry: [], advertise: null, timeout: -1, wrong: 1 }).map(({ path }) => path);
  expect(paths.sort()).toEqual(['advertise', 'retry', 'timeout', 'wrong']);
});

it('strategies may be what a module exports', async () => {
  const strategies = await import('../../balancing/strategies/round-robin.js');
  expect(problemsOf({ strategies })).toEqual([]);
});

it.each([[null], ['production'], [[]], [5], [ignore], [Promise.resolve({})]])('%p holds no options', (options) => {
  expect(problemsOf(options)).toEqual([{ path: 'options', value: options, expected: 'an object of options' }]);
});
