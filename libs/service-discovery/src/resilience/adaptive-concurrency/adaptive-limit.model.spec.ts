import assert from 'node:assert/strict';
import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { AdaptiveLimit, type ConcurrencyPermit } from './adaptive-limit.js';
import { type LoadSignal } from '../load-signal.js';

type Step =
  | { readonly do: 'call'; readonly times: number }
  | { readonly do: 'settle'; readonly times: number; readonly which: number; readonly load: LoadSignal }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'abort'; readonly which: number };

const LOADS: readonly LoadSignal[] = ['answered', 'answered', 'overloaded', 'failed', 'unreachable', 'ignored'];
const settings = fc
  .record({
    min: fc.integer({ min: 1, max: 10 }),
    initial: fc.nat({ max: 20 }),
    max: fc.nat({ max: 50 }),
    maxQueue: fc.nat({ max: 10 }),
    maxWait: fc.integer({ min: 1, max: 500 }),
    smoothing: fc.constantFrom(0.01, 0.2, 1),
    tolerance: fc.constantFrom(1.1, 1.5, 10),
    window: fc.constantFrom(10, 100),
  })
  .map((options) => {
    const initial = options.min + options.initial;
    return { ...options, initial, max: initial + options.max };
  });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('call' as const), times: fc.integer({ min: 1, max: 30 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      times: fc.integer({ min: 1, max: 40 }),
      which: fc.nat({ max: 30 }),
      load: fc.constantFrom(...LOADS),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat({ max: 20 }) }) },
);

interface Waiter {
  readonly id: number;
  readonly leaveAt: number;
  readonly aborter: AbortController;
}

describe('AdaptiveLimit', () => {
  it('keeps the limit within bounds, the calls within the limit and the queue in order, and loses no call', async () => {
    const property = fc.asyncProperty(settings, fc.array(step, { maxLength: 60 }), async (options, steps) => {
      const clock = new ManualClock();
      const limit = new AdaptiveLimit(options, { clock });
      const running = new Map<number, ConcurrencyPermit>();
      let waiting: Waiter[] = [];
      let calls = 0;
      const ended = new Map<number, string>();

      const call = (): void => {
        const id = calls++;
        const { inFlight, queued, limit: most, isProbing } = limit.snapshot();
        const aborter = new AbortController();
        limit.acquire(aborter.signal).then(
          (permit) => running.set(id, permit),
          (error: Error) => ended.set(id, error.message),
        );
        if (inFlight < most && queued === 0) assert.deepEqual([limit.inFlight, limit.queued], [inFlight + 1, 0]);
        else if (limit.queued > queued) waiting.push({ id, leaveAt: clock.now() + options.maxWait, aborter });
        else assert.ok(queued >= options.maxQueue, 'refused with room in the queue');
        if (!isProbing) assert.ok(limit.queued <= Math.max(queued, options.maxQueue), 'let too many wait');
      };
      /** Those that wait are served from the front; by then `running` knows them. */
      const follow = async (): Promise<void> => {
        for (let turn = 0; turn < 6; turn++) await Promise.resolve();
        for (let index = 0; index < waiting.length; index++) {
          const { id } = waiting[index]!;
          if (!running.has(id) && !ended.has(id)) {
            const late = waiting.slice(index).filter((waiter) => running.has(waiter.id));
            assert.deepEqual(late, [], 'served one before another that waits for longer');
          }
        }
        waiting = waiting.filter(({ id }) => !running.has(id) && !ended.has(id));
        const { limit: now, inFlight, queued } = limit.snapshot();
        assert.ok(now >= options.min && now <= options.max, `a limit of ${now}`);
        assert.equal(inFlight, running.size);
        assert.equal(queued, waiting.length);
        assert.ok(queued === 0 || inFlight >= now, 'lets some wait that could run');
        assert.equal(clock.pendingTimers, queued > 0 ? 1 : 0);
      };

      for (const now of steps) {
        if (now.do === 'call') {
          for (let time = 0; time < now.times; time++) call();
        } else if (now.do === 'settle') {
          for (let time = 0; time < now.times && running.size > 0; time++) {
            const [id, permit] = [...running][now.which % running.size]!;
            const before = limit.inFlight;
            running.delete(id);
            permit.settle(now.load);
            permit.settle('overloaded');
            assert.ok(limit.inFlight <= Math.max(before - 1, limit.limit), 'more run than the limit allows');
          }
        } else if (now.do === 'advance') {
          clock.advance(now.ms);
          await follow();
          assert.ok(
            waiting.every(({ leaveAt }) => leaveAt > clock.now()),
            'waits for too long',
          );
        } else if (waiting.length > 0) {
          waiting[now.which % waiting.length]!.aborter.abort(new Error('gone'));
        }
        await follow();
      }
      while (running.size > 0) {
        for (const [id, permit] of running) {
          running.delete(id);
          permit.settle('ignored');
        }
        await follow();
      }
      assert.deepEqual([limit.inFlight, limit.queued, clock.pendingTimers], [0, 0, 0]);
    });
    await fc.assert(property, modelRuns('adaptive limit', 1_000));
  });
});
