import { describe, expect, it } from '@jest/globals';
import { instanceAt } from '../../../../../test/support/probed-server.js';
import { type HealthStatus, type OperatorStatus, type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/index.js';
import { resolveHealthCheckOptions } from '../options.js';
import { planChecks } from '../plan-checks.js';
import { type CustomCheck, CustomProbe } from './custom-probe.js';
import { type ProbeResult } from './probe.js';

const { signal } = new AbortController();
const resultOf = (ask: CustomCheck): Promise<ProbeResult> => new CustomProbe(ask).check(instanceAt(6_379), signal);

describe('CustomProbe', () => {
  it('passes the instance and the signal on', async () => {
    const given: unknown[] = [];
    await resultOf((...args) => given.push(...args) > 0);
    expect(given).toEqual([expect.objectContaining({ host: '127.0.0.1', port: 6_379 }), signal]);
  });

  it('accepts true, false and full results, sync or async', async () => {
    const full: ProbeResult = { passed: false, skipped: true, reason: 'it reloads', data: { role: 'replica' } };
    expect(await resultOf(() => true)).toEqual({ passed: true });
    expect(await resultOf(() => Promise.resolve(false))).toEqual({ passed: false, reason: 'the custom check failed' });
    expect(await resultOf(() => Promise.resolve(full))).toEqual(full);
  });

  it('drops data that cannot be serialized or is too large, and reports that', async () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const reason = 'the data of the custom check is not JSON of at most 64 KiB and was not kept';
    for (const data of [circle, { n: 1n }, 'x'.repeat(65_536), () => 1]) {
      expect(await resultOf(() => ({ passed: true, data }))).toEqual({ passed: true, reason });
    }
    const result = await resultOf(() => ({ passed: true, data: { at: new Date(0), gone: undefined } }));
    expect(result.data).toEqual({ at: '1970-01-01T00:00:00.000Z' });
  });

  it('truncates a long reason', async () => {
    const { reason } = await resultOf(() => ({ passed: false, reason: 'x'.repeat(1_000) }));
    expect(reason).toBe('x'.repeat(200));
  });

  it("fails with the thrown error's message", async () => {
    const throws = (): never => {
      throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' });
    };
    expect(await resultOf(throws)).toEqual({ passed: false, reason: 'connection refused' });
    expect(await resultOf(() => Promise.reject(new Error('LOADING')))).toEqual({ passed: false, reason: 'LOADING' });
  });

  it.each([undefined, null, 1, 'PONG', {}, { passed: 'yes' }])('fails if it returns %j', async (answer) => {
    expect(await resultOf(() => answer as never)).toEqual({
      passed: false,
      reason: 'the custom check returned neither true nor false nor a result',
    });
  });
});

type State = HealthStatus | Exclude<OperatorStatus, 'up'>;

/** Per service: the state of each instance, and the service that they are an alias of. */
type Fleet = Readonly<Record<string, { readonly is?: readonly State[]; readonly aliasOf?: string }>>;

function check(fleet: Fleet, serviceName: string, asked: string[] = []): Promise<ProbeResult> {
  const services = new Map<string, ServiceInstance[]>();
  for (const [name, { is = ['unknown'], aliasOf }] of Object.entries(fleet)) {
    const healthCheck = aliasOf === undefined ? undefined : ({ type: 'alias', aliasOf } as const);
    const instances = is.map((state, index) => {
      const isOperators = state === 'maintenance' || state === 'draining';
      const status: Partial<ServiceInstance> = isOperators
        ? { operatorStatus: state }
        : { healthStatus: state as HealthStatus };
      return fakeInstance({ serviceName: name, instanceId: String(index), healthCheck, ...status });
    });
    services.set(name, instances);
  }
  const instancesOf = (name: string): readonly ServiceInstance[] => {
    asked.push(name);
    return services.get(name) ?? [];
  };
  const planner = planChecks(resolveHealthCheckOptions(), { instancesOf });
  const instance = services.get(serviceName)![0]!;
  return planner(instance).probe.check(instance, new AbortController().signal);
}

describe('an alias', () => {
  it.each<[readonly State[], Partial<ProbeResult>]>([
    [['healthy'], { passed: true }],
    [['unhealthy', 'healthy', 'unknown'], { passed: true }],
    [['unhealthy'], { passed: false, skipped: undefined, reason: 'db has no healthy instance' }],
    [['maintenance', 'draining'], { passed: false, skipped: undefined, reason: 'db has no healthy instance' }],
    [['unknown', 'unhealthy'], { passed: false, skipped: true, reason: 'how db is, is not known yet' }],
    [[], { passed: false, skipped: undefined, reason: 'no instance of db is registered' }],
  ])('of a service whose instances are %j', async (is, expected) => {
    const result = await check({ db: { is }, proxy: { aliasOf: 'db' } }, 'proxy');
    expect(result.passed).toBe(expected.passed);
    expect(result.skipped).toBe(expected.skipped);
    expect(result.reason).toBe(expected.reason);
  });

  it('reports the number of instances behind it', async () => {
    const { data } = await check({ db: { is: ['healthy', 'unhealthy'] }, proxy: { aliasOf: 'db' } }, 'proxy');
    expect(data).toEqual({ alias_of: 'db', healthy_instances: 1, total_instances: 2 });
  });

  it("of an alias follows the latter's check result", async () => {
    const fleet: Fleet = {
      db: { is: ['healthy'] },
      proxy: { aliasOf: 'db', is: ['unhealthy'] },
      edge: { aliasOf: 'proxy' },
    };
    expect(await check(fleet, 'edge')).toMatchObject({ passed: false, reason: 'proxy has no healthy instance' });
  });

  it('is inconclusive in a cycle, whatever was found before', async () => {
    const circle: Fleet = {
      a: { aliasOf: 'b', is: ['healthy'] },
      b: { aliasOf: 'c', is: ['healthy'] },
      c: { aliasOf: 'a', is: ['healthy'] },
    };
    expect(await check(circle, 'a')).toEqual({
      passed: false,
      skipped: true,
      misconfigured: true,
      reason: 'a is an alias of b is an alias of c is an alias of a: there is nothing to go by',
    });
  });

  it('is not affected by a cycle that it is not part of', async () => {
    const fleet: Fleet = { a: { aliasOf: 'b' }, b: { aliasOf: 'c', is: ['healthy'] }, c: { aliasOf: 'b' } };
    expect(await check(fleet, 'a')).toMatchObject({ passed: true });
  });

  it('follows a chain of aliases only up to a limit', async () => {
    const fleet: Record<string, Fleet[string]> = { s0: { is: ['healthy'] } };
    for (let index = 1; index < 10_000; index++) fleet[`s${index}`] = { aliasOf: `s${index - 1}`, is: ['healthy'] };
    const asked: string[] = [];
    expect(await check(fleet, 's9999', asked)).toMatchObject({ passed: true });
    expect(asked.length).toBeLessThan(50);
  });
});
