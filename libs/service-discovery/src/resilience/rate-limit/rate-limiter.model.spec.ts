import assert from 'node:assert/strict';
import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { RateLimiter } from './rate-limiter.js';

type Step =
  | { readonly do: 'call' }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'abort'; readonly which: number };

const settings = fc.record({
  rate: fc.integer({ min: 1, max: 9 }),
  per: fc.integer({ min: 1, max: 100 }),
  burst: fc.integer({ min: 1, max: 5 }),
  maxWait: fc.integer({ min: 0, max: 200 }),
});
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('call' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat({ max: 20 }) }) },
);

/** A bucket in whole numbers: a call takes `per` units, a millisecond gives `rate`. */
class Model {
  readonly ended: string[] = [];
  waiting: number[] = [];
  private level: number;

  constructor(private readonly options: Settings) {
    this.level = options.burst * options.per;
  }

  call(id: number): void {
    const { rate, per, maxWait } = this.options;
    const missing = (this.waiting.length + 1) * per - this.level;
    if (missing <= 0) {
      this.level -= per;
      this.ended.push(`${id} goes`);
    } else if (missing > maxWait * rate) {
      this.ended.push(`${id} is told to come again in ${Math.ceil(missing / rate)}`);
    } else {
      this.waiting.push(id);
    }
  }

  advance(ms: number): void {
    const { rate, per, burst } = this.options;
    this.level += ms * rate;
    while (this.waiting.length > 0 && this.level >= per) {
      this.level -= per;
      this.ended.push(`${this.waiting.shift()} goes`);
    }
    this.level = Math.min(this.level, burst * per);
  }

  abort(id: number): void {
    this.waiting = this.waiting.filter((other) => other !== id);
    this.ended.push(`${id} leaves`);
  }
}

describe('RateLimiter', () => {
  it('behaves as a bucket counted in whole numbers', async () => {
    const property = fc.asyncProperty(settings, fc.array(step, { maxLength: 60 }), async (options, steps) => {
      const clock = new ManualClock();
      const limiter = new RateLimiter({ ...options, per: `${options.per}ms` }, { clock });
      const model = new Model(options);
      const ended: string[] = [];
      const aborters = new Map<number, AbortController>();
      for (const [id, now] of steps.entries()) {
        if (now.do === 'call') {
          const aborter = new AbortController();
          aborters.set(id, aborter);
          limiter.acquire(aborter.signal).then(
            () => ended.push(`${id} goes`),
            ({ retryAfterMs }: { retryAfterMs?: number }) =>
              ended.push(retryAfterMs ? `${id} is told to come again in ${retryAfterMs}` : `${id} leaves`),
          );
          model.call(id);
        } else if (now.do === 'advance') {
          clock.advance(now.ms);
          model.advance(now.ms);
        } else if (model.waiting.length > 0) {
          const leaving = model.waiting[now.which % model.waiting.length]!;
          aborters.get(leaving)!.abort(new Error('gone'));
          model.abort(leaving);
        }
        await settle();
        assert.deepEqual(ended, model.ended);
        assert.equal(limiter.waiting, model.waiting.length);
        assert.equal(clock.pendingTimers, model.waiting.length > 0 ? 1 : 0);
      }
    });
    await fc.assert(property, modelRuns('rate limiter', 1_000));
  });
});

/** Promise chains run on, without a turn of the loop, which would take most of the time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await Promise.resolve();
}
