import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type OutcomeClass } from '../../common/index.js';
import { type EjectionReason } from '../../model/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type ResolvedOutlierDetectionOptions } from './outlier-detection-options.js';
import { OutlierDetector } from './outlier-detector.js';

interface Told {
  readonly id: string;
  readonly at: number;
  readonly failed: boolean;
  readonly latency: number;
  /** Which interval it came in. */
  readonly interval: number;
}

interface Ejected {
  readonly id: string;
  readonly reason: EjectionReason;
  readonly times: number;
  readonly endsAt: number;
  /** Infinity while it lasts. */
  endedAt: number;
}

/**
 * What the detector should do, told by its history: all that was told, and all ejections there have been. Counts, rates and
 * ejections in force are worked out of it whenever they are asked for.
 */
class Reference {
  now = 0;
  readonly news: string[] = [];
  private present: string[] | undefined;
  /** In the order in which they were heard of. */
  private known: string[] = [];
  private told: Told[] = [];
  private ejections: Ejected[] = [];
  private interval = 0;
  private intervalBegan = 0;

  constructor(
    private readonly options: ResolvedOutlierDetectionOptions,
    private readonly draw: () => number,
  ) {}

  record(id: string, failed: boolean, latency: number): void {
    this.look();
    if (this.present && !this.present.includes(id)) return;
    if (!this.known.includes(id)) this.known.push(id);
    const before = this.ejections.findLast((ejection) => ejection.id === id);
    if (before && this.now - latency < before.endedAt) return;
    this.told.push({ id, at: this.now, failed, latency, interval: this.interval });
    const { consecutiveFailures } = this.options;
    if (failed && consecutiveFailures !== false && this.failuresInRow(id) >= consecutiveFailures) {
      this.eject(id, 'consecutive_failures');
    }
  }

  retain(ids: readonly string[]): void {
    this.present = [...ids];
    for (const id of this.known.filter((known) => !ids.includes(known))) this.drop(id);
    this.look();
    this.keepWithinLimit();
  }

  forget(id: string): void {
    this.look();
    if (this.inForce().some((ejection) => ejection.id === id)) this.readmit(id, this.now);
    this.drop(id);
    this.keepWithinLimit();
  }

  readmitNow(id: string): void {
    this.look();
    if (this.ejected().includes(id)) this.readmit(id, this.now);
  }

  look(): void {
    for (const { id, endsAt } of this.inForce()) if (endsAt <= this.now) this.readmit(id, endsAt);
    const elapsed = this.now - this.intervalBegan;
    if (elapsed < this.options.interval) return;
    const outliers = elapsed < 2 * this.options.interval ? this.outliers() : [];
    this.interval++;
    this.intervalBegan = this.now;
    for (const [id, reason] of outliers) this.eject(id, reason);
  }

  ejected(): string[] {
    return this.inForce().map(({ id }) => id);
  }

  limit(): number {
    const count = (this.present ?? this.known).length;
    if (count < 2) return 0;
    // As many as are no greater share than allowed, found by trying.
    let most = 1;
    while (most + 1 < count && (most + 1) / count <= this.options.maxEjectedShare) most++;
    return most;
  }

  view(id: string): object {
    const ejection = this.inForce().find((one) => one.id === id);
    const within = this.withinInterval(id);
    return {
      instanceId: id,
      ejected: ejection !== undefined && this.options.enforcing,
      ...(ejection && !this.options.enforcing ? { enforced: false } : {}),
      reason: ejection?.reason,
      ejectedForMs: ejection && ejection.endsAt - this.now,
      ejections: this.timesLately(id),
      failuresInRow: this.failuresInRow(id),
      calls: within.length,
      failed: within.filter(({ failed }) => failed).length,
    };
  }

  private keepWithinLimit(): void {
    const tooMany = Math.max(0, this.inForce().length - this.limit());
    for (const { id } of this.inForce().slice(0, tooMany)) this.readmit(id, this.now);
  }

  /** Those that would be back first come first; of equal ones, those that were ejected first. */
  private inForce(): Ejected[] {
    return this.ejections.filter(({ endedAt }) => endedAt === Infinity).sort((a, b) => a.endsAt - b.endsAt);
  }

