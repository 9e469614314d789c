import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ServiceInstance } from '../../model/index.js';
import { idsOf, keyed, RegistryFixture, type RegistryProcess, user } from '../../testing/registry-fixture.js';
import { type ServiceRegistryOptions } from '../index.js';

const TTL_MS = 300_000;
const CHECK_MS = 30_000;

describe('checked leases', () => {
  let stage: RegistryFixture;
  beforeEach(() => {
    stage = new RegistryFixture();
  });
  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const started = (options?: Partial<ServiceRegistryOptions>): Promise<RegistryProcess> => stage.started(options);
  const register = ({ registry }: RegistryProcess, ...ids: string[]): Promise<unknown> =>
    Promise.all(ids.map((id) => registry.register(user(id), { heartbeat: 'manual', lease: 'checks' })));
  const shown = ({ registry }: RegistryProcess, id: string): ServiceInstance => registry.getInstance(keyed(id))!;
  const pass = (process: RegistryProcess, ...ids: string[]): void => {
    for (const id of ids) process.registry.passedCheck(shown(process, id));
  };
  const passFor = async (process: RegistryProcess, ms: number, ...ids: string[]): Promise<void> => {
    for (let passed = 0; passed < ms; passed += CHECK_MS) {
      pass(process, ...ids);
      await stage.clock.advanceAsync(CHECK_MS);
    }
  };

  it('are renewed when checks pass, in one round trip per second', async () => {
    const process = await started();
    await register(process, 'a', 'b', 'c');
    pass(process, 'a');
    await stage.clock.advanceAsync(999);
    pass(process, 'b', 'c', 'c');
    expect(stage.store.renewed).toEqual([]);
    await stage.clock.advanceAsync(1);
    expect(stage.store.renewed.map((leases) => leases.map(({ instanceId }) => instanceId))).toEqual([['a', 'b', 'c']]);
  });

  it('expire one lease after the last check that passed', async () => {
    const process = await started();
    await register(process, 'well', 'ill');
    await passFor(process, 2 * TTL_MS, 'well');
    expect(idsOf(process.registry)).toEqual(['well']);
    expect(process.log()).toContain('instance.expired ill');
    await stage.clock.advanceAsync(TTL_MS - CHECK_MS + 999);
    expect(idsOf(process.registry)).toEqual(['well']);
    await stage.clock.advanceAsync(1);
    expect(idsOf(process.registry)).toEqual([]);
  });

  it('are not renewed by checks after the first heartbeat', async () => {
    const process = await started();
    await register(process, 'a');
    expect(await process.registry.heartbeat(keyed('a'))).toBe(true);
    expect(shown(process, 'a').lease).toBe('heartbeat');
    await passFor(process, TTL_MS, 'a');
    expect(stage.store.renewed).toHaveLength(1);
    expect(idsOf(process.registry)).toEqual([]);
  });

  it.each([
    ['at once', false],
    ['after an outage', true],
  ])('are not recovered from a store that lost them after a heartbeat seen %s', async (_when, isAway) => {
    const [checking, other] = [await started(), await started()];
    await register(checking, 'a');
    pass(checking, 'a');
    await stage.clock.advanceAsync(1_000);
    const { generation } = shown(checking, 'a');
    if (isAway) stage.store.goAway();
    await stage.store.truth.renew([{ ...keyed('a'), generation, ttlMs: TTL_MS }]);
    stage.store.comeBack();
    await stage.clock.advanceAsync(5_001);
    expect(shown(checking, 'a').lease).toBe('heartbeat');
    await stage.store.restart();
    await stage.clock.advanceAsync(20_000);
    expect(checking.log()).not.toContain('lease.recovered a');
    expect(idsOf(other.registry)).toEqual([]);
  });

  it('are not renewed by a check of an earlier registration', async () => {
    const process = await started();
    await register(process, 'a');
    const before = shown(process, 'a');
    await register(process, 'a');
    await stage.clock.advanceAsync(TTL_MS - 1_000);
    process.registry.passedCheck(before);
    await stage.clock.advanceAsync(1_000);
    expect(idsOf(process.registry)).toEqual([]);
  });

  it('wait less than a second for other renewals if they are short', async () => {
    const process = await started();
    await process.registry.register(user('a', { ttl: '2s' }), { heartbeat: 'manual', lease: 'checks' });
    pass(process, 'a');
    await stage.clock.advanceAsync(100);
    expect(stage.store.renewed).toHaveLength(1);
  });

  it('are renewed after an outage by the checks that passed during it', async () => {
    const process = await started();
    await register(process, 'a', 'silent');
    stage.store.goAway();
    await passFor(process, 90_000, 'a');
    expect(stage.store.renewed.length).toBeGreaterThan(1);
    const before = stage.store.renewed.length;
    stage.store.comeBack();
    // The feed retries within 5 s.
    await stage.clock.advanceAsync(5_001);
    const sent = stage.store.renewed.slice(before);
    expect(sent.map((leases) => leases.map(({ instanceId }) => instanceId))).toEqual([['a']]);
    await stage.clock.advanceAsync(TTL_MS - 5_002);
    expect(idsOf(process.registry)).toEqual(['a']);
  });

  it.each([
    ['queued', 10],
    ['rejected', 0],
  ])('are renewed as soon as the store takes writes again that were %s', async (_how, maxOfflineWrites) => {
    const process = await started({ maxOfflineWrites });
    await register(process, 'a');
    stage.store.refuseWrites();
    await stage.clock.advanceAsync(TTL_MS - 10_000);
    pass(process, 'a');
    await stage.clock.advanceAsync(9_000);
    expect(process.registry.snapshot.connected).toBe(true);
    stage.store.takeWrites();
    await stage.clock.advanceAsync(TTL_MS - 1);
    expect(idsOf(process.registry)).toEqual(['a']);
    await stage.clock.advanceAsync(1);
    expect(idsOf(process.registry)).toEqual([]);
  });

  it('are renewed again after the store refused once', async () => {
    const process = await started();
    await register(process, 'a');
    stage.store.refuse('renew', 1);
    pass(process, 'a');
    await stage.clock.advanceAsync(2_000);
    expect(stage.store.renewed).toHaveLength(2);
    await stage.clock.advanceAsync(10_000);
    expect(stage.store.renewed).toHaveLength(2);
  });

  it('are registered again by the checking process if the store lost its data', async () => {
    const [checking, other] = [await started(), await started()];
    await register(checking, 'a', 'ill');
    pass(checking, 'a');
    await stage.clock.advanceAsync(5_000);
    await stage.store.restart();
    await stage.clock.advanceAsync(5_000);
    expect(checking.log()).toContain('lease.recovered a');
    await stage.clock.advanceAsync(10_000);
    for (const process of [checking, other]) expect(idsOf(process.registry)).toEqual(['a']);
    expect(shown(other, 'a').lease).toBe('checks');
  });

  it.each([
    ['by the process that registered them', 0],
    ['by the process that checks them', 1],
  ])('are recovered %s as last registered, even before that registration has passed a check', async (_by, index) => {
    const [checking, other] = [await started(), await started()];
    await register(checking, 'a');
    pass(checking, 'a');
    await stage.clock.advanceAsync(5_000);
    await register([checking, other][index]!, 'a');
    if (index === 1) await other.registry.close();
    const { generation } = shown(checking, 'a');
    await stage.store.restart();
    await stage.clock.advanceAsync(15_000);
    expect(shown(checking, 'a').generation).toBeGreaterThan(generation);
  });

  it('are not registered again after they were deregistered', async () => {
    const [checking, other] = [await started(), await started()];
    await register(checking, 'a');
    pass(checking, 'a');
    await stage.clock.advanceAsync(1_000);
    const before = shown(checking, 'a');
    await other.registry.deregister(keyed('a'));
    await stage.settled();
    checking.registry.passedCheck(before);
    await stage.clock.advanceAsync(20_000);
    expect(idsOf(other.registry)).toEqual([]);
    await stage.store.restart();
    await stage.clock.advanceAsync(20_000);
    expect(idsOf(other.registry)).toEqual([]);
  });

  it('stay provisional while the store is unreachable, and are registered once it is back', async () => {
    const process = await started({ maxOfflineWrites: 10 });
    stage.store.goAway();
    await stage.settled();
    await register(process, 'well', 'ill');
    await passFor(process, 2 * TTL_MS, 'well');
    stage.store.comeBack();
    await stage.clock.advanceAsync(5_001);
    expect(idsOf(process.registry)).toEqual(['well']);
    expect(shown(process, 'well').lease).toBe('checks');
  });

  describe('with automatic heartbeats', () => {
    const registerOwn = ({ registry }: RegistryProcess): Promise<unknown> =>
      registry.register(user('a'), { lease: 'checks' });

    it('stay checked leases, and last while the registering process lives even if checks fail', async () => {
      const process = await started();
      await registerOwn(process);
      await stage.clock.advanceAsync(3 * TTL_MS);
      expect(shown(process, 'a').lease).toBe('checks');
    });

    it('last while checks pass after the registering process is gone', async () => {
      const [owner, checking] = [await started(), await started()];
      await registerOwn(owner);
      await stage.settled();
      await owner.registry.close();
      await passFor(checking, 2 * TTL_MS, 'a');
      expect(idsOf(checking.registry)).toEqual(['a']);
      await stage.clock.advanceAsync(TTL_MS);
      expect(idsOf(checking.registry)).toEqual([]);
    });

    it('are kept by heartbeats once another process has sent one', async () => {
      const [owner, other] = [await started(), await started()];
      await registerOwn(owner);
      await stage.settled();
      await other.registry.heartbeat(keyed('a'));
      await stage.clock.advanceAsync(3 * TTL_MS);
      expect(shown(owner, 'a').lease).toBe('heartbeat');
      expect(owner.log()).not.toContain('instance.expired a');
    });
  });
});
