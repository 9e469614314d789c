import assert from 'node:assert/strict';
import {
  LoadTracker,
  type LoadBalancer,
  type LoadBalancerDeps,
  type PickContext,
  LOAD_BALANCING_OPTIONS,
  type UnavailableReason,
} from '../balancing/index.js';
import { seededRandom, ServiceDiscoveryError, type Outcome } from '../common/index.js';
import { type ServiceInstance, SILENT } from '../model/index.js';
import { fakeInstance } from './fake-instance.js';
import { type TestHarness } from './harness.js';
import { ManualClock } from './manual-clock.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 5 };
const OUTCOMES: readonly Outcome[] = [
  ANSWERED,
  { kind: 'response', status: 503, latencyMs: 0 },
  { kind: 'error', error: new Error('reset'), latencyMs: 1, neverSent: false },
  { kind: 'error', error: new ServiceDiscoveryError('ABORTED', 'gone'), latencyMs: 2, neverSent: true },
  { kind: 'error', error: undefined, latencyMs: Number.NaN, neverSent: false },
];
/** Enough calls for every random outcome; the seed makes it the same in each run. */
const MANY = 300;
const SEED = 7;

/**
 * Tests that every {@link LoadBalancer} has to pass: which instances it may pick, with any strategy, and what it has to
 * keep track of. How evenly it spreads calls is up to the tests of the strategy.
 * @param harness the test runner, such as Jest's globals
 * @param create creates a balancer from the dependencies that `createLoadBalancer` passes to a class or factory
 */