  private timesLately(id: string): number {
    const last = this.ejections.findLast((ejection) => ejection.id === id);
    if (!last) return 0;
    let { times } = last;
    for (let end = last.endedAt + this.options.interval; end < this.now && times > 0; end += this.options.interval)
      times--;
    return times;
  }

  private eject(id: string, reason: EjectionReason): void {
    if (this.ejected().length >= this.limit()) return;
    const { ejectionTime, maxEjectionTime, ejectionJitter } = this.options;
    const times = this.timesLately(id) + 1;
    const ms = Math.min(maxEjectionTime, ejectionTime * times);
    const endsAt = this.now + ms * (1 + ejectionJitter * this.draw());
    this.ejections.push({ id, reason, times, endsAt, endedAt: Infinity });
    this.news.push(`${id} ${reason} ${times}`);
  }

  private readmit(id: string, at: number): void {
    this.ejections.find((ejection) => ejection.id === id && ejection.endedAt === Infinity)!.endedAt = at;
    this.told = this.told.filter((one) => one.id !== id);
    this.news.push(`${id} back`);
  }

  private drop(id: string): void {
    this.known = this.known.filter((known) => known !== id);
    this.told = this.told.filter((one) => one.id !== id);
    this.ejections = this.ejections.filter((ejection) => ejection.id !== id);
  }

  private failuresInRow(id: string): number {
    const { consecutiveFailures, maxEjectionTime } = this.options;
    if (consecutiveFailures === false) return 0;
    const own = this.told.filter((one) => one.id === id);
    const run = own.slice(own.findLastIndex(({ failed }) => !failed) + 1);
    return Math.min(consecutiveFailures, run.filter(({ at }) => this.now - at < maxEjectionTime).length);
  }

  private withinInterval(id: string): Told[] {
    return this.told.filter((one) => one.id === id && one.interval === this.interval);
  }

  private outliers(): Map<string, EjectionReason> {
    const found = new Map<string, EjectionReason>();
    const add = (reason: EjectionReason, bad: readonly (readonly [string, number])[]): void => {
      for (const [id] of [...bad].sort(([, a], [, b]) => b - a)) if (!found.has(id)) found.set(id, reason);
    };
    add('failure_percentage', this.failing());
    add('success_rate', this.failingMore());
    add('latency', this.slower());
    return found;
  }

  private failing(): [string, number][] {
    const { failurePercentage: rule } = this.options;
    if (!rule) return [];
    return this.measured(rule, (calls) => calls, shareOfFailures).filter(([, share]) => share * 100 >= rule.threshold);
  }

  private failingMore(): [string, number][] {
    const { successRate: rule } = this.options;
    if (!rule) return [];
    const rates = this.measured(
      rule,
      (calls) => calls,
      (calls) => 1 - shareOfFailures(calls),
      succeeded,
    );
    return rates.flatMap(([id, rate]) => {
      const others = rates.filter(([other]) => other !== id).map(([, value]) => value);
      const middle = medianOf(others);
      const spread = 1.4826 * medianOf(others.map((value) => Math.abs(value - middle)));
      const calls = this.judgedCalls(id).length;
      const drawn = (middle * calls + 2) / (calls + 4);
      const chance = Math.sqrt((drawn * (1 - drawn)) / calls);
      const isOutlier = rate <= middle - Math.max(rule.margin, rule.factor * spread, 3 * chance);
      return isOutlier ? [[id, -rate] as [string, number]] : [];
    });
  }

  private slower(): [string, number][] {
    const { latency: rule } = this.options;
    if (!rule) return [];
    const latencies = this.measured(
      rule,
      (calls) => calls.filter(({ failed }) => !failed),
      (calls) => {
        const sorted = calls
          .slice(-100)
          .map(({ latency }) => latency)
          .sort((a, b) => a - b);
        return sorted.find((_, index) => index + 1 >= rule.quantile * sorted.length)!;
      },
    );
    return latencies.filter(([id, latency]) => {
      const middle = medianOf(latencies.filter(([other]) => other !== id).map(([, value]) => value));
      return latency >= rule.factor * middle && latency >= middle + rule.margin;
    });
  }

