import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { seededRandom, TransportError } from '../../common/index.js';
import { SILENT } from '../../model/index.js';
import {
  type Candidate,
  LoadBalancingStrategy,
  type LoadBalancingStrategyName,
  LoadTracker,
  type Strategy,
} from '../../balancing/index.js';
import { CallFixture, failure, refused, reset } from '../../testing/call-fixture.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type ServiceCommunicator } from '../communicator.js';
import { UnreachableInstances } from './unreachable-instances.js';

describe('an unreachable instance', () => {
  let stage: CallFixture;
  let communicator: ServiceCommunicator;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b', 'c');
    communicator = stage.communicatorWith({ loadBalancing: 'round_robin', circuitBreaker: false });
  });
  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  /**
   * Makes calls with a method that is retried only if it was never sent, and returns how many attempts `a` received.
   */
  async function attemptsOnA(calls = 9): Promise<number> {
    stage.transport.sent.length = 0;
    for (let call = 0; call < calls; call++) await communicator.callService('users', { method: 'POST', path: '/' });
    return stage.transport.targets.filter((id) => id === 'a').length;
  }

  it('costs one attempt, and is avoided from then on', async () => {
    stage.failOn('a', refused);
    expect(await attemptsOnA()).toBe(1);
    expect(await attemptsOnA()).toBe(0);
  });

  it('is retried after growing waits, up to 30 s', async () => {
    stage.failOn('a', refused);
    await attemptsOnA();
    const waits: number[] = [];
    for (let round = 0; round < 7; round++) {
      let waited = 0;
      for (; (await attemptsOnA(3)) === 0; waited += 500) await stage.clock.advanceAsync(500);
      waits.push(waited);
    }
    const steps = [2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    for (const [index, step] of steps.entries()) {
      expect(waits[index]).toBeGreaterThanOrEqual(step / 2);
      expect(waits[index]).toBeLessThanOrEqual(step + 500);
    }
  });

  it('takes its share again as soon as it answers, whatever the status', async () => {
    stage.failOn('a', refused);
    await attemptsOnA();
    stage.transport.answer(() => ({ status: 404 }));
    await stage.clock.advanceAsync(2_000);
    expect(await attemptsOnA()).toBe(3);
    // The waits start from the shortest again.
    stage.failOn('a', refused);
    expect(await attemptsOnA()).toBe(1);
    await stage.clock.advanceAsync(2_000);
    expect(await attemptsOnA()).toBe(1);
  });

  it('is reported once per failed attempt, and when it has answered', async () => {
    const told = (): unknown[] =>
      stage.events.filter(({ type }) => /^instance\.(unreachable|reached)$/.test(type)).splice(0);
    const key = { serviceName: 'users', instanceId: 'a' };
    const tried = { key, reason: 'connect ECONNREFUSED' };
    stage.failOn('a', refused);
    await attemptsOnA();
    await stage.clock.advanceAsync(2_000);
    await attemptsOnA();
    const unreachable = [1, 2].map((failures) => ({
      type: 'instance.unreachable',
      payload: { ...tried, failures, avoidedForMs: expect.any(Number) },
    }));
    expect(told()).toEqual(unreachable);
    stage.transport.answer(() => ({}));
    await stage.clock.advanceAsync(4_000);
    await attemptsOnA();
    expect(told()).toEqual([...unreachable, { type: 'instance.reached', payload: { key } }]);
  });

  it('is reported with what is wrong in TLS, in place of what OpenSSL says', async () => {
    const cause = Object.assign(new Error('C0:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:'), {
      code: 'ERR_SSL_WRONG_VERSION_NUMBER',
      reason: 'wrong version number',
    });
    stage.failOn('a', () => new TransportError('GET / of users/a could not be sent', true, { cause }));
    let printed = '';
    await communicator.trace(attemptsOnA, (text) => (printed += text));
    const reason = 'the server does not speak TLS at this port (use http, or the port that it has for https)';
    expect(stage.events).toContainEqual({
      type: 'instance.unreachable',
      payload: expect.objectContaining({ reason }),
    });
    expect(printed).toContain(`failed: ${reason}`);
  });

  it('is not reported as reached after it left or registered again', async () => {
    for (const leaves of [true, false]) {
      stage.failOn('a', refused);
      await attemptsOnA();
      if (leaves) await stage.registry.deregister({ serviceName: 'users', instanceId: 'a' });
      stage.transport.answer(() => ({}));
      await stage.register('a');
      await attemptsOnA();
    }
    expect(stage.typesOf('instance.unreachable')).toHaveLength(2);
    expect(stage.typesOf('instance.reached')).toEqual([]);
  });

  it('takes its share again when it registers again', async () => {
    stage.failOn('a', refused);
    await attemptsOnA();
    stage.transport.answer(() => ({}));
    await stage.register('a');
    expect(await attemptsOnA()).toBe(3);
  });

  it('does not wait longer for attempts that were under way when the first one failed', async () => {
    stage.transport.hold();
    const calls = [1, 2, 3, 4, 5, 6].map(() => communicator.callService('users', { path: '/' }));
    const held = await Promise.all(calls.map(() => stage.transport.nextHeld()));
    stage.transport.answer(() => ({}));
    for (const { instance, fail, respond } of held) {
      if (instance.instanceId === 'a') fail(refused());
      else respond();
    }
    await Promise.all(calls);
    await stage.clock.advanceAsync(2_000);
    expect(await attemptsOnA()).toBe(3);
  });

  it('is not marked by an attempt that began before it left or registered again', async () => {
    for (const restart of [
      async () => {
        await stage.registry.deregister({ serviceName: 'users', instanceId: 'a' });
        await stage.register('a');
      },
      () => stage.register('a'),
    ]) {
      stage.transport.hold();
      const calls = [1, 2, 3].map(() => communicator.callService('users', { path: '/' }));
      const held = await Promise.all(calls.map(() => stage.transport.nextHeld()));
      await restart();
      stage.transport.answer(() => ({}));
      for (const { instance, fail, respond } of held) {
        if (instance.instanceId === 'a') fail(refused());
        else respond();
      }
      await Promise.all(calls);
      expect(await attemptsOnA()).toBe(3);
    }
  });

  it('does not make each call search the remaining instances', async () => {
    const lists = new Set<readonly Candidate[]>();
    const first: Strategy = {
      choose: (candidates) => {
        lists.add(candidates);
        return candidates[0]!;
      },
    };
    communicator = stage.communicatorWith({ loadBalancing: () => first, circuitBreaker: false });
    stage.failOn('a', refused);
    expect(await attemptsOnA()).toBe(1);
    lists.clear();
    expect(await attemptsOnA()).toBe(0);
    expect([...lists].map((list) => list.map(({ instance }) => instance.instanceId))).toEqual([['b', 'c']]);
  });

  it('is called anyway if no other instance is left', async () => {
    await stage.registry.deregister({ serviceName: 'users', instanceId: 'b' });
    await stage.registry.deregister({ serviceName: 'users', instanceId: 'c' });
    stage.failOn('a', refused);
    await failure(communicator.withOptions({ retry: false }).callService('users', { path: '/' }));
    stage.transport.answer(() => ({}));
    expect(await attemptsOnA(2)).toBe(2);
  });

  it('differs from one whose connection broke during a request', async () => {
    stage.failOn('a', reset);
    stage.transport.sent.length = 0;
    for (let call = 0; call < 9; call++)
      await communicator.callService('users', { method: 'POST', path: '/' }).catch(() => undefined);
    expect(stage.transport.targets.filter((id) => id === 'a')).toHaveLength(3);
  });
});

