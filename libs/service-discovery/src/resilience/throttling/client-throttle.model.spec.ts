import assert from 'node:assert/strict';
import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ClientThrottle, type ThrottlePermit } from './client-throttle.js';
import { type LoadSignal } from '../load-signal.js';

type Step =
  | { readonly do: 'call'; readonly draw: number }
  | { readonly do: 'settle'; readonly which: number; readonly load: LoadSignal }
  | { readonly do: 'advance'; readonly ms: number };

const LOADS: readonly LoadSignal[] = ['answered', 'failed', 'overloaded', 'unreachable', 'ignored'];
const settings = fc.record({
  k: fc.constantFrom(1, 1.5, 2, 3),
  window: fc.integer({ min: 1_000, max: 3_000 }),
  minRequests: fc.integer({ min: 1, max: 5 }),
  maxRejection: fc.constantFrom(0.5, 0.9, 0.99),
});
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('call' as const), draw: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat({ max: 60 }),
      load: fc.constantFrom(...LOADS),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 900 }) }) },
);

interface Call {
  readonly part: bigint;
  readonly permit: ThrottlePermit | null;
  end: LoadSignal | 'dropped' | 'under way';
}

/** All calls ever made, recounted each time. */
class Model {
  readonly calls: Call[] = [];

  constructor(private readonly options: Settings) {}

  /** The part of the window that a time belongs to; there are 24. */
  partOf(now: number): bigint {
    return (BigInt(now) * 24n) / BigInt(this.options.window);
  }

  counts(now: number): { requests: number; dropped: number; inFlight: number; accepts: number; rejection: number } {
    const part = this.partOf(now);
    const recent = this.calls.filter((call) => call.part > part - 24n && call.end !== 'ignored');
    const count = (...ends: Call['end'][]): number => recent.filter(({ end }) => ends.includes(end)).length;
    const accepts = count('answered', 'failed');
    const young = recent.filter((call) => call.end === 'under way' && call.part > part - 2n).length;
    const { k, minRequests, maxRejection } = this.options;
    const requests = recent.length - young;
    const share = requests < minRequests ? 0 : Math.max(0, (requests - k * accepts) / (requests + 1));
    return {
      requests: recent.length,
      dropped: count('dropped'),
      inFlight: count('under way'),
      accepts,
      rejection: Math.min(share, maxRejection),
    };
  }
}

describe('ClientThrottle', () => {
  it('behaves as a model that remembers every call', () => {
    const property = fc.property(settings, fc.array(step, { maxLength: 80 }), (options, steps) => {
      const clock = new ManualClock();
      let draw = 0;
      const throttle = new ClientThrottle(options, { clock, random: () => draw });
      const model = new Model(options);
      for (const now of steps) {
        if (now.do === 'call') {
          ({ draw } = now);
          const { rejection } = model.counts(clock.now());
          const permit = throttle.tryAcquire();
          assert.equal(permit === null, draw < rejection);
          model.calls.push({ part: model.partOf(clock.now()), permit, end: permit ? 'under way' : 'dropped' });
        } else if (now.do === 'advance') {
          clock.advance(now.ms);
        } else if (model.calls.length > 0) {
          const call = model.calls[now.which % model.calls.length]!;
          call.permit?.settle(now.load);
          if (call.end === 'under way') call.end = now.load;
        }
        assert.deepEqual(throttle.snapshot(), model.counts(clock.now()));
      }
    });
    fc.assert(property, modelRuns('client throttle', 1_000));
  });
});
