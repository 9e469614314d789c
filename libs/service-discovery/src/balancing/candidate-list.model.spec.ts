import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../test/support/model-runs.js';
import { type ServiceInstance } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { type LoadBalancer, type PickContext } from './load-balancer.js';
import { createLoadBalancer, type LoadBalancingSettings } from './load-balancing.js';
import { LoadTracker } from './load/load-tracker.js';
import { type Candidate, type Strategy, type PickArgs } from './strategies/strategy.js';

/** Chooses the last candidate and records what it was given. */
class Last implements Strategy {
  readonly picks: PickArgs[] = [];
  readonly admitted: string[] = [];

  admit(known: Candidate): Candidate {
    this.admitted.push(known.instance.instanceId);
    return known;
  }

  choose(candidates: readonly Candidate[], args: PickArgs): Candidate {
    this.picks.push(args);
    return candidates.at(-1)!;
  }
}

const fields = {
  status: fc.constantFrom('healthy', 'unhealthy', 'draining', 'unknown'),
  weight: fc.constantFrom(0, 1, 100),
  zone: fc.constantFrom('x', 'y'),
  version: fc.constantFrom('1.0.0', '2.0.0'),
  tags: fc.subarray(['s', 't']),
  metadata: fc.record({ level: fc.constantFrom(0, 1) }),
  generation: fc.constantFrom(1, 2),
  lastHeartbeat: fc.nat(3),
} as const;
/** Mostly changes of one field, so that none is masked by another. */
const state: fc.Arbitrary<Partial<ServiceInstance>> = fc.oneof(
  fc.record(fields, { requiredKeys: [] }),
  ...Object.entries(fields).map(([name, values]) =>
    (values as fc.Arbitrary<unknown>).map((value): Partial<ServiceInstance> => ({ [name]: value })),
  ),
);
const id = fc.constantFrom(...'abcdef');
/** From an empty list, a few changes at a time and occasionally many. */
const changes = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ put: id, state }) },
    { weight: 2, arbitrary: fc.record({ drop: id }) },
    { weight: 1, arbitrary: fc.record({ order: fc.shuffledSubarray([...'abcdef']), state }) },
  ),
  { minLength: 1, maxLength: 12 },
);
type Change = (typeof changes extends fc.Arbitrary<infer All> ? All : never)[number];

function after(list: readonly ServiceInstance[], change: Change): ServiceInstance[] {
  if ('drop' in change) return list.filter(({ instanceId }) => instanceId !== change.drop);
  const renewed = (instanceId: string): ServiceInstance => {
    const known = list.find((instance) => instance.instanceId === instanceId);
    return { ...(known ?? fakeInstance({ instanceId, version: '1.0.0' })), ...change.state };
  };
  if ('order' in change) return change.order.map(renewed);
  const isKnown = list.some(({ instanceId }) => instanceId === change.put);
  if (!isKnown) return [...list, renewed(change.put)];
  return list.map((instance) => (instance.instanceId === change.put ? renewed(change.put) : instance));
}

const OPTIONS: readonly LoadBalancingSettings[] = [
  {},
  { priorities: { by: 'level' } },
  { zone: { prefer: 'x' }, panicThreshold: 0.4 },
  { versionWeights: { '1.x': 3, '2.x': 1 } },
];
/** With a key, which selects the pool. */
const CALLS: readonly PickContext[] = [
  {},
  { zone: 'y' },
  { version: '^1' },
  { tags: ['s'] },
  { avoid: new Set(['a']) },
];

const stateOf = ({ instance, weight }: Candidate): unknown => [instance, weight];

describe('an update', () => {
  const create = (options: LoadBalancingSettings): { balancer: LoadBalancer; strategy: Last; loads: LoadTracker } => {
    const strategy = new Last();
    const clock = new ManualClock();
    const loads = new LoadTracker({ clock });
    return {
      balancer: createLoadBalancer({ ...options, strategy: () => strategy }, { clock, loads }),
      strategy,
      loads,
    };
  };
  const outcomes = ({ balancer, strategy }: { balancer: LoadBalancer; strategy: Last }): unknown =>
    CALLS.map((call) => {
      const picked = balancer.pick({ ...call, key: 'k' });
      if (picked.kind === 'unavailable') return picked.reason;
      picked.done({ kind: 'response', status: 200, latencyMs: 1 });
      const { base, registered: find } = strategy.picks.at(-1)!;
      const registered = find();
      expect(registered.filter((candidate) => base.includes(candidate))).toEqual(base);
      return [picked.instance, ...[base, registered].map((list) => list.map(stateOf))];
    });

  it('leaves a balancer like one that only knows the last list, except for the loads of instances that stayed', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OPTIONS), changes, (options, sequence) => {
        const changed = create(options);
        let list: ServiceInstance[] = [];
        const admitted: string[] = [];
        for (const change of sequence) {
          const before = new Map(list.map(({ instanceId }) => [instanceId, changed.loads.of(instanceId)]));
          list = after(list, change);
          changed.balancer.update(list);
          for (const { instanceId } of list) {
            if (before.has(instanceId)) expect(changed.loads.of(instanceId)).toBe(before.get(instanceId));
            else admitted.push(instanceId);
          }
          const fresh = create(options);
          fresh.balancer.update(list);
          expect(outcomes(changed)).toEqual(outcomes(fresh));
        }
        expect(changed.strategy.admitted).toEqual(admitted);
      }),
      modelRuns('updates', 100),
    );
  });
});
