import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, reset } from '../../testing/call-fixture.js';
import { type ServiceCommunicator } from '../communicator.js';
import { type CommunicatorOptions } from '../options/index.js';

const RECOVERY_MS = 10_000;

describe('the share of circuits that may be open', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
  });

  const communicatorWith = (circuitBreaker: CommunicatorOptions['circuitBreaker'] = {}): ServiceCommunicator =>
    stage.communicatorWith({
      retry: false,
      circuitBreaker: { failureThreshold: 1, recoveryTimeout: RECOVERY_MS, ...circuitBreaker },
    });
  const failAll = (): void =>
    stage.transport.answer(() => {
      throw reset();
    });
  const call = (communicator: ServiceCommunicator, calls = 1): Promise<unknown> =>
    Promise.allSettled(Array.from({ length: calls }, () => communicator.callService('users', { path: '/' })));
  const idsIn = (communicator: ServiceCommunicator, state: string): string[] =>
    communicator
      .circuitBreakers('users')
      .filter((circuit) => circuit.state === state)
      .map(({ instanceId }) => instanceId!)
      .sort();
  const heldClosed = (communicator: ServiceCommunicator): string[] =>
    communicator
      .circuitBreakers('users')
      .filter((circuit) => circuit.heldClosed)
      .map(({ instanceId }) => instanceId!);
  const leave = async (instanceId: string): Promise<void> => {
    await stage.registry.deregister({ serviceName: 'users', instanceId });
  };

  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
    [10, 5],
  ])('of %i instances that all fail leaves %i open by default', async (instances, open) => {
    await stage.register(...Array.from({ length: instances }, (_, index) => `i${index}`));
    const communicator = communicatorWith();
    failAll();
    for (let n = 0; n < 4 * instances; n++) await call(communicator);
    expect(idsIn(communicator, 'open')).toHaveLength(open);
    expect(heldClosed(communicator)).toHaveLength(instances - open);
  });

  it('has no limit at 1', async () => {
    await stage.register('a', 'b', 'c', 'd');
    const communicator = communicatorWith({ maxOpenShare: 1 });
    failAll();
    await call(communicator, 4);
    expect(idsIn(communicator, 'open')).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is of the circuits with equal settings', async () => {
    await stage.register('a', 'b');
    const communicator = communicatorWith();
    const other = communicatorWith({ failureThreshold: 2 });
    failAll();
    await call(communicator, 2);
    await call(other, 4);
    expect(idsIn(communicator, 'open')).toHaveLength(1);
    expect(idsIn(other, 'open')).toHaveLength(1);
  });

  it('shows in the explanation which circuits are held closed', async () => {
    await stage.register('a', 'b');
    const communicator = communicatorWith();
    failAll();
    await call(communicator, 2);
    const { instances } = communicator.explain('users');
    const circuits = instances.map(({ taken, circuit }) => ({
      taken,
      state: circuit?.state,
      held: circuit?.heldClosed,
    }));
    expect(circuits).toHaveLength(2);
    expect(circuits).toContainEqual({ taken: false, state: 'open', held: undefined });
    expect(circuits).toContainEqual({ taken: true, state: 'closed', held: true });
  });

  it('lets a circuit that was held closed open at its next failure once another has closed', async () => {
    await stage.register('a', 'b');
    const communicator = communicatorWith();
    failAll();
    await call(communicator, 2);
    const open = idsIn(communicator, 'open');
    const [failing] = heldClosed(communicator);
    stage.failOn(failing!);
    await stage.clock.advanceAsync(RECOVERY_MS);
    for (let n = 0; n < 4; n++) await call(communicator);
    expect(idsIn(communicator, 'open')).toEqual([failing]);
    expect(idsIn(communicator, 'closed')).toEqual(open);
  });

  it('no longer holds a circuit once a call succeeds', async () => {
    await stage.register('a', 'b');
    const communicator = communicatorWith();
    failAll();
    await call(communicator, 2);
    stage.transport.answer(() => ({}));
    await call(communicator);
    expect(heldClosed(communicator)).toEqual([]);
  });

  it('counts a half-open circuit, whose failed probe opens it again', async () => {
    await stage.register('a', 'b');
    const communicator = communicatorWith();
    failAll();
    await call(communicator, 2);
    const open = idsIn(communicator, 'open');
    await stage.clock.advanceAsync(RECOVERY_MS);
    for (let n = 0; n < 4; n++) await call(communicator);
    expect(idsIn(communicator, 'open')).toEqual(open);
    expect(stage.typesOf('circuit.')).toEqual(['circuit.opened', 'circuit.half_opened', 'circuit.opened']);
  });

  it('counts a circuit that an operator isolated, and lets an operator isolate any number', async () => {
    await stage.register('a', 'b');
    const communicator = communicatorWith();
    communicator.forceCircuit('users', 'a', 'isolated');
    failAll();
    await call(communicator, 2);
    expect(heldClosed(communicator)).toEqual(['b']);
    communicator.forceCircuit('users', 'b', 'isolated');
    expect(idsIn(communicator, 'isolated')).toEqual(['a', 'b']);
  });

  it('has circuits probed at once when instances leave, and closes those that are too many', async () => {
    await stage.register('a', 'b', 'c', 'd');
    const communicator = communicatorWith();
    failAll();
    await call(communicator, 4);
    const closed = idsIn(communicator, 'closed');
    expect(closed).toHaveLength(2);
    for (const instanceId of closed) await leave(instanceId);
    const [probed] = idsIn(communicator, 'half_open');
    await call(communicator);
    expect(idsIn(communicator, 'open')).toHaveLength(1);
    expect(heldClosed(communicator)).toEqual([probed]);
    expect(stage.events.at(-2)).toMatchObject({ type: 'circuit.closed', payload: { reason: 'max_open_share' } });
  });

  it('no longer counts the circuit of an instance that has left, even if a call to it fails later', async () => {
    await stage.register('a', 'b');
    const communicator = communicatorWith();
    let fail = (): void => undefined;
    stage.transport.answer(() => new Promise((_, reject) => (fail = () => void reject(reset()))));
    const late = call(communicator);
    await stage.clock.advanceAsync(0);
    const [gone] = stage.transport.targets;
    await leave(gone!);
    fail();
    await late;
    failAll();
    await call(communicator);
    expect(idsIn(communicator, 'open')).toEqual([gone === 'a' ? 'b' : 'a']);
  });
});
