import assert from 'node:assert/strict';
import {
  LoadTracker,
  type LoadBalancer,
  type LoadBalancerDeps,
  type PickContext,
  resolveLoadBalancingOptions,
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
/** Enough for chance to come by everywhere; the seed makes sure that it does so in each run. */
const MANY = 300;
const SEED = 7;

/**
 * What every {@link LoadBalancer} must do, as tests: whom it may pick, whatever its strategy, and what it must not
 * forget or mix up. How evenly it spreads calls is for the tests of the strategy.
 * @param harness the test runner, such as Jest's globals
 * @param create makes a balancer out of what `createLoadBalancer` hands to a class or factory
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
      options: resolveLoadBalancingOptions(),
    });
  const balancing = (...instances: ServiceInstance[]): void => balancer.update(instances);
  /** Whom many calls go to, in order of the ids. Each has a key of its own, for strategies that go by it. */
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

    describe('over a list that changes', () => {
      it('has nobody before the first update and after an empty one', () => {
        assertUnavailable('no_instances');
        balancing(instance('a'));
        balancing();
        assertUnavailable('no_instances');
      });

      it('picks every instance of equal standing sooner or later', () => {
        balancing(instance('a'), instance('b'), instance('c'));
        assert.deepEqual(picked(), ['a', 'b', 'c']);
      });

      it('picks nobody who is no longer listed, and whoever is new', () => {
        balancing(instance('a'), instance('b'));
        picked();
        balancing(instance('b'), instance('c'));
        assert.deepEqual(picked(), ['b', 'c']);
      });

      it('hands out an instance as it was listed last', () => {
        balancing(instance('a', { port: 1111 }));
        pick(balancer);
        balancing(instance('a', { port: 2222, generation: 2 }));
        assert.equal(pick(balancer).port, 2222);
      });

      it('follows an instance from health to sickness and back', () => {
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
          'is listed anew',
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

    describe('choosing who may take a call', () => {
      for (const status of ['draining', 'maintenance'] as const) {
        it(`never picks an instance that is ${status}`, () => {
          balancing(instance('a', { status }), instance('b'));
          assert.deepEqual(picked(), ['b']);
          assert.deepEqual(picked({ exclude: new Set(['b']) }), ['b']);
          balancing(instance('a', { status }));
          assertUnavailable('none_healthy');
        });
      }

      it('picks an unhealthy instance only where no other one is left', () => {
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

      it('lets instances that have not been checked yet stand behind healthy ones', () => {
        balancing(instance('a', { status: 'unknown' }), instance('b'));
        assert.deepEqual(picked(), ['b']);
        balancing(instance('a', { status: 'unknown' }), instance('b', { status: 'unhealthy' }));
        assert.deepEqual(picked(), ['a']);
      });

      it('does not send the calls of all to the few that have been checked', () => {
        balancing(instance('a'), instance('b', { status: 'unknown' }), instance('c', { status: 'unknown' }));
        assert.deepEqual(picked(), ['a', 'b', 'c']);
      });

      it('picks only instances with all the tags asked for', () => {
        balancing(instance('a', { tags: ['api'] }), instance('b', { tags: ['fast', 'api'] }));
        assert.deepEqual(picked({ tags: ['api', 'fast'] }), ['b']);
        assert.deepEqual(picked({ tags: [] }), ['a', 'b']);
        assertUnavailable('no_match', { tags: ['api', 'slow'] });
      });

      it('picks only instances of the version asked for', () => {
        balancing(instance('a', { version: '1.1.0' }), instance('b', { version: '1.2.5' }), instance('c'));
        assert.deepEqual(picked({ version: '^1.2' }), ['b']);
        assert.deepEqual(picked({ version: '1.x' }), ['a', 'b']);
        assert.deepEqual(picked(), ['a', 'b', 'c']);
        assertUnavailable('no_match', { version: '^2' });
      });

      it('throws at a version that is no range', () => {
        balancing(instance('a', { version: '1.0.0' }));
        assert.throws(() => balancer.pick({ version: 'not a version' }), { code: 'INVALID_REQUEST' });
      });

      it('stays in the zone asked for while somebody there can take the call', () => {
        balancing(instance('a', { zone: 'x' }), instance('b', { zone: 'y' }), instance('c', { zone: 'y' }));
        assert.deepEqual(picked({ zone: 'y' }), ['b', 'c']);
        balancing(instance('a', { zone: 'x' }), instance('b', { zone: 'y', status: 'unhealthy' }));
        assert.deepEqual(picked({ zone: 'y' }), ['a']);
        assert.deepEqual(picked({ zone: 'z' }), ['a']);
      });

      it('picks nobody whom the caller refuses', () => {
        balancing(instance('a'), instance('b'), instance('c'));
        assert.deepEqual(picked({ refusal: allBut('b') }), ['b']);
        assertUnavailable('none_available', { refusal: () => 'circuit_open' });
        assert.deepEqual(picked(), ['a', 'b', 'c']);
      });

      it('goes to one not checked yet where the caller refuses all healthy ones', () => {
        balancing(instance('a'), instance('b', { status: 'unknown' }));
        assert.deepEqual(picked({ refusal: allBut('b') }), ['b']);
      });
    });

    describe('trying again', () => {
      it('avoids the instances that were tried while there is another one', () => {
        balancing(instance('a'), instance('b'), instance('c'));
        assert.deepEqual(picked({ exclude: new Set(['a']) }), ['b', 'c']);
        assert.deepEqual(picked({ exclude: new Set(['a', 'c']) }), ['b']);
        assert.deepEqual(picked({ exclude: new Set(['a', 'b', 'c']) }), ['a', 'b', 'c']);
        assert.deepEqual(picked({ exclude: new Set(['gone']) }), ['a', 'b', 'c']);
      });

      it('goes anywhere rather than back to the instance that failed', () => {
        balancing(instance('a', { zone: 'x' }), instance('b', { zone: 'y' }));
        assert.deepEqual(picked({ zone: 'x', exclude: new Set(['a']) }), ['b']);
        balancing(instance('a'), instance('b', { status: 'unknown' }));
        assert.deepEqual(picked({ exclude: new Set(['a']) }), ['b']);
      });

      it('goes back to the instance that failed rather than to one without what was asked for', () => {
        balancing(instance('a', { tags: ['api'] }), instance('b'));
        assert.deepEqual(picked({ tags: ['api'], exclude: new Set(['a']) }), ['a']);
      });
    });

    describe('keeping away from outliers', () => {
      it('avoids them while there is another one, even one that was tried', () => {
        balancing(instance('a'), instance('b'), instance('c', { status: 'unknown' }));
        assert.deepEqual(picked({ avoid: new Set(['a']) }), ['b']);
        assert.deepEqual(picked({ avoid: new Set(['a', 'b']) }), ['c']);
        assert.deepEqual(picked({ avoid: new Set(['a', 'c']), exclude: new Set(['b']) }), ['b']);
        assert.deepEqual(picked({ avoid: new Set(['a', 'b', 'c']) }), ['a', 'b']);
      });

      it('takes an outlier rather than nobody, but not one that is refused', () => {
        balancing(instance('a'), instance('b'));
        assert.deepEqual(picked({ avoid: new Set(['a']), refusal: allBut('a') }), ['a']);
        assertUnavailable('none_available', { avoid: new Set(['a']), refusal: () => 'at_capacity' });
      });
    });

    describe('keeping away from instances out of reach', () => {
      it('takes any other instance first, even one that was tried or is unhealthy', () => {
        balancing(instance('a'), instance('b'), instance('c', { status: 'unhealthy' }));
        assert.deepEqual(picked({ unreachable: new Set(['a']) }), ['b']);
        assert.deepEqual(picked({ unreachable: new Set(['a']), exclude: new Set(['b']) }), ['b']);
        assert.deepEqual(picked({ unreachable: new Set(['a', 'b']) }), ['c']);
        assert.deepEqual(picked({ unreachable: new Set(['a', 'b', 'c']) }), ['a', 'b']);
      });
    });

    describe('hearing how calls end', () => {
      it('takes every outcome, once or several times, and goes on', () => {
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

      it('takes the outcome of a call to an instance that is gone', () => {
        balancing(instance('a'));
        const result = balancer.pick();
        assert.ok(result.kind === 'picked');
        balancing(instance('b'));
        result.done(ANSWERED);
        assert.deepEqual(picked(), ['b']);
      });

      it('spreads calls that have not ended over more than one instance', () => {
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

/** Makes one call, which is answered at once. */
function pick(balancer: LoadBalancer, context?: PickContext): ServiceInstance {
  const result = balancer.pick(context);
  assert.ok(result.kind === 'picked', 'nobody was picked');
  result.done(ANSWERED);
  return result.instance;
}
