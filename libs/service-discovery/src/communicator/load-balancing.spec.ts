import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Candidate, type Strategy } from '../balancing/index.js';
import { CallFixture, failure, refused } from '../testing/call-fixture.js';
import { type ServiceCommunicator } from './communicator.js';
import { type ServiceCallRequest } from './request.js';

describe('load balancing of calls', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
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
    it("passes a key to the next owner while the first one's breaker is open, and back afterwards", async () => {
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
      // The keys of the missing owner are spread over the others.
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
    ])('uses %s of the request', async (_, hash, requestFor) => {
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

  it('merges options of one layer with the strategy of another', async () => {
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

  it('shares the rotation between communicators with equal settings', async () => {
    const communicator = stage.communicatorWith();
    const targets = new Set<string>();
    for (let n = 0; n < 4; n++) {
      const derived = communicator.withOptions({ loadBalancing: { strategy: 'round_robin', uncheckedThreshold: 0.4 } });
      targets.add(await targetOf(derived, {}));
    }
    expect(targets.size).toBe(4);
  });

  it("accepts a user's named strategy", async () => {
    class Last implements Strategy {
      choose(candidates: readonly Candidate[]): Candidate {
        return candidates.at(-1)!;
      }
    }
    const communicator = stage.communicatorWith({ loadBalancing: 'last' as never }, { strategies: { last: Last } });
    for (let n = 0; n < 4; n++) expect(await targetOf(communicator, {})).toBe('d');
    expect(await targetOf(communicator.withOptions({ loadBalancing: { strategy: 'last' as never } }), {})).toBe('d');
    expect(stage.events.find(({ type }) => type === 'call.picked')?.payload.strategy).toBe('last');
    expect(() => stage.communicatorWith({ loadBalancing: 'last' as never })).toThrow('loadBalancing');
  });

  it.each([
    ['health checks pass again', () => stage.registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'healthy')],
    ['it registers again', () => stage.register('a')],
  ])('sends calls by p2c_ewma to an instance that failed, once %s', async (_when, recover) => {
    const communicator = stage.communicatorWith({ loadBalancing: 'p2c_ewma', circuitBreaker: false, retry: false });
    const targetsOf = async (calls: number): Promise<Set<string>> => {
      const targets = new Set<string>();
      for (let n = 0; n < calls; n++) targets.add(await targetOf(communicator, {}).catch(() => 'failed'));
      return targets;
    };
    stage.failOn('a');
    expect(await targetsOf(40)).toContain('failed');
    stage.transport.answer(() => ({}));
    expect(await targetsOf(40)).not.toContain('a');
    await recover();
    expect(await targetsOf(40)).toContain('a');
  });

  describe('without a healthy instance', () => {
    const statusOf = (status: 'healthy' | 'unhealthy' | 'draining', ...ids: string[]): Promise<unknown> =>
      Promise.all(ids.map((instanceId) => stage.registry.setStatus({ serviceName: 'users', instanceId }, status)));

    it('sends calls to unhealthy instances rather than to a draining one, and reports it once', async () => {
      await statusOf('draining', 'a', 'b');
      await statusOf('unhealthy', 'c', 'd');
      const communicator = stage.communicatorWith();
      for (let n = 0; n < 4; n++) expect('cd').toContain(await targetOf(communicator, {}));
      expect(communicator.explain('users')).toMatchObject({ failOpen: true, panic: false });
      await statusOf('healthy', 'd');
      expect(await targetOf(communicator, {})).toBe('d');
      expect(stage.events.filter(({ type }) => type.startsWith('balancing.'))).toEqual([
        { type: 'balancing.fail_open', payload: { service: 'users', unhealthy: 2 } },
        { type: 'balancing.fail_open_ended', payload: { service: 'users' } },
      ]);
      const picks = stage.events.filter(({ type }) => type === 'call.picked');
      expect(picks.map(({ payload }) => payload.failOpen)).toEqual([true, true, true, true, false]);
    });

    it('refuses calls with failOpen: false, for one caller or for all', async () => {
      await statusOf('unhealthy', 'a', 'b', 'c', 'd');
      const communicator = stage.communicatorWith();
      const strict = communicator.withOptions({ loadBalancing: { failOpen: false } });
      expect((await failure(targetOf(strict, {}))).code).toBe('NO_AVAILABLE_INSTANCE');
      expect(await targetOf(communicator, {})).toMatch(/^[abcd]$/);
      const allStrict = stage.communicatorWith({ loadBalancing: { failOpen: false } });
      expect((await failure(targetOf(allStrict, {}))).code).toBe('NO_AVAILABLE_INSTANCE');
      expect(() => communicator.withOptions({ loadBalancing: { failOpen: 'off' as never } })).toThrow(
        'loadBalancing.failOpen',
      );
    });

    it('calls no instance with an open circuit, and says when one may be called again', async () => {
      await statusOf('unhealthy', 'a', 'b', 'c', 'd');
      const circuitBreaker = { failureThreshold: 1, recoveryTimeout: '10s', maxOpenShare: 1 } as const;
      const communicator = stage.communicatorWith({ circuitBreaker, retry: false });
      stage.transport.answer(() => ({ status: 503 }));
      for (let n = 0; n < 4; n++) await targetOf(communicator, {});
      const sent = stage.transport.sent.length;
      const error = await failure(targetOf(communicator, {}));
      expect(error).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: 10_000 });
      expect(stage.transport.sent).toHaveLength(sent);
    });

    it('sends calls to an unhealthy instance if the circuits of all healthy ones are open', async () => {
      await statusOf('unhealthy', 'd');
      await statusOf('draining', 'a', 'b');
      await statusOf('healthy', 'c');
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 }, retry: false });
      stage.failOn('c');
      await failure(targetOf(communicator, {}));
      expect(await targetOf(communicator, {})).toBe('d');
      expect(stage.typesOf('balancing.')).toEqual([]);
    });

    it('sends no call to an unhealthy instance while the healthy one is at its concurrency limit', async () => {
      await statusOf('unhealthy', 'b', 'c');
      await statusOf('draining', 'd');
      const communicator = stage.communicatorWith({ concurrency: 1, hedging: { delay: 10 }, timeout: '3s' });
      let answer = (): void => undefined;
      stage.transport.answer(() => new Promise((resolve) => (answer = () => resolve({}))));
      const first = targetOf(communicator, {});
      expect(await failure(targetOf(communicator, {}))).toMatchObject({ code: 'BULKHEAD_FULL', attempts: 0 });
      expect(communicator.explain('users')).toMatchObject({ unavailable: 'none_available', failOpen: false });
      // No hedge and no cut at half of the time, since no other instance would take the call.
      await stage.clock.advanceAsync(2_999);
      answer();
      expect(await first).toBe('a');
      expect(stage.transport.sent).toHaveLength(1);
    });

    it('sends calls to an unhealthy instance while the healthy ones refuse connections', async () => {
      await statusOf('healthy', 'a', 'b', 'c');
      await statusOf('unhealthy', 'd');
      const communicator = stage.communicatorWith({ circuitBreaker: false });
      stage.transport.answer(({ instanceId }) => {
        if (instanceId !== 'd') throw refused();
        return {};
      });
      await failure(targetOf(communicator, {}));
      stage.transport.sent.length = 0;
      for (let n = 0; n < 5; n++) expect(await targetOf(communicator, {})).toBe('d');
      expect(stage.transport.sent).toHaveLength(5);
    });
  });

  it('reports panic mode, in which calls go to all instances', async () => {
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