export function loadBalancerContract(harness: TestHarness, create: (deps: LoadBalancerDeps) => LoadBalancer): void {
  const { describe, it, beforeEach } = harness;
  let clock: ManualClock;
  let balancer: LoadBalancer;

  const newBalancer = (): LoadBalancer =>
    create({
      clock,
      random: seededRandom(SEED),
      loads: new LoadTracker({ clock }),
      events: SILENT,
      options: LOAD_BALANCING_OPTIONS.resolve(),
    });
  const balancing = (...instances: ServiceInstance[]): void => balancer.update(instances);
  /** The ids picked by many calls, sorted. Each call has its own key, for strategies that use it. */
  const picked = (context?: PickContext): string[] => {
    const ids = new Set<string>();
    for (let call = 0; call < MANY; call++) ids.add(pick(balancer, { ...context, key: `key-${call}` }).instanceId);
    return [...ids].sort();
  };
  const assertUnavailable = (reason: UnavailableReason, context?: PickContext): void =>
    assert.deepEqual({ ...balancer.pick(context) }, { kind: 'unavailable', reason });

  describe('as a load balancer', () => {
    beforeEach(() => {
      clock = new ManualClock();
      balancer = newBalancer();
    });

    describe('with a changing list', () => {
      it('has no instance before the first update and after an empty one', () => {
        assertUnavailable('no_instances');
        balancing(instance('a'));
        balancing();
        assertUnavailable('no_instances');
      });

      it('picks every equal instance eventually', () => {
        balancing(instance('a'), instance('b'), instance('c'));
        assert.deepEqual(picked(), ['a', 'b', 'c']);
      });

      it('stops picking removed instances and starts picking new ones', () => {
        balancing(instance('a'), instance('b'));
        picked();
        balancing(instance('b'), instance('c'));
        assert.deepEqual(picked(), ['b', 'c']);
      });

      it('returns an instance as it was last listed', () => {
        balancing(instance('a', { port: 1111 }));
        pick(balancer);
        balancing(instance('a', { port: 2222, generation: 2 }));
        assert.equal(pick(balancer).port, 2222);
      });

      it('follows an instance as it becomes unhealthy and healthy again', () => {
        const [a, b] = [instance('a'), instance('b')];
        balancing(a, b);
        balancing(a, { ...b, status: 'unhealthy' });
        assert.deepEqual(picked(), ['a']);
        balancing(a, b);
        assert.deepEqual(picked(), ['a', 'b']);
      });

      const [a, b, c] = [instance('a'), instance('b'), instance('c')];
      for (const [how, lists, all] of [
        [
          'loses and regains an instance',
          [
            [a, b],
            [c, a, b],
          ],
          ['a', 'b', 'c'],
        ],
        [
          'changes its order',
          [
            [a, b],
            [b, a],
          ],
          ['a', 'b'],
        ],
        [
          'is updated',
          [
            [a, b, c],
            [a, b, c],
          ],
          ['a', 'b', 'c'],
        ],
      ] as const) {
        it(`starves no instance of a list that ${how} before each call`, () => {
          const counts = new Map<string, number>();
          for (let call = 0; call < MANY; call++) {
            balancing(...lists[call % 2 === 0 ? 0 : 1]);
            const { instanceId } = pick(balancer, { key: `key-${call}` });
            counts.set(instanceId, (counts.get(instanceId) ?? 0) + 1);
          }
          for (const id of all) {
            const calls = counts.get(id) ?? 0;
            assert.ok(calls >= MANY / 20, `${id} got ${calls} of ${MANY} calls`);
          }
        });
      }
    });

    describe('eligibility', () => {
      for (const status of ['draining', 'maintenance'] as const) {
        it(`never picks an instance that is ${status}`, () => {
          balancing(instance('a', { status }), instance('b'));
          assert.deepEqual(picked(), ['b']);
          assert.deepEqual(picked({ exclude: new Set(['b']) }), ['b']);
          balancing(instance('a', { status }));
          assertUnavailable('none_healthy');
        });
      }

      it('picks an unhealthy instance only if no other is left', () => {
        balancing(instance('a', { status: 'unhealthy' }), instance('b'), instance('c', { status: 'unknown' }));
        assert.deepEqual(picked(), ['b']);
        assert.deepEqual(picked({ exclude: new Set(['b']) }), ['c']);
        assert.deepEqual(picked({ exclude: new Set(['b', 'c']) }), ['b']);
        balancing(instance('a', { status: 'unhealthy' }), instance('b', { status: 'draining' }));
        assert.deepEqual(picked(), ['a']);
      });

      it('never picks an instance of weight 0', () => {
        balancing(instance('a', { weight: 0 }), instance('b', { weight: 1 }));
        assert.deepEqual(picked(), ['b']);
        balancing(instance('a', { weight: 0 }));
        assertUnavailable('none_healthy');
      });

      it('prefers healthy instances to unchecked ones', () => {
        balancing(instance('a', { status: 'unknown' }), instance('b'));
        assert.deepEqual(picked(), ['b']);
        balancing(instance('a', { status: 'unknown' }), instance('b', { status: 'unhealthy' }));
        assert.deepEqual(picked(), ['a']);
      });

      it('does not send all calls to a few checked instances', () => {
        balancing(instance('a'), instance('b', { status: 'unknown' }), instance('c', { status: 'unknown' }));
        assert.deepEqual(picked(), ['a', 'b', 'c']);
      });

      it('picks only instances with all requested tags', () => {
        balancing(instance('a', { tags: ['api'] }), instance('b', { tags: ['fast', 'api'] }));
        assert.deepEqual(picked({ tags: ['api', 'fast'] }), ['b']);
        assert.deepEqual(picked({ tags: [] }), ['a', 'b']);
        assertUnavailable('no_match', { tags: ['api', 'slow'] });
      });

      it('picks only instances of the requested version', () => {
        balancing(instance('a', { version: '1.1.0' }), instance('b', { version: '1.2.5' }), instance('c'));
        assert.deepEqual(picked({ version: '^1.2' }), ['b']);
        assert.deepEqual(picked({ version: '1.x' }), ['a', 'b']);
        assert.deepEqual(picked(), ['a', 'b', 'c']);
        assertUnavailable('no_match', { version: '^2' });
      });

      it('throws for an invalid version range', () => {
        balancing(instance('a', { version: '1.0.0' }));
        assert.throws(() => balancer.pick({ version: 'not a version' }), { code: 'INVALID_REQUEST' });
      });

      it('stays in the requested zone while an instance there can take the call', () => {
        balancing(instance('a', { zone: 'x' }), instance('b', { zone: 'y' }), instance('c', { zone: 'y' }));
        assert.deepEqual(picked({ zone: 'y' }), ['b', 'c']);
        balancing(instance('a', { zone: 'x' }), instance('b', { zone: 'y', status: 'unhealthy' }));
        assert.deepEqual(picked({ zone: 'y' }), ['a']);
        assert.deepEqual(picked({ zone: 'z' }), ['a']);
      });

      it('picks no instance that the caller refuses', () => {
        balancing(instance('a'), instance('b'), instance('c'));
        assert.deepEqual(picked({ refusal: allBut('b') }), ['b']);
        assertUnavailable('none_available', { refusal: () => 'circuit_open' });
        assert.deepEqual(picked(), ['a', 'b', 'c']);
      });

      it('picks an unchecked instance if the caller refuses all healthy ones', () => {
        balancing(instance('a'), instance('b', { status: 'unknown' }));
        assert.deepEqual(picked({ refusal: allBut('b') }), ['b']);
      });
    });

    describe('retries', () => {
      it('avoid tried instances while there is another one', () => {
        balancing(instance('a'), instance('b'), instance('c'));
        assert.deepEqual(picked({ exclude: new Set(['a']) }), ['b', 'c']);
        assert.deepEqual(picked({ exclude: new Set(['a', 'c']) }), ['b']);
        assert.deepEqual(picked({ exclude: new Set(['a', 'b', 'c']) }), ['a', 'b', 'c']);
        assert.deepEqual(picked({ exclude: new Set(['gone']) }), ['a', 'b', 'c']);
      });

      it('use any other instance rather than the one that failed', () => {
        balancing(instance('a', { zone: 'x' }), instance('b', { zone: 'y' }));
        assert.deepEqual(picked({ zone: 'x', exclude: new Set(['a']) }), ['b']);
        balancing(instance('a'), instance('b', { status: 'unknown' }));
        assert.deepEqual(picked({ exclude: new Set(['a']) }), ['b']);
      });

      it('return to the failed instance rather than to one that does not match', () => {
        balancing(instance('a', { tags: ['api'] }), instance('b'));
        assert.deepEqual(picked({ tags: ['api'], exclude: new Set(['a']) }), ['a']);
      });
    });

    describe('outliers', () => {
      it('are avoided while there is another instance, even a tried one', () => {
        balancing(instance('a'), instance('b'), instance('c', { status: 'unknown' }));
        assert.deepEqual(picked({ avoid: new Set(['a']) }), ['b']);
        assert.deepEqual(picked({ avoid: new Set(['a', 'b']) }), ['c']);
        assert.deepEqual(picked({ avoid: new Set(['a', 'c']), exclude: new Set(['b']) }), ['b']);
        assert.deepEqual(picked({ avoid: new Set(['a', 'b', 'c']) }), ['a', 'b']);
      });

      it('are picked rather than no instance, unless they are refused', () => {
        balancing(instance('a'), instance('b'));
        assert.deepEqual(picked({ avoid: new Set(['a']), refusal: allBut('a') }), ['a']);
        assertUnavailable('none_available', { avoid: new Set(['a']), refusal: () => 'at_capacity' });
      });
    });

    describe('unreachable instances', () => {
      it('are picked after all others, even tried or unhealthy ones', () => {
        balancing(instance('a'), instance('b'), instance('c', { status: 'unhealthy' }));
        assert.deepEqual(picked({ unreachable: new Set(['a']) }), ['b']);
        assert.deepEqual(picked({ unreachable: new Set(['a']), exclude: new Set(['b']) }), ['b']);
        assert.deepEqual(picked({ unreachable: new Set(['a', 'b']) }), ['c']);
        assert.deepEqual(picked({ unreachable: new Set(['a', 'b', 'c']) }), ['a', 'b']);
      });
    });

    describe('outcomes', () => {
      it('are accepted once or several times', () => {
        balancing(instance('a'), instance('b'));
        for (const outcome of OUTCOMES) {
          for (let call = 0; call < 10; call++) {
            const result = balancer.pick();
            assert.ok(result.kind === 'picked');
            result.done(outcome);
            result.done(ANSWERED);
            clock.advance(1_000);
          }
        }
        clock.advance(3_600_000);
        assert.deepEqual(picked(), ['a', 'b']);
      });

      it('are accepted for an instance that is gone', () => {
        balancing(instance('a'));
        const result = balancer.pick();
        assert.ok(result.kind === 'picked');
        balancing(instance('b'));
        result.done(ANSWERED);
        assert.deepEqual(picked(), ['b']);
      });

      it('that are still pending spread calls over several instances', () => {
        balancing(instance('a'), instance('b'), instance('c'));
        const ids = new Set<string>();
        for (let call = 0; call < MANY; call++) {
          const result = balancer.pick({ key: `key-${call}` });
          assert.ok(result.kind === 'picked');
          ids.add(result.instance.instanceId);
        }
        assert.deepEqual([...ids].sort(), ['a', 'b', 'c']);
      });
    });

    it('shares nothing with the balancer of another service', () => {
      const sequence = (between: () => void): string[] => {
        const one = newBalancer();
        one.update([instance('a'), instance('b'), instance('c')]);
        return Array.from({ length: 50 }, (_, call) => {
          between();
          return pick(one, { key: `key-${call}` }).instanceId;
        });
      };
      const other = newBalancer();
      other.update([instance('a'), instance('b'), instance('c')]);
      assert.deepEqual(
        sequence(() => void other.pick()),
        sequence(() => undefined),
      );
    });
  });
}

function instance(instanceId: string, more: Partial<ServiceInstance> = {}): ServiceInstance {
  return fakeInstance({ instanceId, ...more });
}

function allBut(id: string): NonNullable<PickContext['refusal']> {
  return ({ instanceId }) => (instanceId === id ? undefined : 'circuit_open');
}

/** Makes one call, which succeeds at once. */
function pick(balancer: LoadBalancer, context?: PickContext): ServiceInstance {
  const result = balancer.pick(context);
  assert.ok(result.kind === 'picked', 'no instance was picked');
  result.done(ANSWERED);
  return result.instance;
}
