import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure, reset } from '../testing/call-fixture.js';
import { type ServiceCommunicator } from './communicator.js';

describe('the idle time of an instance', () => {
  const a = { serviceName: 'users', instanceId: 'a' };
  let stage: CallFixture;
  let communicator: ServiceCommunicator;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a');
    communicator = stage.communicatorWith({ retry: false });
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
  });

  const call = (): Promise<unknown> => communicator.callServiceJson('users', { path: '/' });

  it('counts from the end of the last call, and is 0 while one is under way', async () => {
    stage.transport.hold();
    const calling = call();
    const held = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(500);
    expect(communicator.idleMs(a)).toBe(0);
    held.respond({ body: {} });
    await calling;
    await stage.clock.advanceAsync(3_000);
    expect(communicator.idleMs(a)).toBe(3_000);
  });

  it('counts from a failed call as well', async () => {
    stage.failOn('a', reset);
    await failure(call());
    await stage.clock.advanceAsync(2_000);
    expect(communicator.idleMs(a)).toBe(2_000);
  });

  it('is infinite without a call', async () => {
    expect(communicator.idleMs(a)).toBe(Number.POSITIVE_INFINITY);
    expect(communicator.idleMs({ serviceName: 'unknown', instanceId: 'a' })).toBe(Number.POSITIVE_INFINITY);
    await stage.register('a', 'b');
    await call();
    const idle = ['a', 'b'].map((instanceId) => communicator.idleMs({ serviceName: 'users', instanceId }));
    expect(idle.sort()).toEqual([0, Number.POSITIVE_INFINITY]);
  });
});
