import { describe, expect, it } from '@jest/globals';
import { haveSameShape } from '../../../../test/support/object-shapes.js';
import {
  baseUrlOf,
  changeInstance,
  effectiveStatus,
  keyOf,
  mayBeCalled,
  originOf,
  type HealthStatus,
  type InstanceStatus,
  type OperatorStatus,
  type ServiceInstance,
} from './instance.js';
import { toInstance } from './registration.js';

describe('the effective status', () => {
  it.each<[OperatorStatus, HealthStatus, InstanceStatus]>([
    ['up', 'unknown', 'unknown'],
    ['up', 'healthy', 'healthy'],
    ['up', 'unhealthy', 'unhealthy'],
    ['maintenance', 'healthy', 'maintenance'],
    ['maintenance', 'unhealthy', 'maintenance'],
    ['draining', 'unknown', 'draining'],
    ['draining', 'healthy', 'draining'],
  ])('with operator status %s and health %s is %s', (operator, health, status) => {
    expect(effectiveStatus(operator, health)).toBe(status);
  });
});

describe('calls to an instance', () => {
  it.each<[InstanceStatus, boolean]>([
    ['healthy', true],
    ['unknown', true],
    ['unhealthy', false],
    ['draining', false],
    ['maintenance', false],
  ])('for status %s are allowed: %s; without weight never', (status, expected) => {
    expect([mayBeCalled({ status, weight: 1 }), mayBeCalled({ status, weight: 0 })]).toEqual([expected, false]);
  });
});

describe('the address of an instance', () => {
  it.each([
    ['http', 'users.internal', 80, '', 'http://users.internal:80', 'http://users.internal:80'],
    ['https', '10.0.0.7', 8443, '/api/v1', 'https://10.0.0.7:8443', 'https://10.0.0.7:8443/api/v1'],
    ['http', '2001:db8::1', 8080, '/api', 'http://[2001:db8::1]:8080', 'http://[2001:db8::1]:8080/api'],
  ] as const)('%s, %s, %d, "%s" is %s, %s', (protocol, host, port, path, origin, baseUrl) => {
    expect(originOf({ protocol, host, port })).toBe(origin);
    expect(baseUrlOf({ protocol, host, port, path })).toBe(baseUrl);
    expect(URL.canParse(baseUrl)).toBe(true);
  });
});

describe('keyOf', () => {
  it('distinguishes both parts', () => {
    const keys = [
      { serviceName: 'a', instanceId: 'b-c' },
      { serviceName: 'a-b', instanceId: 'c' },
      { serviceName: 'a.b', instanceId: 'c' },
    ].map(keyOf);
    expect(new Set(keys).size).toBe(3);
  });
});

describe('the shape of an instance', () => {
  const variety = (): ServiceInstance[] => {
    const plain = toInstance({ serviceName: 'users', host: 'localhost', port: 1 }, { ttlMs: 1_000, now: 1.5e12 });
    const rich = toInstance(
      { serviceName: 'users', host: '::1', port: 1, version: '1.2.3', tags: ['a'], zone: 'z', tier: 'app', ttl: '1d' },
      { ttlMs: 2_000, now: 1.6e12 },
    );
    const registered = changeInstance(rich, { generation: 1.7e15 });
    const checked = changeInstance(registered, {
      status: 'healthy',
      healthStatus: 'healthy',
      health: { checkedAt: 1 },
    });
    return [plain, rich, registered, checked, changeInstance(checked, { health: undefined, lastHeartbeat: 1.7e12 })];
  };

  it('is the same however the instance was created', () => {
    // Lets the engine see each kind of value.
    variety();
    const [first, ...others] = variety();
    for (const other of others) expect(haveSameShape(first!, other)).toBe(true);
    expect(haveSameShape(first!, { ...first!, note: 1 })).toBe(false);
  });
});
