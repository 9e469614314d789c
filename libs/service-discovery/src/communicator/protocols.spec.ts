import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Protocol, PROTOCOLS } from '../model/index.js';
import { CallFixture, failure } from '../testing/call-fixture.js';

describe('a call to a service that does not speak HTTP', () => {
  let stage: CallFixture;
  beforeEach(async () => {
    stage = await CallFixture.open();
  });
  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const OTHERS = PROTOCOLS.filter((protocol) => protocol !== 'http' && protocol !== 'https');

  it.each(OTHERS)('fails at once and says what to do: %s', async (protocol) => {
    await stage.registerOne({ instanceId: 'a', protocol });
    const communicator = stage.communicatorWith({ serviceCircuitBreaker: { failureThreshold: 1 } });
    for (let n = 0; n < 3; n++) {
      const error = await failure(communicator.callServiceJson('users', { path: '/' }));
      expect(error).toMatchObject({ code: 'UNSUPPORTED_PROTOCOL', service: 'users' });
      expect(error.message).toContain(`"users" speaks ${protocol}: use discoverService('users')`);
    }
    expect(stage.transport.sent).toEqual([]);
    expect(communicator.circuitBreakers()).toEqual([]);
    expect(stage.typesOf('circuit')).toEqual([]);
  });

  it('uses those of its instances that speak HTTP, if there are any', async () => {
    for (const [instanceId, protocol] of [
      ['a', 'http'],
      ['b', 'redis'],
      ['c', 'https'],
      ['d', 'grpc'],
    ] as [string, Protocol][]) {
      await stage.registerOne({ instanceId, protocol, port: 8000 + instanceId.charCodeAt(0) });
    }
    const communicator = stage.communicatorWith();
    for (let n = 0; n < 8; n++) await communicator.callServiceJson('users', { path: '/' });
    expect(new Set(stage.transport.targets)).toEqual(new Set(['a', 'c']));
    const { instances } = communicator.explain('users', { path: '/' });
    expect(instances.map(({ instanceId, taken, stage: at, reason }) => [instanceId, taken, at, reason])).toEqual([
      ['a', true, undefined, undefined],
      ['c', true, undefined, undefined],
      ['b', false, 'protocol', 'speaks redis, and calls are HTTP'],
      ['d', false, 'protocol', 'speaks grpc, and calls are HTTP'],
    ]);
  });

  it('follows instances that come and go', async () => {
    await stage.registerOne({ instanceId: 'a', protocol: 'redis' });
    const communicator = stage.communicatorWith();
    const call = (): Promise<unknown> => communicator.callServiceJson('users', { path: '/' });
    expect((await failure(call())).code).toBe('UNSUPPORTED_PROTOCOL');
    await stage.registerOne({ instanceId: 'b' });
    expect(await call()).toEqual({ from: 'b' });
    await stage.registry.deregister({ serviceName: 'users', instanceId: 'b' });
    expect((await failure(call())).code).toBe('UNSUPPORTED_PROTOCOL');
    await stage.registerOne({ instanceId: 'a', protocol: 'http' });
    expect(await call()).toEqual({ from: 'a' });
    await stage.registerOne({ instanceId: 'a', protocol: 'redis' });
    expect((await failure(call())).code).toBe('UNSUPPORTED_PROTOCOL');
    await stage.registry.deregister({ serviceName: 'users', instanceId: 'a' });
    expect((await failure(call())).code).toBe('SERVICE_NOT_FOUND');
  });

  it('does not use the fallback, which would hide the mistake', async () => {
    await stage.registerOne({ instanceId: 'a', protocol: 'kafka' });
    await stage.registerOne({ serviceName: 'orders', instanceId: 'o' });
    const call = { primaryService: 'users', fallbackService: 'orders', path: '/' };
    const error = await failure(stage.communicatorWith().callServiceWithFallback(call));
    expect(error.code).toBe('UNSUPPORTED_PROTOCOL');
    expect(stage.transport.sent).toEqual([]);
  });

  it('has no circuit to force', async () => {
    await stage.registerOne({ instanceId: 'a', protocol: 'redis' });
    const communicator = stage.communicatorWith();
    expect(() => communicator.forceCircuit('users', 'a', 'isolated')).toThrow(
      /Calls are HTTP, and "users" speaks redis/,
    );
  });
});
