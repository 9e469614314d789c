import { describe, expect, it } from '@jest/globals';
import {
  baseUrlOf,
  effectiveStatus,
  keyOf,
  originOf,
  type HealthStatus,
  type InstanceStatus,
  type OperatorStatus,
} from './instance.js';

describe('the effective status', () => {
  it.each<[OperatorStatus, HealthStatus, InstanceStatus]>([
    ['up', 'unknown', 'unknown'],
    ['up', 'healthy', 'healthy'],
    ['up', 'unhealthy', 'unhealthy'],
    ['maintenance', 'healthy', 'maintenance'],
    ['maintenance', 'unhealthy', 'maintenance'],
    ['draining', 'unknown', 'draining'],
    ['draining', 'healthy', 'draining'],
  ])('of an operator who says %s and checks that say %s is %s', (operator, health, status) => {
    expect(effectiveStatus(operator, health)).toBe(status);
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
  it('tells apart what differs in either part', () => {
    const keys = [
      { serviceName: 'a', instanceId: 'b-c' },
      { serviceName: 'a-b', instanceId: 'c' },
      { serviceName: 'a.b', instanceId: 'c' },
    ].map(keyOf);
    expect(new Set(keys).size).toBe(3);
  });
});
