import { describe, expect, it } from '@jest/globals';
import { type InvalidConfigurationError } from '../common/index.js';
import { type LoadBalancingOptions } from './load-balancing-options.js';
import { LOAD_BALANCING_OPTIONS } from './load-balancing-options.js';

type Given = { readonly [Name in keyof LoadBalancingOptions]?: unknown };

const resolve = (given: Given): ReturnType<typeof LOAD_BALANCING_OPTIONS.resolve> =>
  LOAD_BALANCING_OPTIONS.resolve(given as Partial<LoadBalancingOptions>, 'lb');

function problemsOf(given: Given): string[] {
  try {
    resolve(given);
  } catch (error) {
    return (error as InvalidConfigurationError).problems.map(({ path, expected }) => `${path}: ${expected}`);
  }
  return [];
}

describe('LOAD_BALANCING_OPTIONS', () => {
  it('fills in the defaults: failing open is on, every other feature is off', () => {
    expect(LOAD_BALANCING_OPTIONS.resolve()).toEqual({
      hash: { on: ['key'], fallback: 'p2c_ewma', boundedLoad: false },
      slowStart: false,
      failOpen: true,
      panicThreshold: 0,
      minimumHealthyShare: 0,
      uncheckedThreshold: 0.5,
      zone: false,
      priorities: false,
      subset: false,
      versionWeights: false,
      routes: [],
    });
  });

  it('fills in the defaults of groups and converts durations to milliseconds', () => {
    const byLevel = (): number => 1;
    expect(
      resolve({
        hash: { on: { header: 'x-user' }, boundedLoad: 1.25 },
        slowStart: { window: '10s' },
        zone: { prefer: 'a' },
        priorities: { by: byLevel },
        subset: { size: 20, clientId: 'me' },
        versionWeights: { '1.x': 95, '2.x': 5 },
      }),
    ).toMatchObject({
      hash: { on: [{ header: 'x-user' }], fallback: 'p2c_ewma', boundedLoad: 1.25 },
      slowStart: { window: 10_000, aggression: 1, minimumWeight: 0.1 },
      zone: { prefer: 'a', minimumHealthyShare: 0.7 },
      priorities: { by: byLevel, otherwise: 0, minimumHealthyShare: 0.7 },
      subset: { size: 20, clientId: 'me' },
      versionWeights: { '1.x': 95, '2.x': 5 },
    });
    expect(resolve({ slowStart: {} }).slowStart).toEqual({ window: 30_000, aggression: 1, minimumWeight: 0.1 });
  });

  it('accepts resolved options', () => {
    const resolved = resolve({
      slowStart: {},
      zone: { prefer: 'a' },
      subset: { size: 3, clientId: 'me' },
      routes: [ROUTE],
    });
    expect(resolve(resolved)).toEqual(resolved);
  });

  const ROUTE = { header: 'X-Canary', pattern: '^(yes|1)$', version: '2.x' };

  it('lower-cases header names and compiles patterns without state', () => {
    const routes = resolve({ routes: [ROUTE, { ...ROUTE, pattern: /on/giy }, { header: 'a', version: '1' }] }).routes;
    expect(routes).toEqual([
      { header: 'x-canary', pattern: /^(yes|1)$/, version: '2.x' },
      { header: 'x-canary', pattern: /on/i, version: '2.x' },
      { header: 'a', pattern: undefined, version: '1' },
    ]);
  });

  it.each<[string, Given, string]>([
    ['not an object', [] as Given, 'lb: an object of options'],
    ['a text for failing open', { failOpen: 'no' }, 'lb.failOpen: true or false'],
    ['a share below 0', { panicThreshold: -0.1 }, 'lb.panicThreshold: a number from 0 to 1'],
    ['a share in percent', { minimumHealthyShare: 50 }, 'lb.minimumHealthyShare: a number from 0 to 1'],
    ['a share that none can exceed', { minimumHealthyShare: 1 }, 'lb.minimumHealthyShare: less than 1'],
    ['NaN', { uncheckedThreshold: Number.NaN }, 'lb.uncheckedThreshold: a number from 0 to 1'],
    ['a text for a share', { uncheckedThreshold: '0.5' }, 'lb.uncheckedThreshold: a number from 0 to 1'],
    ['a slow start of no time', { slowStart: { window: 0 } }, 'lb.slowStart.window: a duration from 1ms to 1h'],
    ['an aggression of 0', { slowStart: { aggression: 0 } }, 'lb.slowStart.aggression: a number from 0.1 to 10'],
    ['no weight', { slowStart: { minimumWeight: 0 } }, 'lb.slowStart.minimumWeight: a number from 0.01 to 1'],
    ['slow start by true', { slowStart: true }, 'lb.slowStart: an object of options'],
    ['a wrong hash', { hash: { on: 'body' } }, "lb.hash.on: 'key', 'path', 'ip', { header }"],
    ['an empty zone', { zone: {} }, 'lb.zone.prefer: the name of a zone'],
    ['a zone of too much', { zone: { prefer: 'a', minimumHealthyShare: 2 } }, 'lb.zone.minimumHealthyShare: a number'],
    ['levels by nothing', { priorities: {} }, 'lb.priorities.by: the name of a metadata field, or a function'],
    ['a level NaN', { priorities: { by: 'p', otherwise: Number.NaN } }, 'lb.priorities.otherwise: a number'],
    ['an empty subset', { subset: { size: 0, clientId: 'me' } }, 'lb.subset.size: a whole number from 1 to 100000'],
    ['a subset without a size', { subset: { clientId: 'me' } }, 'lb.subset.size: a whole number from 1 to 100000'],
    ['an empty client', { subset: { size: 1, clientId: '' } }, 'lb.subset.clientId: a text that is not empty'],
    ['a version that is no range', { versionWeights: { new: 1 } }, 'lb.versionWeights: semver ranges, such as "1.x"'],
    [
      'a negative weight',
      { versionWeights: { '1': -1, '2': 1 } },
      'lb.versionWeights["1"]: a number from 0 to 1000000',
    ],
    ['weights of nothing', { versionWeights: { '1.x': 0 } }, 'lb.versionWeights: at least one weight above 0'],
    ['no weights', { versionWeights: {} }, 'lb.versionWeights: at least one weight above 0'],
    ['a route alone', { routes: { header: 'a', version: '1' } }, 'lb.routes: a list of routes'],
    ['a route of no header', { routes: [{ version: '1' }] }, 'lb.routes[0].header: the name of a header'],
    [
      'a header with a space',
      { routes: [{ header: 'a b', version: '1' }] },
      'lb.routes[0].header: the name of a header',
    ],
    ['a route to nowhere', { routes: [{ header: 'a' }] }, 'lb.routes[0].version: a semver range, such as "2.x"'],
    ['a route to no range', { routes: [{ header: 'a', version: 'new' }] }, 'lb.routes[0].version: a semver range'],
    ['a value of no text', { routes: [{ header: 'a', value: 1, version: '1' }] }, 'lb.routes[0].value: a text'],
    ['a broken pattern', { routes: [{ header: 'a', pattern: '(', version: '1' }] }, 'lb.routes[0].pattern: a regular'],
    [
      'a value and a pattern',
      { routes: [{ header: 'a', value: 'b', pattern: 'b', version: '1' }] },
      'lb.routes[0].pattern: nothing where there is a value',
    ],
    ['an unknown option', { slowstart: {} } as Given, 'lb.slowstart: no option of this name'],
    ['an unknown option of a group', { slowStart: { time: 1 } }, 'lb.slowStart.time: no option of this name'],
    ['an unknown option of a route', { routes: [{ ...ROUTE, to: '2' }] }, 'lb.routes[0].to: no option of this name'],
  ])('rejects %s', (_what, given, expected) => {
    expect(problemsOf(given)[0]).toContain(expected);
    expect(problemsOf(given)).toHaveLength(1);
  });

  it('reports missing values as undefined', () => {
    const refused = (given: Given): unknown => {
      try {
        return resolve(given);
      } catch (error) {
        return (error as InvalidConfigurationError).problems.map(({ path, value }) => [path, value]);
      }
    };
    expect(refused({ zone: {}, priorities: {}, subset: {} })).toEqual([
      ['lb.zone.prefer', undefined],
      ['lb.priorities.by', undefined],
      ['lb.subset.size', undefined],
      ['lb.subset.clientId', undefined],
    ]);
  });

  it('rejects a minimum healthy share at or above the panic threshold', () => {
    const expected = expect.stringContaining('lb.minimumHealthyShare: less than panicThreshold, which is 0.4');
    expect(problemsOf({ panicThreshold: 0.4, minimumHealthyShare: 0.4 })).toEqual([expected]);
    expect(problemsOf({ panicThreshold: 0.4, minimumHealthyShare: 0.39 })).toEqual([]);
    expect(problemsOf({ minimumHealthyShare: 0.99 })).toEqual([]);
  });

  it('reports everything that is wrong at once', () => {
    expect(problemsOf({ panicThreshold: 2, subset: { size: 1.5, clientId: 'me' }, zone: { prefer: 5 } })).toHaveLength(
      3,
    );
  });
});
