import assert from 'node:assert/strict';
import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { Bulkhead, type Release } from './bulkhead.js';

type Step =
  | { readonly do: 'call' }
  | { readonly do: 'release'; readonly which: number }
  | { readonly do: 'abort'; readonly which: number }
  | { readonly do: 'advance'; readonly ms: number };

const settings = fc.record({
  maxConcurrent: fc.integer({ min: 1, max: 4 }),
  maxQueue: fc.integer({ min: 1, max: 6 }),
  maxWait: fc.integer({ min: 1, max: 100 }),
});
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('call' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat({ max: 10 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat({ max: 10 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 60 }) }) },
);

/** Lists instead of counts and links. */
class Model {
  readonly running = new Set<number>();
  readonly ended: string[] = [];
  waiting: { readonly id: number; readonly leaveAt: number }[] = [];

  constructor(private readonly options: Settings) {}

  call(id: number, now: number): void {
    const { maxConcurrent, maxQueue, maxWait } = this.options;
    if (this.running.size < maxConcurrent) this.enter(id);
    else if (this.waiting.length < maxQueue) this.waiting.push({ id, leaveAt: now + maxWait });
    else this.ended.push(`${id} is refused`);
  }

  release(id: number): void {
    this.running.delete(id);
    const next = this.waiting.shift();
    if (next) this.enter(next.id);
  }

  abort(id: number): void {
    this.waiting = this.waiting.filter((waiter) => waiter.id !== id);
    this.ended.push(`${id} gives up`);
  }

  advance(now: number): void {
    for (const { id, leaveAt } of this.waiting) if (leaveAt <= now) this.ended.push(`${id} is refused`);
    this.waiting = this.waiting.filter(({ leaveAt }) => leaveAt > now);
  }

  private enter(id: number): void {
    this.running.add(id);
    this.ended.push(`${id} enters`);
  }
}

describe('Bulkhead', () => {
  it('behaves as a model that keeps lists', async () => {
    const property = fc.asyncProperty(settings, fc.array(step, { maxLength: 60 }), async (options, steps) => {
      const clock = new ManualClock();
      const bulkhead = new Bulkhead(options, { clock });
      const model = new Model(options);
      const ended: string[] = [];
      const releases = new Map<number, Release>();
      const aborters = new Map<number, AbortController>();
      for (const [id, now] of steps.entries()) {
        if (now.do === 'call') {
          const aborter = new AbortController();
          aborters.set(id, aborter);
          bulkhead.acquire(aborter.signal).then(
            (release) => {
              releases.set(id, release);
              ended.push(`${id} enters`);
            },
            ({ code }: { code?: string }) => ended.push(code ? `${id} is refused` : `${id} gives up`),
          );
          model.call(id, clock.now());
        } else if (now.do === 'advance') {
          clock.advance(now.ms);
          model.advance(clock.now());
        } else if (now.do === 'abort' && model.waiting.length > 0) {
          const { id: leaving } = model.waiting[now.which % model.waiting.length]!;
          aborters.get(leaving)!.abort(new Error('gone'));
          model.abort(leaving);
        } else if (now.do === 'release' && model.running.size > 0) {
          const leaving = [...model.running][now.which % model.running.size]!;
          releases.get(leaving)!();
          releases.get(leaving)!();
          model.release(leaving);
        }
        for (let turn = 0; turn < 6; turn++) await Promise.resolve();
        assert.deepEqual(ended, model.ended);
        assert.deepEqual([bulkhead.active, bulkhead.queued], [model.running.size, model.waiting.length]);
        assert.equal(clock.pendingTimers, model.waiting.length > 0 ? 1 : 0);
      }
    });
    await fc.assert(property, modelRuns('bulkhead', 1_000));
  });
});
