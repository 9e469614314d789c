import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type LoadBalancer } from '../balancing/index.js';
import { type ServiceInstance } from '../model/index.js';
import { CallFixture, failure } from '../testing/call-fixture.js';
import { type ServiceCommunicator } from './communicator.js';
import { type CommunicatorOptions } from './options/index.js';

const USERS = { serviceName: 'users' };
const OPTIONS: CommunicatorOptions = {
  loadBalancing: { strategy: 'random', slowStart: { window: '60s' } },
  circuitBreaker: { failureThreshold: 2, recoveryTimeout: '1h' },
  serviceCircuitBreaker: { failureThreshold: 50 },
  outlierDetection: { consecutiveFailures: 2, ejectionTime: '1h' },
  hedging: {},
  rateLimit: { rate: 1_000 },
  throttling: {},
  adaptiveConcurrency: {},
  bulkhead: { maxConcurrent: 100 },
  concurrency: 10,
};

describe('the state of a service', () => {
  let stage: CallFixture;
  let communicator: ServiceCommunicator;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b', 'c');
    communicator = stage.communicatorWith(OPTIONS);
    // One that fails, and others that are slow and quick.
    stage.transport.answer(({ instanceId }) => {
      stage.clock.advance(instanceId === 'b' ? 40 : 5);
      return { status: instanceId === 'a' ? 500 : 200 };
    });
    for (let call = 0; call < 30; call++) await communicator.callService('users', { path: '/' });
    stage.transport.hold();
    // Plus a call in flight.
    void communicator.callService('users', { path: '/' }).catch(() => undefined);
    await stage.transport.nextHeld();
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(60_000);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const known = (): unknown => [
    communicator.explain('users'),
    communicator.circuitBreakers(),
    communicator.ejections(),
  ];

  it('reflects the calls that were made', () => {
    const { instances } = communicator.explain('users');
    expect(instances[0]).toMatchObject({
      instanceId: 'a',
      taken: false,
      circuit: { state: 'open' },
      outlier: { ejected: true },
    });
    expect(instances.slice(1).every(({ latencyMs }) => latencyMs > 0)).toBe(true);
    expect(instances.reduce((sum, { active }) => sum + active, 0)).toBe(1);
  });

  it('survives 1,000 identical updates', async () => {
    const before = known();
    for (let update = 0; update < 1_000; update++) {
      await stage.registry.setStatus({ ...USERS, instanceId: 'b' }, 'up');
      await stage.registry.heartbeat({ ...USERS, instanceId: 'c' });
    }
    await stage.clock.advanceAsync(0);
    expect(known()).toEqual(before);
  });

  it('survives a thousand unrelated changes', async () => {
    const before = communicator.explain('users').instances;
    for (let update = 0; update < 250; update++) {
      const other = { instanceId: `d${update}`, port: 9_000 };
      await stage.registerOne(other);
      await stage.registerOne({ ...other, serviceName: 'orders' });
      await stage.registry.setStatus({ ...USERS, instanceId: other.instanceId }, 'draining');
      communicator.explain('users');
      await stage.registry.deregister({ ...USERS, instanceId: other.instanceId });
    }
    await stage.clock.advanceAsync(0);
    expect(communicator.explain('users').instances).toEqual(before);
    // The state of the others is dropped with them.
    expect(communicator.circuitBreakers()).toHaveLength(4);
  });

  it('is not updated in a balancer after heartbeats, even when explained in between', async () => {
    let updates = 0;
    let first: ServiceInstance | undefined;
    const counting = (): LoadBalancer => ({
      update(instances) {
        updates++;
        first = instances[0];
      },
      pick: () => ({ kind: 'picked', instance: first!, done: () => undefined }),
    });
    const other = communicator.withOptions({ loadBalancing: counting, circuitBreaker: false, outlierDetection: false });
    stage.transport.answer(() => ({ status: 200 }));
    const call = () => other.callService('users', { path: '/' });
    await call();
    expect(updates).toBe(1);
    for (const instanceId of ['a', 'b', 'c', 'a']) {
      await stage.registry.heartbeat({ ...USERS, instanceId });
      await stage.clock.advanceAsync(0);
      other.explain('users');
      await call();
    }
    expect(updates).toBe(1);
    await stage.registry.setStatus({ ...USERS, instanceId: 'b' }, 'healthy');
    await call();
    expect(updates).toBe(2);
  });

  it('survives a change of the instance that is not a new registration', async () => {
    const before = known();
    await stage.registry.setStatus({ ...USERS, instanceId: 'a' }, 'maintenance');
    await stage.clock.advanceAsync(0);
    await stage.registry.setStatus({ ...USERS, instanceId: 'a' }, 'up');
    await stage.clock.advanceAsync(0);
    expect(known()).toEqual(before);
  });

  it('is shared by communicators with equal settings only', async () => {
    const same = communicator.withOptions({ timeout: '9s', circuitBreaker: { failureThreshold: 2 } });
    expect(same.explain('users')).toEqual(communicator.explain('users'));
    const other = communicator.withOptions({
      circuitBreaker: { failureThreshold: 3 },
      outlierDetection: { consecutiveFailures: 3 },
      bulkhead: { maxConcurrent: 101 },
    });
    expect(other.explain('users').instances[0]).toMatchObject({
      taken: true,
      circuit: undefined,
      outlier: { ejected: false },
    });
    expect(other.explain('users').limits.bulkhead).toMatchObject({ active: 0 });
  });

  it('is not recreated for each derived communicator', async () => {
    stage.transport.answer(() => ({ status: 500 }));
    const strict = { circuitBreaker: { failureThreshold: 4, maxOpenShare: 1 }, retry: false } as const;
    for (let call = 0; call < 40; call++) {
      await communicator
        .withOptions(strict)
        .callService('users', { path: '/' })
        .catch(() => undefined);
    }
    const error = await failure(communicator.withOptions(strict).callService('users', { path: '/' }));
    expect(error.code).toBe('CIRCUIT_OPEN');
  });
});