describe('an outage of all instances', () => {
  const ids = Array.from({ length: 10 }, (_, index) => `i${index}`);
  const OUTAGE_MS = 60_000;
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register(...ids);
  });
  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  /**
   * Makes calls from the beginning of the outage until 2 s after its end.
   * @param backAt when each instance recovers, by its position in the list, in milliseconds since the outage began
   * @returns how long after that each one answered for the first time, and how many attempts were refused before
   */
  async function recover(
    loadBalancing: LoadBalancingStrategyName,
    backAt: (index: number) => number,
  ): Promise<{ delays: number[]; refusedInRecovery: number }> {
    const communicator = stage.communicatorWith({ loadBalancing, circuitBreaker: false, timeout: '500ms' });
    const back = ids.map((_, index) => backAt(index));
    const firstAnswer = ids.map(() => Number.POSITIVE_INFINITY);
    let [now, refusedInRecovery] = [0, 0];
    stage.transport.answer(({ instanceId }) => {
      const index = ids.indexOf(instanceId);
      if (now < back[index]!) {
        if (now >= Math.min(...back)) refusedInRecovery++;
        throw refused();
      }
      firstAnswer[index] = Math.min(firstAnswer[index]!, now);
      return {};
    });
    while (now <= Math.max(...back) + 2_000) {
      void communicator.callService('users', { path: '/', key: String(now) }).catch(() => undefined);
      const stepMs = now < Math.min(...back) ? 200 : 20;
      await stage.clock.advanceAsync(stepMs);
      now += stepMs;
    }
    return { delays: firstAnswer.map((at, index) => at - back[index]!), refusedInRecovery };
  }

  it.each(Object.values(LoadBalancingStrategy))(
    'lets every instance take part within 2 s of being back: %s',
    async (strategy) => {
      const { delays } = await recover(strategy, () => OUTAGE_MS);
      expect(Math.max(...delays)).toBeLessThanOrEqual(2_000);
    },
  );

  it('gives every instance its share within 2 s of its recovery when they recover one by one', async () => {
    const { delays, refusedInRecovery } = await recover('round_robin', (index) => OUTAGE_MS + 2_000 * index);
    expect(Math.max(...delays)).toBeLessThanOrEqual(2_000);
    // About one a second for each instance still down: 90 instance-seconds in all.
    expect(refusedInRecovery).toBeLessThan(200);
  });

  it('gives instances with open circuits their share within 2 s of the first answer', async () => {
    const communicator = stage.communicatorWith({
      circuitBreaker: { failureThreshold: 2, maxOpenShare: 1 },
      retry: false,
    });
    const call = (): Promise<unknown> => communicator.callService('users', { path: '/' });
    stage.transport.answer(() => {
      throw refused();
    });
    // One failure per instance, and a second one for all but the last.
    for (let n = 0; n < 19; n++) await failure(call());
    expect(stage.typesOf('circuit.opened')).toHaveLength(9);
    stage.transport.answer(() => ({}));
    stage.transport.sent.length = 0;
    for (let passed = 0; passed < 2_000; passed += 20) {
      await call();
      await stage.clock.advanceAsync(20);
    }
    expect(new Set(stage.transport.targets).size).toBe(10);
  });

  it('does not shorten the waits of unreachable instances while others answer', async () => {
    const { delays } = await recover('round_robin', (index) => (index === 0 ? OUTAGE_MS : index === 1 ? 30_000 : 0));
    expect(Math.max(...delays)).toBeGreaterThan(2_000);
  });
});

