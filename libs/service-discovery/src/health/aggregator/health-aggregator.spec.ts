import { describe, expect, it } from '@jest/globals';
import { EMPTY_SNAPSHOT, type ServiceInstance } from '../../model/index.js';
import { fakeInstance, ManualClock } from '../../testing/index.js';
import { type PassiveHealth } from '../status-merge.js';
import { HealthAggregator } from './health-aggregator.js';

type State = 'healthy' | 'unhealthy' | 'unknown' | 'maintenance' | 'draining';

/** An operator status is combined with a passed health check, or with none if it ends in `?`. */
function instanceOf(serviceName: string, word: string, index: number): ServiceInstance {
  const state = word.replace('?', '') as State;
  const overruled = state === 'maintenance' || state === 'draining';
  return fakeInstance({
    serviceName,
    instanceId: `${serviceName}-${index}`,
    port: 8_000 + index,
    operatorStatus: overruled ? state : 'up',
    healthStatus: overruled ? (word.endsWith('?') ? 'unknown' : 'healthy') : state,
  });
}

/** @param services states of the instances of each service, such as `{ users: 'healthy unknown' }` */
function aggregatorOf(
  services: Record<string, string | readonly ServiceInstance[]>,
  passive?: PassiveHealth,
): HealthAggregator {
  const entries = Object.entries(services).map(
    ([name, given]) =>
      [
        name,
        typeof given === 'string' ? given.split(' ').map((word, index) => instanceOf(name, word, index)) : given,
      ] as const,
  );
  return new HealthAggregator(
    { snapshot: { ...EMPTY_SNAPSHOT, ready: true, services: new Map(entries) }, ageMs: () => 1_999, onChange: NEVER },
    { clock: new ManualClock(1_000), passive },
  );
}

const NEVER = () => (): void => undefined;
const AWAY = { connected: false, ageSeconds: 1 };

