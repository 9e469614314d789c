import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../test/support/model-runs.js';
import { seededRandom } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { createLoadBalancer } from './load-balancing.js';
import { type LoadBalancer, type PickContext, type PickResult } from './load-balancer.js';
import { type LoadBalancerDeps } from './load-balancer.js';
import { STRATEGIES } from './strategies/index.js';
import { type Strategy } from './strategies/strategy.js';
import { LoadBalancingStrategy, type LoadBalancingStrategyName } from './strategies/strategy-names.js';

const NAMES = Object.values(LoadBalancingStrategy);
const MOST = 12;

interface Step {
  /** As a bit mask. */
  readonly tried: number;
  readonly refusing: number;
  /** Which of the running calls ends. */
  readonly ends: number;
  readonly latencyMs: number;
  readonly key: number;
  /** The instance that is unhealthy from now on; none beyond the last one. */
  readonly sick: number;
}

const bits = fc.oneof(
  { weight: 3, arbitrary: fc.nat(2 ** MOST) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 2, 6) },
);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    tried: bits,
    refusing: bits,
    ends: fc.nat(8),
    latencyMs: fc.integer({ min: 1, max: 300 }),
    key: fc.nat(20),
    sick: fc.nat(3 * MOST),
  }),
  { minLength: 1, maxLength: 25 },
);
const weights = fc.array(fc.constantFrom(1, 3, 100, 100, 250), { minLength: 1, maxLength: MOST });

function run(
  balancer: LoadBalancer,
  clock: ManualClock,
  given: readonly number[],
  sequence: readonly Step[],
): string[] {
  const list = given.map((weight, index) => fakeInstance({ instanceId: `i${index}`, weight }));
  const idsOf = (chosen: number): Set<string> =>
    new Set(list.filter((_, index) => (chosen & (1 << index)) !== 0).map(({ instanceId }) => instanceId));
  const running: Extract<PickResult, { kind: 'picked' }>[] = [];
  return sequence.map(({ tried, refusing, ends, latencyMs, key, sick }) => {
    balancer.update(
      list.map((one, index): ServiceInstance => (index === sick ? { ...one, status: 'unhealthy' } : one)),
    );
    const refused = idsOf(refusing);
    const refusal: PickContext['refusal'] = ({ instanceId }) => (refused.has(instanceId) ? 'circuit_open' : undefined);
    const picked = balancer.pick({ exclude: idsOf(tried), refusal, key: `key-${key}`, clientIp: `10.0.0.${key}` });
    clock.advance(latencyMs);
    const [ended] = running.splice(ends, 1);
    ended?.done({ kind: 'response', status: 200, latencyMs });
    if (picked.kind === 'unavailable') return picked.reason;
    running.push(picked);
    return picked.instance.instanceId;
  });
}

describe('a choice that skips some candidates', () => {
  /** Not weighted round robin, which is equal only in fairness, nor least connections, which uses random numbers in another order. */
  const alike = NAMES.filter((name) => !['weighted_round_robin', 'least_connections'].includes(name));

  it.each(alike)('equals a choice from a list without them: %s', (name) => {
    const made = (adapt: (strategy: Strategy) => Strategy, seed: number): [LoadBalancer, ManualClock] => {
      const clock = new ManualClock();
      const factory = (deps: LoadBalancerDeps): Strategy => adapt(STRATEGIES[name](deps));
      const hash = name === 'ip_hash' ? { on: 'ip' as const } : {};
      return [createLoadBalancer({ strategy: factory, hash }, { clock, random: seededRandom(seed) }), clock];
    };
    fc.assert(
      fc.property(weights, steps, fc.nat(), (given, sequence, seed) => {
        const [passing, filtering] = [
          made((strategy) => strategy, seed),
          made((strategy) => Object.assign(strategy, { chooseExcept: undefined }), seed),
        ];
        expect(run(...passing, given, sequence)).toEqual(run(...filtering, given, sequence));
      }),
      modelRuns(`passing over, ${name}`, 50),
    );
  });

  it.each(NAMES.filter((name) => name !== 'least_connections'))(
    'does not copy a long list: %s',
    (name: LoadBalancingStrategyName) => {
      const count = 1_000;
      const balancer = createLoadBalancer(name, { random: seededRandom(1), clock: new ManualClock() });
      balancer.update(Array.from({ length: count }, (_, index) => fakeInstance({ instanceId: `i${index}` })));
      const key = { key: 'k', clientIp: '10.0.0.1' };
      const first = balancer.pick(key);
      if (first.kind !== 'picked') throw new Error(first.reason);
      const lists = jest.spyOn(Array.prototype, 'filter');
      let asked = 0;
      for (let call = 0; call < 50; call++) {
        const exclude = new Set([first.instance.instanceId, `i${call}`]);
        let refusals = 0;
        const refusal: PickContext['refusal'] = () => (asked++, refusals++ < call % 3 ? 'circuit_open' : undefined);
        expect(balancer.pick({ ...key, exclude, refusal }).kind).toBe('picked');
      }
      const lengths = lists.mock.contexts.map((list) => (list as unknown[]).length);
      lists.mockRestore();
      expect(Math.max(0, ...lengths)).toBeLessThan(100);
      expect(asked).toBe(50 + 33 + 16);
    },
  );
});
