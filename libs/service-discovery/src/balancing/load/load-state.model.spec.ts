import { describe, it } from '@jest/globals';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { createLoadBalancer } from '../load-balancing.js';
import { type LoadBalancer, type PickResult } from '../load-balancer.js';
import { LoadTracker } from './load-tracker.js';
import { LoadBalancingStrategy } from '../strategies/strategy-names.js';

const NAMES = Object.values(LoadBalancingStrategy);

/** Changes of an instance that do not affect picks. */
const unrelated: fc.Arbitrary<Partial<ServiceInstance>> = fc.record(
  {
    lastHeartbeat: fc.integer({ min: 1, max: 1_000 }),
    metadata: fc.record({ note: fc.string({ maxLength: 3 }) }),
    tags: fc.subarray(['x', 'y']),
    ttlMs: fc.constantFrom(1_000, 2_000),
  },
  { requiredKeys: [] },
);

type Step =
  | { readonly kind: 'call'; readonly key: string }
  | { readonly kind: 'answer'; readonly which: number; readonly status: number; readonly latencyMs: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'change'; readonly of: number; readonly change: Partial<ServiceInstance>; readonly ill: boolean };

const steps = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 9 }).map((key): Step => ({ kind: 'call', key: `key-${key}` })),
    fc
      .record({ which: fc.nat(9), status: fc.constantFrom(200, 503), latencyMs: fc.integer({ min: 1, max: 500 }) })
      .map((more): Step => ({ kind: 'answer', ...more })),
    fc.constantFrom(1, 500, 9_000).map((ms): Step => ({ kind: 'wait', ms })),
    fc
      .record({ of: fc.nat(4), change: unrelated, ill: fc.boolean() })
      .map((more): Step => ({ kind: 'change', ...more })),
  ),
  { minLength: 5, maxLength: 40 },
);

interface Bench {
  readonly balancer: LoadBalancer;
  readonly loads: LoadTracker;
  readonly calls: Extract<PickResult, { kind: 'picked' }>[];
  readonly taken: string[];
}

describe('the load of instances', () => {
  it('survives unrelated changes and explanations with any strategy, and the order of picks with it', () => {
    // Not maglev: building its table makes each run slow, and it caches tables the same way as consistent_hash.
    const names = fc.constantFrom(...NAMES.filter((name) => name !== 'maglev'));
    const property = fc.property(names, fc.integer(), steps, (name, seed, sequence) => {
      const clock = new ManualClock();
      const bench = (): Bench => {
        const loads = new LoadTracker({ clock });
        return {
          balancer: createLoadBalancer(name, { clock, random: seededRandom(seed), loads }),
          loads,
          calls: [],
          taken: [],
        };
      };
      const [still, stirred] = [bench(), bench()];
      let list = Array.from({ length: 5 }, (_, index) => fakeInstance({ instanceId: `i${index}` }));
      for (const { balancer } of [still, stirred]) balancer.update(list);
      for (const step of sequence) {
        if (step.kind === 'wait') clock.advance(step.ms);
        if (step.kind === 'change') {
          // An instance that takes no calls comes and goes.
          const other = fakeInstance({ instanceId: 'other', status: step.ill ? 'unhealthy' : 'maintenance' });
          list = list.map((instance, index) => (index === step.of ? { ...instance, ...step.change } : { ...instance }));
          stirred.balancer.update(step.ill ? [other, ...list] : [...list, other]);
        }
        stirred.balancer.explain?.({ key: 'k', exclude: new Set(['i1']), refusal: () => undefined });
        for (const { balancer, calls, taken } of [still, stirred]) {
          if (step.kind === 'call') {
            const picked = balancer.pick({ key: step.key, clientIp: step.key });
            assert.ok(picked.kind === 'picked');
            calls.push(picked);
            taken.push(picked.instance.instanceId);
          }
          if (step.kind === 'answer') {
            const { status, latencyMs } = step;
            calls.splice(step.which, 1)[0]?.done({ kind: 'response', status, latencyMs });
          }
        }
      }
      assert.deepEqual(stirred.taken, still.taken);
      const loadOf = ({ loads }: Bench): unknown =>
        list.map(({ instanceId }) => [loads.of(instanceId).active, loads.of(instanceId).peekMs(clock.now())]);
      assert.deepEqual(loadOf(stirred), loadOf(still));
    });
    fc.assert(property, modelRuns('load state', 1_000));
  });

  it.each(NAMES)('survives 1,000 identical updates between the calls of %s', (name) => {
    const clock = new ManualClock();
    const [still, stirred] = [0, 1].map(() => createLoadBalancer(name, { clock, random: seededRandom(1) })) as [
      LoadBalancer,
      LoadBalancer,
    ];
    const list = (): ServiceInstance[] =>
      Array.from({ length: 5 }, (_, index) => fakeInstance({ instanceId: `i${index}`, weight: index + 1 }));
    const call = (balancer: LoadBalancer, key: string): string => {
      const picked = balancer.pick({ key, clientIp: key });
      assert.ok(picked.kind === 'picked');
      if (Number(key) % 3 > 0) picked.done({ kind: 'response', status: 200, latencyMs: Number(key) % 7 });
      return picked.instance.instanceId;
    };
    for (const balancer of [still, stirred]) balancer.update(list());
    for (let update = 0; update < 1_000; update++) {
      stirred.update(list());
      assert.equal(call(stirred, String(update)), call(still, String(update)));
      clock.advance(1);
    }
    assert.deepEqual(stirred.explain?.(), still.explain?.());
  });
});
