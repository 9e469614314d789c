import { describe, expect, it } from '@jest/globals';
import { claimOf, type StoredInstance, toRecord, toServiceInstance, toState } from './record.js';

/**
 * An instance as version 0.1 writes it. Processes of other versions read it: these texts change with a major version only, beside
 * fields that are added to the record.
 */
const STORED: StoredInstance = {
  serviceName: 'user-service',
  instanceId: '10.0.0.7:8080',
  record:
    '{"v":1,"host":"10.0.0.7","port":8080,"protocol":"http","path":"/api","healthCheckPath":"/health","metadata":{"team":"users"},' +
    '"tags":["api"],"version":"1.2.0","weight":100,"zone":"eu-1","tier":"web","dependencies":["mail-service"],"owner":"users"}',
  state: '1700000000000001 300000 7 1700000000000 up healthy 0 - 1700000000000001 heartbeat',
  lastHeartbeat: '1700000010000',
  detail: '',
};

describe('the format of instances in Redis', () => {
  it('is read as it was written by version 0.1', () => {
    expect(toServiceInstance(STORED)).toMatchObject({
      serviceName: 'user-service',
      instanceId: '10.0.0.7:8080',
      host: '10.0.0.7',
      port: 8080,
      protocol: 'http',
      path: '/api',
      healthCheckPath: '/health',
      metadata: { team: 'users' },
      tags: ['api'],
      version: '1.2.0',
      weight: 100,
      zone: 'eu-1',
      tier: 'web',
      dependencies: ['mail-service'],
      owner: 'users',
      generation: 1_700_000_000_000_001,
      ttlMs: 300_000,
      lease: 'heartbeat',
      registeredAt: 1_700_000_000_000,
      operatorStatus: 'up',
      healthStatus: 'healthy',
      status: 'healthy',
      lastHeartbeat: 1_700_000_010_000,
    });
  });

  it('is written as version 0.1 reads it', () => {
    const instance = toServiceInstance(STORED);
    expect(toRecord(instance)).toBe(STORED.record);
    expect(toState(instance, 7, claimOf(STORED.state))).toBe(STORED.state);
  });

  it('may have fields that only later versions know', () => {
    const record = STORED.record.replace('{', '{"since":"0.2",');
    expect(toServiceInstance({ ...STORED, record })).toEqual(toServiceInstance(STORED));
  });
});