describe('the set of instances to avoid', () => {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const [a, b] = ['a', 'b'] as const;

  it('is always the same object', () => {
    const unreachable = new UnreachableInstances(
      'users',
      { clock, random, events: SILENT },
      new LoadTracker({ clock }),
    );
    expect(unreachable.at(0)).toBeUndefined();
    unreachable.failed(a, refused(), 0);
    const avoided = unreachable.at(0);
    unreachable.failed(b, refused(), 500);
    expect(unreachable.at(600)).toBe(avoided);
    expect([...avoided!]).toEqual([a, b]);
  });

  it('keeps each instance for its own time', () => {
    const unreachable = new UnreachableInstances(
      'users',
      { clock, random: () => 0, events: SILENT },
      new LoadTracker({ clock }),
    );
    const avoided = (now: number): string[] => [...(unreachable.at(now) ?? [])].sort();
    // A second each.
    unreachable.failed(a, refused(), 0);
    unreachable.failed(b, refused(), 500);
    expect(avoided(999)).toEqual([a, b]);
    expect(avoided(1_000)).toEqual([b]);
    expect(avoided(1_499)).toEqual([b]);
    expect(avoided(1_500)).toEqual([]);
    unreachable.failed(a, refused(), 1_600);
    unreachable.reached(a, 1_600);
    expect(avoided(1_600)).toEqual([]);
  });
});
