import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type HealthStatus } from '../model/index.js';
import { CallFixture, failure, refused } from '../testing/call-fixture.js';
import { type CommunicatorOptions } from './options/index.js';
import { type ServiceCommunicator } from './communicator.js';

describe('an instance that health checks find healthy again', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b', 'c');
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const checksFind = async (...statuses: HealthStatus[]): Promise<void> => {
    for (const status of statuses) {
      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'a' }, status);
      await stage.clock.advanceAsync(0);
    }
  };
  /** How many of the next calls go to `a`. */
  const takes = async (communicator: ServiceCommunicator, calls = 9): Promise<number> => {
    stage.transport.sent.length = 0;
    for (let call = 0; call < calls; call++) await communicator.callService('users', { path: '/' });
    return stage.transport.targets.filter((id) => id === 'a').length;
  };
  /** A communicator that opened the circuit of `a`, which has recovered since. */
  const afterAnOutage = async (options: CommunicatorOptions): Promise<ServiceCommunicator> => {
    const communicator = stage.communicatorWith(options);
    stage.failOn('a');
    await takes(communicator, 30);
    await checksFind('unhealthy');
    stage.transport.answer(() => ({}));
    expect(await takes(communicator)).toBe(0);
    return communicator;
  };

  it('is called again at once, though its circuit would be open for a minute', async () => {
    const communicator = await afterAnOutage({});
    expect(communicator.circuitBreakers('users')).toContainEqual(
      expect.objectContaining({ instanceId: 'a', state: 'open', retryAfterMs: 60_000 }),
    );
    await checksFind('healthy');
    expect(await takes(communicator)).toBe(3);
    const reasons = stage.events.filter(({ type }) => type.startsWith('circuit.')).map(({ payload }) => payload.reason);
    expect(reasons).toEqual(['consecutive_failures', 'recovered', 'probes_succeeded']);
  });

  it('is excluded again by the first probe if calls still fail', async () => {
    const communicator = await afterAnOutage({});
    stage.failOn('a');
    await checksFind('healthy');
    expect(await takes(communicator)).toBe(1);
    expect(communicator.circuitBreakers('users')).toContainEqual(
      expect.objectContaining({ instanceId: 'a', state: 'open', retryAfterMs: 60_000 }),
    );
  });

  it('stays excluded while an operator isolates it', async () => {
    const communicator = await afterAnOutage({});
    communicator.forceCircuit('users', 'a', 'isolated');
    await checksFind('healthy');
    expect(await takes(communicator)).toBe(0);
    expect(communicator.circuitBreakers('users')).toContainEqual(
      expect.objectContaining({ instanceId: 'a', state: 'isolated' }),
    );
  });

  it('stays excluded if its checks passed all along, since they miss what calls see', async () => {
    const communicator = stage.communicatorWith();
    await checksFind('healthy');
    for (const instanceId of ['b', 'c']) {
      await stage.registry.setStatus({ serviceName: 'users', instanceId }, 'healthy');
    }
    stage.failOn('a');
    await takes(communicator, 30);
    stage.transport.answer(() => ({}));
    await checksFind('healthy');
    expect(await takes(communicator)).toBe(0);
  });

  it('is readmitted by outlier detection, which remembers the ejection', async () => {
    const communicator = await afterAnOutage({ circuitBreaker: false, outlierDetection: { consecutiveFailures: 3 } });
    expect(communicator.ejections('users')).toMatchObject([{ instanceId: 'a', ejections: 1 }]);
    await checksFind('healthy');
    expect(communicator.ejections('users')).toEqual([]);
    expect(await takes(communicator)).toBe(3);
    expect(stage.typesOf('instance.')).toEqual(['instance.ejected', 'instance.readmitted']);
    stage.failOn('a');
    await takes(communicator, 30);
    expect(communicator.ejections('users')).toMatchObject([{ instanceId: 'a', ejections: 2 }]);
  });

  it('is no longer unreachable', async () => {
    const communicator = stage.communicatorWith({ circuitBreaker: false });
    stage.failOn('a', refused);
    await takes(communicator);
    stage.transport.answer(() => ({}));
    expect(await takes(communicator)).toBe(0);
    await checksFind('unhealthy', 'healthy');
    for (const instanceId of ['b', 'c']) {
      await stage.registry.setStatus({ serviceName: 'users', instanceId }, 'healthy');
    }
    expect(await takes(communicator)).toBe(3);
  });

  it('gets the circuit of its service probed as well', async () => {
    const communicator = stage.communicatorWith({
      circuitBreaker: false,
      retry: false,
      serviceCircuitBreaker: { failureThreshold: 1 },
    });
    stage.transport.answer(() => ({ status: 503 }));
    await communicator.callService('users', { path: '/' });
    stage.transport.answer(() => ({}));
    await checksFind('unhealthy');
    expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('CIRCUIT_OPEN');
    await checksFind('healthy');
    expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 200 });
  });
});
