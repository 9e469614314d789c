import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type EventName, type ServiceDiscoveryEvent } from '../model/index.js';
import { CallFixture, failure, refused } from '../testing/call-fixture.js';
import { CallPassiveHealth, type EventSource } from './call-passive-health.js';
import { type ServiceCommunicator } from './communicator.js';

/** An event source that the test fires. */
class FakeEvents implements EventSource {
  readonly listeners = new Map<EventName, (event: never) => void>();

  on<Name extends EventName>(
    type: Name,
    listener: (event: Extract<ServiceDiscoveryEvent, { type: Name }>) => void,
  ): () => void {
    this.listeners.set(type, listener);
    return () => void this.listeners.delete(type);
  }

  tell(type: EventName, payload: object): void {
    this.listeners.get(type)?.(payload as never);
  }
}

describe('passive health from calls', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b');
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
  });

  const callOften = async (communicator: ServiceCommunicator, times: number): Promise<void> => {
    for (let n = 0; n < times; n++) await communicator.callServiceJson('users', { path: '/' }).catch(() => undefined);
  };
  const findingsOf = (communicator: ServiceCommunicator): CallPassiveHealth =>
    new CallPassiveHealth(communicator, new FakeEvents(), { clock: stage.clock });

  it('reports circuits that are not closed, with their time', async () => {
    stage.failOn('a');
    const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 2 }, retry: false });
    const findings = findingsOf(communicator);
    expect(findings.findingsOn('users').size).toBe(0);
    await callOften(communicator, 6);
    const openedAt = stage.clock.epoch();
    stage.clock.advance(7);
    expect([...findings.findingsOn('users')]).toEqual([
      ['a', { reason: 'its circuit is open after 2 failures', since: openedAt }],
    ]);
    expect(findings.findingsOn('orders').size).toBe(0);
  });

  it('reports circuits that an operator holds open, but not those of a service as a whole', async () => {
    const communicator = stage.communicatorWith();
    communicator.forceCircuit('users', 'b', 'isolated');
    communicator.forceCircuit('users', undefined, 'isolated');
    expect((await failure(communicator.callServiceJson('users', { path: '/' }))).code).toBe('CIRCUIT_OPEN');
    expect([...findingsOf(communicator).findingsOn('users').keys()]).toEqual(['b']);
    expect(findingsOf(communicator).findingsOn('users').get('b')?.reason).toBe('its circuit is held open by hand');
  });

  it('reports outliers, with the measurement', async () => {
    stage.failOn('a');
    const communicator = stage.communicatorWith({
      outlierDetection: { consecutiveFailures: 3, ejectionJitter: 0 },
      circuitBreaker: false,
      retry: { maxAttempts: 2, baseDelay: 0 },
    });
    await callOften(communicator, 8);
    expect([...findingsOf(communicator).findingsOn('users')]).toEqual([
      ['a', { reason: expect.stringMatching(/^calls avoid it as an outlier: .*3/), since: null }],
    ]);
  });

  it('reports failed connections, with their time, until the instance answers', async () => {
    stage.failOn('a', refused);
    const communicator = stage.communicatorWith();
    const findings = findingsOf(communicator);
    await callOften(communicator, 2);
    const since = stage.clock.epoch();
    await stage.clock.advanceAsync(40_000);
    await callOften(communicator, 2);
    expect([...findings.findingsOn('users')]).toEqual([
      ['a', { reason: 'calls could not connect to it: connect ECONNREFUSED', since }],
    ]);
    expect(communicator.unreachable('orders')).toEqual([]);
    stage.failOn('none');
    await stage.clock.advanceAsync(40_000);
    await callOften(communicator, 2);
    expect(findings.findingsOn('users').size).toBe(0);
  });

  it('notifies listeners with the name of the service until they unsubscribe', () => {
    const events = new FakeEvents();
    const findings = new CallPassiveHealth(stage.communicatorWith(), events, { clock: stage.clock });
    const heard: string[] = [];
    const stop = findings.onChange((name) => heard.push(name));
    for (const type of ['circuit.opened', 'circuit.half_opened', 'circuit.closed'] as const)
      events.tell(type, { service: type });
    for (const type of ['instance.ejected', 'instance.readmitted', 'instance.unreachable', 'instance.reached'] as const)
      events.tell(type, { key: { serviceName: type } });
    expect(heard).toEqual([
      'circuit.opened',
      'circuit.half_opened',
      'circuit.closed',
      'instance.ejected',
      'instance.readmitted',
      'instance.unreachable',
      'instance.reached',
    ]);
    stop();
    expect(events.listeners.size).toBe(0);
  });
});
