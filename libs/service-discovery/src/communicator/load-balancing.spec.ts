import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Candidate, type Strategy } from '../balancing/index.js';
import { CallStage } from '../testing/call-stage.js';
import { type ServiceCommunicator } from './communicator.js';
import { type ServiceCallRequest } from './request.js';

describe('load balancing of calls', () => {
  let stage: CallStage;

  beforeEach(async () => {
    stage = await CallStage.open();
    await stage.register('a', 'b', 'c', 'd');
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const targetOf = async (communicator: ServiceCommunicator, request: Partial<ServiceCallRequest>): Promise<string> => {
    const { instance } = await communicator.callService('users', { path: '/', ...request });
    return instance.instanceId;
  };

  describe('by a hash', () => {
    it('has the breaker-open owner of a key give way to the next, and come back', async () => {
      const communicator = stage.communicatorWith({
        loadBalancing: 'consistent_hash',
        circuitBreaker: { failureThreshold: 1, recoveryTimeout: '10s' },
      });
      const keys = Array.from({ length: 40 }, (_, n) => `user-${n}`);
      const ownersNow = async (): Promise<string[]> => {
        const owners: string[] = [];
        for (const key of keys) owners.push(await targetOf(communicator, { key }));
        return owners;
      };
      const before = await ownersNow();
      stage.failOn('a');
      await ownersNow();
      const during = await ownersNow();
      stage.transport.answer(() => ({}));
      const again = await ownersNow();
      expect(during).not.toContain('a');
      expect(again).toEqual(during);
      for (const [n, owner] of before.entries()) if (owner !== 'a') expect(during[n]).toBe(owner);
      // Those of the one that is gone are spread over the others.
      expect(new Set(during.filter((_, n) => before[n] === 'a')).size).toBeGreaterThan(1);
      stage.clock.advance(10_000);
      expect(await ownersNow()).toEqual(before);
    });

    it.each<[string, object, (value: string) => Partial<ServiceCallRequest>]>([
      ['the key', { on: ['key'] }, (key) => ({ key })],
      ['a header', { on: [{ header: 'x-user' }] }, (value) => ({ headers: { 'X-User': value } })],
      ['a cookie', { on: [{ cookie: 'sid' }] }, (value) => ({ headers: { cookie: `theme=dark; sid=${value}` } })],
      ['a query parameter', { on: [{ query: 'user' }] }, (user) => ({ query: { user } })],
      ['the path', { on: ['path'] }, (value) => ({ path: `/users/${value}` })],
      ["the client's address", { on: ['ip'] }, (value) => ({ clientIp: `10.0.0.${value}` })],
    ])('goes by %s of the request', async (_, hash, requestFor) => {
      const communicator = stage.communicatorWith({ loadBalancing: { strategy: 'maglev', hash } });
      const owners = new Map<string, string>();
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < 30; n++) {
          const target = await targetOf(communicator, requestFor(String(n)));
          expect(owners.get(String(n)) ?? target).toBe(target);
          owners.set(String(n), target);
        }
      }
      expect(new Set(owners.values()).size).toBe(4);
    });

    it('does not send the address of the client', async () => {
      await targetOf(stage.communicatorWith({ loadBalancing: 'ip_hash' }), { clientIp: '10.1.2.3' });
      expect(JSON.stringify(stage.transport.sent[0]?.request)).not.toContain('10.1.2.3');
    });
  });

  it('by the options of one layer and the strategy of another', async () => {
    await stage.registerOne({ instanceId: 'new', port: 9_000, version: '2.0.0' });
    const routes = [{ header: 'x-canary', value: 'yes', version: '^2' }];
    const communicator = stage.communicatorWith({ loadBalancing: { routes } }).withOptions({ loadBalancing: 'random' });
    expect(communicator.describePipeline('users')).toContainEqual(
      expect.objectContaining({
        stage: 'load_balancing',
        options: expect.objectContaining({ strategy: 'random', routes: expect.anything() }),
      }),
    );
    for (let n = 0; n < 5; n++) expect(await targetOf(communicator, { headers: { 'x-canary': 'yes' } })).toBe('new');
  });

  it('goes by one turn for all who balance in the same way', async () => {
    const communicator = stage.communicatorWith();
    const targets = new Set<string>();
    for (let n = 0; n < 4; n++) {
      const derived = communicator.withOptions({ loadBalancing: { strategy: 'round_robin', uncheckedThreshold: 0.4 } });
      targets.add(await targetOf(derived, {}));
    }
    expect(targets.size).toBe(4);
  });

  it('by a strategy of the user that has a name', async () => {
    class Last implements Strategy {
      choose(candidates: readonly Candidate[]): Candidate {
        return candidates.at(-1)!;
      }
    }
    const communicator = stage.communicatorWith({ loadBalancing: 'last' }, { strategies: { last: Last } });
    for (let n = 0; n < 4; n++) expect(await targetOf(communicator, {})).toBe('d');
    expect(await targetOf(communicator.withOptions({ loadBalancing: { strategy: 'last' } }), {})).toBe('d');
    expect(stage.events.find(({ type }) => type === 'call.picked')?.payload.strategy).toBe('last');
    expect(() => stage.communicatorWith({ loadBalancing: 'last' })).toThrow('loadBalancing');
  });

  it('tells of a panic, in which calls go to all', async () => {
    for (const instanceId of ['a', 'b', 'c']) {
      await stage.registry.setStatus({ serviceName: 'users', instanceId }, 'unhealthy');
    }
    await stage.registry.setStatus({ serviceName: 'users', instanceId: 'd' }, 'healthy');
    const communicator = stage.communicatorWith({ loadBalancing: { panicThreshold: 0.5 } });
    const targets = new Set<string>();
    for (let n = 0; n < 8; n++) targets.add(await targetOf(communicator, {}));
    expect(targets.size).toBe(4);
    expect(stage.events.find(({ type }) => type === 'balancing.panic')?.payload).toMatchObject({ service: 'users' });
  });
});
