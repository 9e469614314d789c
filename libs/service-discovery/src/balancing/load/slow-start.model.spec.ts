import { describe, it } from '@jest/globals';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type InstanceStatus, type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { createLoadBalancer } from '../load-balancing.js';
import { type SlowStartOptions } from '../load-balancing-options.js';
import { type Candidate, type Strategy } from '../strategies/strategy.js';

const IDS = ['a', 'b', 'c', 'd'];
const WINDOW_MS = 1_000;
/** How far weights may lag behind. */
const STEP_MS = WINDOW_MS / 100;

type Step =
  | { readonly kind: 'list'; readonly instances: readonly ServiceInstance[] }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'pick' };

const instanceOf = (instanceId: string): fc.Arbitrary<ServiceInstance> =>
  fc
    .record({
      status: fc.constantFrom<InstanceStatus>('healthy', 'healthy', 'healthy', 'unhealthy', 'draining', 'unknown'),
      generation: fc.constantFrom(1, 1, 1, 2),
      weight: fc.constantFrom(1, 100, 100, 0),
    })
    .map((more) => fakeInstance({ instanceId, ...more }));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc
      .subarray(IDS)
      .chain((ids) => fc.tuple(...ids.map(instanceOf)))
      .map((instances): Step => ({ kind: 'list', instances: [...instances] })),
    fc.constantFrom(0, 3, 50, 100, 333, 999, 1_000).map((ms): Step => ({ kind: 'wait', ms })),
    fc.constant<Step>({ kind: 'pick' }),
  ),
  { minLength: 1, maxLength: 30 },
);

const settings: fc.Arbitrary<SlowStartOptions> = fc.record({
  window: fc.constant(WINDOW_MS),
  aggression: fc.constantFrom(0.5, 1, 2),
  minimumWeight: fc.constantFrom(0.01, 0.1, 0.5, 1),
});

/** Keeps every list and derives from them when an instance started. */
class Reference {
  private readonly history: { readonly at: number; readonly ready: ReadonlyMap<string, number> }[] = [];

  constructor(private readonly options: SlowStartOptions) {}

  list(instances: readonly ServiceInstance[], at: number): void {
    const serving = instances.filter(({ status, weight }) => weight > 0 && ['healthy', 'unknown'].includes(status));
    const healthy = serving.filter(({ status }) => status === 'healthy');
    const weigh = (some: readonly ServiceInstance[]): number => some.reduce((sum, { weight }) => sum + weight, 0);
    const ready = healthy.length > 0 && weigh(healthy) * 2 >= weigh(serving) ? healthy : serving;
    this.history.push({ at, ready: new Map(ready.map(({ instanceId, generation }) => [instanceId, generation])) });
  }

  factorOf(id: string, now: number): number {
    const began = this.beganAt(id);
    if (began === undefined || now >= began + WINDOW_MS) return 1;
    return Math.max(
      this.options.minimumWeight,
      (Math.max(0, now - began) / WINDOW_MS) ** (1 / this.options.aggression),
    );
  }

  /** The first of the latest consecutive lists with it; undefined if no other instance stayed when that run began. */
  private beganAt(id: string): number | undefined {
    const generation = this.history.at(-1)?.ready.get(id);
    if (generation === undefined) return undefined;
    const before = this.history.findLastIndex(({ ready }) => ready.get(id) !== generation);
    const [last, first] = [this.history[before], this.history[before + 1]];
    const stayed = [...(first?.ready ?? [])].some(([other, own]) => last?.ready.get(other) === own);
    return stayed ? first?.at : undefined;
  }
}

/** Records the candidates' weights. */
class Scale implements Strategy {
  readonly isWeighted = true;
  weighed: readonly (readonly [id: string, weight: number])[] = [];

  choose(candidates: readonly Candidate[]): Candidate {
    this.weighed = candidates.map(({ instance, weight }) => [instance.instanceId, weight] as const);
    return candidates[0]!;
  }
}

describe('slow start compared with a model that keeps every list', () => {
  it('gives every instance the factor that follows from its history, and strategies the matching weight', () => {
    const property = fc.property(settings, steps, (slowStart, sequence) => {
      const clock = new ManualClock();
      const scale = new Scale();
      const balancer = createLoadBalancer({ strategy: () => scale, slowStart }, { clock });
      const model = new Reference(slowStart);
      let listed: readonly ServiceInstance[] = [];
      for (const step of sequence) {
        if (step.kind === 'wait') clock.advance(step.ms);
        if (step.kind === 'list') {
          balancer.update(step.instances);
          model.list(step.instances, clock.now());
          listed = step.instances;
        }
        const now = clock.now();
        if (step.kind === 'pick' && balancer.pick().kind === 'picked') {
          for (const [id, weight] of scale.weighed) {
            const own = listed.find(({ instanceId }) => instanceId === id)!.weight;
            const most = own * model.factorOf(id, now);
            const least = own * Math.min(most, model.factorOf(id, now - STEP_MS));
            assert.ok(
              weight <= most + 1e-9 && weight >= least - 1e-9,
              `${id} weighs ${weight}, not ${least} to ${most}`,
            );
          }
        }
        for (const { instanceId, slowStart: part } of balancer.explain?.().instances ?? []) {
          assert.ok(Math.abs(part - model.factorOf(instanceId, now)) < 1e-9, `${instanceId} has ${part}`);
        }
      }
    });
    fc.assert(property, modelRuns('slow start', 1_000));
  });
});
