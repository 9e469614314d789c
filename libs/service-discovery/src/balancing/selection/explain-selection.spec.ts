import { describe, expect, it } from '@jest/globals';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/index.js';
import { describeUnavailable } from './explain-selection.js';

const refused = (checkedAt: number, reason?: string): Partial<ServiceInstance> => ({
  healthStatus: 'unhealthy',
  health: { checkedAt, reason },
});
const listOf = (...fields: Partial<ServiceInstance>[]): ServiceInstance[] =>
  fields.map((own, index) => fakeInstance({ instanceId: `i${index}`, ...own }));

describe('why no instance can take a call', () => {
  it.each<[string, ServiceInstance[]]>([
    ['1 instance, unhealthy: status 403 at /health/ready', listOf(refused(1, 'status 403 at /health/ready'))],
    [
      '3 instances, all unhealthy: status 403 at /health/ready',
      listOf(refused(2, 'connection refused'), refused(3, 'status 403 at /health/ready'), refused(1, 'timed out')),
    ],
    ['2 instances, all unhealthy', listOf(refused(1), refused(2))],
    ['2 instances, all draining', listOf({ operatorStatus: 'draining' }, { operatorStatus: 'draining' })],
    [
      '4 instances: 2 unhealthy (timed out), 1 in maintenance, 1 of weight 0',
      listOf(
        refused(2, 'timed out'),
        refused(1, 'status 500 at /health'),
        { operatorStatus: 'maintenance' },
        { ...refused(9, 'connection refused'), weight: 0 },
      ),
    ],
  ])('says: %s', (expected, instances) => {
    expect(describeUnavailable('none_healthy', instances)).toBe(expected);
  });

  it('counts instances that match alone', () => {
    const instances = listOf({ version: '1.0.0' }, { version: '2.0.0', ...refused(1, 'timed out') });
    expect(describeUnavailable('none_healthy', instances, { version: '^2' })).toBe('1 instance, unhealthy: timed out');
  });

  it('says how all are where too few are healthy', () => {
    const instances = listOf({ healthStatus: 'healthy' }, { healthStatus: 'unknown' }, refused(1, 'timed out'));
    expect(describeUnavailable('too_few_healthy', instances)).toBe(
      'too few of its instances are healthy to bear its calls: ' +
        '3 instances: 1 healthy, 1 not checked yet, 1 unhealthy (timed out)',
    );
  });

  it('needs no instances for the other reasons', () => {
    expect(describeUnavailable('no_match', listOf({}))).toBe('none matches the version and tags asked for');
  });
});