describe('HealthAggregator', () => {
  it.each([
    ['healthy', 'every service has a healthy instance and none is unhealthy', { a: 'healthy', b: 'healthy healthy' }],
    ['healthy', 'an instance beside a healthy one was not checked yet', { a: 'healthy unknown' }],
    [
      'healthy',
      'an operator has taken one of several instances out',
      { a: 'healthy maintenance', b: 'draining healthy' },
    ],
    ['degraded', 'one of several instances is unhealthy', { a: 'healthy unhealthy', b: 'healthy' }],
    ['degraded', 'one of several services has no healthy instance', { a: 'unhealthy', b: 'healthy' }],
    [
      'degraded',
      'a service has no healthy instance and another is degraded',
      { a: 'unhealthy', b: 'healthy unhealthy' },
    ],
    ['unhealthy', 'no service has a healthy instance', { a: 'unhealthy', b: 'maintenance', c: 'unknown' }],
    ['unhealthy', 'an instance beside an unhealthy one was not checked yet', { a: 'unhealthy unknown' }],
    ['healthy', 'one service was checked and the other one not yet', { a: 'healthy', b: 'unknown' }],
    ['degraded', 'an operator has taken out the only instance', { a: 'maintenance', b: 'healthy' }],
    ['degraded', 'an operator has taken out the only instance before its check', { a: 'maintenance?', b: 'healthy' }],
    ['unknown', 'nothing was checked yet', { a: 'unknown', b: 'unknown unknown' }],
    ['unknown', 'nothing was checked yet, and an operator has taken one out', { a: 'unknown', b: 'maintenance?' }],
    ['unknown', 'there is no service', {}],
  ])('reports %s when %s', (expected, _, services: Record<string, string>) => {
    const aggregator = aggregatorOf(services);
    expect(aggregator.getSummary().overallStatus).toBe(expected);
    expect(aggregator.getAggregatedHealth().overallStatus).toBe(expected);
  });

  it('counts services by status', () => {
    const aggregator = aggregatorOf({
      good: 'healthy',
      fair: 'healthy unhealthy',
      bad: 'unhealthy',
      gone: 'draining',
      fresh: 'unknown',
    });
    const health = aggregator.getAggregatedHealth();
    const statuses = Object.entries(health.services).map(([name, { status }]) => `${name} ${status}`);
    expect(statuses).toEqual(['good healthy', 'fair degraded', 'bad unhealthy', 'gone unhealthy', 'fresh unknown']);
    expect(health).toMatchObject({
      totalServices: 5,
      healthyServices: 1,
      unhealthyServices: 2,
      degradedServices: 1,
      unknownServices: 1,
    });
    expect(aggregator.getSummary()).toEqual({
      overallStatus: 'degraded',
      totalServices: 5,
      healthyServices: 1,
      degradedServices: 1,
      unhealthyServices: 2,
      unknownServices: 1,
      missingServices: [],
      registry: AWAY,
    });
  });

  it('describes each instance and represents the service by a healthy one', () => {
    const checked = { checkedAt: 900, since: 800, latencyMs: 3.2, statusCode: 200, data: { db: 'up' } };
    const failed = { checkedAt: 950, latencyMs: 1, reason: 'connection refused' };
    const aggregator = aggregatorOf({
      users: [
        fakeInstance({ instanceId: 'a', port: 1, healthStatus: 'unhealthy', health: failed, lastHeartbeat: 10 }),
        fakeInstance({ instanceId: 'b', port: 2, healthStatus: 'unknown', lastHeartbeat: 20 }),
        fakeInstance({ instanceId: 'c', port: 3, path: '/api', health: checked, lastHeartbeat: 30 }),
      ],
    });
    expect(aggregator.getAggregatedHealth()).toEqual({
      overallStatus: 'degraded',
      registry: AWAY,
      timestamp: 1_000,
      namespace: null,
      totalServices: 1,
      healthyServices: 0,
      degradedServices: 1,
      unhealthyServices: 0,
      unknownServices: 0,
      missingServices: [],
      faults: [],
      services: {
        users: {
          status: 'degraded',
          endpoint: 'http://127.0.0.1:3/api',
          lastHeartbeat: 30,
          healthData: { db: 'up' },
          expiryHeld: null,
          dependencies: [],
          affectedBy: [],
          instances: [
            {
              instanceId: 'a',
              status: 'unhealthy',
              reasons: [{ source: 'active', status: 'unhealthy', reason: 'connection refused', since: null }],
              endpoint: 'http://127.0.0.1:1',
              lastHeartbeat: 10,
              lastChecked: 950,
              latencyMs: 1,
              statusCode: null,
              reason: 'connection refused',
              flapping: false,
              healthData: null,
            },
            {
              instanceId: 'b',
              status: 'unknown',
              reasons: [],
              endpoint: 'http://127.0.0.1:2',
              lastHeartbeat: 20,
              lastChecked: null,
              latencyMs: null,
              statusCode: null,
              reason: null,
              flapping: false,
              healthData: null,
            },
            {
              instanceId: 'c',
              status: 'healthy',
              reasons: [{ source: 'active', status: 'healthy', reason: null, since: 800 }],
              endpoint: 'http://127.0.0.1:3/api',
              lastHeartbeat: 30,
              lastChecked: 900,
              latencyMs: 3.2,
              statusCode: 200,
              reason: null,
              flapping: false,
              healthData: { db: 'up' },
            },
          ],
        },
      },
    });
  });

  it.each([
    ['the first unchecked one', 'unhealthy unknown unknown', 1],
    ['the first one', 'unhealthy maintenance', 0],
  ])('represents a service without healthy instances by %s', (_, words, index) => {
    const { services } = aggregatorOf({ users: words }).getAggregatedHealth();
    expect(services.users).toMatchObject({ endpoint: `http://127.0.0.1:${8_000 + index}` });
  });

  it.each<[string, Partial<ServiceInstance>[], number]>([
    [
      'a healthy one, before one whose latest check failed',
      [
        { healthStatus: 'healthy', health: { checkedAt: 1, reason: 'connection refused' } },
        { healthStatus: 'healthy' },
      ],
      1,
    ],
    [
      'one that was not checked yet, before one that calls cannot connect to',
      [{ instanceId: 'gone', healthStatus: 'healthy' }, { healthStatus: 'unknown' }],
      1,
    ],
    [
      'a healthy one, before one that calls cannot connect to',
      [{ instanceId: 'gone', healthStatus: 'healthy' }, { healthStatus: 'healthy' }],
      1,
    ],
    [
      'one whose latest check failed, before an unhealthy one',
      [{ healthStatus: 'unhealthy' }, { healthStatus: 'healthy', health: { checkedAt: 1, reason: 'status 500' } }],
      1,
    ],
    [
      'an unhealthy one, before what an operator has taken out, and what weighs nothing',
      [{ operatorStatus: 'maintenance' }, { weight: 0, healthStatus: 'healthy' }, { healthStatus: 'unhealthy' }],
      2,
    ],
  ])('represents the service by %s', (_, given, index) => {
    const instances = given.map((fields, port) => fakeInstance({ instanceId: `i${port}`, port: 1 + port, ...fields }));
    const findings = new Map([['gone', { reason: 'calls could not connect to it', since: 1 }]]);
    const aggregator = aggregatorOf({ users: instances }, { findingsOn: () => findings, onChange: NEVER });
    expect(aggregator.getAggregatedHealth().services.users).toMatchObject({
      endpoint: `http://127.0.0.1:${1 + index}`,
    });
  });

  it('reports whether expiry of a service is held', () => {
    const hold = { since: 7, overdue: 9, total: 10 };
    const { services } = new HealthAggregator({
      ageMs: () => 0,
      onChange: NEVER,
      snapshot: {
        ...EMPTY_SNAPSHOT,
        services: new Map(['users', 'orders'].map((name) => [name, [fakeInstance({ serviceName: name })]])),
        expiryHolds: new Map([['users', hold]]),
      },
    }).getAggregatedHealth();
    expect([services.users?.expiryHeld, services.orders?.expiryHeld]).toEqual([hold, null]);
  });

  it('reports the age of its data in whole seconds', () => {
    expect(aggregatorOf({}).getSummary().registry).toEqual(AWAY);
  });

  it('lists a service under any valid name', () => {
    const names = ['constructor', '__proto__', 'toString'];
    const { services, totalServices } = new HealthAggregator({
      snapshot: {
        ...EMPTY_SNAPSHOT,
        services: new Map(names.map((name) => [name, [fakeInstance({ serviceName: name })]])),
      },
      ageMs: () => 0,
      onChange: NEVER,
    }).getAggregatedHealth();
    expect(Object.keys(services)).toEqual(names);
    expect(totalServices).toBe(3);
  });
});