  /** Of each instance with enough calls of the kind, where enough have. */
  private measured(
    rule: { readonly minimumInstances: number; readonly minimumCalls: number },
    kind: (calls: readonly Told[]) => readonly Told[],
    measure: (calls: readonly Told[]) => number,
    exactly: (calls: readonly Told[]) => number = measure,
  ): [string, number][] {
    const all = this.known
      .map((id) => [id, kind(this.judgedCalls(id))] as const)
      .filter(([, calls]) => calls.length >= rule.minimumCalls);
    return all.length >= rule.minimumInstances ? all.map(([id, calls]) => [id, exactly(calls)]) : [];
  }

  private judgedCalls(id: string): Told[] {
    return this.ejected().includes(id) ? [] : this.withinInterval(id);
  }
}

function shareOfFailures(calls: readonly Told[]): number {
  return calls.filter(({ failed }) => failed).length / calls.length;
}

function succeeded(calls: readonly Told[]): number {
  return calls.filter(({ failed }) => !failed).length / calls.length;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
}

const sample = { minimumInstances: fc.integer({ min: 2, max: 3 }), minimumCalls: fc.integer({ min: 1, max: 4 }) };
const off = fc.constant(false as const);
const options: fc.Arbitrary<ResolvedOutlierDetectionOptions> = fc
  .record({
    consecutiveFailures: fc.constantFrom(false as const, 2, 3),
    successRate: fc.oneof(
      off,
      fc.record({ ...sample, factor: fc.constantFrom(0, 1, 1.9), margin: fc.constantFrom(0.05, 0.25) }),
    ),
    failurePercentage: fc.oneof(off, fc.record({ ...sample, threshold: fc.constantFrom(50, 85, 100) })),
    latency: fc.oneof(
      off,
      fc.record({
        ...sample,
        factor: fc.constantFrom(2, 3),
        margin: fc.constantFrom(0, 50),
        quantile: fc.constantFrom(0.5, 0.9),
      }),
    ),
    interval: fc.constantFrom(1_000, 4_000),
    ejectionTime: fc.constantFrom(1_000, 3_000),
    maxEjectionTime: fc.constantFrom(3_000, 8_000),
    ejectionJitter: fc.constantFrom(0, 0.5),
    maxEjectedShare: fc.constantFrom(0.3, 0.5, 0.75, 1),
    enforcing: fc.boolean(),
  })
  .filter((given) =>
    [given.consecutiveFailures, given.successRate, given.failurePercentage, given.latency].some(
      (rule) => rule !== false,
    ),
  );

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const id = fc.constantFrom(...IDS);
const outcome = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<OutcomeClass>('failure', 'retryable') },
  { weight: 5, arbitrary: fc.constant<OutcomeClass>('success') },
  { weight: 1, arbitrary: fc.constant<OutcomeClass>('ignored') },
);
const latencyMs = fc.constantFrom(0, 0, 10, 20, 50, 100, 500, 2_000);

type Event =
  | {
      readonly type: 'calls';
      readonly id: string;
      readonly outcomes: readonly OutcomeClass[];
      readonly latencyMs: number;
    }
  | { readonly type: 'round'; readonly failed: readonly number[]; readonly latencyMs: number; readonly ends: boolean }
  | { readonly type: 'advance'; readonly ms: number }
  /** To the end of an ejection, or just before it; then so many failures again. */
  | { readonly type: 'wait'; readonly short: number; readonly failures: number }
  | { readonly type: 'retain'; readonly ids: readonly string[] }
  | { readonly type: 'forget' | 'readmit'; readonly id: string }
  | { readonly type: 'look' };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('calls' as const),
      id,
      outcomes: fc.array(outcome, { minLength: 1, maxLength: 5 }),
      latencyMs,
    }),
  },
  {
    // Four calls to each instance, of which so many fail: what is compared at the end of the interval.
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('round' as const),
      failed: fc.array(fc.constantFrom(0, 0, 0, 1, 2, 4), { minLength: 3, maxLength: IDS.length }),
      latencyMs,
      ends: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('advance' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constantFrom(1_000, 1_000, 2_000, 4_000, 60_000)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('wait' as const),
      short: fc.constantFrom(0, 0, 1),
      failures: fc.constantFrom(0, 3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('retain' as const), ids: fc.subarray(IDS) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('retain' as const), ids: fc.constant(IDS) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('forget' as const), id }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('readmit' as const), id }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('look' as const) }) },
);

