import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { BulkheadFullError, InvalidConfigurationError } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { Bulkhead, type Release } from './bulkhead.js';

const hanging = (): Promise<never> => new Promise(() => undefined);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const stateOf = ({ active, queued }: Bulkhead): [number, number] => [active, queued];

describe('Bulkhead', () => {
  it('refuses calls beyond the limit at once, without running them', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 2 }, { name: 'users' });
    void bulkhead.execute(hanging);
    void bulkhead.execute(hanging);
    let called = false;
    const error: unknown = await bulkhead.execute(async () => void (called = true)).catch((thrown: unknown) => thrown);
    expect(called).toBe(false);
    expect(error).toBeInstanceOf(BulkheadFullError);
    expect(error).toMatchObject({
      code: 'BULKHEAD_FULL',
      service: 'users',
      message:
        '2 calls for "users" may run at once, and none may wait. Find out what takes so long, or raise bulkhead.maxConcurrent or bulkhead.maxQueue. See nest-service-discovery/docs/reference/errors.md#BULKHEAD_FULL',
    });
    expect(stateOf(bulkhead)).toEqual([2, 0]);
  });

  it('gives a slot at once or none, and never overtakes waiting calls', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 1 });
    const release = bulkhead.tryAcquire();
    expect(bulkhead.tryAcquire()).toBeNull();
    const waiting = bulkhead.acquire();
    release?.();
    expect(bulkhead.tryAcquire()).toBeNull();
    (await waiting)();
    expect(stateOf(bulkhead)).toEqual([0, 0]);
    expect(bulkhead.tryAcquire()).not.toBeNull();
  });

  it('gives the slot back when the function ends, fails or throws before there is a promise', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    await expect(bulkhead.execute(() => Promise.resolve(1))).resolves.toBe(1);
    await expect(bulkhead.execute(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const throwing = (): never => {
      throw new Error('at once');
    };
    await expect(bulkhead.execute(throwing)).rejects.toThrow('at once');
    expect(stateOf(bulkhead)).toEqual([0, 0]);
  });

  it('admits waiting calls in order, and lets no newcomer overtake them', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 3 });
    const first = await bulkhead.acquire();
    const order: string[] = [];
    const enter = async (name: string): Promise<Release> => {
      const release = await bulkhead.acquire();
      order.push(name);
      return release;
    };
    const [second, third] = [enter('second'), enter('third')];
    first();
    const newcomer = enter('newcomer');
    expect(stateOf(bulkhead)).toEqual([1, 2]);
    (await second)();
    (await third)();
    (await newcomer)();
    expect(order).toEqual(['second', 'third', 'newcomer']);
    expect(stateOf(bulkhead)).toEqual([0, 0]);
  });

  it('never runs more at once than the limit', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 3, maxQueue: 100 });
    let running = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await turn();
      running--;
    };
    await Promise.all(Array.from({ length: 50 }, () => bulkhead.execute(work)));
    expect([most, ...stateOf(bulkhead)]).toEqual([3, 0, 0]);
  });

  it('frees one slot however often it is given back', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 2 });
    const [release] = [await bulkhead.acquire(), await bulkhead.acquire()];
    release();
    release();
    expect(bulkhead.active).toBe(1);
  });

  it('lets a caller leave the queue by aborting', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 1 });
    const release = await bulkhead.acquire();
    const controller = new AbortController();
    const waiting = bulkhead.acquire(controller.signal);
    await turn();
    expect(stateOf(bulkhead)).toEqual([1, 1]);
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    release();
    expect(stateOf(bulkhead)).toEqual([0, 0]);
  });

  it('refuses a caller that has already aborted', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    await expect(bulkhead.acquire(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(bulkhead.active).toBe(0);
  });

  it('frees the slot of a caller that aborts, though the function hangs', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    const controller = new AbortController();
    const call = bulkhead.execute(hanging, controller.signal);
    await turn();
    controller.abort(new Error('gone'));
    await expect(call).rejects.toThrow('gone');
    expect(bulkhead.active).toBe(0);
  });

  it('does not call the function for a caller that aborts just as it gets its slot', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 1 });
    const release = await bulkhead.acquire();
    const controller = new AbortController();
    let called = false;
    const call = bulkhead.execute(async () => void (called = true), controller.signal);
    await turn();
    release();
    controller.abort(new Error('gone'));
    await expect(call).rejects.toThrow('gone');
    expect([called, bulkhead.active]).toEqual([false, 0]);
  });

  it('rejects a caller that has waited too long, and says so', async () => {
    const clock = new ManualClock();
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 5, maxWait: '2s' }, { clock, name: 'users' });
    const release = await bulkhead.acquire();
    const waiting = bulkhead.acquire();
    clock.advance(1_000);
    const later = bulkhead.acquire();
    clock.advance(1_000);
    await expect(waiting).rejects.toMatchObject({
      code: 'BULKHEAD_FULL',
      service: 'users',
      message:
        '1 call for "users" may run at once, and none ended in the 2 s that a call may wait. Find out what takes so long, or raise bulkhead.maxConcurrent or bulkhead.maxQueue. See nest-service-discovery/docs/reference/errors.md#BULKHEAD_FULL',
    });
    release();
    (await later)();
    expect([...stateOf(bulkhead), clock.pendingTimers]).toEqual([0, 0, 0]);
  });

  it('shows its limits, its active and its queued calls', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 2 });
    const release = await bulkhead.acquire();
    const waiting = bulkhead.acquire();
    expect(bulkhead.snapshot()).toEqual({ limit: 1, maxQueue: 2, active: 1, queued: 1 });
    release();
    (await waiting)();
    expect(bulkhead.snapshot()).toEqual({ limit: 1, maxQueue: 2, active: 0, queued: 0 });
  });

  it("leaves no listener on a caller's signal", async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 10 });
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 10 }, () => bulkhead.execute(turn, signal)));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('names every wrong option at once', () => {
    const create = (): Bulkhead => new Bulkhead({ maxConcurrent: 0, maxQueue: -1 });
    expect(create).toThrow(InvalidConfigurationError);
    expect(create).toThrow(/bulkhead\.maxConcurrent: .* 1 to 1000000.*\n.*bulkhead\.maxQueue: .* 0 to 1000000/);
    expect(() => new Bulkhead({} as { maxConcurrent: number })).toThrow('bulkhead.maxConcurrent');
    expect(() => new Bulkhead({ maxConcurrent: 1, maxQueue: 1, maxWait: 0 })).toThrow(/bulkhead\.maxWait: .*1ms to 1d/);
  });

  it('refuses maxWait without a queue', () => {
    const create = (): Bulkhead => new Bulkhead({ maxConcurrent: 1, maxWait: '1s' });
    expect(create).toThrow('bulkhead.maxWait: expected nothing where maxQueue is 0');
  });
});