/** Draws that halve without a rest. */
function draws(): () => number {
  let drawn = 0;
  return () => [0, 0.5, 0.75, 0.25][drawn++ % 4]!;
}

describe('the model of the outlier detector', () => {
  it('behaves as its model in any sequence of events, and recovers by itself', () => {
    fc.assert(
      fc.property(options, fc.array(event, { minLength: 1, maxLength: 30 }), (given, events) => {
        const clock = new ManualClock();
        const news: string[] = [];
        const detector = new OutlierDetector(given, {
          clock,
          random: draws(),
          onEject: ({ instanceId, reason, ejections }) => news.push(`${instanceId} ${reason} ${ejections}`),
          onReadmit: (instanceId) => news.push(`${instanceId} back`),
        });
        const model = new Reference(given, draws());

        const tell = (instance: string, how: OutcomeClass, ms: number): void => {
          // Who knows the time may tell it.
          if (news.length % 2 === 0) detector.record(instance, how, ms, clock.now());
          else detector.record(instance, how, ms);
          if (how === 'ignored') model.look();
          else model.record(instance, how !== 'success', ms);
        };
        const advance = (ms: number): void => {
          clock.advance(ms);
          model.now = clock.now();
        };
        const act = (next: Event): void => {
          switch (next.type) {
            case 'calls':
              for (const how of next.outcomes) tell(next.id, how, next.latencyMs);
              return;
            case 'round':
              for (const [index, failed] of next.failed.entries()) {
                for (let call = 0; call < 4; call++) {
                  tell(IDS[index]!, call < failed ? 'failure' : 'success', failed === 1 ? next.latencyMs : 10);
                }
              }
              if (next.ends) advance(given.interval);
              return;
            case 'advance':
              advance(next.ms);
              return;
            case 'wait': {
              const [first] = detector.ejected;
              model.look();
              if (!first) return;
              advance(Math.max(0, detector.explain(first).ejectedForMs! - next.short));
              for (let call = 0; call < next.failures; call++) tell(first, 'failure', 0);
              return;
            }
            case 'retain':
              detector.retain(next.ids);
              model.retain(next.ids);
              return;
            case 'forget':
              detector.forget(next.id);
              model.forget(next.id);
              return;
            case 'readmit':
              detector.readmit(next.id);
              model.readmitNow(next.id);
              return;
            case 'look':
              return;
          }
        };
        const compare = (): void => {
          model.look();
          const does = {
            ejected: [...detector.ejected].sort(),
            mayBeEjected: detector.snapshot().mayBeEjected,
            views: IDS.map((instance) => {
              const { evidence: _, ...view } = detector.explain(instance);
              return view;
            }),
          };
          const should = {
            ejected: given.enforcing ? model.ejected().sort() : [],
            mayBeEjected: model.limit(),
            views: IDS.map((instance) => model.view(instance)),
          };
          // The comparison of `expect` takes most of the time, and is worth it only where it has something to tell.
          if (!isDeepStrictEqual(does, should)) expect(does).toEqual(should);
          if (model.ejected().length > does.mayBeEjected) throw new Error('more are ejected than may be');
        };
        for (const next of events) {
          act(next);
          compare();
        }
        // The last outcomes may still eject an instance, when their interval is evaluated; after that nothing does.
        for (let time = 0; time < 2; time++) {
          advance(Math.max(given.maxEjectionTime * (1 + given.ejectionJitter), given.interval));
          compare();
        }
        expect([...detector.ejected]).toEqual([]);
        expect(news).toEqual(model.news);
      }),
      modelRuns('the outlier detector beside its model', 1_000),
    );
  });
});
